"""Images that we baked from a machine of ours: made, listed by their tag, removed with their snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployer.aws.ec2 import tags_of
from deployer.aws.images import PARENT_TAG, PROJECT_TAG, PYTHON_TAG, USER_TAG, MachineImage, machine_image, resolve_id
from deployer.aws.session import Session, aws_errors

# The right to change and to remove hangs on it: docs/aws/least-privilege-policy.json.
MANAGED_TAG = {"deployer:managed-by": "deployer"}
DEPLOYMENT_TAG = "deployer:baked-from"

DESCRIPTION_MAX = 255  # CreateImage refuses more


@dataclass(frozen=True, kw_only=True)
class BakedImage:
    """An image of ours; `state` is EC2's: only an "available" one can be launched."""

    image: MachineImage
    state: str
    deployment: str
    snapshots: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A snapshot of ours, which bills by the GiB that were written."""

    id: str
    size_gb: int


def baked(session: Session, project: str) -> list[BakedImage]:
    """Return the images that were baked for a project folder in this region, the newest first, in any state."""
    filters = [{"Name": f"tag:{PROJECT_TAG}", "Values": [project]}]
    with aws_errors("ec2:DescribeImages", region=session.region):
        answer = session.client("ec2").describe_images(Owners=["self"], Filters=filters)
    found = [_baked_image(item) for item in answer["Images"]]
    # A filter takes * and ? in a name for any characters.
    return sorted(
        (item for item in found if item.image.project == project), key=lambda item: item.image.created, reverse=True
    )


def newest_usable(session: Session, project: str) -> MachineImage | None:
    """Return the newest image that was baked for a project folder and can be launched; None where there is none."""
    return next((item.image for item in baked(session, project) if item.state == "available"), None)


def is_taken(session: Session, name: str) -> bool:
    """Say whether the account has an image of that name in this region, in any state: two cannot share one."""
    with aws_errors("ec2:DescribeImages", region=session.region):
        answer = session.client("ec2").describe_images(
            Owners=["self"], Filters=[{"Name": "name", "Values": [name]}], IncludeDeprecated=True
        )
    return any(item.get("Name") == name for item in answer["Images"])


def image_of(session: Session, instance_id: str) -> MachineImage:
    """Return the image that an instance was launched from. Raises AwsError where it is gone."""
    with aws_errors("ec2:DescribeInstances", region=session.region):
        answer = session.client("ec2").describe_instances(InstanceIds=[instance_id])
    return resolve_id(session, answer["Reservations"][0]["Instances"][0]["ImageId"])


def create(
    session: Session, instance_id: str, *, name: str, project: str, deployment: str, parent: MachineImage, python: str
) -> str:
    """Start to make an image of an instance, which reboots for it, and return the image's id.

    What the parent supports is written into the description as the Deep Learning AMIs do, so that it is read alike.
    """
    families = ", ".join(sorted(parent.supported_families or ()))
    origin = parent.parent or parent.name
    supported = f" Supported EC2 instances: {families}." if families else ""
    description = f"{origin[: DESCRIPTION_MAX - len(supported) - 30]}, baked by deployer.{supported}"
    tags = MANAGED_TAG | {
        "Name": name,
        PROJECT_TAG: project,
        DEPLOYMENT_TAG: deployment,
        PARENT_TAG: origin,
        PYTHON_TAG: python,
        USER_TAG: parent.user,
    }
    with aws_errors("ec2:CreateImage", region=session.region):
        answer = session.client("ec2").create_image(
            InstanceId=instance_id,
            Name=name,
            Description=description,
            TagSpecifications=[{"ResourceType": kind, "Tags": _tag_list(tags)} for kind in ("image", "snapshot")],
        )
    return str(answer["ImageId"])


def deregister(session: Session, ami_id: str) -> None:
    """Take an image back. Its snapshots stay."""
    with aws_errors("ec2:DeregisterImage", region=session.region):
        session.client("ec2").deregister_image(ImageId=ami_id)


def snapshots(session: Session, project: str) -> list[Snapshot]:
    """Return the snapshots that were made for a project folder's images, also of those that are gone."""
    filters = [{"Name": f"tag:{PROJECT_TAG}", "Values": [project]}]
    with aws_errors("ec2:DescribeSnapshots", region=session.region):
        items = list(session.pages("ec2", "describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=filters))
    return [
        Snapshot(id=item["SnapshotId"], size_gb=item.get("VolumeSize", 0))
        for item in items
        if tags_of(item).get(PROJECT_TAG) == project
    ]


def delete_snapshot(session: Session, snapshot_id: str) -> None:
    """Delete a snapshot that no image holds."""
    with aws_errors("ec2:DeleteSnapshot", region=session.region):
        session.client("ec2").delete_snapshot(SnapshotId=snapshot_id)


def _baked_image(item: dict[str, Any]) -> BakedImage:
    disks = [device.get("Ebs", {}).get("SnapshotId", "") for device in item.get("BlockDeviceMappings", [])]
    return BakedImage(
        image=machine_image(item),
        state=item.get("State", ""),
        deployment=tags_of(item).get(DEPLOYMENT_TAG, ""),
        snapshots=tuple(disk for disk in disks if disk),
    )


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
