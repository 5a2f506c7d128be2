"""Jobs on this host: start one detached, say how it is, stream its log, cancel it.

Runs on the host (sent there by deployer/remote/agent.py) with Python 3.8 or newer and the standard library only; the
other side is deployer/remote/job.py. One job runs at a time. Its supervisor holds `~/.deployer/jobs.lock` as long as
it lives, so "is it running" asks the kernel who holds the lock and never trusts a process number.

    start JOB < SPEC            prints a status, or why the start is refused
    status JOB | list           prints a status, or all of them
    cancel JOB GRACE_SECONDS    prints the status after the end
    follow JOB OFFSET           streams frames: kind (1 byte), length (4 bytes), JSON ("J") or bytes of the log ("L")
"""
