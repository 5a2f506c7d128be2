"""What EC2 answers over HTTP, as our dataclasses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.stub import Stubber

from deployer.aws import claims, ec2
from deployer.aws.claims import CapacityReservation, SpotRequest
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


@pytest.mark.parametrize("text", ["us-east-1a", "use1-az6"])
def test_find_zone_takes_a_name_or_an_id(session: Session, text: str) -> None:
    assert ec2.find_zone(ec2.zones(session), text) == Zone("us-east-1a", "use1-az6")


@pytest.mark.parametrize("text", ["", "us-east-1z", "use1", "euw1-az1"])
def test_find_zone_finds_none_of_another_region(session: Session, text: str) -> None:
    assert ec2.find_zone(ec2.zones(session), text) is None


def test_instance_types_tell_the_gpu(session: Session) -> None:
    found = ec2.instance_types(session, ["g4dn.xlarge", "g5g.xlarge", "g6f.large", "m5.large"])

    g4dn = found["g4dn.xlarge"]
    assert (g4dn.vcpus, g4dn.memory_mib, g4dn.gpus, g4dn.gpu_name) == (4, 16384, 1, "T4")
    assert (g4dn.gpu_memory_mib, g4dn.architecture, g4dn.gpu_manufacturer) == (16384, "x86_64", "NVIDIA")
    assert "spot" in g4dn.usage_classes
    assert found["g5g.xlarge"].architecture == "arm64"
    assert (found["g6f.large"].gpus, found["g6f.large"].has_gpu) == (0, True)
    assert not found["m5.large"].has_gpu
    assert (g4dn.network, g4dn.network_gbps) == ("Up to 25 Gigabit", 5.0)


def test_instance_types_add_up_the_network_of_all_cards(session: Session) -> None:
    cards = [{"NetworkCardIndex": index, "BaselineBandwidthInGbps": 100.0} for index in range(4)]
    item = {
        "InstanceType": "p4d.24xlarge",
        "VCpuInfo": {"DefaultVCpus": 96},
        "MemoryInfo": {"SizeInMiB": 1179648},
        "NetworkInfo": {"NetworkPerformance": "4x 100 Gigabit", "NetworkCards": cards},
    }
    with Stubber(session.client("ec2")) as stub:
        stub.add_response("describe_instance_types", {"InstanceTypes": [item]})

        found = ec2.instance_types(session, ["p4d.24xlarge"])["p4d.24xlarge"]

    assert (found.network, found.network_gbps) == ("4x 100 Gigabit", 400.0)


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


def test_capacity_reservations_tell_what_is_unused(session: Session, ec2_client: Any) -> None:
    place = {"InstancePlatform": "Linux/UNIX", "AvailabilityZone": "us-east-1b"}
    made = [
        ec2_client.create_capacity_reservation(InstanceType=name, InstanceCount=2, **place)["CapacityReservation"]
        for name in ("g4dn.xlarge", "g5.xlarge")
    ]
    first, second = (item["CapacityReservationId"] for item in made)
    ec2_client.cancel_capacity_reservation(CapacityReservationId=second)

    found = claims.capacity_reservations(session)

    ec2_client.cancel_capacity_reservation(CapacityReservationId=first)
    assert found == (
        CapacityReservation(instance_type="g4dn.xlarge", availability_zone="us-east-1b", total=2, available=2),
    )


def test_capacity_reservations_leave_out_blocks_which_have_quotas_of_their_own(session: Session) -> None:
    item = {"InstanceType": "p5.48xlarge", "TotalInstanceCount": 1, "AvailableInstanceCount": 1}
    with Stubber(session.client("ec2")) as stub:
        answer = {"CapacityReservations": [item | {"ReservationType": "capacity-block"}]}
        stub.add_response("describe_capacity_reservations", answer)

        assert claims.capacity_reservations(session) == ()


def test_spot_requests_tell_those_that_wait_from_those_that_have_a_machine(session: Session) -> None:
    specification = {"LaunchSpecification": {"InstanceType": "g4dn.xlarge"}}
    answer = [
        {"SpotInstanceRequestId": "sir-1", "State": "open", **specification},
        {"SpotInstanceRequestId": "sir-2", "State": "active", "InstanceId": "i-1", **specification},
    ]
    with Stubber(session.client("ec2")) as stub:
        stub.add_response("describe_spot_instance_requests", {"SpotInstanceRequests": answer})

        found = claims.spot_requests(session)

    assert found == (
        SpotRequest(id="sir-1", instance_type="g4dn.xlarge", state="open"),
        SpotRequest(id="sir-2", instance_type="g4dn.xlarge", state="active", instance_id="i-1"),
    )


def test_spot_requests_have_the_machines_that_were_bought(session: Session, launch: Launch) -> None:
    machine = launch(InstanceMarketOptions={"MarketType": "spot"})

    assert machine in [item.instance_id for item in claims.spot_requests(session)]


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
