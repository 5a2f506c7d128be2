"""Which instance types have the hardware that was asked for: over the table of the package, dated; pure.

What is chosen is only a shortlist: `check` then asks AWS whether it exists, where, and for how much.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ami import catalogue
from deployer.aws.hardware import TABLE_DATE, TABLE_REGION, GpuType
from deployer.errors import ConfigError
from deployer.facts import Facts, Unknown

# So many are asked about, since a region has only some of them, and so many are shown.
ASKED_MAX = 16
SHOWN_MAX = 8

# EC2 reports what error correction leaves of these (22,888 and 45,776 MiB, 183,359 MiB); NVIDIA and AWS's own pages
# sell them as 24, 48 and 180 GB, and that is what people ask for. aws.amazon.com/ec2/instance-types, 2026-11.
SOLD_AS_GIB = {"A10G": 24, "L4": 24, "L40S": 48, "B200": 180}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """The hardware that is asked for; zero is no wish.

    `gpu_memory_gib` is the least that each GPU has, as it is sold; `gpus` is their exact number, whole ones;
    `max_usd_per_hour` is for one instance.
    """

    gpu_memory_gib: float = 0.0
    gpus: int = 0
    max_usd_per_hour: float = 0.0


def choose(wish: Wish, table: Iterable[GpuType], *, spot: bool) -> tuple[str, ...]:
    """Return the types that fit, at most ASKED_MAX, cheapest first. Raises ConfigError naming the nearest ones.

    The price on demand limits what is bought on demand only: what spot costs, the market says, and is checked live.
    """
    usable = sorted((item for item in table if item.gpus and catalogue.images_for(item.name, item.arch)), key=_by_price)
    counted = [item for item in usable if wish.gpus in {0, item.gpus}]
    if not counted:
        numbers = sorted({item.gpus for item in usable})
        raise ConfigError(
            f"No instance type has {wish.gpus} GPUs.",
            hint=f"There are types with {', '.join(str(number) for number in numbers)}: pass one of them with --gpus.",
        )
    roomy = [item for item in counted if gpu_memory_gib(item) >= wish.gpu_memory_gib]
    if not roomy:
        raise _too_much_memory(wish, counted, usable)
    fitting = roomy if spot or not wish.max_usd_per_hour else [item for item in roomy if _costs_at_most(wish, item)]
    if not fitting:
        raise _too_cheap(wish, roomy)
    return tuple(item.name for item in fitting[:ASKED_MAX])


def narrow(facts: Facts) -> Facts:
    """Return the facts of those chosen types that the region offers, cheapest first as it sells them.

    Where it offers none, or did not say, they stay as they are: the checks tell why.
    """
    names = facts.config.instance_type
    if not isinstance(facts.offerings, Unknown):
        offered = facts.offerings
        names = tuple(name for name in names if offered.get(name)) or names
    names = tuple(sorted(names, key=lambda name: _live_usd(facts, name)))
    return replace(facts, config=replace(facts.config, instance_type=names[:SHOWN_MAX]))


def gpu_memory_gib(item: GpuType) -> float:
    """Return the memory of one GPU in GiB as it is sold."""
    return SOLD_AS_GIB.get(item.gpu) or item.gpu_memory_mib / 1024


def _by_price(item: GpuType) -> tuple[float, int]:
    return (item.usd_per_hour or float("inf"), item.vcpus)


def _costs_at_most(wish: Wish, item: GpuType) -> bool:
    return item.usd_per_hour is not None and item.usd_per_hour <= wish.max_usd_per_hour


def _live_usd(facts: Facts, name: str) -> float:
    """Return what the type costs the way it would be bought; unknown prices come last."""
    if facts.config.spot and not isinstance(facts.spot_prices, Unknown):
        return min(
            (item.usd_per_hour for (of, _), item in facts.spot_prices.items() if of == name), default=float("inf")
        )
    price = facts.prices.get(name)
    return price.usd_per_hour if price else float("inf")


def _too_much_memory(wish: Wish, counted: Sequence[GpuType], usable: Sequence[GpuType]) -> ConfigError:
    most = max(counted, key=gpu_memory_gib)
    more_gpus = [item for item in usable if gpu_memory_gib(item) >= wish.gpu_memory_gib]
    hint = "Ask for less with --gpu-memory, or spread the model over several GPUs"
    if more_gpus:
        hint = f"Ask for less with --gpu-memory, or for --gpus {more_gpus[0].gpus}: {_shown(more_gpus[0])}"
    return ConfigError(
        f"No instance type{_with_gpus(wish)} has {wish.gpu_memory_gib:g} GiB of GPU memory in one GPU;"
        f" the most is {int(gpu_memory_gib(most))} GiB ({most.name}).",
        hint=f"{hint}.",
    )


def _too_cheap(wish: Wish, roomy: Sequence[GpuType]) -> ConfigError:
    memory = f" of {wish.gpu_memory_gib:g} GiB or more" if wish.gpu_memory_gib else ""
    number = _with_gpus(wish) or " with a GPU"
    return ConfigError(
        f"No instance type{number}{memory} costs ${wish.max_usd_per_hour:g} per hour or less on demand;"
        f" the cheapest is {_shown(roomy[0])} ({TABLE_REGION}, table of {TABLE_DATE}).",
        hint="Raise --max-price, or buy spare capacity with --spot, which costs less.",
    )


def _with_gpus(wish: Wish) -> str:
    return {0: "", 1: " with 1 GPU"}.get(wish.gpus, f" with {wish.gpus} GPUs")


def _shown(item: GpuType) -> str:
    price = "" if item.usd_per_hour is None else f" at ${item.usd_per_hour:.3f}"
    return f"{item.name}{price}"
