"""AWS's Price List, a service that moto does not have: GetProducts for EC2's on-demand instances.

The prices are the package's own table times a factor of the region: of the right size, different between regions, and
not today's. As on AWS the list still holds types that cannot be launched any more: a price is no offer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS

from deployer.aws.prices import known_gpu_types, table_price
from deployer.localcloud.offerings import zones_offering
from deployer.localcloud.services import register

# The Price List has endpoints nowhere else (AWS Price List Query API, "Endpoints"; read 2026-11-20).
REGIONS = ("us-east-1", "eu-central-1", "ap-south-1")
PUBLISHED = "2026-07-20"
PAGE_SIZE = 100  # GetProducts, "MaxResults": 1 to 100

# USD per hour in us-east-1, Linux, shared tenancy (Price List of 2026-07-20). The first are withdrawn, yet priced.
_WITHDRAWN = {"g3.4xlarge": 1.14, "g3s.xlarge": 0.75, "p2.xlarge": 0.90, "p3.2xlarge": 3.06, "p3.8xlarge": 12.24}
_WITHOUT_GPU = {
    "t3.micro": 0.0104,
    "t3.small": 0.0208,
    "t3.medium": 0.0416,
    "t3.large": 0.0832,
    "m5.large": 0.096,
    "m5.xlarge": 0.192,
    "m5.2xlarge": 0.384,
    "m5.4xlarge": 0.768,
    "c5.large": 0.085,
    "c5.xlarge": 0.17,
    "c5.2xlarge": 0.34,
    "c5.4xlarge": 0.68,
}

# What a region costs beside us-east-1, roughly.
_FACTORS = {"us-east-1": 1.0, "us-east-2": 1.0, "us-west-2": 1.0, "us-west-1": 1.2, "eu-west-1": 1.11}
_FACTORS |= {"eu-north-1": 1.06, "eu-central-1": 1.25, "ap-south-1": 1.1, "ap-northeast-1": 1.35, "sa-east-1": 1.7}
_OTHER_FACTOR = 1.25

# (operatingSystem, capacitystatus): what a list that is asked without these filters has of each type.
_VARIANTS = (
    ("Linux", "Used"),
    ("Linux", "UnusedCapacityReservation"),
    ("Linux", "AllocatedCapacityReservation"),
    ("Windows", "Used"),
)
_WINDOWS_FACTOR = 1.35


class NotFoundError(ServiceException):
    """There is no such service in the list."""

    code = "NotFoundException"


class NoEndpointError(ServiceException):
    """The list is asked where it does not answer; AWS has no such host name at all."""

    code = "UnknownEndpoint"


class PricingBackend(BaseBackend):
    """The list; it is the same for every account."""

    @property
    def _url_module(self) -> Any:  # moto looks for a neighbour called urls.py
        return sys.modules[__name__]


pricing_backends = BackendDict(PricingBackend, "pricing", additional_regions=list(REGIONS))


class PricingResponse(BaseResponse):
    """The API; botocore's model of it reads the requests and writes the answers."""

    def __init__(self) -> None:
        super().__init__(service_name="pricing")
        self.automated_parameter_parsing = True

    def get_products(self) -> ActionResult:
        """List the products that match every filter, by page."""
        if self.region not in REGIONS:
            message = f"The Price List does not answer in {self.region}; it does in {', '.join(REGIONS)}."
            raise NoEndpointError(message)
        if self.params.get("ServiceCode") != "AmazonEC2":
            raise NotFoundError(f"Unable to find a service with code {self.params.get('ServiceCode')}")
        wanted = {item["Field"]: item["Value"] for item in self.params.get("Filters") or []}
        found = list(_products(wanted))
        start = int(self.params.get("NextToken") or 0)
        end = start + min(int(self.params.get("MaxResults") or PAGE_SIZE), PAGE_SIZE)
        page: dict[str, Any] = {"FormatVersion": "aws_v1", "PriceList": [json.dumps(one) for one in found[start:end]]}
        return ActionResult(page | ({"NextToken": str(end)} if end < len(found) else {}))


def on_demand_price(instance_type: str, region: str) -> float | None:
    """Return the emulated on-demand price in USD per hour; None for a type that is not in the list."""
    known = table_price(instance_type, "us-east-1")
    usd = known.usd_per_hour if known else (_WITHDRAWN | _WITHOUT_GPU).get(instance_type)
    return None if usd is None else round(usd * _FACTORS.get(region, _OTHER_FACTOR), 4)


def _products(wanted: dict[str, str]) -> Iterator[dict[str, Any]]:
    types = sorted({*known_gpu_types(), *_WITHDRAWN, *_WITHOUT_GPU})
    regions = sorted(INSTANCE_TYPE_OFFERINGS["region"])
    for region in _narrow(regions, wanted.get("regionCode")):
        for instance_type in _narrow(types, wanted.get("instanceType")):
            usd = on_demand_price(instance_type, region)
            if usd is None or not (instance_type in _WITHDRAWN or zones_offering(instance_type, region)):
                continue
            for system, status in _VARIANTS:
                product = _product(instance_type, region, usd, system=system, status=status)
                attributes = product["product"]["attributes"]
                if all(attributes.get(name, "").lower() == value.lower() for name, value in wanted.items()):
                    yield product


def _narrow(known: list[str], wanted: str | None) -> list[str]:
    return known if wanted is None else [name for name in known if name == wanted]


def _product(instance_type: str, region: str, usd: float, *, system: str, status: str) -> dict[str, Any]:
    hourly = 0.0 if status.startswith("Allocated") else usd * (_WINDOWS_FACTOR if system == "Windows" else 1)
    sku = sha256(f"{instance_type} {region} {system} {status}".encode()).hexdigest()[:16].upper()
    term, rate = f"{sku}.JRTCKXETXF", f"{sku}.JRTCKXETXF.6YS6EN2CT7"  # the term code of "on demand", and of "per hour"
    return {
        "product": {
            "productFamily": "Compute Instance",
            "sku": sku,
            "attributes": {
                "servicecode": "AmazonEC2",
                "instanceType": instance_type,
                "regionCode": region,
                "locationType": "AWS Region",
                "operatingSystem": system,
                "preInstalledSw": "NA",
                "tenancy": "Shared",
                "capacitystatus": status,
                "marketoption": "OnDemand",
                "licenseModel": "No License required",
                "operation": "RunInstances" if system == "Linux" else "RunInstances:0002",
            },
        },
        "serviceCode": "AmazonEC2",
        "terms": {
            "OnDemand": {
                term: {
                    "sku": sku,
                    "offerTermCode": "JRTCKXETXF",
                    "effectiveDate": f"{PUBLISHED}T00:00:00Z",
                    "termAttributes": {},
                    "priceDimensions": {
                        rate: {
                            "rateCode": rate,
                            "unit": "Hrs",
                            "beginRange": "0",
                            "endRange": "Inf",
                            "appliesTo": [],
                            "description": f"${hourly:.4f} per On Demand {system} {instance_type} Instance Hour",
                            "pricePerUnit": {"USD": f"{hourly:.10f}"},
                        }
                    },
                }
            }
        },
        "version": PUBLISHED.replace("-", ""),
        "publicationDate": f"{PUBLISHED}T00:00:00Z",
    }


url_bases = [r"https?://(api\.)?pricing\.(.+)\.amazonaws\.com"]
url_paths = {"{0}/$": PricingResponse.dispatch}


def install() -> None:
    """Register the service."""
    register("pricing", pricing_backends, url_bases[0])
