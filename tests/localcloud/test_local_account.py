"""What EC2 would launch and what not: offerings, quotas, disks, dry runs, spot; and the services beside EC2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloud_machines import Machine, describe

from ami.catalogue import CATALOGUE
from deployer.errors import LocalCloudError
from deployer.localcloud.control import ControlClient
from deployer.localcloud.quotas import quota_code

Aws = Callable[..., Any]
Launch = Callable[..., Machine]


@pytest.mark.parametrize(
    ("instance_type", "zone", "code"),
    [
        ("g4dn.xlarge", "us-east-1e", "Unsupported"),
        ("p5e.48xlarge", "us-east-1a", "Unsupported"),
        ("g3.4xlarge", "us-east-1a", "InvalidParameterValue"),
        ("p2.xlarge", "us-east-1a", "InvalidParameterValue"),
        ("g4dn.tiny", "us-east-1a", "InvalidParameterValue"),
    ],
)
def test_type_that_is_not_offered_is_not_launched(launch: Launch, instance_type: str, zone: str, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        launch(InstanceType=instance_type, Placement={"AvailabilityZone": zone})

    assert caught.value.response["Error"]["Code"] == code


def test_gpu_quota_starts_at_64_vcpus(aws: Aws) -> None:
    quotas = aws("service-quotas")

    for code in ("L-DB2E81BA", "L-417A185B", "L-3819A6DF", "L-7212CCBC"):
        assert quotas.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"] == 64


def test_quota_that_was_set_is_told_and_enforced(aws: Aws, control: ControlClient, launch: Launch) -> None:
    control.set_quota("L-DB2E81BA", 8)
    told = aws("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode="L-DB2E81BA")["Quota"]["Value"]
    launch()
    launch()

    with pytest.raises(ClientError, match="current vCPU limit of 8 allows") as caught:
        launch()

    assert told == 8
    assert caught.value.response["Error"]["Code"] == "VcpuLimitExceeded"


def test_stopped_instances_do_not_count_against_the_quota(aws: Aws, control: ControlClient, launch: Launch) -> None:
    control.set_quota("L-DB2E81BA", 4)
    aws("ec2").stop_instances(InstanceIds=[launch().id])

    assert launch().id


def test_spot_has_a_quota_of_its_own(control: ControlClient, launch: Launch) -> None:
    control.set_quota("L-3819A6DF", 4)
    spot = {"InstanceMarketOptions": {"MarketType": "spot"}}
    launch(**spot)

    with pytest.raises(ClientError, match="MaxSpotInstanceCountExceeded"):
        launch(**spot)

    assert launch().id


def test_quota_of_one_region_leaves_the_others(aws: Aws, control: ControlClient) -> None:
    control.set_quota("L-DB2E81BA", 0, region="us-west-2")

    values = [
        aws("service-quotas", region_name=region).get_service_quota(ServiceCode="ec2", QuotaCode="L-DB2E81BA")
        for region in ("us-west-2", "us-east-1")
    ]

    assert [answer["Quota"]["Value"] for answer in values] == [0, 64]


def test_quota_service_lists_defaults_and_takes_requests(aws: Aws) -> None:
    quotas = aws("service-quotas", region_name="eu-west-1")

    pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="ec2", PaginationConfig={"PageSize": 5})
    listed = [quota["QuotaCode"] for page in pages for quota in page["Quotas"]]
    default = quotas.get_aws_default_service_quota(ServiceCode="ec2", QuotaCode="L-DB2E81BA")["Quota"]["Value"]
    wanted = {"ServiceCode": "ec2", "QuotaCode": "L-DB2E81BA", "DesiredValue": 128.0}
    request = quotas.request_service_quota_increase(**wanted)["RequestedQuota"]
    with pytest.raises(ClientError, match="ResourceAlreadyExistsException"):
        quotas.request_service_quota_increase(**wanted)
    history = quotas.list_requested_service_quota_change_history_by_quota(ServiceCode="ec2", QuotaCode="L-DB2E81BA")

    assert len(listed) == len(set(listed)) == 19
    assert default == 0
    assert request["Status"] == "PENDING"
    assert [item["Id"] for item in history["RequestedQuotas"]] == [request["Id"]]


@pytest.mark.parametrize(
    ("instance_type", "is_spot", "code"),
    [
        ("g4dn.xlarge", False, "L-DB2E81BA"),
        ("gr6.4xlarge", False, "L-DB2E81BA"),
        ("vt1.3xlarge", True, "L-3819A6DF"),
        ("p5.48xlarge", True, "L-7212CCBC"),
        ("p4d.24xlarge", False, "L-417A185B"),
        ("trn1.2xlarge", True, "L-6B0D517C"),
        ("c5.xlarge", False, "L-1216C47A"),
        ("m7i.large", True, "L-34B43A08"),
    ],
)
def test_quota_code_of_a_type(instance_type: str, is_spot: bool, code: str) -> None:
    assert quota_code(instance_type, is_spot=is_spot) == code


def test_unknown_quota_is_refused_with_the_one_meant(control: ControlClient) -> None:
    with pytest.raises(LocalCloudError, match="L-DB2E81BB") as caught:
        control.set_quota("L-DB2E81BB", 8)

    assert "L-DB2E81BA" in caught.value.hint


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_every_image_of_the_catalogue_is_found_by_parameter_and_by_name(aws: Aws, region: str) -> None:
    ssm, ec2 = aws("ssm", region_name=region), aws("ec2", region_name=region)

    for image in CATALOGUE:
        identifier = ssm.get_parameter(Name=image.parameter)["Parameter"]["Value"]
        pattern = [{"Name": "name", "Values": [f"{image.ami_name} ????????"]}]
        found = ec2.describe_images(Owners=["amazon"], Filters=pattern)["Images"]

        assert [item["ImageId"] for item in found] == [identifier]
        assert found[0]["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 75
        assert found[0]["Architecture"] == image.architectures[0]
        words = found[0]["Description"].lower()
        assert all(family in words for family in image.families)


def test_root_disk_smaller_than_the_image_is_refused(launch: Launch) -> None:
    disk = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 30, "VolumeType": "gp3"}}

    with pytest.raises(ClientError, match=r"Volume of size 30GB is smaller than snapshot .* expect size >= 75GB"):
        launch(BlockDeviceMappings=[disk])


def test_disk_keeps_what_was_asked_for_it(aws: Aws, launch: Launch) -> None:
    disk = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeType": "gp3", "Throughput": 250, "Encrypted": True}}
    machine = launch(BlockDeviceMappings=[disk])

    attached = describe(aws("ec2"), machine.id)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    volume = aws("ec2").describe_volumes(VolumeIds=[attached])["Volumes"][0]

    assert (volume["Size"], volume["Throughput"], volume["Iops"], volume["Encrypted"]) == (75, 250, 3000, True)


def test_dry_run_creates_nothing(aws: Aws) -> None:
    ec2 = aws("ec2")
    before = len(ec2.describe_vpcs()["Vpcs"])

    with pytest.raises(ClientError) as caught:
        ec2.create_vpc(CidrBlock="10.9.0.0/16", DryRun=True)

    assert caught.value.response["Error"]["Code"] == "DryRunOperation"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert len(ec2.describe_vpcs()["Vpcs"]) == before


def test_spot_instance_has_a_request_that_closes_with_it(aws: Aws, launch: Launch) -> None:
    ec2, machine = aws("ec2"), launch(InstanceMarketOptions={"MarketType": "spot"})

    found = describe(ec2, machine.id)
    ec2.terminate_instances(InstanceIds=[machine.id])
    request = ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[found["SpotInstanceRequestId"]])

    assert found["InstanceLifecycle"] == "spot"
    assert request["SpotInstanceRequests"][0]["State"] == "closed"


def test_spot_prices_and_scores_cover_the_zones_that_offer_the_type(aws: Aws) -> None:
    ec2 = aws("ec2")

    history = ec2.describe_spot_price_history(InstanceTypes=["g4dn.xlarge"], ProductDescriptions=["Linux/UNIX"])
    scores = ec2.get_spot_placement_scores(
        InstanceTypes=["g4dn.xlarge", "g5.xlarge", "g6.xlarge"],
        TargetCapacity=1,
        SingleAvailabilityZone=True,
        RegionNames=["us-east-1"],
    )

    zones = {item["AvailabilityZone"] for item in history["SpotPriceHistory"]}
    assert zones == {f"us-east-1{letter}" for letter in "abcdf"}
    assert all(0.1 < float(item["SpotPrice"]) < 0.526 for item in history["SpotPriceHistory"])
    assert all(1 <= item["Score"] <= 10 for item in scores["SpotPlacementScores"])


def test_instance_types_come_by_page_and_without_the_withdrawn(aws: Aws) -> None:
    ec2 = aws("ec2")

    first = ec2.describe_instance_types(MaxResults=50)
    second = ec2.describe_instance_types(MaxResults=50, NextToken=first["NextToken"])
    names = [item["InstanceType"] for page in (first, second) for item in page["InstanceTypes"]]
    with pytest.raises(ClientError, match="InvalidInstanceType"):
        ec2.describe_instance_types(InstanceTypes=["g3.4xlarge"])

    assert len(set(names)) == 100


def test_tags_of_what_is_gone_are_gone(aws: Aws, launch: Launch) -> None:
    ec2 = aws("ec2")
    tags = [{"Key": "deployment", "Value": "short"}]
    filters = [{"Name": "key", "Values": ["deployment"]}]
    kinds = ("instance", "volume")
    machine = launch(TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in kinds])
    vpc = ec2.create_vpc(CidrBlock="10.8.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": tags}])
    before = sorted(tag["ResourceType"] for tag in ec2.describe_tags(Filters=filters)["Tags"])

    ec2.terminate_instances(InstanceIds=[machine.id])
    ec2.delete_vpc(VpcId=vpc["Vpc"]["VpcId"])

    assert before == ["instance", "volume", "vpc"]
    assert ec2.describe_tags(Filters=filters)["Tags"] == []


def test_bucket_that_refuses_plain_http_takes_objects(aws: Aws) -> None:
    import json

    s3 = aws("s3")
    s3.create_bucket(Bucket="tls-only")
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::tls-only", "arn:aws:s3:::tls-only/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket="tls-only", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))

    s3.put_object(Bucket="tls-only", Key="a", Body=b"1")

    assert s3.get_object(Bucket="tls-only", Key="a")["Body"].read() == b"1"


def test_shutdown_behaviour_can_be_changed_without_touching_the_groups(aws: Aws, launch: Launch) -> None:
    ec2, machine = aws("ec2"), launch()
    group = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
    ec2.modify_instance_attribute(InstanceId=machine.id, Groups=[group])

    ec2.modify_instance_attribute(InstanceId=machine.id, InstanceInitiatedShutdownBehavior={"Value": "terminate"})

    told = ec2.describe_instance_attribute(InstanceId=machine.id, Attribute="instanceInitiatedShutdownBehavior")
    assert told["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"
    assert [item["GroupId"] for item in describe(ec2, machine.id)["SecurityGroups"]] == [group]


def test_cloud9_environment_lives_and_goes(aws: Aws) -> None:
    cloud9 = aws("cloud9")
    wanted = {"name": "editor", "instanceType": "t3.small", "imageId": "ubuntu-22.04-x86_64", "clientRequestToken": "a"}
    identifier = cloud9.create_environment_ec2(**wanted, tags=[{"Key": "a", "Value": "b"}])["environmentId"]

    again = cloud9.create_environment_ec2(**wanted)["environmentId"]
    found = cloud9.describe_environments(environmentIds=[identifier])["environments"][0]
    tags = cloud9.list_tags_for_resource(ResourceARN=found["arn"])["Tags"]
    cloud9.delete_environment(environmentId=identifier)

    assert again == identifier
    assert (found["name"], tags) == ("editor", [{"Key": "a", "Value": "b"}])
    assert cloud9.list_environments()["environmentIds"] == []
    with pytest.raises(ClientError, match="NotFoundException"):
        cloud9.delete_environment(environmentId=identifier)


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("ec2", lambda client: client.describe_capacity_block_offerings(CapacityDurationHours=24)),
        ("iam", lambda client: client.simulate_custom_policy(PolicyInputList=["{}"], ActionNames=["s3:GetObject"])),
        ("pricing", lambda client: client.describe_services()),
        (
            "cloud9",
            lambda client: client.update_environment_membership(
                environmentId="a", userArn="arn:aws:iam::123456789012:root", permissions="read-only"
            ),
        ),
    ],
)
def test_what_is_not_implemented_is_a_final_error(aws: Aws, service: str, call: Callable[[Any], Any]) -> None:
    with pytest.raises(ClientError, match="cannot answer") as caught:
        call(aws(service, region_name="us-east-1"))

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0
