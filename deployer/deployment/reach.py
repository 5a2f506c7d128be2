"""From "Terraform says it runs" to "a job could start": host keys, SSH, first boot, GPU."""

from __future__ import annotations

import time
from dataclasses import replace

from deployer.aws import ec2
from deployer.aws.session import Session
from deployer.config import Config
from deployer.deployment import record as records
from deployer.deployment.record import Node, Record
from deployer.deployment.reporter import Reporter, Step
from deployer.errors import GpuNotReady, HostUnreachable
from deployer.remote import hostkeys, probe, ssh

# cloud-init prints the keys near its end: on a Base image after PyTorch was installed, gigabytes on a fresh disk.
CONSOLE_TIMEOUT_SECONDS = 1200
SSH_TIMEOUT_SECONDS = 300
FIRST_BOOT_TIMEOUT_SECONDS = 900
GPU_TIMEOUT_SECONDS = 180  # the driver may load after cloud-init has ended


def make_reachable(config: Config, record: Record, session: Session, reporter: Reporter) -> Record:
    """Pin the host keys, write ssh_config, wait for SSH, the first boot and the GPU; return the completed record."""
    hosts = [records.host(config, record, node) for node in record.nodes]
    with reporter.step("Waiting for the machine") as step:
        for node in record.nodes:
            _pin(config, node, session, step)
        ssh.write_ssh_config(config.state_directory / "ssh_config", hosts)
        gpu = ""
        for host in hosts:
            ssh.wait_until_reachable(host, timeout_seconds=SSH_TIMEOUT_SECONDS, on_wait=step.say)
            with ssh.Connection(host) as connection:
                problem = probe.wait_for_first_boot(
                    connection, on_wait=step.say, timeout_seconds=FIRST_BOOT_TIMEOUT_SECONDS
                )
                if problem:
                    reporter.warn(problem)
                gpu = _wait_for_gpu(config, connection, step)
        step.say(gpu or "no GPU here; allow_cpu is set, so training will run on the CPU")
    return replace(record, gpu=gpu)


def _pin(config: Config, node: Node, session: Session, step: Step) -> None:
    """Write the keys that the machine printed on its console into known_hosts, under its instance id."""
    path = config.state_directory / "known_hosts"
    if path.exists() and any(line.startswith(f"{node.instance_id} ") for line in path.read_text().splitlines()):
        return
    deadline = time.monotonic() + CONSOLE_TIMEOUT_SECONDS
    pause = 0.2
    while True:
        keys = hostkeys.parse_console(ec2.console_output(session, node.instance_id))
        if keys:
            hostkeys.write_known_hosts(path, {node.instance_id: keys})
            return
        if time.monotonic() > deadline:
            raise HostUnreachable(
                f"{node.instance_id} printed no SSH host key on its console within {CONSOLE_TIMEOUT_SECONDS} s, "
                "so there is no way to know it from an impostor.",
                hint="`deployer up` again goes on waiting; `deployer down` removes the machine.",
            )
        step.say(f"for {node.instance_id} to print its SSH host keys on its console")
        time.sleep(pause)
        pause = min(pause * 1.5, 5)


def _wait_for_gpu(config: Config, connection: ssh.Connection, step: Step) -> str:
    deadline = time.monotonic() + GPU_TIMEOUT_SECONDS
    while True:
        gpu = probe.nvidia(connection)
        if gpu or config.allow_cpu:
            return gpu or ""
        if time.monotonic() > deadline:
            raise GpuNotReady(
                "The NVIDIA driver on the machine shows no GPU: `nvidia-smi -L` fails.",
                hint="The image may not fit the instance type (see `deployer check`). To train without a GPU, "
                "set allow_cpu = true.",
            )
        step.say("for the NVIDIA driver to show its GPU")
        time.sleep(5)
