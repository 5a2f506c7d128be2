"""What it costs to move data from one region to another; nothing is asked of AWS."""

from __future__ import annotations

# USD per GB that leaves a region of AWS for another one, by the region it leaves; what arrives is free.
# aws.amazon.com/ec2/pricing/on-demand, "Data Transfer", read 2026-11. The regions of North America and Europe: $0.02.
TRANSFER_SOURCE = "AWS data transfer between regions, 2026-11"
TRANSFER_USD_PER_GB = {
    "af-south-1": 0.147,
    "ap-east-1": 0.09,
    "ap-northeast-1": 0.09,
    "ap-northeast-2": 0.08,
    "ap-northeast-3": 0.09,
    "ap-south-1": 0.086,
    "ap-southeast-1": 0.09,
    "ap-southeast-2": 0.098,
    "me-south-1": 0.1105,
    "sa-east-1": 0.138,
}
TRANSFER_USD_PER_GB_WEST = 0.02
TRANSFER_USD_PER_GB_VIRGINIA_OHIO = 0.01
WEST = ("us-east-", "us-west-", "ca-", "eu-")


def transfer_usd(gb: float, *, from_region: str, to_region: str) -> float | None:
    """Return the USD for moving `gb` from one region to another; None where the price is not known."""
    if from_region == to_region:
        return 0.0
    if {from_region, to_region} == {"us-east-1", "us-east-2"}:
        return gb * TRANSFER_USD_PER_GB_VIRGINIA_OHIO
    usd = TRANSFER_USD_PER_GB_WEST if from_region.startswith(WEST) else TRANSFER_USD_PER_GB.get(from_region)
    return None if usd is None else gb * usd
