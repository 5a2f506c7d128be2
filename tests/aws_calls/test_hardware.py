"""The table of GPU instance types that travels with the package."""

from __future__ import annotations

from deployer.aws.hardware import hardware_table
from deployer.aws.prices import known_gpu_types


def test_hardware_table_has_all_that_can_be_launched() -> None:
    names = [item.name for item in hardware_table()]

    assert len(names) == len(set(names)) > 60
    assert "g4dn.xlarge" in names
    # Priced by AWS to this day, and withdrawn.
    assert not {"g3.4xlarge", "p2.xlarge", "p3.2xlarge"} & set(names)
    assert known_gpu_types() == tuple(names)


def test_hardware_table_tells_gpu_network_price_and_zones() -> None:
    types = {item.name: item for item in hardware_table()}

    g5g = types["g5g.xlarge"]
    assert (g5g.gpu, g5g.gpus, g5g.gpu_memory_mib, g5g.arch) == ("T4g", 1, 16384, "arm64")
    assert (g5g.vcpus, g5g.memory_gib, g5g.network, g5g.network_gbps) == (4, 8, "Up to 10 Gigabit", 1.25)
    assert (g5g.nvme_gb, g5g.usd_per_hour) == (0, 0.42)
    # Not in us-east-2.
    assert g5g.zone_ids == {f"use1-az{digit}" for digit in "1246"} | {f"usw2-az{digit}" for digit in "123"}
    # A fraction of a GPU; and hours that AWS sells in capacity blocks only.
    assert (types["g6f.large"].gpus, types["g6f.large"].gpu_memory_mib) == (0, 2861)
    assert types["p5e.48xlarge"].usd_per_hour is None
