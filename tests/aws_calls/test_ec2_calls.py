"""What EC2 answers over HTTP, as our dataclasses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.stub import Stubber

from deployer.aws import ec2
from deployer.aws.ec2 import Resource, Zone
from deployer.aws.session import Session
from deployer.errors import AccessDenied

Launch = Callable[..., str]
Refuse = Callable[..., None]


def test_regions_tells_which_are_enabled(session: Session) -> None:
    found = ec2.regions(session)

    assert found["us-east-1"] is True
    assert found["ap-east-1"] is False
    assert "us-east-9" not in found


def test_zones_have_the_id_that_means_the_same_place_in_every_account(session: Session) -> None:
    found = ec2.zones(session)

    assert [zone.name for zone in found] == [f"us-east-1{letter}" for letter in "abcdef"]
    assert found[0] == Zone("us-east-1a", "use1-az6")


def test_zones_leave_out_local_zones_and_those_that_are_impaired(session: Session) -> None:
    client = session.client("ec2")
    answer = [
        {"ZoneName": "us-east-1b", "ZoneId": "use1-az1", "ZoneType": "availability-zone", "State": "impaired"},
        {"ZoneName": "us-east-1-bos-1a", "ZoneId": "use1-bos1-az1", "ZoneType": "local-zone", "State": "available"},
        {"ZoneName": "us-east-1a", "ZoneId": "use1-az6", "ZoneType": "availability-zone", "State": "available"},
    ]
    with Stubber(client) as stub:
        stub.add_response("describe_availability_zones", {"AvailabilityZones": answer}, {})

        assert [zone.name for zone in ec2.zones(session)] == ["us-east-1a"]


def test_instance_types_tell_the_gpu(session: Session) -> None:
    found = ec2.instance_types(session, ["g4dn.xlarge", "g5g.xlarge", "g6f.large", "m5.large"])

    g4dn = found["g4dn.xlarge"]
    assert (g4dn.vcpus, g4dn.memory_mib, g4dn.gpus, g4dn.gpu_name) == (4, 16384, 1, "T4")
    assert (g4dn.gpu_memory_mib, g4dn.architecture, g4dn.gpu_manufacturer) == (16384, "x86_64", "NVIDIA")
    assert "spot" in g4dn.usage_classes
    assert found["g5g.xlarge"].architecture == "arm64"
    assert (found["g6f.large"].gpus, found["g6f.large"].has_gpu) == (0, True)
    assert not found["m5.large"].has_gpu


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ([], []),
        (["g9.xlarge"], []),
        (["g9.xlarge", "g4dn.xlarge", "nonsense"], ["g4dn.xlarge"]),
    ],
)
def test_instance_types_leave_out_what_aws_does_not_know(session: Session, asked: list[str], known: list[str]) -> None:
    assert list(ec2.instance_types(session, asked)) == known


def test_offerings_are_the_zones_of_each_type(session: Session) -> None:
    found = ec2.offerings(session, ["g4dn.xlarge", "g3.4xlarge"])

    assert found["g4dn.xlarge"] == {f"us-east-1{letter}" for letter in "abcdf"}
    assert found["g3.4xlarge"] == frozenset()


def test_instances_know_their_deployment_vcpus_and_address(session: Session, launch: Launch) -> None:
    mine, other = launch(), launch(deployment="other", instance_type="g5.2xlarge")

    everything = {item.id: item for item in ec2.instances(session)}

    assert everything.keys() == {mine, other}
    assert (everything[mine].deployment, everything[mine].vcpus, everything[mine].is_spot) == ("demo", 4, False)
    assert everything[other].vcpus == 8
    assert everything[mine].availability_zone.startswith("us-east-1")
    assert everything[mine].public_ip
    assert everything[mine].launched_at is not None
    assert [item.id for item in ec2.instances(session, "demo")] == [mine]
    assert ec2.instances(session, "demo", states=("stopped",)) == []


def test_instances_leave_out_what_is_terminated(session: Session, launch: Launch, ec2_client: Any) -> None:
    ec2_client.terminate_instances(InstanceIds=[launch()])

    assert ec2.instances(session) == []


def test_instances_on_the_spot_market_say_so(session: Session, launch: Launch) -> None:
    launch(InstanceMarketOptions={"MarketType": "spot"})

    assert [item.is_spot for item in ec2.instances(session)] == [True]


def test_console_output_comes_decoded(session: Session, launch: Launch) -> None:
    machine = launch()

    # The host prints its keys once it is up; until then the console is empty.
    for _ in range(100):
        text = ec2.console_output(session, machine)
        if text:
            break

    assert "BEGIN SSH HOST KEY KEYS" in text


def test_console_output_falls_back_where_the_machine_has_no_live_console(session: Session) -> None:
    with Stubber(session.client("ec2")) as stub:
        stub.add_client_error("get_console_output", "UnsupportedOperation")
        stub.add_response("get_console_output", {"Output": "Ym9vdA=="}, {"InstanceId": "i-1"})

        assert ec2.console_output(session, "i-1") == "boot"


def test_tagged_finds_everything_of_the_deployment_with_its_name(
    session: Session, launch: Launch, ec2_client: Any
) -> None:
    machine = launch()
    launch(deployment="other")
    vpc = ec2_client.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    ec2_client.create_tags(Resources=[vpc], Tags=[{"Key": "deployer:deployment", "Value": "demo"}])

    found = ec2.tagged(session, "demo")

    ec2_client.delete_vpc(VpcId=vpc)
    assert Resource("instance", machine, "deployer-demo") in found
    assert Resource("vpc", vpc) in found
    assert {item.kind for item in found} == {"instance", "vpc"}


def test_key_pairs_are_found_by_name(session: Session, ec2_client: Any) -> None:
    made = ec2_client.create_key_pair(KeyName="key-to-find", KeyType="ed25519")

    found = ec2.key_pairs(session, "key-to-find"), ec2.key_pairs(session, "key-to")

    ec2_client.delete_key_pair(KeyName="key-to-find")
    assert found == ([Resource("key-pair", made["KeyPairId"], "key-to-find")], [])


def test_a_refusal_names_the_missing_permission(session: Session, refuse: Refuse) -> None:
    refuse("DescribeInstances")

    with pytest.raises(AccessDenied) as raised:
        ec2.instances(session)

    assert raised.value.operation == "ec2:DescribeInstances"
