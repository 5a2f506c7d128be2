"""The log of the local cloud's calls must never cost a call."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from deployer.localcloud.request_log import RequestLog
from deployer.localcloud.wire import Request


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full on this system")
def test_a_full_disk_costs_a_line_and_not_the_answer() -> None:
    log = RequestLog(Path("/dev/full"))
    request = Request(service="ec2", region="us-east-1", action="RunInstances", protocol="ec2")

    log.write(time.time(), request, "200 OK")
