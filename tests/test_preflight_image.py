"""What is said of an image before a launch."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from facts_examples import G5, IMAGE, config, facts

from deployer import preflight
from deployer.preflight import Level
from deployer.preflight.image import check_configured_image, check_image

TODAY = date(2026, 11, 21)
SEED = replace(
    IMAGE,
    name="Deep Learning Base AMI (Ubuntu 18.04) Version 31.0",
    python="",
    driver="450.80.02",
    supported_families=frozenset({"p2", "p3"}),
    patched_until=date(2023, 5, 31),
)


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({"supported_families": frozenset({"p3"})}, Level.ERROR, 'set ami = "pytorch-2.10-ubuntu-24.04"'),
        ({"architecture": "arm64"}, Level.ERROR, 'set ami = "pytorch-2.10-ubuntu-24.04"'),
        ({"python": ""}, Level.ERROR, "is a Base image without PyTorch"),
        ({"patched_until": date(2026, 11, 20)}, Level.WARNING, "AWS patched PyTorch 2.10 until 2026-11-20."),
        ({"patched_until": TODAY}, Level.OK, "fits g5.xlarge"),
        ({"project": "reef", "parent": "Deep Learning"}, Level.OK, "baked for this project from Deep Learning"),
    ],
)
def test_check_image_names_the_reason_and_the_alternative(changes: dict[str, Any], level: Level, words: str) -> None:
    seen = facts(images={"g5.xlarge": replace(IMAGE, **changes)})

    first, *_ = check_image(seen, "g5.xlarge", today=TODAY)

    assert first.level is level
    assert words in f"{first.message} {first.hint}"


def test_check_image_names_the_image_for_arm() -> None:
    arm = replace(G5, name="g5g.xlarge", architecture="arm64")
    seen = facts(types={"g5g.xlarge": arm}, images={"g5g.xlarge": IMAGE})

    (finding,) = check_image(seen, "g5g.xlarge", today=TODAY)

    assert 'set ami = "pytorch-2.12-ubuntu-24.04-arm64"' in finding.hint


def test_check_says_what_is_wrong_with_a_withdrawn_type_and_with_its_image() -> None:
    wanted = config(instance_type=("g3.4xlarge",), ami=SEED.name)

    found = preflight.check(facts(config=wanted, configured_image=SEED))

    told = [(item.check, item.level) for item in found if item.level is not Level.OK]
    assert told == [("instance type", Level.ERROR), ("image", Level.WARNING), ("image", Level.ERROR)]
    assert "Its driver 450.80.02 is for p2, p3 only." in found[-1].message


def test_check_configured_image_says_nothing_where_none_is_configured() -> None:
    assert check_configured_image(facts(), "g3.4xlarge") == []
