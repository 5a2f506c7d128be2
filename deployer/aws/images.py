"""Which machine image to boot: the catalogue's candidates, asked of SSM and EC2, become one image of this region."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ami.catalogue import CATALOGUE, PYTORCH_PYTHON, Image
from deployer.aws.session import Session, aws_errors
from deployer.errors import AwsError

# Names of public images can be forged; their owner cannot. "amazon" covers the DLAMI account 898082745236.
OWNER = "amazon"

# A Deep Learning AMI's name ends in the day of its release.
RELEASE_PATTERN = " ????????"

# SSM refuses more names in one call.
PARAMETERS_MAX = 10

NOT_FOUND_CODES = frozenset(
    {"InvalidAMIID.NotFound", "InvalidAMIID.Malformed", "InvalidAMIID.Unavailable", "ImageNotFound"}
)


@dataclass(frozen=True, kw_only=True)
class MachineImage:
    """An image that this region has now; `supported_families` is None where its description names none."""

    ami_id: str
    name: str
    description: str
    root_device: str
    snapshot_gb: int
    architecture: str
    supported_families: frozenset[str] | None
    user: str
    python: str
    catalogue_name: str = ""


def resolve(session: Session, candidates: Sequence[Image]) -> MachineImage:
    """Return the first candidate that this region has; raises AwsError with the code ImageNotFound if none.

    Asks the public SSM parameters first; where they are gone or forbidden, EC2 by name and owner.
    """
    if not candidates:
        raise AwsError(
            "No supported Deep Learning AMI has a driver for this instance type.",
            hint='Choose another type, e.g. --instance-type g4dn.xlarge, or set ami = "ami-…" in deployer.toml.',
            code="ImageNotFound",
        )
    refusal: AwsError | None = None
    try:
        found = _by_parameter(session, candidates)
    except AwsError as error:
        refusal, found = error, {}
    if not found:
        found = _by_name(session, candidates)
    for image in candidates:
        if image.name in found:
            item = found[image.name]
            return _machine_image(item, user=image.user, python=image.python, catalogue_name=image.name)
    if refusal is not None:
        raise refusal
    raise AwsError(
        f"{session.region} has none of the images {', '.join(image.name for image in candidates)}.",
        hint='Set ami = "ami-…" in deployer.toml to an image of that region.',
        code="ImageNotFound",
        operation="ssm:GetParameters",
    )


def resolve_id(session: Session, ami_id: str) -> MachineImage:
    """Return the image of an explicit id; raises AwsError with one of NOT_FOUND_CODES where there is none."""
    item = _describe(session, ImageIds=[ami_id]).get(ami_id)
    if item is None:
        raise AwsError(
            f"There is no image {ami_id} in {session.region}.",
            hint="Leave ami empty to get the Deep Learning AMI that fits; ids differ from region to region.",
            code="ImageNotFound",
            operation="ec2:DescribeImages",
        )
    name = item.get("Name", "")
    for image in CATALOGUE:
        if _is_release_of(name, image):
            return _machine_image(item, user=image.user, python=image.python, catalogue_name=image.name)
    # An image of the user's own: most likely baked from the catalogue's first.
    return _machine_image(item, user="ec2-user" if "Amazon Linux" in name else "ubuntu", python=PYTORCH_PYTHON)


def supported_families(description: str) -> frozenset[str] | None:
    """Return the instance families a Deep Learning AMI names in its description, in lower case.

    >>> sorted(supported_families("Supported EC2 instances: G4dn, G5, P6-B200. Release notes: https://…") or ())
    ['g4dn', 'g5', 'p6-b200']
    """
    listed = re.search(r"Supported (?:EC2 )?instances?(?: types?| families)?:?\s*([^.:]+)", description, re.IGNORECASE)
    if listed is None:
        return None
    words = re.split(r"[,;\s]+(?:and\s+)?", listed[1].lower())
    families = {word for word in words if re.fullmatch(r"[a-z]+\d[a-z0-9]*(-[a-z0-9]+)?", word)}
    # Some release notes write the one family of that generation short.
    if "p4" in families:
        families.add("p4d")
    return frozenset(families) or None


def _by_parameter(session: Session, candidates: Sequence[Image]) -> dict[str, dict[str, Any]]:
    """Return EC2's description of each candidate that has a public parameter here, by the candidate's name."""
    values: dict[str, str] = {}
    wanted = [image.parameter for image in candidates if image.parameter]
    for start in range(0, len(wanted), PARAMETERS_MAX):
        with aws_errors("ssm:GetParameters", region=session.region):
            answer = session.client("ssm").get_parameters(Names=wanted[start : start + PARAMETERS_MAX])
        values.update({item["Name"]: item["Value"] for item in answer["Parameters"]})
    described = _describe(session, ImageIds=sorted(set(values.values()))) if values else {}
    ids = {image.name: values.get(image.parameter, "") for image in candidates}
    return {name: described[ami_id] for name, ami_id in ids.items() if ami_id in described}


def _by_name(session: Session, candidates: Sequence[Image]) -> dict[str, dict[str, Any]]:
    """Return EC2's description of the newest release of each candidate, by the candidate's name."""
    filters = [{"Name": "name", "Values": [image.ami_name + RELEASE_PATTERN for image in candidates]}]
    releases = sorted(
        _describe(session, Owners=[OWNER], Filters=filters).values(), key=lambda item: str(item.get("CreationDate", ""))
    )
    return {image.name: item for image in candidates for item in releases if _is_release_of(item["Name"], image)}


def _is_release_of(name: str, image: Image) -> bool:
    return re.fullmatch(re.escape(image.ami_name) + r" \d{8}", name) is not None


def _describe(session: Session, **query: Any) -> dict[str, dict[str, Any]]:
    """Return the available images by id."""
    with aws_errors("ec2:DescribeImages", region=session.region):
        answer = session.client("ec2").describe_images(**query)
    return {item["ImageId"]: item for item in answer["Images"] if item.get("State", "available") == "available"}


def _machine_image(item: dict[str, Any], *, user: str, python: str, catalogue_name: str = "") -> MachineImage:
    root = item.get("RootDeviceName", "")
    sizes = {
        device.get("DeviceName"): device.get("Ebs", {}).get("VolumeSize", 0)
        for device in item.get("BlockDeviceMappings", [])
    }
    description = item.get("Description", "")
    return MachineImage(
        ami_id=item["ImageId"],
        name=item.get("Name", ""),
        description=description,
        root_device=root,
        snapshot_gb=sizes.get(root, 0),
        architecture=item.get("Architecture", "x86_64"),
        supported_families=supported_families(description),
        user=user,
        python=python,
        catalogue_name=catalogue_name,
    )
