"""Prices from AWS where it answers, else from the table."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import pytest
from botocore.stub import Stubber

from deployer.aws import prices
from deployer.aws.session import Session
from deployer.errors import AccessDenied


def product(usd: str, *, unit: str = "Hrs", region: str = "us-east-1") -> str:
    """Return one item of a price list, as the API gives it: JSON in a string."""
    dimension = {"unit": unit, "pricePerUnit": {"USD": usd}}
    terms = {"OnDemand": {"A.B": {"priceDimensions": {"A.B.C": dimension}}}}
    return json.dumps({"product": {"attributes": {"regionCode": region}}, "terms": terms})


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


def test_on_demand_prices_are_live_where_the_price_list_answers(session: Session) -> None:
    price = prices.on_demand_prices(session, ["g4dn.xlarge"])["g4dn.xlarge"]

    assert price.is_live
    assert price.source == "AWS Price List (us-east-1)"


def test_on_demand_prices_fall_back_to_the_dated_table(session: Session, refuse: Callable[..., None]) -> None:
    refuse("GetProducts", code="AccessDeniedException")

    found = prices.on_demand_prices(session, ["g4dn.xlarge", "g6f.large", "p5e.48xlarge", "m5.large"])

    first = found["g4dn.xlarge"]
    assert (first.usd_per_hour, first.as_of, first.is_live) == (0.526, "2026-07-20", False)
    assert found["g6f.large"].usd_per_hour == 0.202
    # Sold in capacity blocks only; and no GPU: neither has a price that could be guessed.
    assert found.keys() == {"g4dn.xlarge", "g6f.large"}


def test_on_demand_prices_do_not_wait_for_a_price_list_that_hangs(
    fresh_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = threading.Event()

    # A stub answers at once, and a server that never does would outlive the test.
    monkeypatch.setattr(fresh_session, "client", lambda *_, **__: finished.wait(30))
    monkeypatch.setattr(prices, "PRICE_LIST_SECONDS", 0.1)
    started = time.monotonic()

    found = prices.on_demand_prices(fresh_session, ["g4dn.xlarge"])

    assert time.monotonic() - started < 10
    finished.set()
    assert found["g4dn.xlarge"].source == "built-in table (us-east-1)"


def test_prices_of_many_regions_are_one_question_a_type(fresh_session: Session) -> None:
    asked: list[str] = []
    client = fresh_session.client("pricing", region="us-east-1")
    client.meta.events.register("before-call.pricing", lambda model, **_: asked.append(model.name))

    found = prices.Asked(fresh_session, ["g4dn.xlarge"], ["us-east-1", "eu-west-1", "us-west-2"])

    here, there = found.in_region("us-east-1")["g4dn.xlarge"], found.in_region("eu-west-1")["g4dn.xlarge"]
    assert here.usd_per_hour < there.usd_per_hour
    assert (there.source, there.is_live) == ("AWS Price List (eu-west-1)", True)
    assert asked == ["GetProducts"]


def test_prices_of_many_regions_are_read_from_every_page(session: Session) -> None:
    with Stubber(session.client("pricing", region="us-east-1")) as stub:
        stub.add_response("get_products", {"PriceList": [product("1", region="eu-west-3")], "NextToken": "2"})
        stub.add_response("get_products", {"PriceList": [product("2", region="eu-west-1")]})

        found = prices.list_prices(session, "g4dn.xlarge", ["eu-west-1", "us-east-1"])

    assert {region: price.usd_per_hour for region, price in found.items()} == {"eu-west-1": 2.0}


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
