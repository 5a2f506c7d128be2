"""What is left of a deployment, asked of a cloud where it was made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from deployer.aws import existence
from deployer.aws.ec2 import Resource
from deployer.aws.session import Session
from deployer.teardown import Leftover, find_leftovers

ACCOUNT = "123456789012"
OWN_NAME = "deployer-demo-us-east-1"


def kinds(found: list[Leftover]) -> list[str]:
    return sorted(item.kind for item in found)


@pytest.fixture
def role(session: Session) -> Iterator[str]:
    iam_client = session.client("iam")
    iam_client.create_role(RoleName=OWN_NAME, AssumeRolePolicyDocument="{}")
    iam_client.create_instance_profile(InstanceProfileName=OWN_NAME)
    yield OWN_NAME
    iam_client.delete_instance_profile(InstanceProfileName=OWN_NAME)
    iam_client.delete_role(RoleName=OWN_NAME)


def test_find_leftovers_of_nothing_is_empty(session: Session) -> None:
    assert find_leftovers(session, "demo", account=ACCOUNT, bucket="deployer-demo-nothing") == []


def test_find_leftovers_names_a_machine_that_runs_and_its_state(session: Session, launch: Callable[..., str]) -> None:
    machine = launch()

    found = find_leftovers(session, "demo", account=ACCOUNT)

    assert Leftover(kind="instance", id=machine, detail="g4dn.xlarge running") in found
    assert all(item.is_certain for item in found)


def test_find_leftovers_ignores_what_is_terminated_or_another_deployments(
    session: Session, launch: Callable[..., str], ec2_client: Any
) -> None:
    launch(deployment="demo2")
    ec2_client.terminate_instances(InstanceIds=[launch()])

    assert find_leftovers(session, "demo", account=ACCOUNT) == []


def test_find_leftovers_finds_role_profile_key_pair_and_bucket_by_name(
    session: Session, ec2_client: Any, role: str
) -> None:
    key = ec2_client.create_key_pair(KeyName=OWN_NAME, KeyType="ed25519")["KeyPairId"]
    s3 = session.client("s3")
    s3.create_bucket(Bucket="deployer-demo-left")

    found = find_leftovers(session, "demo", account=ACCOUNT, bucket="deployer-demo-left")

    ec2_client.delete_key_pair(KeyName=OWN_NAME)
    s3.delete_bucket(Bucket="deployer-demo-left")
    assert {(item.kind, item.id) for item in found} == {
        ("IAM role", role),
        ("instance profile", role),
        ("key pair", key),
        ("bucket", "deployer-demo-left"),
    }


def test_find_leftovers_lists_what_has_both_tag_and_name_once(session: Session, ec2_client: Any) -> None:
    tags = [{"ResourceType": "key-pair", "Tags": [{"Key": "deployer:deployment", "Value": "demo"}]}]
    ec2_client.create_key_pair(KeyName=OWN_NAME, KeyType="ed25519", TagSpecifications=tags)

    found = find_leftovers(session, "demo", account=ACCOUNT)

    ec2_client.delete_key_pair(KeyName=OWN_NAME)
    assert kinds(found) == ["key pair"]


def test_find_leftovers_finds_tagged_network_and_disk(session: Session, ec2_client: Any) -> None:
    tag = {"Key": "deployer:deployment", "Value": "demo"}
    vpc = ec2_client.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2_client.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    volume = ec2_client.create_volume(AvailabilityZone="us-east-1a", Size=115)["VolumeId"]
    ec2_client.create_tags(Resources=[vpc, subnet, volume], Tags=[tag])

    found = find_leftovers(session, "demo", account=ACCOUNT)

    ec2_client.delete_volume(VolumeId=volume)
    ec2_client.delete_subnet(SubnetId=subnet)
    ec2_client.delete_vpc(VpcId=vpc)
    assert kinds(found) == ["subnet", "volume", "vpc"]
    assert Leftover(kind="volume", id=volume, detail="115 GiB available") in found


@pytest.mark.parametrize(
    ("action", "kind", "permission"),
    [
        ("DescribeTags", "tagged resources", "ec2:DescribeTags"),
        ("DescribeKeyPairs", "key pair", "ec2:DescribeKeyPairs"),
        ("GetRole", "IAM role", "iam:GetRole"),
        ("GetInstanceProfile", "instance profile", "iam:GetInstanceProfile"),
    ],
)
def test_find_leftovers_does_not_take_a_refusal_for_nothing(
    session: Session, refuse: Callable[..., None], action: str, kind: str, permission: str
) -> None:
    refuse(action, code="AccessDenied" if permission.startswith("iam") else "UnauthorizedOperation")

    (leftover,) = find_leftovers(session, "demo", account=ACCOUNT)

    assert (leftover.kind, leftover.is_certain) == (kind, False)
    assert permission in leftover.detail


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("This account does not have access to the Cloud9 service", []),
        ("", []),
        ("User: ada is not authorized to perform: cloud9:ListEnvironments on resource: *", ["Cloud9 environment"]),
    ],
)
def test_find_leftovers_knows_an_account_without_cloud9(session: Session, message: str, expected: list[str]) -> None:
    with Stubber(session.client("cloud9")) as stub:
        stub.add_client_error("list_environments", "AccessDeniedException", message)

        assert kinds(find_leftovers(session, "demo", account=ACCOUNT)) == expected


def test_find_leftovers_finds_the_cloud9_environment_of_its_name_only(session: Session) -> None:
    with Stubber(session.client("cloud9")) as stub:
        stub.add_response("list_environments", {"environmentIds": ["a" * 32, "b" * 32]})
        environments = [
            {"id": "a" * 32, "name": OWN_NAME, "type": "ec2", "arn": "arn:a", "ownerArn": "arn:o"},
            {"id": "b" * 32, "name": "somebody else's", "type": "ec2", "arn": "arn:b", "ownerArn": "arn:o"},
        ]
        stub.add_response("describe_environments", {"environments": environments})

        found = find_leftovers(session, "demo", account=ACCOUNT)

    assert found == [Leftover(kind="Cloud9 environment", id="a" * 32, detail=OWN_NAME)]


@pytest.mark.parametrize(
    ("kind", "gone"),
    [
        ("elastic-ip", "eipalloc-0123456789abcdef0"),
        ("instance", "i-0123456789abcdef0"),
        ("internet-gateway", "igw-0123456789abcdef0"),
        ("key-pair", "key-0123456789abcdef0"),
        ("network-interface", "eni-0123456789abcdef0"),
        ("route-table", "rtb-0123456789abcdef0"),
        ("security-group", "sg-0123456789abcdef0"),
        ("security-group-rule", "sgr-0123456789abcdef0"),
        ("spot-instances-request", "sir-0123456789abcdef0"),
        ("subnet", "subnet-0123456789abcdef0"),
        ("volume", "vol-0123456789abcdef0"),
        ("vpc", "vpc-0123456789abcdef0"),
        ("vpc-endpoint", "vpce-0123456789abcdef0"),
    ],
)
def test_existing_drops_what_only_its_tag_remembers(session: Session, kind: str, gone: str) -> None:
    assert existence.existing(session, [Resource(kind, gone)]) == []


def test_existing_keeps_a_kind_that_it_cannot_confirm(session: Session) -> None:
    stranger = Resource("placement-group", "pg-1", "tagged by hand")

    assert existence.existing(session, [stranger]) == [(stranger, "")]


def test_existing_keeps_what_it_may_not_ask_about(session: Session, refuse: Callable[..., None]) -> None:
    refuse("DescribeVpcs")

    ((resource, detail),) = existence.existing(session, [Resource("vpc", "vpc-1")])

    assert resource.id == "vpc-1"
    assert "ec2:DescribeVpcs" in detail
