from __future__ import annotations

import re

import pytest

from ami import catalogue
from ami.catalogue import CATALOGUE, UnknownImage


@pytest.mark.parametrize(
    ("instance_type", "first"),
    [
        ("g4dn.xlarge", "pytorch-2.10-ubuntu-24.04"),
        ("g5.48xlarge", "pytorch-2.10-ubuntu-24.04"),
        ("p6-b200.48xlarge", "pytorch-2.10-ubuntu-24.04"),
        ("g7.2xlarge", "base-ubuntu-24.04"),
        ("g7e.2xlarge", "base-ubuntu-24.04"),
        ("p6-b300.48xlarge", "base-ubuntu-24.04"),
        ("g6f.large", "pytorch-2.12-amazon-linux-2023"),
        ("g5g.xlarge", "pytorch-2.12-ubuntu-24.04-arm64"),
        ("t3.micro", "pytorch-2.10-ubuntu-24.04"),
        ("g8.xlarge", "pytorch-2.10-ubuntu-24.04"),
    ],
)
def test_images_for_begins_with_the_image_that_fits(instance_type: str, first: str) -> None:
    assert catalogue.images_for(instance_type)[0].name == first


def test_images_for_keeps_the_newest_pytorch_first_and_base_images_behind() -> None:
    names = [image.name for image in catalogue.images_for("g4dn.xlarge")]

    assert names[:5] == [
        "pytorch-2.10-ubuntu-24.04",
        "pytorch-2.9-ubuntu-24.04",
        "pytorch-2.8-ubuntu-24.04",
        "base-ubuntu-24.04",
        "base-ubuntu-22.04",
    ]


@pytest.mark.parametrize("instance_type", ["p3dn.24xlarge", "p3.2xlarge", "g3.4xlarge"])
def test_images_for_has_none_with_the_proprietary_driver(instance_type: str) -> None:
    assert catalogue.images_for(instance_type) == ()


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_images_for_offers_one_architecture_only(architecture: str) -> None:
    images = catalogue.images_for("t4g.micro", architecture)

    assert images
    assert all(architecture in image.architectures for image in images)


def test_named_finds_every_image() -> None:
    assert [catalogue.named(image.name) for image in CATALOGUE] == list(CATALOGUE)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("pytorch-2.10", 'Did you mean "pytorch-2.10-ubuntu-24.04"?'),
        ("base-ubuntu-2404", 'Did you mean "base-ubuntu-24.04"?'),
        ("zzz", "Known are: pytorch-2.10-ubuntu-24.04, "),
    ],
)
def test_named_says_which_image_may_be_meant(name: str, hint: str) -> None:
    with pytest.raises(UnknownImage, match=re.escape(repr(name))) as caught:
        catalogue.named(name)

    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize("image", CATALOGUE, ids=lambda image: image.name)
def test_catalogue_entry_follows_the_naming_rules_of_aws(image: catalogue.Image) -> None:
    """The parameter is the EC2 name in lower case with hyphens, without "deep", "learning" and "ami"."""
    words = re.sub(r"[^a-z0-9.]+", " ", image.ami_name.lower()).split()
    kind = "-".join(word for word in words if word not in {"deep", "learning", "ami", "arm64"})

    architecture = image.architectures[0]
    assert image.parameter == f"/aws/service/deeplearning/ami/{architecture}/{kind}/latest/ami-id"
    assert image.user == ("ec2-user" if "Amazon Linux" in image.ami_name else "ubuntu")
    assert image.has_torch == ("PyTorch" in image.ami_name)
    assert re.search(r"20\d\d-\d\d", image.source)


def test_catalogue_names_are_unique() -> None:
    names = [image.name for image in CATALOGUE]

    assert len(set(names)) == len(names)
