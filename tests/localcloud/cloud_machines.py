"""A machine on the local cloud as the tests hold it, and two ways to look at it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Machine:
    """A running instance, and the road to it."""

    id: str
    address: str
    ssh_options: list[str] = field(repr=False)

    def ssh(
        self, *command: str, text: str = "", options: tuple[str, ...] = (), timeout: float = 20
    ) -> subprocess.CompletedProcess[str]:
        """Run the system's ssh, as the user of the image; `options` win over the machine's own."""
        line = ["ssh", *options, *self.ssh_options, f"ubuntu@{self.address}", *command]
        return subprocess.run(line, input=text, capture_output=True, text=True, timeout=timeout, check=False)


def describe(ec2: Any, instance_id: str) -> dict[str, Any]:
    """Return EC2's description of one instance."""
    found: dict[str, Any] = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
    return found


def wait_for(condition: Callable[[], Any], *, seconds: float = 10) -> Any:
    """Return what `condition` returns once it is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {condition}")
