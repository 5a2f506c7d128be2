"""What an instance costs per hour: AWS's Price List and spot market, or a dated table where they do not answer.

The table (prices.csv) holds every type with an NVIDIA GPU that was launchable on 2026-08-01: USD per hour on demand,
Linux, shared tenancy, us-east-1, from the Price List of 2026-07-20; empty where AWS sells no on-demand hours.
"""

from __future__ import annotations

import csv
import json
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from deployer.aws.session import Session, aws_errors
from deployer.errors import AwsError

TABLE_DATE = "2026-07-20"
TABLE_REGION = "us-east-1"

# The Price List answers in three regions of the world only; a price is not worth a longer wait.
PRICE_LIST_REGION = "us-east-1"
PRICE_LIST_TIMEOUT_SECONDS = 2.0

SPOT_PRODUCT = "Linux/UNIX"


@dataclass(frozen=True, kw_only=True)
class Price:
    """USD per hour of one instance, where it was read, and the day it was valid (ISO)."""

    usd_per_hour: float
    source: str
    as_of: str


def on_demand_prices(
    session: Session, names: Iterable[str], *, timeout_seconds: float = PRICE_LIST_TIMEOUT_SECONDS
) -> dict[str, Price]:
    """Return the on-demand price of each type, live where AWS answers in time, else from the table.

    A type with neither is absent. Never raises AwsError: a price is good to know, not needed.
    """
    wanted = sorted(set(names))
    if not wanted:
        return {}
    answers: dict[str, Price] = {}

    def ask(name: str) -> None:
        price = _live_price(session, name)
        if price is not None:
            answers[name] = price

    # Daemons: a Price List that hangs must not hold up the answer, nor the end of the program.
    asking = [threading.Thread(target=ask, args=(name,), name="price-list", daemon=True) for name in wanted]
    deadline = time.monotonic() + timeout_seconds
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(max(0.0, deadline - time.monotonic()))
    live = dict(answers)
    known = {name: live.get(name) or table_price(name, session.region) for name in wanted}
    return {name: price for name, price in known.items() if price is not None}


def spot_prices(session: Session, names: Iterable[str]) -> dict[tuple[str, str], Price]:
    """Return the newest spot price by (instance type, zone); raises AwsError."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    now = datetime.now(UTC)
    newest: dict[tuple[str, str], tuple[datetime, float]] = {}
    with aws_errors("ec2:DescribeSpotPriceHistory", region=session.region):
        pages = (
            session.client("ec2")
            .get_paginator("describe_spot_price_history")
            .paginate(
                # From now on: AWS then gives the last change before, which is the price in force.
                InstanceTypes=wanted,
                ProductDescriptions=[SPOT_PRODUCT],
                StartTime=now,
            )
        )
        for item in (entry for page in pages for entry in page["SpotPriceHistory"]):
            key = (item["InstanceType"], item["AvailabilityZone"])
            seen = (item["Timestamp"], float(item["SpotPrice"]))
            newest[key] = max(newest.get(key, seen), seen)
    return {
        key: Price(usd_per_hour=usd, source="EC2 spot price history", as_of=now.date().isoformat())
        for key, (_, usd) in newest.items()
    }


def table_price(instance_type: str, region: str) -> Price | None:
    """Return the table's price, and say so where the region is another than the table's."""
    usd = _table().get(instance_type)
    if usd is None:
        return None
    elsewhere = "" if region == TABLE_REGION else f", {region} may differ"
    return Price(usd_per_hour=usd, source=f"built-in table ({TABLE_REGION}{elsewhere})", as_of=TABLE_DATE)


def known_gpu_types() -> tuple[str, ...]:
    """Return the names of the GPU instance types in the table: for suggestions, not for decisions."""
    return tuple(_table())


@cache
def _table() -> dict[str, float | None]:
    text = files("deployer.aws").joinpath("prices.csv").read_text(encoding="utf-8")
    return {
        row["instance_type"]: float(row["usd_per_hour"]) if row["usd_per_hour"] else None
        for row in csv.DictReader(text.splitlines())
    }


def _live_price(session: Session, instance_type: str) -> Price | None:
    wanted = {
        "regionCode": session.region,
        "instanceType": instance_type,
        "operatingSystem": "Linux",
        "preInstalledSw": "NA",
        "tenancy": "Shared",
        "capacitystatus": "Used",
        "marketoption": "OnDemand",
    }
    try:
        with aws_errors("pricing:GetProducts", region=PRICE_LIST_REGION):
            answer = session.client("pricing", region=PRICE_LIST_REGION).get_products(
                ServiceCode="AmazonEC2",
                FormatVersion="aws_v1",
                Filters=[{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()],
            )
    except AwsError:
        return None
    usd = [price for item in answer["PriceList"] for price in _hourly_usd(json.loads(item))]
    if not usd:
        return None
    today = datetime.now(UTC).date().isoformat()
    return Price(usd_per_hour=usd[0], source=f"AWS Price List ({session.region})", as_of=today)


def _hourly_usd(product: dict[str, Any]) -> list[float]:
    """Return the on-demand prices of one product of the Price List; 0 marks hours that a reservation paid for."""
    terms = product.get("terms", {}).get("OnDemand", {}).values()
    dimensions = [dimension for term in terms for dimension in term["priceDimensions"].values()]
    prices = [float(item["pricePerUnit"].get("USD", 0)) for item in dimensions if item.get("unit") == "Hrs"]
    return [price for price in prices if price > 0]
