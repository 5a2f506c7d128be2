"""How far regions are from each other."""

from __future__ import annotations

import pytest

from deployer.distance import km_between


@pytest.mark.parametrize(
    ("region", "other", "low", "high"),
    [
        ("us-east-1", "us-east-1", 0, 0),
        ("us-east-1", "us-east-2", 400, 700),
        ("us-east-1", "eu-west-1", 5000, 6000),
        ("eu-central-1", "eu-west-3", 300, 700),
        ("ap-southeast-2", "eu-north-1", 14000, 17000),
    ],
)
def test_km_between_is_about_what_a_map_says(region: str, other: str, low: int, high: int) -> None:
    found = km_between(region, other)

    assert found is not None
    assert low <= found <= high
    assert found == km_between(other, region)


def test_km_between_of_a_region_that_no_table_has_is_unknown() -> None:
    assert km_between("us-east-1", "mars-north-1") is None
    assert km_between("mars-north-1", "mars-north-1") == 0
