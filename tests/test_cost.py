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


def candidate(usd_per_hour: float | None, at_most: float | None = None) -> Candidate:
    return Candidate(
        instance_type="g4dn.xlarge",
        availability_zone="us-east-1a",
        zone_id="use1-az4",
        image=IMAGE,
        usd_per_hour=usd_per_hour,
        usd_per_hour_at_most=at_most or usd_per_hour,
        price_source="AWS Price List (us-east-1), 2026-11-21" if usd_per_hour else "",
    )


@pytest.mark.parametrize(
    ("nodes", "disk_gb", "instance", "disk", "public_ip", "total"),
    [
        # (100 GB × $0.08 + 125 MiB/s × $0.04) / 730 h = $0.017808 per hour
        (1, 100, 0.526, 0.017808, 0.005, 0.548808),
        (2, 100, 1.052, 0.035616, 0.010, 1.097616),
        (1, 730, 0.526, 0.086849, 0.005, 0.617849),
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
    assert price.per_max_hours == pytest.approx(2.5 * (1.0 + 0.014849 + 0.005), abs=1e-5)


def test_hourly_bounds_the_bill_of_spot_by_what_its_price_can_rise_to() -> None:
    price = cost.hourly(candidate(0.2, at_most=0.526), nodes=2, root_volume_gb=73, max_hours=10)

    assert price.total == pytest.approx(2 * (0.2 + 0.014849 + 0.005), abs=1e-5)
    assert price.per_max_hours == pytest.approx(20 * (0.526 + 0.014849 + 0.005), abs=1e-4)
    assert price.reservation == " if spot rises to its limit"
    assert cost.hourly(candidate(0.526), nodes=2, root_volume_gb=73, max_hours=10).reservation == ""


def test_hourly_without_a_price_gives_no_total_but_still_what_is_known() -> None:
    price = cost.hourly(candidate(None), nodes=3, root_volume_gb=73, max_hours=8)

    assert (price.instance, price.total, price.per_max_hours) == (None, None, None)
    assert price.disk == pytest.approx(3 * 0.014849, abs=1e-5)
    assert price.public_ip == pytest.approx(0.015)


def test_hourly_names_the_date_of_every_figure() -> None:
    price = cost.hourly(candidate(0.526), nodes=1, root_volume_gb=100, max_hours=8)

    assert price.sources == (
        "g4dn.xlarge: AWS Price List (us-east-1), 2026-11-21",
        "gp3 $0.08 per GB, $0.04 per MiB/s beyond 125, a month (us-east-1, 2026-11)",
        "public IPv4 $0.005 per hour (2024-02-01)",
    )


def test_hourly_counts_a_cloud9_environment_and_says_that_it_stops() -> None:
    without = cost.hourly(candidate(0.526), nodes=2, root_volume_gb=100, max_hours=8)

    price = cost.hourly(candidate(0.526), nodes=2, root_volume_gb=100, max_hours=8, has_cloud9=True)

    assert without.cloud9 == 0
    # $0.0208 + $0.005 + 10 GB × $0.10 / 730 h; one environment, however many nodes.
    assert price.cloud9 == pytest.approx(0.02717, abs=1e-5)
    assert price.total is not None
    assert without.total is not None
    assert price.total - without.total == pytest.approx(price.cloud9)
    assert "stops after 30 idle minutes" in price.lines[-1].source
    assert price.reservation == ", Cloud9 afterwards aside"  # max_hours ends the machines, not the environment


@pytest.mark.parametrize("usd", [0.526, None])
def test_hourly_has_a_line_for_everything_that_bills(usd: float | None) -> None:
    price = cost.hourly(candidate(usd), nodes=2, root_volume_gb=100, max_hours=8, has_cloud9=True)

    assert [line.what for line in price.lines] == [
        "2 × g4dn.xlarge",
        "2 × disk of 100 GB",
        "2 × public address",
        "Cloud9 environment",
    ]
    if price.total is not None:
        assert price.total == pytest.approx(sum(line.usd_per_hour or 0 for line in price.lines))
    assert (price.lines[0].usd_per_hour is None) == (usd is None)
