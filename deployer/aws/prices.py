"""What an instance costs per hour: AWS's Price List and spot market, or a dated table where they do not answer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from deployer.aws.asking import Unknown, ask
from deployer.aws.hardware import TABLE_DATE, TABLE_REGION, hardware_table
from deployer.aws.session import Session, aws_errors

# The Price List answers in three regions of the world only.
PRICE_LIST_REGION = "us-east-1"

# A price is not worth a longer wait: the table has one too.
PRICE_LIST_SECONDS = 5.0

SPOT_PRODUCT = "Linux/UNIX"

# What a product of the list must be, to be what RunInstances buys.
PRODUCT = {
    "operatingSystem": "Linux",
    "preInstalledSw": "NA",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}


@dataclass(frozen=True, kw_only=True)
class Price:
    """USD per hour of one instance, where it was read, and the day it was valid (ISO).

    `is_live` tells what AWS said just now from what stands in the table of the package.
    """

    usd_per_hour: float
    source: str
    as_of: str
    is_live: bool = True


def list_prices(session: Session, instance_type: str, regions: Iterable[str]) -> dict[str, Price]:
    """Return what AWS's Price List says of one type, by region; a region that does not sell it is absent.

    One question however many the regions are: the list tells all of them. Raises AwsError.
    """
    wanted = frozenset(regions)
    filters = PRODUCT | {"instanceType": instance_type}
    if len(wanted) == 1:
        filters |= {"regionCode": next(iter(wanted))}
    today = datetime.now(UTC).date().isoformat()
    found: dict[str, Price] = {}
    with aws_errors("pricing:GetProducts", region=PRICE_LIST_REGION):
        products = session.pages(
            "pricing",
            "get_products",
            "PriceList",
            region=PRICE_LIST_REGION,
            ServiceCode="AmazonEC2",
            FormatVersion="aws_v1",
            Filters=[{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in filters.items()],
        )
        for product in map(json.loads, products):
            region = product["product"]["attributes"].get("regionCode", "")
            usd = _hourly_usd(product)
            if region in wanted and usd is not None:
                found.setdefault(region, Price(usd_per_hour=usd, source=f"AWS Price List ({region})", as_of=today))
    return found


class Asked:
    """The Price List's answers on some types, under way."""

    def __init__(self, session: Session, names: Iterable[str], regions: Iterable[str]) -> None:
        wanted = tuple(regions)
        self._answers = {
            name: ask(list_prices, session, name, wanted, within_seconds=PRICE_LIST_SECONDS) for name in names
        }

    def in_region(self, region: str) -> dict[str, Price]:
        """Return the on-demand price of each type: live where AWS tells it in time, else the table's.

        A type with neither is absent: a price is good to know, not needed.
        """
        found = {}
        for name, answer in self._answers.items():
            live = answer.result()
            price = None if isinstance(live, Unknown) else live.get(region)
            found[name] = price or table_price(name, region)
        return {name: price for name, price in found.items() if price is not None}

    def refusal(self) -> Unknown | None:
        """Return why the Price List told less than it was asked; None where it told all."""
        answers = [answer.result() for answer in self._answers.values()]
        return next((item for item in answers if isinstance(item, Unknown)), None)


def on_demand_prices(session: Session, names: Iterable[str]) -> dict[str, Price]:
    """Return the on-demand price of each type in the session's region, from AWS or the table."""
    return Asked(session, names, [session.region]).in_region(session.region)


def spot_prices(session: Session, names: Iterable[str]) -> dict[tuple[str, str], Price]:
    """Return the newest spot price by (instance type, zone); raises AwsError."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    now = datetime.now(UTC)
    newest: dict[tuple[str, str], tuple[datetime, float]] = {}
    with aws_errors("ec2:DescribeSpotPriceHistory", region=session.region):
        history = session.pages(
            "ec2",
            "describe_spot_price_history",
            "SpotPriceHistory",
            InstanceTypes=wanted,
            ProductDescriptions=[SPOT_PRODUCT],
            StartTime=now,  # AWS then gives the last change before, which is the price in force
        )
        for item in history:
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
    return Price(
        usd_per_hour=usd, source=f"built-in table ({TABLE_REGION}{elsewhere})", as_of=TABLE_DATE, is_live=False
    )


def known_gpu_types() -> tuple[str, ...]:
    """Return the names of the GPU instance types in the table: for suggestions, not for decisions."""
    return tuple(_table())


@cache
def _table() -> dict[str, float | None]:
    return {item.name: item.usd_per_hour for item in hardware_table()}


def _hourly_usd(product: dict[str, Any]) -> float | None:
    """Return the on-demand price of one product of the list; 0 marks hours that a reservation paid for."""
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            usd = float(dimension["pricePerUnit"].get("USD", 0))
            if dimension.get("unit") == "Hrs" and usd > 0:
                return usd
    return None
