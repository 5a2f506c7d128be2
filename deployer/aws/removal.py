"""Remove what an interrupted Terraform made and did not write down: only what carries this deployment's own id.

The tag deployer:id is drawn at random for each deployment on this machine, so nobody else's resources of the same name
can be meant.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from deployer.aws.session import Session, aws_errors
from deployer.errors import AwsError

ID_TAG = "deployer:id"
TERMINATION_TIMEOUT_SECONDS = 600
ATTEMPTS = 6  # what still hangs on something else is tried again once that is gone
PAUSE_SECONDS = 2.0
GONE = frozenset({"NoSuchEntity", "NoSuchBucket", "404"})


@dataclass(frozen=True, kw_only=True)
class Owned:
    """A resource that carries our id; `kind` is EC2's resource type, "role", "instance-profile" or "bucket"."""

    kind: str
    id: str


def find_owned(session: Session, deployment_id: str, *, identity: str, bucket: str) -> list[Owned]:
    """Return what carries `deployment_id`: in EC2 by tag, the role and profile `identity` and the bucket by name."""
    found = [Owned(kind=kind, id=name) for kind, name in _tagged(session, deployment_id)]
    iam, s3 = session.client("iam"), session.client("s3")
    questions: tuple[tuple[str, str, str, Callable[[], list[Any]]], ...] = (
        ("instance-profile", identity, "iam:GetInstanceProfile", lambda: _profile_tags(iam, identity)),
        ("role", identity, "iam:GetRole", lambda: iam.get_role(RoleName=identity)["Role"].get("Tags", [])),
        ("bucket", bucket, "s3:GetBucketTagging", lambda: s3.get_bucket_tagging(Bucket=bucket)["TagSet"]),
    )
    for kind, name, operation, ask in questions:
        try:
            with aws_errors(operation, region=session.region):
                tags = {item["Key"]: item["Value"] for item in ask()}
        except AwsError as error:
            if error.code in GONE | {"NoSuchTagSet"} or error.code.startswith("NoSuch"):
                continue
            raise
        if tags.get(ID_TAG) == deployment_id:
            found.append(Owned(kind=kind, id=name))
    return found


def remove(session: Session, owned: Iterable[Owned], on_removed: Callable[[Owned], None]) -> None:
    """Delete resources in the order in which they hang on each other. Raises the last AwsError where one stays."""
    # What has no deletion of its own goes with its owner, an interface with its instance.
    left = sorted((item for item in owned if item.kind in _DELETIONS), key=lambda item: _ORDER.index(item.kind))
    for attempt in range(ATTEMPTS):
        kept: list[Owned] = []
        last: AwsError | None = None
        for item in left:
            try:
                _delete(session, item)
                on_removed(item)
            except AwsError as error:
                if "NotFound" not in error.code and error.code not in GONE:
                    kept.append(item)
                    last = error
        if last is None:
            return
        left = kept
        if attempt + 1 == ATTEMPTS:
            raise last
        time.sleep(PAUSE_SECONDS)


def unhook(session: Session, tables: Iterable[str], known: frozenset[str], *, keep_routes: bool) -> None:
    """Undo what hangs on our route tables and has no tag of its own: associations that are not `known`, and routes."""
    ids = list(tables)
    if not ids:
        return
    ec2 = session.client("ec2")
    with aws_errors("ec2:DescribeRouteTables", region=session.region):
        found = ec2.describe_route_tables(RouteTableIds=ids)["RouteTables"]
    for table in found:
        for association in table.get("Associations", []):
            if not association.get("Main") and association["RouteTableAssociationId"] not in known:
                with aws_errors("ec2:DisassociateRouteTable", region=session.region):
                    ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
        for route in table.get("Routes", []):
            if not keep_routes and route.get("GatewayId", "").startswith("igw-"):
                with aws_errors("ec2:DeleteRoute", region=session.region):
                    ec2.delete_route(
                        RouteTableId=table["RouteTableId"], DestinationCidrBlock=route["DestinationCidrBlock"]
                    )


def _tagged(session: Session, deployment_id: str) -> Iterator[tuple[str, str]]:
    filters = [{"Name": "key", "Values": [ID_TAG]}, {"Name": "value", "Values": [deployment_id]}]
    with aws_errors("ec2:DescribeTags", region=session.region):
        for tag in session.pages("ec2", "describe_tags", "Tags", Filters=filters):
            yield tag["ResourceType"], tag["ResourceId"]


def _profile_tags(iam: Any, name: str) -> list[Any]:
    return list(iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"].get("Tags", []))


def _delete(session: Session, item: Owned) -> None:
    operation, call = _DELETIONS[item.kind]
    with aws_errors(operation, region=session.region):
        call(session, item.id)


def _terminate(session: Session, instance_id: str) -> None:
    ec2 = session.client("ec2")
    ec2.terminate_instances(InstanceIds=[instance_id])
    delay = 5
    ec2.get_waiter("instance_terminated").wait(
        InstanceIds=[instance_id], WaiterConfig={"Delay": delay, "MaxAttempts": TERMINATION_TIMEOUT_SECONDS // delay}
    )


def _delete_rule(session: Session, rule_id: str) -> None:
    ec2 = session.client("ec2")
    for rule in ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule_id])["SecurityGroupRules"]:
        revoke = ec2.revoke_security_group_egress if rule["IsEgress"] else ec2.revoke_security_group_ingress
        revoke(GroupId=rule["GroupId"], SecurityGroupRuleIds=[rule_id])


def _delete_key_pair(session: Session, key_pair_id: str) -> None:
    ec2 = session.client("ec2")
    for pair in ec2.describe_key_pairs(KeyPairIds=[key_pair_id])["KeyPairs"]:
        ec2.delete_key_pair(KeyName=pair["KeyName"])


def _delete_gateway(session: Session, gateway_id: str) -> None:
    ec2 = session.client("ec2")
    for gateway in ec2.describe_internet_gateways(InternetGatewayIds=[gateway_id])["InternetGateways"]:
        for attachment in gateway.get("Attachments", []):
            ec2.detach_internet_gateway(InternetGatewayId=gateway_id, VpcId=attachment["VpcId"])
    ec2.delete_internet_gateway(InternetGatewayId=gateway_id)


def _delete_route_table(session: Session, table_id: str) -> None:
    ec2 = session.client("ec2")
    for table in ec2.describe_route_tables(RouteTableIds=[table_id])["RouteTables"]:
        for association in table.get("Associations", []):
            if not association.get("Main"):
                ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
    ec2.delete_route_table(RouteTableId=table_id)


def _delete_profile(session: Session, name: str) -> None:
    iam = session.client("iam")
    for role in iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]:
        iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role["RoleName"])
    iam.delete_instance_profile(InstanceProfileName=name)


def _delete_role(session: Session, name: str) -> None:
    iam = session.client("iam")
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
    iam.delete_role(RoleName=name)


def _delete_bucket(session: Session, name: str) -> None:
    s3 = session.client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if found:
            objects = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
            s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})
    s3.delete_bucket(Bucket=name)


def _ec2(operation: str, parameter: str) -> tuple[str, Callable[[Session, str], None]]:
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).lstrip("_")
    listed = parameter.endswith("Ids")

    def call(session: Session, resource_id: str) -> None:
        getattr(session.client("ec2"), name)(**{parameter: [resource_id] if listed else resource_id})

    return f"ec2:{operation}", call


_DELETIONS: dict[str, tuple[str, Callable[[Session, str], None]]] = {
    "spot-instances-request": _ec2("CancelSpotInstanceRequests", "SpotInstanceRequestIds"),
    "instance": ("ec2:TerminateInstances", _terminate),
    "volume": _ec2("DeleteVolume", "VolumeId"),
    "vpc-endpoint": _ec2("DeleteVpcEndpoints", "VpcEndpointIds"),
    "key-pair": ("ec2:DeleteKeyPair", _delete_key_pair),
    "security-group-rule": ("ec2:RevokeSecurityGroupIngress", _delete_rule),
    "security-group": _ec2("DeleteSecurityGroup", "GroupId"),
    "subnet": _ec2("DeleteSubnet", "SubnetId"),
    "route-table": ("ec2:DeleteRouteTable", _delete_route_table),
    "internet-gateway": ("ec2:DeleteInternetGateway", _delete_gateway),
    "vpc": _ec2("DeleteVpc", "VpcId"),
    "instance-profile": ("iam:DeleteInstanceProfile", _delete_profile),
    "role": ("iam:DeleteRole", _delete_role),
    "bucket": ("s3:DeleteBucket", _delete_bucket),
}
_ORDER = tuple(_DELETIONS)
