"""From the catalogue's candidates to one image of the region, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ami import catalogue
from deployer.aws import images
from deployer.aws.session import Session
from deployer.errors import AccessDenied, AwsError


def test_resolve_finds_the_first_candidate_by_its_parameter(session: Session) -> None:
    candidates = catalogue.images_for("g4dn.xlarge")

    image = images.resolve(session, candidates)

    assert image.catalogue_name == candidates[0].name
    assert image.name.startswith(candidates[0].ami_name)
    assert image.ami_id.startswith("ami-")
    assert (image.root_device, image.snapshot_gb, image.architecture) == ("/dev/sda1", 75, "x86_64")
    assert (image.user, image.python) == (candidates[0].user, candidates[0].python)
    assert image.supported_families is not None
    assert "g4dn" in image.supported_families


def test_resolve_takes_the_next_candidate_where_a_parameter_is_gone(session: Session) -> None:
    first, second, *_ = catalogue.images_for("g4dn.xlarge")
    gone = replace(first, parameter=first.parameter.replace("pytorch", "pytorch-0.1"))

    assert images.resolve(session, (gone, second)).catalogue_name == second.name


def test_resolve_finds_by_name_where_ssm_may_not_be_asked(session: Session, refuse: Callable[..., None]) -> None:
    refuse("GetParameters", code="AccessDeniedException")
    candidates = catalogue.images_for("g4dn.xlarge")

    assert images.resolve(session, candidates).catalogue_name == candidates[0].name


def test_resolve_takes_no_image_of_the_right_name_from_a_stranger(session: Session, ec2_client: Any) -> None:
    ec2_client.register_image(Name="Deep Learning Forgery 20991231", RootDeviceName="/dev/sda1", Architecture="x86_64")
    forged = replace(catalogue.images_for("g4dn.xlarge")[0], ami_name="Deep Learning Forgery", parameter="/not/there")

    with pytest.raises(AwsError) as raised:
        images.resolve(session, (forged,))

    assert raised.value.code == "ImageNotFound"
    assert forged.name in raised.value.message


def test_resolve_names_the_permission_where_nothing_may_be_asked(session: Session, refuse: Callable[..., None]) -> None:
    refuse("DescribeImages")

    with pytest.raises(AccessDenied) as raised:
        images.resolve(session, catalogue.images_for("g4dn.xlarge"))

    assert raised.value.operation == "ec2:DescribeImages"


def test_resolve_without_candidates_says_that_the_driver_is_gone(session: Session) -> None:
    with pytest.raises(AwsError, match="has a driver") as raised:
        images.resolve(session, catalogue.images_for("p3dn.24xlarge"))

    assert raised.value.code == "ImageNotFound"


def test_resolve_id_recognises_an_image_of_the_catalogue(session: Session) -> None:
    base = catalogue.named("base-ubuntu-24.04")
    ami_id = images.resolve(session, (base,)).ami_id

    image = images.resolve_id(session, ami_id)

    assert (image.ami_id, image.catalogue_name, image.python) == (ami_id, base.name, base.python)


def test_resolve_id_takes_an_image_of_the_users_own(session: Session, ec2_client: Any) -> None:
    made = ec2_client.register_image(Name="my images", RootDeviceName="/dev/sda1", Architecture="x86_64")

    image = images.resolve_id(session, made["ImageId"])

    assert (image.name, image.catalogue_name, image.user) == ("my images", "", "ubuntu")
    assert image.supported_families is None


@pytest.mark.parametrize("ami_id", ["ami-0123456789abcdef0", "ami-nonsense"])
def test_resolve_id_of_no_image_is_a_plain_no(session: Session, ami_id: str) -> None:
    with pytest.raises(AwsError) as raised:
        images.resolve_id(session, ami_id)

    assert raised.value.code in images.NOT_FOUND_CODES


@pytest.mark.parametrize(
    ("description", "families"),
    [
        (
            "Supported EC2 instances: G4dn, G5, G6, Gr6, G6e, P4d, P5en, P6-B200, P6-B300. Release notes: https://x.y/",
            {"g4dn", "g5", "g6", "gr6", "g6e", "p4d", "p5en", "p6-b200", "p6-b300"},
        ),
        ("Supported EC2 instances: G5g, P6e-GB200. Release notes: https://x.y/", {"g5g", "p6e-gb200"}),
        ("supported instances: G4dn, G5 and G6", {"g4dn", "g5", "g6"}),
        ("Supported EC2 instances: P4, P4de", {"p4", "p4d", "p4de"}),
        ("Built with care. Supported EC2 instances: G6f", {"g6f"}),
        ("My own image of 2026", None),
        ("Supported EC2 instances: all of them", None),
        ("", None),
    ],
)
def test_supported_families_reads_what_the_image_says_of_itself(description: str, families: set[str] | None) -> None:
    assert images.supported_families(description) == families


@pytest.mark.parametrize(
    ("text", "catalogue_name"),
    [
        ("pytorch-2.9-ubuntu-24.04", "pytorch-2.9-ubuntu-24.04"),
        ("base-ubuntu-18.04", "base-ubuntu-18.04"),
        ("Deep Learning Base AMI (Ubuntu 18.04) Version 31.0", "base-ubuntu-18.04"),
        ("Deep Learning OSS Nvidia Driver AMI GPU PyTorch 2.1? (Ubuntu 24.04) *", "pytorch-2.10-ubuntu-24.04"),
        ("ami-063f381b07ea97834", "base-ubuntu-18.04"),
    ],
)
def test_resolve_named_takes_names_patterns_and_ids(session: Session, text: str, catalogue_name: str) -> None:
    assert images.resolve_named(session, text).catalogue_name == catalogue_name


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("pytorch-2.10", '"pytorch-2.10-ubuntu-24.04"'),
        ("Deep Learning Base AMI (Ubuntu 18.04) Version 30.0", '"Deep Learning Base AMI (Ubuntu 18.04) Version 31.0"'),
    ],
)
def test_resolve_named_says_which_image_may_be_meant(session: Session, text: str, meant: str) -> None:
    with pytest.raises(AwsError) as raised:
        images.resolve_named(session, text)

    assert raised.value.code in images.NOT_FOUND_CODES
    assert meant in raised.value.hint


def test_resolve_named_says_of_an_image_that_is_gone_until_when_it_was_patched(session: Session) -> None:
    with pytest.raises(AwsError) as caught:
        images.resolve_named(session, "base-proprietary-amazon-linux-2")

    assert "has no image base-proprietary-amazon-linux-2 (patched until 2026-06-30)." in caught.value.message
    assert caught.value.hint.startswith("Leave ami empty")


def test_resolve_id_says_in_which_region_an_id_is(cloud: object) -> None:
    with pytest.raises(AwsError, match=r"Version 31\.0' in us-east-1"):
        images.resolve_id(Session("eu-west-1"), "ami-063f381b07ea97834")
