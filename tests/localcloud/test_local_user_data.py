"""User data: the one order that is obeyed, in every form in which it may come."""

from __future__ import annotations

import base64
import gzip
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest

from deployer.localcloud import power
from deployer.localcloud.cloud_init import shutdown_minutes


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("document", "minutes"),
    [
        ("power_state: {mode: poweroff, delay: '+480'}", 480),
        ("power_state: {mode: halt, delay: +480}", 480),
        ("power_state: {mode: poweroff, delay: '+1.5'}", 1.5),
        ("power_state: {mode: poweroff, delay: now}", 0),
        ("power_state: {mode: poweroff}", 0),
        ("power_state: {mode: poweroff, delay: 30, condition: true}", 30),
        ("power_state: {mode: poweroff, delay: 30, condition: false}", None),
        ("power_state: {mode: reboot, delay: '+1'}", None),
        ("power_state: {mode: poweroff, delay: tomorrow}", None),
        ("power_state: {mode: poweroff, delay: .inf}", None),
        ("power_state: poweroff", None),
        ("packages: [htop]", None),
        ("- a list", None),
        ("{ broken", None),
    ],
)
def test_shutdown_minutes_of_a_cloud_config(document: str, minutes: float | None) -> None:
    assert shutdown_minutes(encode(f"#cloud-config\n{document}\n")) == minutes


def test_shutdown_minutes_reads_gzip_and_mime() -> None:
    text = "#cloud-config\npower_state: {mode: poweroff, delay: '+7'}\n"
    mixed = MIMEMultipart()
    mixed.attach(MIMEText("#!/bin/sh\necho", "x-shellscript"))
    mixed.attach(MIMEText(text, "cloud-config"))

    zipped = base64.b64encode(gzip.compress(text.encode())).decode()

    assert shutdown_minutes(zipped) == 7
    assert shutdown_minutes(encode(mixed.as_string())) == 7


@pytest.mark.parametrize("text", ["", "#!/bin/sh\nshutdown -h +5\n", "power_state: {mode: poweroff}", "\x1f"])
def test_shutdown_minutes_of_anything_else_is_none(text: str) -> None:
    assert shutdown_minutes(encode(text)) is None


def test_shutdown_minutes_of_what_is_not_base64_is_none() -> None:
    assert shutdown_minutes("not base64!") is None


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], (1.0, False, False)),
        (["now"], (0.0, False, False)),
        (["-h", "+5"], (5.0, False, False)),
        (["-P", "+2", "a message"], (2.0, False, False)),
        (["-r", "now"], (0.0, True, False)),
        (["--reboot", "now"], (0.0, True, False)),
        (["-c"], (1.0, False, True)),
    ],
)
def test_shutdown_command_is_read_as_shutdown_8_does(arguments: list[str], expected: tuple[float, bool, bool]) -> None:
    order = power.read_shutdown(arguments)

    assert (order["delay_minutes"], order["is_reboot"], order["is_cancelled"]) == expected


def test_shutdown_at_an_hour_is_within_a_day() -> None:
    assert 0 < power.read_time("00:00") <= 24 * 60


@pytest.mark.parametrize("text", ["later", "25", "+x"])
def test_shutdown_at_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        power.read_time(text)
