"""What AWS refused lately is known for ten minutes, to whoever asks next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deployer import attempts
from deployer.attempts import Attempt
from deployer.config import Config

NOW = 1_800_000_000.0
EMPTY = Attempt(
    region="us-east-1",
    zone_id="use1-az4",
    instance_type="g4dn.xlarge",
    spot=False,
    code="InsufficientInstanceCapacity",
    at=NOW,
    account="123456789012",
)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(project=tmp_path, name="demo")


def file(config: Config) -> Path:
    return config.project / ".deployer" / "attempts-aws.json"


def test_recent_is_nothing_before_anything_failed(config: Config) -> None:
    assert attempts.recent(config) == ()


@pytest.mark.parametrize(("seconds", "is_known"), [(0, True), (599, True), (600, False), (-1, False)])
def test_recent_knows_an_attempt_for_ten_minutes(config: Config, seconds: float, is_known: bool) -> None:
    attempts.remember(config, EMPTY)

    assert attempts.recent(config, now=NOW + seconds) == ((EMPTY,) if is_known else ())


def test_remember_is_for_every_deployment_of_the_project_and_for_one_cloud(config: Config) -> None:
    attempts.remember(config, EMPTY)

    assert attempts.recent(replace(config, name="other"), now=NOW) == (EMPTY,)
    assert attempts.recent(replace(config, cloud="local"), now=NOW) == ()


def test_remember_keeps_the_last_word_on_a_place(config: Config) -> None:
    later = replace(EMPTY, code="Unsupported", at=NOW + 5)
    attempts.remember(config, EMPTY)

    attempts.remember(config, later)

    assert attempts.recent(config, now=NOW + 6) == (later,)


@pytest.mark.parametrize(
    "other",
    [
        {"account": "2"},
        {"region": "eu-west-1"},
        {"zone_id": "use1-az6"},
        {"instance_type": "g5.xlarge"},
        {"spot": True},
    ],
)
def test_remember_tells_places_apart(config: Config, other: dict[str, object]) -> None:
    attempts.remember(config, EMPTY)

    attempts.remember(config, replace(EMPTY, **other))

    assert len(attempts.recent(config, now=NOW)) == 2


def test_forget_drops_the_place_that_was_had(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts.time, "time", lambda: NOW + 60)  # the clock: ten minutes are not waited for
    other = replace(EMPTY, zone_id="use1-az6")
    attempts.remember(config, EMPTY)
    attempts.remember(config, other)

    attempts.forget(config, replace(EMPTY, code="", at=0))

    assert attempts.recent(config) == (other,)


def test_file_is_the_owners_alone_and_leaves_no_part_behind(config: Config) -> None:
    attempts.remember(config, EMPTY)

    assert file(config).stat().st_mode & 0o777 == 0o600
    assert list(file(config).parent.iterdir()) == [file(config)]


@pytest.mark.parametrize(
    "text", ["", "{", "[1, null]", '{"a": 1}', '[{"region": "us-east-1"}]', '[{"at": "x"}]', "\x00\xff", "[" * 9999]
)
def test_rubbish_in_the_file_is_no_attempt_and_no_error(config: Config, text: str) -> None:
    file(config).parent.mkdir()
    file(config).write_text(text)

    assert attempts.recent(config, now=NOW) == ()
    attempts.remember(config, EMPTY)
    assert attempts.recent(config, now=NOW) == (EMPTY,)


def test_one_bad_entry_does_not_hide_the_good_ones(config: Config) -> None:
    attempts.remember(config, EMPTY)
    file(config).write_text(file(config).read_text().replace("[", '[{"zone_id": 7, "what": []},', 1))

    assert attempts.recent(config, now=NOW) == (EMPTY,)
