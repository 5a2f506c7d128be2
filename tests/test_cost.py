"""Prices × hours."""

from __future__ import annotations

import pytest

from deployer import cost
from deployer.aws.images import MachineImage
from deployer.placement import Candidate

IMAGE = MachineImage(
    ami_id="ami-1",
    name="Deep Learning AMI",
    description="",
    root_device="/dev/sda1",
    snapshot_gb=75,
    architecture="x86_64",
    supported_families=None,
    user="ubuntu",
    python="/opt/pytorch/bin/python",
)


def candidate(usd_per_hour: float | None) -> Candidate:
    return Candidate(
        instance_type="g4dn.xlarge",
        availability_zone="us-east-1a",
        zone_id="use1-az4",
        image=IMAGE,
        usd_per_hour=usd_per_hour,
        price_source="AWS Price List (us-east-1), 2026-11-21" if usd_per_hour else "",
    )


@pytest.mark.parametrize(
    ("nodes", "disk_gb", "instance", "disk", "public_ip", "total"),
    [
        # 100 GB × $0.08 / 730 h = $0.010959 per hour
        (1, 100, 0.526, 0.010959, 0.005, 0.541959),
        (2, 100, 1.052, 0.021918, 0.010, 1.083918),
        (1, 730, 0.526, 0.08, 0.005, 0.611),
    ],
)
def test_hourly_adds_instances_disks_and_addresses(
    nodes: int, disk_gb: int, instance: float, disk: float, public_ip: float, total: float
) -> None:
    price = cost.hourly(candidate(0.526), nodes=nodes, root_volume_gb=disk_gb, max_hours=8)

    assert price.instance == pytest.approx(instance)
    assert price.disk == pytest.approx(disk, abs=1e-6)
    assert price.public_ip == pytest.approx(public_ip)
    assert price.total == pytest.approx(total, abs=1e-6)


def test_hourly_bounds_the_bill_by_max_hours() -> None:
    price = cost.hourly(candidate(1.0), nodes=1, root_volume_gb=73, max_hours=2.5)

    assert price.max_hours == 2.5
    assert price.per_max_hours == pytest.approx(2.5 * (1.0 + 0.008 + 0.005))


def test_hourly_without_a_price_gives_no_total_but_still_what_is_known() -> None:
    price = cost.hourly(candidate(None), nodes=3, root_volume_gb=73, max_hours=8)

    assert (price.instance, price.total, price.per_max_hours) == (None, None, None)
    assert price.disk == pytest.approx(0.024)
    assert price.public_ip == pytest.approx(0.015)


def test_hourly_names_the_date_of_every_figure() -> None:
    price = cost.hourly(candidate(0.526), nodes=1, root_volume_gb=100, max_hours=8)

    assert price.sources == (
        "g4dn.xlarge: AWS Price List (us-east-1), 2026-11-21",
        "gp3 $0.08 per GB and month (us-east-1, 2026-11)",
        "public IPv4 $0.005 per hour (2024-02-01)",
    )
