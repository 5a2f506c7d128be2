from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from ami import bake, catalogue, first_boot


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A folder that stands for the root of an instance, with a systemctl that writes down what it is told."""
    return Host(tmp_path)


class Host:
    def __init__(self, root: Path) -> None:
        self.units = root / "units"
        self.deadline_file = root / "deployer-deadline"
        self.calls = root / "systemctl.log"
        self.programs = root / "bin"
        self.kept = root / "kept"
        self.units.mkdir()
        self.kept.mkdir()
        self.programs.mkdir()
        # A stand-in, because the real one would power off the machine that runs the tests.
        systemctl = self.programs / "systemctl"
        systemctl.write_text(f'#!/bin/sh\necho "$@" >> {self.calls}\n')
        systemctl.chmod(0o755)

    def boot(self, user_data: str) -> None:
        for command in yaml.safe_load(user_data)["bootcmd"]:
            *shell, script = command
            script = script.replace("/etc/systemd/system", str(self.units))
            script = script.replace("/var/lib/cloud/instance", str(self.deadline_file.parent))
            script = script.replace("/var/lib/deployer", str(self.kept))
            path = f"{self.programs}:{os.environ['PATH']}"
            subprocess.run([*shell, script], check=True, env={"PATH": path})


def parse(user_data: str) -> dict[str, Any]:
    assert user_data.startswith("#cloud-config\n")
    document: dict[str, Any] = yaml.safe_load(user_data)
    return document


@pytest.mark.parametrize(("max_hours", "delay"), [(8, "+480"), (0.5, "+30"), (0.02, "+2"), (1.01, "+61")])
def test_render_schedules_the_power_off_in_whole_minutes(max_hours: float, delay: str) -> None:
    state = parse(first_boot.render(max_hours=max_hours))["power_state"]

    assert (state["mode"], state["delay"]) == ("poweroff", delay)


@pytest.mark.parametrize("max_hours", [0, -1])
def test_render_refuses_a_deadline_in_the_past(max_hours: float) -> None:
    with pytest.raises(ValueError, match=f"not {max_hours}"):
        first_boot.render(max_hours=max_hours)


def test_first_boot_arms_a_timer_at_the_deadline(host: Host) -> None:
    earliest = int(time.time()) + 7200

    host.boot(first_boot.render(max_hours=2))

    latest = int(time.time()) + 7200
    deadline = int(host.deadline_file.read_text())
    assert earliest <= deadline <= latest
    assert f"OnCalendar=@{deadline}\n" in (host.units / "deployer-deadline.timer").read_text()
    assert "ExecStart=/bin/systemctl poweroff\n" in (host.units / "deployer-deadline.service").read_text()
    assert host.calls.read_text().splitlines() == [
        "daemon-reload",
        "enable deployer-deadline.timer",
        "restart --no-block deployer-deadline.timer",
    ]


def test_reboot_does_not_move_the_deadline(host: Host) -> None:
    user_data = first_boot.render(max_hours=2)
    host.boot(user_data)
    host.deadline_file.write_text("1800000000\n")

    host.boot(user_data)

    assert host.deadline_file.read_text() == "1800000000\n"
    assert "OnCalendar=@1800000000\n" in (host.units / "deployer-deadline.timer").read_text()


def test_baked_machine_keeps_its_deadline_and_no_other_machine_does(host: Host) -> None:
    """Baking empties cloud-init's folder; what it keeps of the deadline lies beside, under the machine's own name."""
    name = host.deadline_file.parent.name
    (host.kept / f"deadline-{name}").write_text("1800000000\n")
    (host.kept / "deadline-i-another").write_text("1700000000\n")

    host.boot(first_boot.render(max_hours=2))

    assert host.deadline_file.read_text() == "1800000000\n"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_first_boot_writes_units_that_systemd_accepts(host: Host) -> None:
    host.boot(first_boot.render(max_hours=2))

    units = sorted(host.units.iterdir())
    verified = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)

    assert (verified.returncode, verified.stderr) == (0, "")


def test_render_installs_pytorch_on_a_base_image() -> None:
    document = parse(first_boot.render(max_hours=8, python=catalogue.named("base-ubuntu-24.04").python))

    assert document["packages"] == ["python3-venv"]
    assert document["runcmd"] == [
        "python3 -m venv /opt/deployer/venv",
        "/opt/deployer/venv/bin/pip install --retries 10 torch torchvision",
    ]


@pytest.mark.parametrize("python", ["", catalogue.named("pytorch-2.10-ubuntu-24.04").python, bake.PYTHON])
def test_render_installs_nothing_where_pytorch_is_or_the_image_is_the_users(python: str) -> None:
    document = parse(first_boot.render(max_hours=8, python=python))

    assert sorted(document) == ["bootcmd", "power_state"]


@pytest.mark.parametrize("image", catalogue.CATALOGUE, ids=lambda image: image.name)
def test_render_stays_within_what_aws_takes(image: catalogue.Image) -> None:
    """RunInstances refuses user data of more than 16 KB."""
    assert len(first_boot.render(max_hours=720, python=image.python).encode()) < 16384
