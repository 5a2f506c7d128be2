"""Which machine image to boot: a name, pattern or id, or the catalogue's candidates, become one image of a region."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from ami import catalogue
from ami.catalogue import CATALOGUE, Image
from ami.image import interpreter, patched_until
from deployer.aws import ec2
from deployer.aws.asking import Unknown, ask
from deployer.aws.session import Session, aws_errors
from deployer.errors import AwsError

# Names of public images can be forged; their owner cannot. "amazon" covers the DLAMI account 898082745236.
OWNER = "amazon"
OWNERS = (OWNER, "self")

# SSM refuses more names in one call.
PARAMETERS_MAX = 10

NOT_FOUND_CODES = frozenset(
    {"InvalidAMIID.NotFound", "InvalidAMIID.Malformed", "InvalidAMIID.Unavailable", "ImageNotFound"}
)

# Where they do not answer in that time, EC2 is asked by name.
PARAMETERS_SECONDS = 8.0

# What `deployer ami bake` writes on an image; its own tags, so that `down` neither counts nor removes it.
PROJECT_TAG = "deployer:image"
PARENT_TAG = "deployer:parent"
PYTHON_TAG = "deployer:python"
USER_TAG = "deployer:user"

# Looking for a lost id in every region must not hold a `check` up for long.
ELSEWHERE_SECONDS = 6.0


@dataclass(frozen=True, kw_only=True)
class MachineImage:
    """An image that this region has now; `supported_families` is None where nothing tells them.

    `python` is empty on a Base image where the first boot cannot install PyTorch. Of an image that we baked, `project`
    says for which folder, and `parent` is the name of the Deep Learning AMI that it began as.
    """

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
    driver: str = ""
    patched_until: date | None = None
    created: str = ""
    project: str = ""
    parent: str = ""


def resolve(session: Session, candidates: Sequence[Image]) -> MachineImage:
    """Return the first candidate that this region has; raises AwsError with the code ImageNotFound if none."""
    if not candidates:
        raise AwsError(
            "No supported Deep Learning AMI has a driver for this instance type.",
            hint='Choose another type, e.g. --instance-type g4dn.xlarge, or set ami = "ami-…" in deployer.toml.',
            code="ImageNotFound",
        )
    found = newest(session, candidates)
    for image in candidates:
        if image.name in found:
            return found[image.name]
    raise AwsError(
        f"{session.region} has none of the images {', '.join(image.name for image in candidates)}.",
        hint='Set ami = "ami-…" in deployer.toml to an image of that region.',
        code="ImageNotFound",
        operation="ssm:GetParameters",
    )


def newest(session: Session, candidates: Sequence[Image]) -> dict[str, MachineImage]:
    """Return the newest release of each candidate that this region has, by the candidate's name.

    Asks the public SSM parameters first; where they are gone or forbidden, EC2 by name and owner.
    """
    refusal: AwsError | None = None
    try:
        found = ask(_by_parameter, session, candidates, within_seconds=PARAMETERS_SECONDS).wait()
    except AwsError as error:
        refusal, found = error, {}
    found = found or _by_name(session, candidates)
    if refusal is not None and not found:
        raise refusal
    return {image.name: machine_image(found[image.name], image) for image in candidates if image.name in found}


def resolve_named(session: Session, text: str) -> MachineImage:
    """Return the image that `ami = text` means: an id, a name of the catalogue, or an AMI's name, also with * and ?.

    Of several releases the newest; only Amazon's and the account's own count. Raises AwsError with one of
    NOT_FOUND_CODES where there is none.
    """
    if text.startswith("ami-"):
        return resolve_id(session, text)
    try:
        entry = catalogue.named(text)
    except catalogue.UnknownImage as error:
        unknown = error
    else:
        return _newest_of(session, entry)
    filters = [{"Name": "name", "Values": [text]}]
    found = _describe(session, Owners=list(OWNERS), Filters=filters, IncludeDeprecated=True)
    if not found:
        raise AwsError(
            f"{unknown} Nor has {session.region} an image of Amazon's or your own with that name.",
            hint=_close_names(session, text) or unknown.hint,
            code="ImageNotFound",
            operation="ec2:DescribeImages",
        )
    return machine_image(max(found.values(), key=_created))


def _newest_of(session: Session, entry: Image) -> MachineImage:
    """Return the newest release of one image of the catalogue."""
    found = newest(session, (entry,))
    if entry.name in found:
        return found[entry.name]
    raise AwsError(
        f"{session.region} has no image {entry.name} (patched until {entry.patched_until or 'an unknown date'}).",
        hint="Leave ami empty to get the newest that fits; `deployer ami list` shows every image.",
        code="ImageNotFound",
    )


def resolve_id(session: Session, ami_id: str) -> MachineImage:
    """Return the image of an explicit id; raises AwsError with one of NOT_FOUND_CODES where there is none."""
    try:
        item = _describe(session, ImageIds=[ami_id]).get(ami_id)
    except AwsError as error:
        if error.code != "InvalidAMIID.NotFound":
            raise
        item = None
    if item is None:
        raise _not_here(session, ami_id)
    return machine_image(item)


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


def fits(image: MachineImage, instance_type: str, architecture: str, *, has_gpu: bool = True) -> bool:
    """Tell whether the type boots from the image, and nothing is known against the driver for its GPU."""
    if image.architecture != architecture:
        return False
    families = image.supported_families
    return not has_gpu or families is None or instance_type.partition(".")[0] in families


def machine_image(item: dict[str, Any], entry: Image | None = None) -> MachineImage:
    """Return what EC2 and the catalogue say of an image together; EC2's word counts where both have one."""
    name, description = item.get("Name", ""), item.get("Description", "")
    tags = ec2.tags_of(item)
    parent = tags.get(PARENT_TAG, "")
    origin = parent or name
    entry = entry or catalogue.release_of(origin, item["ImageId"])
    families = supported_families(description)
    root = item.get("RootDeviceName", "")
    sizes = {
        device.get("DeviceName"): device.get("Ebs", {}).get("VolumeSize", 0)
        for device in item.get("BlockDeviceMappings", [])
    }
    user = entry.user if entry else "ec2-user" if "Amazon Linux" in origin else "ubuntu"
    return MachineImage(
        ami_id=item["ImageId"],
        name=name,
        description=description,
        root_device=root,
        snapshot_gb=sizes.get(root, 0),
        architecture=item.get("Architecture", "x86_64"),
        supported_families=frozenset(entry.families) if families is None and entry else families,
        user=tags.get(USER_TAG, user),
        python=tags.get(PYTHON_TAG, entry.python if entry else interpreter(origin)),
        catalogue_name=entry.name if entry and not parent else "",
        driver=entry.driver if entry else "",
        patched_until=patched_until(origin),
        created=_created(item),
        project=tags.get(PROJECT_TAG, ""),
        parent=parent,
    )


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
    names = [f"{image.ami_name} *" for image in candidates]
    # A search passes over what AWS has deprecated, as all that is past.
    past = any(not image.parameter for image in candidates)
    described = _describe(
        session,
        Owners=[OWNER],
        Filters=[{"Name": "name", "Values": names}],
        **({"IncludeDeprecated": True} if past else {}),
    )
    releases = sorted(described.values(), key=_created)
    return {image.name: item for image in candidates for item in releases if image.is_release(item["Name"])}


def _not_here(session: Session, ami_id: str) -> AwsError:
    """Return the error for an id that this region does not have: where it is, and what to write instead."""
    hint = "Leave ami empty to get the Deep Learning AMI that fits; ids differ from region to region."
    found = _elsewhere(session, ami_id) if re.fullmatch(r"ami-[0-9a-f]{8,17}", ami_id) else {}
    entry = catalogue.release_of("", ami_id)
    if not found and entry:
        found = {region: entry.ami_name for region, known in entry.ids.items() if known == ami_id}
    where = ""
    for region, name in found.items():
        where = f" It is {name!r} in {region}."
        hint = f'Ids differ from region to region, names do not: set ami = "{name}", or leave ami empty.'
    return AwsError(
        f"There is no image {ami_id} in {session.region}.{where}",
        hint=hint,
        code="ImageNotFound",
        operation="ec2:DescribeImages",
    )


def _elsewhere(session: Session, ami_id: str) -> dict[str, str]:
    """Return the region that has this id, with the image's name: an id is of one region only."""
    enabled = ask(ec2.regions, session, within_seconds=ELSEWHERE_SECONDS).result()
    names = (
        [] if isinstance(enabled, Unknown) else [name for name in enabled if enabled[name] and name != session.region]
    )
    filters = [{"Name": "image-id", "Values": [ami_id]}]
    answers = {name: ask(_search, session.elsewhere(name), filters, within_seconds=ELSEWHERE_SECONDS) for name in names}
    found = {name: answer.result() for name, answer in answers.items()}
    return {name: item[0] for name, item in found.items() if not isinstance(item, Unknown) and item}


def _close_names(session: Session, text: str) -> str:
    """Return which names may be meant: those of the catalogue, of Amazon's images here, and of the account's own."""
    here = ask(_search, session, [{"Name": "name", "Values": ["Deep Learning*"]}], within_seconds=ELSEWHERE_SECONDS)
    listed = here.result()
    known = {image.name for image in CATALOGUE} | (set() if isinstance(listed, Unknown) else set(listed))
    close = difflib.get_close_matches(text, sorted(known), n=2, cutoff=0.6)
    return f"Did you mean {_either(close)}? `deployer ami list` shows the catalogue." if close else ""


def _either(names: Iterable[str]) -> str:
    return " or ".join(f'"{name}"' for name in names)


def _search(session: Session, filters: list[dict[str, Any]]) -> list[str]:
    """Return the names of Amazon's images and the account's own that a filter lets through."""
    found = _describe(session, Owners=list(OWNERS), Filters=filters, IncludeDeprecated=True)
    return [item.get("Name", "") for item in found.values()]


def _created(item: dict[str, Any]) -> str:
    return str(item.get("CreationDate", ""))


def _describe(session: Session, **query: Any) -> dict[str, dict[str, Any]]:
    """Return the available images by id."""
    with aws_errors("ec2:DescribeImages", region=session.region):
        answer = session.client("ec2").describe_images(**query)
    return {item["ImageId"]: item for item in answer["Images"] if item.get("State", "available") == "available"}
