"""Images beside the catalogue's: one that AWS has deprecated, and those that an account bakes itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloud_machines import Machine

from deployer.localcloud.processes import start_time

Aws = Callable[..., Any]
Launch = Callable[..., Machine]

SEED = "Deep Learning Base AMI (Ubuntu 18.04) Version 31.0"


def tags(kind: str) -> dict[str, Any]:
    return {"ResourceType": kind, "Tags": [{"Key": "deployment", "Value": "baked"}]}


def test_deprecated_image_is_found_by_id_and_by_name_when_asked_for(aws: Aws) -> None:
    ec2 = aws("ec2")
    by_name = {"Owners": ["amazon"], "Filters": [{"Name": "name", "Values": [SEED]}]}

    (by_id,) = ec2.describe_images(ImageIds=["ami-063f381b07ea97834"])["Images"]

    assert ec2.describe_images(**by_name)["Images"] == []
    assert ec2.describe_images(**by_name, IncludeDeprecated=True)["Images"] == [by_id]
    assert (by_id["Name"], by_id["DeprecationTime"][:4]) == (SEED, "2023")
    assert "P3" in by_id["Description"]
    assert by_id["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 105


def test_image_of_another_region_is_not_found(aws: Aws) -> None:
    with pytest.raises(ClientError, match=r"InvalidAMIID\.NotFound"):
        aws("ec2", region_name="us-west-2").describe_images(ImageIds=["ami-063f381b07ea97834"])


def test_baked_image_holds_what_the_machine_had(aws: Aws, launch: Launch) -> None:
    ec2, machine = aws("ec2"), launch()
    machine.ssh("mkdir -p project && echo installed > project/dependencies")
    ec2.stop_instances(InstanceIds=[machine.id])
    baked = ec2.create_image(InstanceId=machine.id, Name="baked-1", TagSpecifications=[tags("image"), tags("snapshot")])

    copy = launch(ImageId=baked["ImageId"])

    assert copy.ssh("cat", "project/dependencies").stdout == "installed\n"
    mine = {"Owners": ["self"], "Filters": [{"Name": "tag:deployment", "Values": ["baked"]}]}
    (image,) = ec2.describe_images(**mine)["Images"]
    snapshot = image["BlockDeviceMappings"][0]["Ebs"]
    assert (image["ImageId"], image["State"], image["SourceInstanceId"]) == (baked["ImageId"], "available", machine.id)
    assert (image["RootDeviceName"], snapshot["VolumeSize"]) == ("/dev/sda1", 75)
    owned = ec2.describe_snapshots(OwnerIds=["self"], Filters=[{"Name": "tag:deployment", "Values": ["baked"]}])
    assert [item["SnapshotId"] for item in owned["Snapshots"]] == [snapshot["SnapshotId"]]
    with pytest.raises(ClientError, match="already in use"):
        ec2.create_image(InstanceId=machine.id, Name="baked-1")

    with pytest.raises(ClientError, match=r"InvalidSnapshot\.InUse"):
        ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])
    ec2.deregister_image(ImageId=image["ImageId"])
    ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])
    assert ec2.describe_images(Owners=["self"])["Images"] == []
    assert ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []


@pytest.mark.parametrize("keeps_running", [False, True])
def test_machine_boots_anew_when_it_is_baked_unless_told_not_to(aws: Aws, launch: Launch, keeps_running: bool) -> None:
    ec2, machine = aws("ec2"), launch()
    job = int(machine.ssh("nohup sleep 60 >/dev/null 2>&1 & echo $!").stdout)

    baked = ec2.create_image(InstanceId=machine.id, Name=f"baked-{keeps_running}", NoReboot=keeps_running)

    assert bool(start_time(job)) == keeps_running
    ec2.deregister_image(ImageId=baked["ImageId"])
