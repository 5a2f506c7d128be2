"""Images that AWS patches no more and people still ask for: never chosen, but known, so that a no has a reason."""

from __future__ import annotations

from ami.image import Image

PAST: tuple[Image, ...] = (
    Image(
        name="base-ubuntu-18.04",
        ami_name="Deep Learning Base AMI (Ubuntu 18.04)",
        user="ubuntu",
        python="",
        families=("p2", "p3"),
        driver="450.80.02",
        has_open_driver=False,
        cuda="10.0, 10.1",
        scratch="",
        ids={"us-east-1": "ami-063f381b07ea97834"},
        source="release notes of Version 31.0, 2020-11",
    ),
    Image(
        name="base-proprietary-amazon-linux-2",
        ami_name="Deep Learning Base Proprietary Nvidia Driver AMI (Amazon Linux 2)",
        user="ec2-user",
        python="",
        families=("g3", "p3", "p3dn"),
        has_open_driver=False,
        source="docs.aws.amazon.com/dlami/latest/devguide/important-changes.html, 2026-11-20",
    ),
)
