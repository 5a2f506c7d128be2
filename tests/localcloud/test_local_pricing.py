"""The Price List: AWS's shape, its filters, its pages, and the regions where it answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Aws = Callable[..., Any]

LINUX = {
    "operatingSystem": "Linux",
    "preInstalledSw": "NA",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}


def term_match(wanted: dict[str, str]) -> list[dict[str, str]]:
    return [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in wanted.items()]


def usd_per_hour(product: str) -> float:
    (term,) = json.loads(product)["terms"]["OnDemand"].values()
    (dimension,) = term["priceDimensions"].values()
    assert dimension["unit"] == "Hrs"
    return float(dimension["pricePerUnit"]["USD"])


def test_one_type_in_one_region_has_one_linux_price(aws: Aws) -> None:
    prices = {}
    for region in ("us-east-1", "eu-central-1"):
        wanted = LINUX | {"instanceType": "g4dn.xlarge", "regionCode": region}
        answer = aws("pricing").get_products(ServiceCode="AmazonEC2", Filters=term_match(wanted))
        (product,) = answer["PriceList"]
        attributes = json.loads(product)["product"]["attributes"]
        assert (attributes["instanceType"], attributes["regionCode"]) == ("g4dn.xlarge", region)
        prices[region] = usd_per_hour(product)

    assert prices["us-east-1"] == 0.526
    assert prices["eu-central-1"] > prices["us-east-1"]


def test_price_without_a_filter_on_capacity_is_not_one_price(aws: Aws) -> None:
    wanted = {"instanceType": "g4dn.xlarge", "regionCode": "us-east-1"}

    listed = aws("pricing").get_products(ServiceCode="AmazonEC2", Filters=term_match(wanted))["PriceList"]

    assert 0.0 in {usd_per_hour(product) for product in listed}
    assert len(listed) > 1


@pytest.mark.parametrize(
    ("instance_type", "region", "count"),
    [("g3.4xlarge", "us-east-1", 1), ("g5g.xlarge", "us-east-2", 0), ("g4dn.tiny", "us-east-1", 0)],
    ids=["withdrawn types keep their price", "types that a region never had", "types that do not exist"],
)
def test_price_present_is_no_offer(aws: Aws, instance_type: str, region: str, count: int) -> None:
    filters = term_match(LINUX | {"instanceType": instance_type, "regionCode": region})

    assert len(aws("pricing").get_products(ServiceCode="AmazonEC2", Filters=filters)["PriceList"]) == count


def test_products_come_by_page(aws: Aws) -> None:
    filters = term_match(LINUX | {"regionCode": "us-east-1"})
    pages = (
        aws("pricing").get_paginator("get_products").paginate(ServiceCode="AmazonEC2", Filters=filters, MaxResults=30)
    )

    sizes, types = [], []
    for page in pages:
        sizes.append(len(page["PriceList"]))
        types += [json.loads(product)["product"]["attributes"]["instanceType"] for product in page["PriceList"]]

    assert max(sizes) == 30
    assert len(sizes) > 2
    assert len(set(types)) == len(types)


def test_price_list_answers_in_its_own_regions_only(aws: Aws) -> None:
    assert aws("pricing", region_name="ap-south-1").get_products(ServiceCode="AmazonEC2")["PriceList"]

    with pytest.raises(ClientError, match="does not answer in eu-west-1"):
        aws("pricing", region_name="eu-west-1").get_products(ServiceCode="AmazonEC2")
