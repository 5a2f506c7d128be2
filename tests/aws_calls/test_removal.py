"""What carries our id goes, in the order in which it hangs together; what carries another's stays."""

from __future__ import annotations

import json
from typing import Any

from deployer.aws.removal import ID_TAG, Owned, find_owned, remove
from deployer.aws.session import Session

NAME = "deployer-removal-us-east-1"
BUCKET = "deployer-removal-123456789012-us-east-1"
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
)


def tags(kind: str, value: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": ID_TAG, "Value": value}]}]


def make(session: Session, value: str, *, cidr: str) -> str:
    """Make a network with all that hangs on it; return the id of its VPC."""
    ec2 = session.client("ec2")
    vpc = ec2.create_vpc(CidrBlock=cidr, TagSpecifications=tags("vpc", value))["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, TagSpecifications=tags("subnet", value))
    gateway = ec2.create_internet_gateway(TagSpecifications=tags("internet-gateway", value))
    ec2.attach_internet_gateway(InternetGatewayId=gateway["InternetGateway"]["InternetGatewayId"], VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc, TagSpecifications=tags("route-table", value))["RouteTable"]
    ec2.associate_route_table(RouteTableId=table["RouteTableId"], SubnetId=subnet["Subnet"]["SubnetId"])
    ec2.create_security_group(
        GroupName=f"group-{value}", Description="d", VpcId=vpc, TagSpecifications=tags("security-group", value)
    )
    return str(vpc)


def test_remove_takes_what_is_ours_and_nothing_else(session: Session) -> None:
    iam, s3, ec2 = (session.client(name) for name in ("iam", "s3", "ec2"))
    ours, theirs = make(session, "ours", cidr="10.1.0.0/16"), make(session, "theirs", cidr="10.2.0.0/16")
    iam.create_role(RoleName=NAME, AssumeRolePolicyDocument="{}", Tags=[{"Key": ID_TAG, "Value": "ours"}])
    iam.put_role_policy(RoleName=NAME, PolicyName="p", PolicyDocument=POLICY)
    iam.create_instance_profile(InstanceProfileName=NAME, Tags=[{"Key": ID_TAG, "Value": "ours"}])
    iam.add_role_to_instance_profile(InstanceProfileName=NAME, RoleName=NAME)
    ec2.create_key_pair(KeyName=NAME, TagSpecifications=tags("key-pair", "ours"))
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": [{"Key": ID_TAG, "Value": "ours"}]})
    for body in (b"1", b"2"):
        s3.put_object(Bucket=BUCKET, Key="data/x", Body=body)
    s3.delete_object(Bucket=BUCKET, Key="data/x")
    removed: list[Owned] = []

    remove(session, find_owned(session, "ours", identity=NAME, bucket=BUCKET), removed.append)

    assert {item.kind for item in removed} >= {"vpc", "subnet", "role", "instance-profile", "bucket", "route-table"}
    assert ec2.describe_key_pairs(Filters=[{"Name": "key-name", "Values": [NAME]}])["KeyPairs"] == []
    assert find_owned(session, "ours", identity=NAME, bucket=BUCKET) == []
    assert [item["VpcId"] for item in ec2.describe_vpcs(VpcIds=[theirs])["Vpcs"]] == [theirs]
    assert ours not in {item["VpcId"] for item in ec2.describe_vpcs()["Vpcs"]}


def test_role_of_the_same_name_that_is_not_ours_is_not_found(session: Session) -> None:
    session.client("iam").create_role(RoleName=NAME, AssumeRolePolicyDocument="{}")

    assert find_owned(session, "ours", identity=NAME, bucket=BUCKET) == []
    session.client("iam").delete_role(RoleName=NAME)
