"""What the way from one region to another costs."""

from __future__ import annotations

import pytest

from deployer.aws.transfer import transfer_usd


@pytest.mark.parametrize(
    ("from_region", "to_region", "usd"),
    [
        ("us-east-1", "us-east-1", 0.0),
        ("us-east-1", "us-east-2", 1.0),
        ("us-east-2", "us-east-1", 1.0),
        ("us-east-1", "us-west-2", 2.0),
        ("eu-west-1", "us-east-1", 2.0),
        ("ca-central-1", "eu-north-1", 2.0),
        # By where the data is, not where it goes.
        ("ap-northeast-1", "us-east-1", 9.0),
        ("us-east-1", "ap-northeast-1", 2.0),
        ("sa-east-1", "us-east-1", 13.8),
        ("xx-nowhere-1", "us-east-1", None),
        ("us-gov-west-1", "us-gov-east-1", None),
    ],
)
def test_transfer_costs_what_the_region_of_the_data_asks(from_region: str, to_region: str, usd: float | None) -> None:
    found = transfer_usd(100, from_region=from_region, to_region=to_region)

    assert found == (None if usd is None else pytest.approx(usd))
