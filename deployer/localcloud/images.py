"""The Deep Learning AMIs, which moto does not have, and the SSM parameters that name the newest of each.

There is one for each image of `ami/catalogue.py`, in every region.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ssm.models import Parameter, ParameterDict

from ami.catalogue import CATALOGUE, Image
from deployer.localcloud.patching import replaces

OWNER = "898082745236"  # AWS's account for Deep Learning AMIs
PARAMETERS = "/aws/service/deeplearning"
RELEASED = datetime(2026, 10, 9, tzinfo=UTC)
SNAPSHOT_GB = 75


class DeepLearningAmi(Ami):
    """An image whose snapshot has the size of the real ones; moto gives every image 15 GB."""

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        """The root disk."""
        disk = {
            "SnapshotId": self.ebs_snapshot.id,
            "VolumeSize": SNAPSHOT_GB,
            "DeleteOnTermination": True,
            "VolumeType": "gp3",
            "Encrypted": False,
        }
        return [{"DeviceName": self.root_device_name, "Ebs": disk}]


def image_id(image: Image, region: str) -> str:
    """Return the id of an image, which differs between regions as on AWS."""
    return "ami-" + sha256(f"{image.name} {region}".encode()).hexdigest()[:17]


def describe_families(image: Image) -> str:
    """Return what an image says of itself, in the words of the real ones."""
    families = ", ".join("-".join(part.capitalize() for part in family.split("-")) for family in image.families)
    return f"Supported EC2 instances: {families}. Release notes: https://docs.aws.amazon.com/dlami/latest/devguide/"


def install() -> None:
    """Give every region the images, and their parameters."""

    @replaces(AmiBackend, "_load_amis")
    def load(original: Any, self: Any) -> None:
        original(self)
        for image in CATALOGUE:
            identifier = image_id(image, self.region_name)
            self.amis[identifier] = _make_ami(self, image, identifier)

    @replaces(ParameterDict, "_check_loading_status")
    def check(original: Any, self: Any, key: str) -> None:
        original(self, key)
        if not str(key or "").startswith(PARAMETERS) or getattr(self, "_has_images", False):
            return
        self._has_images = True
        for image in CATALOGUE:
            self[image.parameter].append(_make_parameter(self, image))


def _make_ami(backend: Any, image: Image, identifier: str) -> DeepLearningAmi:
    name = f"{image.ami_name} {RELEASED:%Y%m%d}"
    ami = DeepLearningAmi(
        backend,
        identifier,
        name=name,
        description=describe_families(image),
        owner_id=OWNER,
        owner_alias="amazon",
        public=True,
        virtualization_type="hvm",
        architecture=image.architectures[0],
        creation_date=RELEASED,
        image_location=f"amazon/{name}",
        hypervisor="xen",
        root_device_type="ebs",
        root_device_name="/dev/xvda" if image.user == "ec2-user" else "/dev/sda1",
    )
    ami.ebs_snapshot.volume.size = SNAPSHOT_GB
    return ami


def _make_parameter(store: Any, image: Image) -> Any:
    make: Any = Parameter  # its abstract methods are CloudFormation's
    return make(
        account_id=store.account_id,
        name=image.parameter,
        value=image_id(image, store.region_name),
        parameter_type="String",
        description=None,
        allowed_pattern=None,
        keyid=None,
        last_modified_date=utcnow(),
        version=1,
        data_type="aws:ec2:image",
    )
