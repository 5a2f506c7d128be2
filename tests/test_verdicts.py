"""One verdict a line."""

from __future__ import annotations

from deployer.preflight import Finding, Level, verdicts
from deployer.preflight.verdicts import verdicts_of_regions


def not_offered(name: str, region: str = "us-east-1", level: Level = Level.ERROR) -> Finding:
    return Finding("offering", level, f"{name} is not offered in {region}.", f"Not {name}.", name)


def test_verdicts_join_types_that_are_told_the_same() -> None:
    (verdict,) = verdicts([not_offered("g5.xlarge"), not_offered("g6.xlarge")])

    assert verdict.message == "g5.xlarge / g6.xlarge is not offered in us-east-1."
    assert verdict.hint == "Not g5.xlarge / g6.xlarge."
    assert verdict.instance_types == ("g5.xlarge", "g6.xlarge")


def test_verdicts_keep_apart_what_differs_in_more_than_the_name() -> None:
    account = Finding("credentials", Level.OK, "account 123456789012")
    warning = not_offered("g6.xlarge", level=Level.WARNING)

    found = verdicts([account, not_offered("g5.xlarge"), warning, not_offered("g6e.xlarge", "eu-west-1")])

    assert [item.message for item in found] == [
        "account 123456789012",
        "g5.xlarge is not offered in us-east-1.",
        "g6.xlarge is not offered in us-east-1.",
        "g6e.xlarge is not offered in eu-west-1.",
    ]


def test_verdicts_do_not_take_a_name_for_a_part_of_another() -> None:
    found = verdicts(
        [
            Finding("image", Level.OK, "g5.xlarge, as g5.xlarge2 is none", "", "g5.xlarge"),
            Finding("image", Level.OK, "g6.xlarge, as g6.xlarge2 is none", "", "g6.xlarge"),
        ]
    )

    assert len(found) == 2


def test_verdicts_of_regions_come_worst_first_and_name_them_once() -> None:
    found = verdicts_of_regions(
        {
            "us-east-1": [Finding("region", Level.OK, "us-east-1 is enabled")],
            "us-west-2": [Finding("region", Level.OK, "us-west-2 is enabled"), not_offered("g6.xlarge", "us-west-2")],
            "eu-west-1": [not_offered("g6.xlarge", "eu-west-1")],
        }
    )

    assert [(item.level, item.regions) for item in found] == [
        (Level.ERROR, ("us-west-2", "eu-west-1")),
        (Level.OK, ("us-east-1", "us-west-2")),
    ]
    assert found[0].message == "g6.xlarge is not offered in us-west-2 / eu-west-1."


def test_verdicts_of_regions_advise_a_command_that_can_be_typed() -> None:
    hint = "deployer quota request --region {} asks for more"
    found = verdicts_of_regions(
        {
            name: [Finding("quota", Level.ERROR, f"0 in {name}.", hint.format(name))]
            for name in ("us-east-1", "us-west-2")
        }
    )

    assert [item.hint for item in found] == [hint.format("us-east-1") + " Likewise: us-west-2."]
    assert found[0].message == "0 in us-east-1 / us-west-2."
