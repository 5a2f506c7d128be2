"""The Deep Learning AMIs, which moto does not have, and the SSM parameters that name the newest of each.

There is one for each image of `ami/catalogue.py`, in every region.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.responses import EC2Response
from moto.ssm.models import Parameter, ParameterDict

from ami.catalogue import CATALOGUE, Image
from deployer.localcloud.patching import replaces

OWNER = "898082745236"  # AWS's account for Deep Learning AMIs
PARAMETERS = "/aws/service/deeplearning"
RELEASED = datetime(2026, 10, 9, tzinfo=UTC)
SNAPSHOT_GB = 75


class SizedAmi(Ami):
    """An image whose snapshot has the size of a real one; moto gives every image 15 GB."""

    snapshot_gb = SNAPSHOT_GB
    deprecation_time: str | None = None

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        """The root disk."""
        disk = {
            "SnapshotId": self.ebs_snapshot.id,
            "VolumeSize": self.snapshot_gb,
            "DeleteOnTermination": True,
            "VolumeType": "gp3",
            "Encrypted": False,
        }
        return [{"DeviceName": self.root_device_name, "Ebs": disk}]

    def take_size(self, snapshot_gb: int) -> None:
        """Make the root disk and its snapshot this large."""
        self.snapshot_gb = self.ebs_snapshot.volume.size = snapshot_gb


class OwnAmi(SizedAmi):
    """An image of the account's own; `ancestor` is the name of the public image that it began as."""

    ancestor = ""


def ancestor_name(image: Any) -> str:
    """Return the name of the public image that an image began as: it tells the login name."""
    return getattr(image, "ancestor", "") or image.name or ""


@dataclass(frozen=True, kw_only=True)
class OldImage:
    """An image that AWS has deprecated: still there under its id and its name, and no longer in the catalogue."""

    name: str
    known_ids: Mapping[str, str]  # by region; invented for the others
    description: str
    created: datetime
    deprecated: datetime
    snapshot_gb: int


OLD_IMAGES = (
    OldImage(
        name="Deep Learning Base AMI (Ubuntu 18.04) Version 31.0",
        known_ids={"us-east-1": "ami-063f381b07ea97834"},
        description=(
            "Comes with foundational platform of NVIDIA CUDA, cuDNN, NCCL, GPU Drivers, Intel MKL-DNN and other system "
            "libraries to deploy your own custom deep learning environment. Supported EC2 instances: G3, G4dn, P2, P3, "
            "P3dn, P4d. For a fully managed experience, check: https://aws.amazon.com/sagemaker"
        ),
        created=datetime(2021, 1, 14, tzinfo=UTC),
        deprecated=datetime(2023, 1, 14, tzinfo=UTC),
        snapshot_gb=105,
    ),
)


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
        for old in OLD_IMAGES:
            made = _make_old(self, old)
            self.amis[made.id] = made

    @replaces(EC2Response, "describe_images")
    def describe_images(original: Any, self: Any) -> Any:
        answer = original(self)
        if not self._get_param("ImageIds", []) and not self._get_bool_param("IncludeDeprecated", False):
            # A search passes deprecated images over, unless they are the caller's own.
            kept = [one for one in answer.result["Images"] if not getattr(one, "deprecation_time", None)]
            answer.result["Images"] = kept
        return answer

    @replaces(ParameterDict, "_check_loading_status")
    def check(original: Any, self: Any, key: str) -> None:
        original(self, key)
        if not str(key or "").startswith(PARAMETERS) or getattr(self, "_has_images", False):
            return
        self._has_images = True
        for image in CATALOGUE:
            self[image.parameter].append(_make_parameter(self, image))


def _make_ami(backend: Any, image: Image, identifier: str) -> SizedAmi:
    ami = _publish(
        backend,
        identifier,
        name=f"{image.ami_name} {RELEASED:%Y%m%d}",
        description=describe_families(image),
        architecture=image.architectures[0],
        creation_date=RELEASED,
        root_device_name="/dev/xvda" if image.user == "ec2-user" else "/dev/sda1",
    )
    ami.take_size(SNAPSHOT_GB)
    return ami


def _make_old(backend: Any, image: OldImage) -> SizedAmi:
    invented = "ami-" + sha256(f"{image.name} {backend.region_name}".encode()).hexdigest()[:17]
    ami = _publish(
        backend,
        image.known_ids.get(backend.region_name, invented),
        name=image.name,
        description=image.description,
        architecture="x86_64",
        creation_date=image.created,
        root_device_name="/dev/sda1",
    )
    ami.deprecation_time = f"{image.deprecated:%Y-%m-%dT%H:%M:%S.000Z}"
    ami.take_size(image.snapshot_gb)
    return ami


def _publish(backend: Any, identifier: str, *, name: str, **facts: Any) -> SizedAmi:
    return SizedAmi(
        backend,
        identifier,
        name=name,
        owner_id=OWNER,
        owner_alias="amazon",
        public=True,
        virtualization_type="hvm",
        image_location=f"amazon/{name}",
        hypervisor="xen",
        root_device_type="ebs",
        **facts,
    )


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
