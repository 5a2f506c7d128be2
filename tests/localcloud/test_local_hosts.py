"""Hosts behind instances: what ssh, scp and rsync find there, and what stopping and terminating ends."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cloud_machines import Machine, describe, wait_for

from deployer.localcloud import daemon
from deployer.localcloud.processes import start_time

Launch = Callable[..., Machine]
Aws = Callable[..., Any]


def test_host_runs_a_command_and_passes_input_output_and_exit_code(launch: Launch) -> None:
    machine = launch()

    result = machine.ssh("cat; echo problem >&2; exit 7", text="line\n" * 100_000)

    assert result.returncode == 7
    assert result.stdout == "line\n" * 100_000
    assert result.stderr == "problem\n"


def test_host_environment_is_the_instance_s_and_not_the_caller_s(
    launch: Launch, local_cloud: daemon.RunningCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("DEPLOYER_REGION", "eu-west-1")
    machine = launch()

    lines = machine.ssh("env").stdout.splitlines()
    found = dict(line.split("=", 1) for line in lines if "=" in line)

    assert found["AWS_ENDPOINT_URL"] == local_cloud.endpoint
    assert found["AWS_ACCESS_KEY_ID"] != local_cloud.environment()["AWS_ACCESS_KEY_ID"]
    assert found["AWS_DEFAULT_REGION"] == found["AWS_REGION"] == "us-east-1"
    assert found["HOME"] == str(local_cloud.directory / "hosts" / machine.id / "home")
    assert found["USER"] == "ubuntu"
    assert not {"AWS_PROFILE", "DEPLOYER_REGION", "PYTHONPATH", "VIRTUAL_ENV", "SSH_AUTH_SOCK"} & set(found)


@pytest.mark.parametrize("user", ["root", "ec2-user", "somebody"])
def test_host_refuses_a_login_name_that_the_image_does_not_have(launch: Launch, user: str) -> None:
    machine = launch()

    line = ["ssh", *machine.ssh_options, "-o", "BatchMode=yes", f"{user}@{machine.address}", "true"]
    result = subprocess.run(line, capture_output=True, text=True, timeout=20, check=False)

    assert result.returncode == 255
    assert "Permission denied" in result.stderr


def test_host_refuses_a_key_that_is_not_the_instance_s(launch: Launch, ssh_key: Path, tmp_path: Path) -> None:
    machine = launch()
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)

    machine.ssh_options = [word.replace(str(ssh_key), str(other)) for word in machine.ssh_options]
    result = machine.ssh("true", options=("-o", "BatchMode=yes"))

    assert result.returncode == 255
    assert "Permission denied" in result.stderr


def test_host_key_is_the_one_that_the_console_shows(launch: Launch, aws: Aws, tmp_path: Path) -> None:
    machine = launch()

    console = aws("ec2").get_console_output(InstanceId=machine.id, Latest=True)["Output"]
    block = console.split("-----BEGIN SSH HOST KEY KEYS-----")[1].split("-----END SSH HOST KEY KEYS-----")[0]
    kind, material = block.split()[:2]
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"{machine.id} {kind} {material}\n")
    pinned = ("-o", f"HostKeyAlias={machine.id}", "-o", f"UserKnownHostsFile={known_hosts}")
    result = machine.ssh("true", options=("-o", "StrictHostKeyChecking=yes", *pinned))

    assert result.returncode == 0
    fingerprint = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(known_hosts)], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    assert fingerprint in console.split("-----END SSH HOST KEY FINGERPRINTS-----")[0]


def test_files_travel_by_scp_and_rsync(launch: Launch, tmp_path: Path) -> None:
    machine = launch()
    source = tmp_path / "source"
    source.mkdir()
    (source / "one with space.bin").write_bytes(os.urandom(300_000))
    (source / "two.txt").write_text("two")
    shell = " ".join(["ssh", *machine.ssh_options])
    there = f"ubuntu@{machine.address}"

    for line in (
        ["scp", *machine.ssh_options, str(source / "one with space.bin"), f"{there}:one.bin"],
        ["scp", "-O", *machine.ssh_options, str(source / "two.txt"), f"{there}:legacy.txt"],
        ["scp", *machine.ssh_options, f"{there}:one.bin", str(tmp_path / "back.bin")],
        ["rsync", "-a", "-e", shell, f"{source}/", f"{there}:tree/"],
    ):
        done = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, (line[0], done.stderr)

    assert (tmp_path / "back.bin").read_bytes() == (source / "one with space.bin").read_bytes()
    digest = hashlib.sha256((source / "one with space.bin").read_bytes()).hexdigest()
    assert machine.ssh("sha256sum 'tree/one with space.bin'; cat legacy.txt").stdout.split()[::2][0] == digest


def test_terminal_has_a_size_and_ctrl_c_interrupts(launch: Launch) -> None:
    machine = launch()

    result = machine.ssh("trap 'echo interrupted; exit 130' INT; stty size; kill -INT $$; sleep 5", options=("-tt",))

    assert result.returncode == 130
    assert "interrupted" in result.stdout
    assert "24 80" in result.stdout


def test_ctrl_c_typed_on_the_terminal_reaches_the_program_in_front(launch: Launch) -> None:
    machine = launch()
    line = ["ssh", *machine.ssh_options, "-tt", f"ubuntu@{machine.address}", "echo ready; exec sleep 60"]

    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        assert client.stdout.readline().strip() == b"ready"
        client.stdin.write(b"\x03")
        client.stdin.flush()

        assert client.wait(10) in {128 + signal.SIGINT, 255}


def test_tunnel_leads_to_a_port_of_the_host_and_nowhere_else(launch: Launch) -> None:
    machine = launch()
    with socket.create_server(("127.0.0.1", 0)) as service:
        service.settimeout(10)
        port = service.getsockname()[1]
        line = ["ssh", *machine.ssh_options, "-W", f"127.0.0.1:{port}", f"ubuntu@{machine.address}"]
        with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tunnel:
            try:
                accepted, _ = service.accept()
                accepted.sendall(b"hello")
                assert tunnel.stdout is not None
                assert tunnel.stdout.read(5) == b"hello"
            finally:
                tunnel.kill()
            accepted.close()

    outside = ["ssh", *machine.ssh_options, "-W", "192.0.2.1:80", f"ubuntu@{machine.address}"]
    refused = subprocess.run(outside, input="", capture_output=True, text=True, timeout=20, check=False)
    assert refused.returncode == 255


def test_detached_process_survives_the_connection_and_ends_with_the_instance(launch: Launch, aws: Aws) -> None:
    machine = launch()
    started = machine.ssh("setsid nohup sleep 600 >/dev/null 2>&1 & echo $!")
    assert started.returncode == 0
    listed = machine.ssh(
        "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline | grep -q '^sleep 600' && basename $p; done"
    )
    pid = int(listed.stdout.split()[0])

    assert start_time(pid)
    aws("ec2").terminate_instances(InstanceIds=[machine.id])

    assert not start_time(pid)


def test_stop_and_start_keep_home_and_key_and_change_the_address(
    launch: Launch, aws: Aws, local_cloud: daemon.RunningCloud
) -> None:
    ec2, machine = aws("ec2"), launch()
    machine.ssh("echo kept > note")
    console = ec2.get_console_output(InstanceId=machine.id)["Output"]

    ec2.stop_instances(InstanceIds=[machine.id])
    assert machine.ssh("true").returncode == 255
    assert f"Host {machine.address}\n" not in (local_cloud.directory / "ssh_config").read_text()
    ec2.start_instances(InstanceIds=[machine.id])
    again = Machine(machine.id, describe(ec2, machine.id)["PublicIpAddress"], machine.ssh_options)

    assert again.address != machine.address
    assert again.ssh("cat note").stdout == "kept\n"
    assert ec2.get_console_output(InstanceId=machine.id)["Output"] == console


def test_terminated_instance_leaves_nothing_on_this_machine(
    launch: Launch, aws: Aws, local_cloud: daemon.RunningCloud
) -> None:
    machine = launch()
    port = next(item["ssh_port"] for item in _status(local_cloud)["instances"] if item["instance_id"] == machine.id)

    aws("ec2").terminate_instances(InstanceIds=[machine.id])

    assert not (local_cloud.directory / "hosts" / machine.id).exists()
    assert machine.address not in (local_cloud.directory / "ssh_config").read_text()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 2)


@pytest.mark.parametrize(
    ("command", "behaviour", "state"),
    [
        ("sudo shutdown now", "terminate", "terminated"),
        ("poweroff", "stop", "stopped"),
        ("bash -lc 'sudo -n shutdown -h now'", "terminate", "terminated"),
        ("shutdown +0", "stop", "stopped"),
    ],
)
def test_shutdown_typed_on_a_host_powers_off_the_instance_only(
    launch: Launch, aws: Aws, command: str, behaviour: str, state: str
) -> None:
    ec2, machine = aws("ec2"), launch(InstanceInitiatedShutdownBehavior=behaviour)

    machine.ssh(f"{command}; sleep 20")

    found = wait_for(lambda: describe(ec2, machine.id)["State"]["Name"] == state and describe(ec2, machine.id))
    assert found["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"


@pytest.mark.parametrize(
    ("delay", "behaviour", "state"),
    [("now", "terminate", "terminated"), ('"+0.01"', "stop", "stopped"), ("0.005", "terminate", "terminated")],
)
def test_power_state_of_the_user_data_powers_the_instance_off(
    launch: Launch, aws: Aws, delay: str, behaviour: str, state: str
) -> None:
    machine = launch(
        cloud_config=f"power_state:\n  mode: poweroff\n  delay: {delay}\nruncmd:\n  - touch /tmp/must-not-run\n",
        InstanceInitiatedShutdownBehavior=behaviour,
    )

    assert wait_for(lambda: describe(aws("ec2"), machine.id)["State"]["Name"] == state)
    assert not Path("/tmp/must-not-run").exists()


def test_shutdown_order_can_be_cancelled(launch: Launch, aws: Aws) -> None:
    machine = launch(cloud_config="power_state: {mode: poweroff, delay: '+0.03'}\n")

    cancelled = machine.ssh("sudo shutdown -c; sleep 2.5; echo alive")

    assert cancelled.stdout == "alive\n"


def test_aws_on_a_host_is_the_same_cloud(launch: Launch, aws: Aws) -> None:
    machine = launch()
    aws("s3").create_bucket(Bucket="from-here")
    program = "import boto3; boto3.client('s3').put_object(Bucket='from-here', Key='there', Body=b'x' * 100)"

    result = machine.ssh(f'python -c "{program}"', timeout=40)

    assert result.returncode == 0, result.stderr
    assert aws("s3").get_object(Bucket="from-here", Key="there")["ContentLength"] == 100


def _status(cloud: daemon.RunningCloud) -> dict[str, Any]:
    from deployer.localcloud.control import ControlClient

    return ControlClient(cloud.endpoint).status()
