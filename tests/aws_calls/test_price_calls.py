"""Prices from AWS where it answers, else from the table."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.stub import Stubber

from deployer.aws import prices
from deployer.aws.session import Session
from deployer.errors import AccessDenied


def product(usd: str, *, unit: str = "Hrs") -> str:
    """Return one item of a price list, as the API gives it: JSON in a string."""
    dimension = {"unit": unit, "pricePerUnit": {"USD": usd}}
    return json.dumps({"terms": {"OnDemand": {"A.B": {"priceDimensions": {"A.B.C": dimension}}}}})


@pytest.mark.parametrize(
    ("price_list", "usd", "source"),
    [
        ([product("0.5260000000")], 0.526, "AWS Price List (us-east-1)"),
        # What a reservation paid for costs 0 and is in the list too.
        ([product("0.0000000000"), product("0.61")], 0.61, "AWS Price List (us-east-1)"),
        ([product("99", unit="Quantity")], 0.526, "built-in table (us-east-1)"),
        ([], 0.526, "built-in table (us-east-1)"),
    ],
)
def test_on_demand_prices_come_from_the_price_list(
    session: Session, price_list: list[str], usd: float, source: str
) -> None:
    with Stubber(session.client("pricing", region="us-east-1")) as stub:
        stub.add_response("get_products", {"PriceList": price_list})

        price = prices.on_demand_prices(session, ["g4dn.xlarge"])["g4dn.xlarge"]

    assert (price.usd_per_hour, price.source) == (usd, source)


def test_on_demand_prices_fall_back_to_the_dated_table(session: Session) -> None:
    found = prices.on_demand_prices(session, ["g4dn.xlarge", "g6f.large", "p5e.48xlarge", "m5.large"])

    assert (found["g4dn.xlarge"].usd_per_hour, found["g4dn.xlarge"].as_of) == (0.526, "2026-07-20")
    assert found["g6f.large"].usd_per_hour == 0.202
    # Sold in capacity blocks only; and no GPU: neither has a price that could be guessed.
    assert found.keys() == {"g4dn.xlarge", "g6f.large"}


def test_on_demand_prices_do_not_wait_for_a_price_list_that_hangs(
    fresh_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = threading.Event()

    class Silent:
        def get_products(self, **_: Any) -> Any:
            finished.wait(30)
            return {"PriceList": []}

    # A stub answers at once, and a server that never does would outlive the test.
    monkeypatch.setattr(fresh_session, "client", lambda *_, **__: Silent())
    started = time.monotonic()

    found = prices.on_demand_prices(fresh_session, ["g4dn.xlarge"], timeout_seconds=0.1)

    assert time.monotonic() - started < 10
    finished.set()
    assert found["g4dn.xlarge"].source == "built-in table (us-east-1)"


def test_table_price_admits_that_it_is_another_regions() -> None:
    price = prices.table_price("g4dn.xlarge", "eu-west-1")

    assert price is not None
    assert price.source == "built-in table (us-east-1, eu-west-1 may differ)"


def test_spot_prices_are_those_of_each_zone(session: Session) -> None:
    found = prices.spot_prices(session, ["g4dn.xlarge", "g5.xlarge"])

    assert {zone for name, zone in found if name == "g4dn.xlarge"} == {f"us-east-1{letter}" for letter in "abcdf"}
    assert all(price.usd_per_hour > 0 for price in found.values())


def test_spot_prices_take_the_newest_of_a_zone(session: Session) -> None:
    history = [
        {"InstanceType": "g4dn.xlarge", "AvailabilityZone": "us-east-1a", "SpotPrice": usd, "Timestamp": f"2026-{day}"}
        for usd, day in (("0.2", "11-19T00:00:00Z"), ("0.3", "11-21T00:00:00Z"), ("0.1", "11-20T00:00:00Z"))
    ]
    with Stubber(session.client("ec2")) as stub:
        stub.add_response("describe_spot_price_history", {"SpotPriceHistory": history})

        found = prices.spot_prices(session, ["g4dn.xlarge"])

    assert [price.usd_per_hour for price in found.values()] == [0.3]


def test_spot_prices_of_nothing_ask_nothing(session: Session, refuse: Callable[..., None]) -> None:
    refuse("DescribeSpotPriceHistory")

    assert prices.spot_prices(session, []) == {}
    with pytest.raises(AccessDenied):
        prices.spot_prices(session, ["g4dn.xlarge"])


def test_known_gpu_types_are_the_ones_of_the_table() -> None:
    names = prices.known_gpu_types()

    assert "g4dn.xlarge" in names
    assert "p3.2xlarge" not in names
    assert len(names) > 60
