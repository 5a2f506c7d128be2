"""Faults on the wire: the status, the shape and the words that AWS has for each error."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cloud_machines import Machine

from deployer.errors import LocalCloudError
from deployer.localcloud.control import ControlClient
from deployer.localcloud.faults import Call, Fault, Faults

Aws = Callable[..., Any]
Launch = Callable[..., Machine]
ONCE = Config(retries={"total_max_attempts": 1, "mode": "standard"})

CALLS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "DescribeVpcs": ("ec2", lambda client: client.describe_vpcs()),
    "RunInstances": ("ec2", lambda client: client.run_instances(MinCount=1, MaxCount=1, ImageId="ami-1")),
    "GetCallerIdentity": ("sts", lambda client: client.get_caller_identity()),
    "ListRoles": ("iam", lambda client: client.list_roles()),
    "GetParameter": ("ssm", lambda client: client.get_parameter(Name="/a")),
    "GetServiceQuota": ("service-quotas", lambda client: client.get_service_quota(ServiceCode="ec2", QuotaCode="L-1")),
    "CreateEnvironmentEC2": (
        "cloud9",
        lambda client: client.create_environment_ec2(name="a", instanceType="t3.small", imageId="ubuntu"),
    ),
    "CreateBucket": ("s3", lambda client: client.create_bucket(Bucket="bucket-a")),
    "PutObject": ("s3", lambda client: client.put_object(Bucket="bucket-a", Key="a", Body=b"x" * 3_000_000)),
    "GetObject": ("s3", lambda client: client.get_object(Bucket="bucket-a", Key="a/b")),
    "ListObjectsV2": ("s3", lambda client: client.list_objects_v2(Bucket="bucket-a")),
    "PutBucketPolicy": ("s3", lambda client: client.put_bucket_policy(Bucket="bucket-a", Policy="{}")),
    "CreateMultipartUpload": ("s3", lambda client: client.create_multipart_upload(Bucket="bucket-a", Key="a")),
    "HeadObject": ("s3", lambda client: client.head_object(Bucket="bucket-a", Key="a")),
}


@pytest.mark.parametrize("action", CALLS)
def test_fault_of_any_action_reaches_the_caller_as_aws_error(aws: Aws, control: ControlClient, action: str) -> None:
    service, call = CALLS[action]
    control.add_fault(Fault(action=action, code="PendingVerification", message="told & <sure>"))

    with pytest.raises(ClientError) as caught:
        call(aws(service, config=ONCE))

    if action != "HeadObject":  # a HEAD has no body that could name the code
        assert caught.value.response["Error"]["Code"] == "PendingVerification"
        assert caught.value.response["Error"]["Message"] == "told & <sure>"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InsufficientInstanceCapacity", 500),
        ("InternalError", 500),
        ("RequestLimitExceeded", 503),
        ("SlowDown", 503),
        ("UnauthorizedOperation", 403),
        ("AccessDenied", 403),
        ("AuthFailure", 401),
        ("VcpuLimitExceeded", 400),
        ("RequestExpired", 400),
    ],
)
def test_fault_has_the_http_status_that_aws_sends(aws: Aws, control: ControlClient, code: str, status: int) -> None:
    control.add_fault(Fault(action="DescribeVpcs", code=code))

    with pytest.raises(ClientError) as caught:
        aws("ec2", config=ONCE).describe_vpcs()

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert caught.value.response["Error"]["Code"] == code


def test_fault_happens_as_often_as_it_was_told(aws: Aws, control: ControlClient) -> None:
    control.add_fault(Fault(action="DescribeVpcs", code="InternalError", times=2))
    ec2 = aws("ec2", config=ONCE)

    for _ in range(2):
        with pytest.raises(ClientError):
            ec2.describe_vpcs()

    assert ec2.describe_vpcs()["Vpcs"]
    assert control.faults()["faults"] == []


def test_throttling_is_retried_by_boto3_and_then_over(aws: Aws, control: ControlClient) -> None:
    control.add_fault(Fault(action="DescribeVpcs", code="RequestLimitExceeded", times=1))

    answer = aws("ec2", config=Config(retries={"mode": "standard"})).describe_vpcs()

    assert answer["ResponseMetadata"]["RetryAttempts"] == 1


def test_no_capacity_in_one_zone_leaves_the_others(aws: Aws, control: ControlClient, launch: Launch) -> None:
    subnets = aws("ec2").describe_subnets()["Subnets"]
    by_zone = {subnet["AvailabilityZone"]: subnet["SubnetId"] for subnet in subnets}
    control.add_fault(Fault(action="RunInstances", code="InsufficientInstanceCapacity", zone="us-east-1a"))

    with pytest.raises(ClientError, match=r"capacity in the Availability Zone you requested \(us-east-1a\)"):
        launch(SubnetId=by_zone["us-east-1a"])
    with pytest.raises(ClientError, match="InsufficientInstanceCapacity"):
        launch(NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": by_zone["us-east-1a"]}])

    assert launch(SubnetId=by_zone["us-east-1b"]).id


def test_no_capacity_for_one_type_leaves_the_others(control: ControlClient, launch: Launch) -> None:
    control.add_fault(Fault(action="RunInstances", code="InsufficientInstanceCapacity", instance_type="g5.xlarge"))

    with pytest.raises(ClientError, match="do not have sufficient g5"):
        launch(InstanceType="g5.xlarge")

    assert launch(InstanceType="g4dn.xlarge").id


def test_no_capacity_when_a_stopped_instance_starts(aws: Aws, control: ControlClient, launch: Launch) -> None:
    machine, ec2 = launch(), aws("ec2", config=ONCE)
    ec2.stop_instances(InstanceIds=[machine.id])
    control.add_fault(Fault(action="StartInstances", code="InsufficientInstanceCapacity", instance_type="g4dn.xlarge"))

    with pytest.raises(ClientError, match="InsufficientInstanceCapacity"):
        ec2.start_instances(InstanceIds=[machine.id])


def test_dry_run_asks_for_no_capacity_but_for_permission(control: ControlClient, launch: Launch) -> None:
    control.add_fault(Fault(action="RunInstances", code="InsufficientInstanceCapacity"))
    with pytest.raises(ClientError, match="DryRunOperation"):
        launch(DryRun=True)

    control.add_fault(Fault(action="RunInstances", code="UnauthorizedOperation"))
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        launch(DryRun=True)


def test_connection_is_still_good_after_a_refused_upload(aws: Aws, control: ControlClient) -> None:
    s3 = aws("s3", config=ONCE)
    s3.create_bucket(Bucket="kept-open")
    control.add_fault(Fault(action="PutObject", code="SlowDown", times=1))

    with pytest.raises(ClientError, match="SlowDown"):
        s3.put_object(Bucket="kept-open", Key="a", Body=b"x" * 5_000_000)
    s3.put_object(Bucket="kept-open", Key="a", Body=b"whole")

    assert s3.get_object(Bucket="kept-open", Key="a")["Body"].read() == b"whole"


def test_latency_delays_every_answer_until_cleared(aws: Aws, control: ControlClient) -> None:
    sts = aws("sts")
    sts.get_caller_identity()
    control.set_latency(300)

    began = time.monotonic()
    sts.get_caller_identity()
    late = time.monotonic() - began
    control.clear_faults()

    assert late >= 0.3
    assert control.faults()["latency_ms"] == 0


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"action": "Run Instances", "code": "X"}, "action"),
        ({"action": "", "code": "X"}, "action"),
        ({"action": "RunInstances", "code": ""}, "code"),
        ({"action": "RunInstances", "code": "X", "times": -1}, "times"),
        ({"action": "RunInstances", "code": "X", "status": 200}, "200"),
        ({"action": "RunInstances", "code": "X", "place": "us-east-1"}, "place"),
        ({"action": "RunInstances"}, "code"),
    ],
)
def test_fault_with_a_bad_field_is_refused_with_the_field(values: dict[str, Any], word: str) -> None:
    with pytest.raises(LocalCloudError, match=word) as caught:
        Fault.from_json(values)

    assert caught.value.hint


def test_server_refuses_a_bad_fault_with_the_same_words(control: ControlClient) -> None:
    with pytest.raises(LocalCloudError, match="latency of 70000 ms"):
        control.set_latency(70_000)


def test_want_of_capacity_names_the_zones_that_are_left(control: ControlClient, launch: Launch) -> None:
    for zone in ("us-east-1a", "us-east-1b", "us-east-1d"):
        control.add_fault(Fault(action="RunInstances", code="InsufficientInstanceCapacity", zone=zone))

    with pytest.raises(ClientError, match=r"or choosing us-east-1c, us-east-1f\.$"):
        launch(Placement={"AvailabilityZone": "us-east-1b"})


def test_unsupported_names_the_zones_that_offer_the_type(control: ControlClient, launch: Launch) -> None:
    control.add_fault(Fault(action="RunInstances", code="Unsupported", zone="us-east-1a"))

    with pytest.raises(ClientError, match=r"not specifying an Availability Zone or choosing us-east-1b, us-east-1c"):
        launch(Placement={"AvailabilityZone": "us-east-1a"})


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("SpotMaxPriceTooLow", "lower than the minimum required Spot request fulfillment price"),
        ("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded"),
        ("VcpuLimitExceeded", "more vCPU capacity than your current vCPU limit"),
        ("InstanceLimitExceeded", "than your current instance limit"),
        ("PendingVerification", "is being validated"),
        ("OptInRequired", "not subscribed to this service"),
        ("Blocked", "currently blocked"),
        ("UnauthorizedOperation", "not authorized to perform: ec2:RunInstances"),
        ("RequestLimitExceeded", "Request limit exceeded"),
        ("InsufficientFreeAddressesInSubnet", "not enough free addresses"),
        ("InsufficientVolumeCapacity", "not enough capacity to fulfill your EBS volume provision request"),
    ],
)
def test_launch_is_refused_in_the_words_of_aws(aws: Aws, control: ControlClient, code: str, said: str) -> None:
    control.add_fault(Fault(action="RunInstances", code=code))

    with pytest.raises(ClientError, match=said) as caught:
        aws("ec2", config=ONCE).run_instances(
            MinCount=1, MaxCount=1, ImageId="ami-1", InstanceType="g4dn.xlarge", InstanceMarketOptions={}
        )

    assert caught.value.response["Error"]["Code"] == code


def test_fault_of_a_region_fails_every_call_there_and_none_elsewhere(aws: Aws, control: ControlClient) -> None:
    control.add_fault(Fault(action="*", code="RequestLimitExceeded", region="eu-west-1"))

    for service, call in (("ec2", "describe_vpcs"), ("sts", "get_caller_identity"), ("cloud9", "list_environments")):
        with pytest.raises(ClientError, match="RequestLimitExceeded"):
            getattr(aws(service, region_name="eu-west-1", config=ONCE), call)()
        assert getattr(aws(service, config=ONCE), call)()


def test_fault_of_a_service_leaves_the_others(aws: Aws, control: ControlClient) -> None:
    control.add_fault(Fault(action="service-quotas:*", code="AccessDeniedException"))

    with pytest.raises(ClientError, match="not authorized to perform: servicequotas:ListServiceQuotas"):
        aws("service-quotas").list_service_quotas(ServiceCode="ec2")

    assert aws("ec2").describe_vpcs()["Vpcs"]


@pytest.mark.parametrize(
    ("fault", "meant"),
    [
        (Fault(action="RunInstance", code="InternalError"), "RunInstances"),
        (Fault(action="ec3:*", code="InternalError"), "ec2"),
        (Fault(action="ec2:PutObject", code="InternalError"), "s3:PutObject"),
        (Fault(action="*", code="InternalError", zone="us-east-1z"), "us-east-1"),
        (Fault(action="*", code="InternalError", zone="us-east-1a", region="eu-west-1"), "eu-west-1a"),
        (Fault(action="*", code="InternalError", region="eu-west-11"), "eu-west-1"),
        (Fault(action="*", code="InternalError", instance_type="g4dn.xlrge"), "g4dn.xlarge"),
    ],
)
def test_fault_that_no_call_can_meet_is_refused_with_what_was_meant(
    control: ControlClient, fault: Fault, meant: str
) -> None:
    with pytest.raises(LocalCloudError, match=r"There is no|AWS has no") as caught:
        control.add_fault(fault)

    assert meant in caught.value.hint


def test_parallel_calls_meet_a_fault_exactly_as_often_as_it_was_told(aws: Aws, control: ControlClient) -> None:
    control.add_fault(Fault(action="DescribeVpcs", code="InsufficientInstanceCapacity", times=3))
    ec2 = aws("ec2", config=ONCE)

    def refused(_: int) -> bool:
        try:
            ec2.describe_vpcs()
        except ClientError:
            return True
        return False

    with ThreadPoolExecutor(10) as pool:
        outcomes = list(pool.map(refused, range(10)))

    assert sum(outcomes) == 3


def test_latency_delays_calls_beside_each_other_and_not_after_each_other(aws: Aws, control: ControlClient) -> None:
    ec2 = aws("ec2", config=Config(max_pool_connections=20))
    ec2.describe_vpcs()
    control.set_latency(300)

    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: ec2.describe_vpcs(), range(20)))

    assert time.monotonic() - began < 20 * 0.3 / 3


def test_first_fault_that_matches_is_taken() -> None:
    faults = Faults()
    faults.add(Fault(action="runinstances", code="A", zone="us-east-1b"))
    faults.add(Fault(action="RunInstances", code="B", times=1))
    call = Call(service="ec2", action="RunInstances", zone="us-east-1a")

    taken = [faults.take(call), faults.take(call)]

    assert [fault.code if fault else None for fault in taken] == ["B", None]
