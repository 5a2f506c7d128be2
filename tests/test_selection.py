"""Instance types chosen by the hardware that was asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from facts_examples import config, facts

from deployer import selection
from deployer.aws.hardware import GpuType, hardware_table
from deployer.aws.prices import Price
from deployer.errors import ConfigError
from deployer.selection import Wish


def gpu_type(name: str, gpu: str, gpus: int, gib: float, usd: float | None, arch: str = "x86_64") -> GpuType:
    example = hardware_table()[0]
    mib = round(gib * 1024)
    return replace(example, name=name, gpu=gpu, gpus=gpus, gpu_memory_mib=mib, usd_per_hour=usd, arch=arch)


TABLE = (
    gpu_type("g5.xlarge", "A10G", 1, 22.35, 1.006),
    gpu_type("g4dn.xlarge", "T4", 1, 16, 0.526),
    gpu_type("g4dn.12xlarge", "T4", 4, 16, 3.912),
    gpu_type("g6.xlarge", "L4", 1, 22.35, 0.8048),
    gpu_type("g6f.large", "L4", 0, 2.8, 0.202),
    gpu_type("g6e.xlarge", "L40S", 1, 44.7, 1.861),
    gpu_type("p3dn.24xlarge", "V100", 8, 32, 31.212),
    gpu_type("p4d.24xlarge", "A100", 8, 40, 21.958),
    gpu_type("p5e.48xlarge", "H200", 8, 141, None),
)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        # EC2 reports 22,888 MiB of an A10G and an L4: who asks for the 24 GB on the box means them.
        (Wish(gpu_memory_gib=24, gpus=1), ("g6.xlarge", "g5.xlarge", "g6e.xlarge")),
        (Wish(gpu_memory_gib=17, gpus=1), ("g6.xlarge", "g5.xlarge", "g6e.xlarge")),
        (Wish(gpu_memory_gib=16, gpus=1, max_usd_per_hour=0.9), ("g4dn.xlarge", "g6.xlarge")),
        (Wish(gpu_memory_gib=48), ("g6e.xlarge", "p5e.48xlarge")),
        (Wish(gpus=4), ("g4dn.12xlarge",)),
        # No image of today drives a V100, so that p3dn is none of the eight.
        (Wish(gpus=8), ("p4d.24xlarge", "p5e.48xlarge")),
        # What has no price on demand cannot cost less than a limit.
        (Wish(gpus=8, max_usd_per_hour=100), ("p4d.24xlarge",)),
    ],
)
def test_choose_finds_the_types_that_fit_cheapest_first(wish: Wish, expected: tuple[str, ...]) -> None:
    assert selection.choose(wish, TABLE, spot=False) == expected


def test_choose_leaves_the_price_of_spot_to_the_market() -> None:
    assert selection.choose(Wish(gpu_memory_gib=24, gpus=1, max_usd_per_hour=0.4), TABLE, spot=True)[0] == "g6.xlarge"


@pytest.mark.parametrize(
    ("wish", "message", "hint"),
    [
        (
            Wish(gpu_memory_gib=500),
            "No instance type has 500 GiB of GPU memory in one GPU; the most is 141 GiB (p5e.48xlarge).",
            "several GPUs",
        ),
        (
            Wish(gpu_memory_gib=100, gpus=1),
            "No instance type with 1 GPU has 100 GiB of GPU memory in one GPU; the most is 48 GiB (g6e.xlarge).",
            "--gpus 8: p5e.48xlarge",
        ),
        (Wish(gpus=3), "No instance type has 3 GPUs.", "1, 4, 8"),
        (
            Wish(gpu_memory_gib=24, gpus=1, max_usd_per_hour=0.5),
            "the cheapest is g6.xlarge at $0.805 (us-east-1, table of ",
            "--spot",
        ),
    ],
)
def test_choose_names_the_nearest_where_nothing_fits(wish: Wish, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        selection.choose(wish, TABLE, spot=False)

    assert message in caught.value.message
    assert hint in caught.value.hint


def test_choose_of_the_real_table_knows_what_people_ask_for() -> None:
    found = selection.choose(Wish(gpu_memory_gib=24, gpus=1, max_usd_per_hour=2), hardware_table(), spot=False)

    assert found[0] == "g6.xlarge"
    assert {"g5.xlarge", "g6e.xlarge"} <= set(found)
    assert not {"g4dn.xlarge", "g5.12xlarge", "g6f.large"} & set(found)


def test_narrow_keeps_what_the_region_offers_cheapest_first_as_it_sells_them() -> None:
    prices = {
        "g4dn.xlarge": Price(usd_per_hour=1.2, source="AWS Price List", as_of="2026-11-21"),
        "g5.xlarge": Price(usd_per_hour=1.1, source="AWS Price List", as_of="2026-11-21"),
    }
    seen = facts(config=config(instance_type=("g4dn.xlarge", "g6.xlarge", "g5.xlarge")), prices=prices)

    assert selection.narrow(seen).config.instance_type == ("g5.xlarge", "g4dn.xlarge")


def test_narrow_of_a_region_that_offers_none_leaves_them_to_the_checks() -> None:
    seen = facts(config=config(instance_type=("g6.xlarge", "g6e.xlarge")))

    assert selection.narrow(seen).config.instance_type == ("g6.xlarge", "g6e.xlarge")
