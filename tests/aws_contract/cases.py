"""Each public function that asks AWS, called as the package calls it; `answers` where made-up ones would not do."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ami import catalogue
from aws_contract.stand_in import Answers, Refusal
from deployer.aws import (
    claims,
    cloud9,
    ec2,
    existence,
    iam,
    images,
    own_images,
    prices,
    quota_requests,
    quotas,
    removal,
    s3,
    spot,
)
from deployer.aws.ec2 import Resource
from deployer.aws.quotas import Quota
from deployer.aws.removal import Owned
from deployer.aws.session import Session
from deployer.errors import AwsError
from deployer.remote.agents.fetch_data.store import MANIFEST_VERSION, Store

QUOTA = Quota(code="L-DB2E81BA", name="Running On-Demand G and VT instances", region="us-east-1", service="ec2")
IMAGE = catalogue.CATALOGUE[0]
PRODUCT = {
    "product": {"attributes": {"regionCode": "us-east-1"}},
    "terms": {
        "OnDemand": {"1": {"priceDimensions": {"1": {"unit": "Hrs", "pricePerUnit": {"USD": "0.526"}}}}},
    },
}
ONE_IMAGE = {"DescribeImages": {"Images": [{"ImageId": "ami-1", "State": "available"}]}}
REMOVAL_ORDER = tuple(removal._DELETIONS)


@dataclass(frozen=True)
class Case:
    """One call of one public function."""

    call: Callable[[Session], object]
    answers: Answers = field(default_factory=dict)


def _owned(kind: str) -> Owned:
    return Owned(kind=kind, id=f"{kind}-1")


def _refused(call: Callable[[], object]) -> None:
    """Make a call that ends with one of our errors, having asked all there is to ask."""
    with contextlib.suppress(AwsError):
        call()


def _remove(session: Session) -> None:
    removal.remove(session, [_owned(kind) for kind in REMOVAL_ORDER], lambda _: None)


def _exists(session: Session) -> list[Any]:
    return existence.existing(session, [Resource(kind, "1") for kind in existence._KINDS])


def _read_objects(store: Store) -> None:
    for item in store.list_objects("reef/"):
        store.open_object(item)


# Lambdas even where the function alone would do: one that is gone is then named by a test, not by this import.
CASES: Mapping[str, Case] = {
    "cloud9.environments": Case(lambda aws: cloud9.environments(aws, "1")),
    "cloud9.access": Case(lambda aws: cloud9.access(aws)),
    "ec2.regions": Case(lambda aws: ec2.regions(aws)),
    "ec2.zones": Case(lambda aws: ec2.zones(aws)),
    "ec2.instance_types": Case(lambda aws: ec2.instance_types(aws, ["g5.xlarge"])),
    "ec2.offerings": Case(lambda aws: ec2.offerings(aws, ["g5.xlarge"])),
    "ec2.instances": Case(lambda aws: ec2.instances(aws, "demo")),
    "claims.capacity_reservations": Case(lambda aws: claims.capacity_reservations(aws)),
    "claims.spot_requests": Case(lambda aws: claims.spot_requests(aws)),
    "ec2.console_output": Case(lambda aws: ec2.console_output(aws, "i-1")),
    "ec2.tagged": Case(lambda aws: ec2.tagged(aws, "demo")),
    "ec2.key_pairs": Case(lambda aws: ec2.key_pairs(aws, "demo")),
    "existence.existing": Case(_exists),
    "iam.role_exists": Case(lambda aws: iam.role_exists(aws, "demo")),
    "iam.instance_profile_exists": Case(lambda aws: iam.instance_profile_exists(aws, "demo")),
    "images.newest": Case(lambda aws: images.newest(aws, [IMAGE]), ONE_IMAGE),
    "images.resolve_named": Case(
        lambda aws: _refused(lambda: images.resolve_named(aws, "Deep*")),
        # Nobody has that name, so that its like are looked for.
        {"DescribeImages": {"Images": []}},
    ),
    "images.resolve": Case(
        lambda aws: images.resolve(aws, [IMAGE]),
        # Gone from SSM, so that EC2 is asked by name too.
        {
            "GetParameters": Refusal("AccessDeniedException"),
            "DescribeImages": {"Images": [{"Name": f"{IMAGE.ami_name} 20261101", "State": "available"}]},
        },
    ),
    "images.resolve_id": Case(lambda aws: images.resolve_id(aws, "ami-1"), ONE_IMAGE),
    "own_images.image_of": Case(
        lambda aws: own_images.image_of(aws, "i-1"),
        {"DescribeInstances": {"Reservations": [{"Instances": [{"ImageId": "ami-1"}]}]}} | ONE_IMAGE,
    ),
    "own_images.baked": Case(lambda aws: own_images.baked(aws, "1")),
    "own_images.create": Case(
        lambda aws: own_images.create(
            aws,
            "i-1",
            name="demo",
            project="demo",
            deployment="demo",
            parent=images.resolve_id(aws, "ami-1"),
            python="",
        ),
        ONE_IMAGE,
    ),
    "own_images.delete_snapshot": Case(lambda aws: own_images.delete_snapshot(aws, "snap-1")),
    "own_images.deregister": Case(lambda aws: own_images.deregister(aws, "ami-1")),
    "own_images.is_taken": Case(lambda aws: own_images.is_taken(aws, "1")),
    "own_images.newest_usable": Case(lambda aws: own_images.newest_usable(aws, "1")),
    "own_images.snapshots": Case(lambda aws: own_images.snapshots(aws, "1")),
    "prices.on_demand_prices": Case(
        lambda aws: prices.on_demand_prices(aws, ["g5.xlarge"]),
        {"GetProducts": {"PriceList": [json.dumps(PRODUCT)]}},
    ),
    "prices.list_prices": Case(
        lambda aws: prices.list_prices(aws, "g5.xlarge", ["us-east-1", "eu-west-1"]),
        {"GetProducts": {"PriceList": [json.dumps(PRODUCT)]}},
    ),
    "prices.spot_prices": Case(lambda aws: prices.spot_prices(aws, ["g5.xlarge"])),
    "quota_requests.file_request": Case(lambda aws: quota_requests.file_request(aws, QUOTA, 8)),
    "quota_requests.read_request": Case(lambda aws: quota_requests.read_request(aws, "1")),
    "quota_requests.list_requests": Case(lambda aws: quota_requests.list_requests(aws)),
    "quotas.find_quota": Case(lambda aws: quotas.find_quota(aws, "L-DB2E81BA")),
    "quotas.other_quotas": Case(lambda aws: quotas.other_quotas(aws, "ml.g4dn.xlarge")),
    "quotas.read_limit": Case(
        # No applied value, so that the default is asked for; and the one type whose quota goes by its name.
        lambda aws: [quotas.read_limit(aws, name, spot=True) for name in ("g5.xlarge", "p5.48xlarge")],
        {"GetServiceQuota": Refusal("NoSuchResourceException")},
    ),
    "removal.find_owned": Case(lambda aws: removal.find_owned(aws, "1", identity="demo", bucket="demo")),
    "removal.remove": Case(
        _remove,
        {
            "DescribeInstances": {"Reservations": [{"Instances": [{"State": {"Name": "terminated"}}]}]},
            # One rule of each direction: two calls.
            "DescribeSecurityGroupRules": {"SecurityGroupRules": [{"IsEgress": True}, {"IsEgress": False}]},
            "DescribeRouteTables": {"RouteTables": [{"Associations": [{"Main": False}]}]},
        },
    ),
    "removal.unhook": Case(
        lambda aws: removal.unhook(aws, ["rtb-1"], frozenset(), keep_routes=False),
        {
            "DescribeRouteTables": {
                "RouteTables": [{"Associations": [{"Main": False}], "Routes": [{"GatewayId": "igw-1"}]}]
            }
        },
    ),
    "s3.bucket_exists": Case(lambda aws: s3.bucket_exists(aws, "demo")),
    "s3.locate": Case(lambda aws: s3.locate(aws, "demo", "reef/")),
    "s3.list_objects": Case(lambda aws: s3.list_objects(aws, "demo", "data/")),
    "s3.get_bytes": Case(lambda aws: s3.get_bytes(aws, "demo", "data/manifest.json")),
    "s3.put_bytes": Case(lambda aws: s3.put_bytes(aws, "demo", "a", b"b", content_type="text/plain")),
    "s3.upload_stream": Case(lambda aws: s3.upload_stream(aws, "demo", "a", io.BytesIO(b"b"), on_bytes=lambda _: None)),
    "spot.placement_scores": Case(lambda aws: spot.placement_scores(aws, ["g5.xlarge"], 1)),
    "session.identity": Case(lambda aws: aws.identity()),
}

# What asks without a Session: the agent on the host, with the host's own role.
BESIDE: Mapping[str, Case] = {
    "fetch_data.objects": Case(lambda _: _read_objects(Store("demo", "us-east-1", 1))),
    "fetch_data": Case(
        lambda _: Store("demo", "us-east-1", 1).read_manifest(unless="0"),
        {"GetObject": {"Body": io.BytesIO(json.dumps({"version": MANIFEST_VERSION, "files": {}}).encode())}},
    ),
}
