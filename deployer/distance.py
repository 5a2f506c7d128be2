"""How far one AWS region is from another: what decides how long data travels, where nothing was measured."""

from __future__ import annotations

import math

EARTH_RADIUS_KM = 6371

# Latitude and longitude, to a degree, of the city or state that AWS names each region after
# (docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html, 2026-11).
PLACES: dict[str, tuple[int, int]] = {
    "af-south-1": (-34, 18),
    "ap-east-1": (22, 114),
    "ap-east-2": (25, 121),
    "ap-northeast-1": (36, 140),
    "ap-northeast-2": (37, 127),
    "ap-northeast-3": (35, 135),
    "ap-south-1": (19, 73),
    "ap-south-2": (17, 78),
    "ap-southeast-1": (1, 104),
    "ap-southeast-2": (-34, 151),
    "ap-southeast-3": (-6, 107),
    "ap-southeast-4": (-38, 145),
    "ap-southeast-5": (3, 102),
    "ap-southeast-6": (-37, 175),
    "ap-southeast-7": (14, 100),
    "ca-central-1": (45, -74),
    "ca-west-1": (51, -114),
    "eu-central-1": (50, 9),
    "eu-central-2": (47, 9),
    "eu-north-1": (59, 18),
    "eu-south-1": (45, 9),
    "eu-south-2": (42, -1),
    "eu-west-1": (53, -6),
    "eu-west-2": (52, 0),
    "eu-west-3": (49, 2),
    "il-central-1": (32, 35),
    "me-central-1": (24, 54),
    "me-south-1": (26, 51),
    "mx-central-1": (21, -100),
    "sa-east-1": (-24, -47),
    "us-east-1": (39, -77),
    "us-east-2": (40, -83),
    "us-west-1": (37, -122),
    "us-west-2": (46, -120),
}


def km_between(region: str, other: str) -> int | None:
    """Return the great-circle distance to the nearest 10 km; None where a region is newer than the table."""
    if region == other:
        return 0
    if region not in PLACES or other not in PLACES:
        return None
    (latitude, longitude), (other_latitude, other_longitude) = (
        (math.radians(north), math.radians(east)) for north, east in (PLACES[region], PLACES[other])
    )
    half = (
        math.sin((other_latitude - latitude) / 2) ** 2
        + math.cos(latitude) * math.cos(other_latitude) * math.sin((other_longitude - longitude) / 2) ** 2
    )
    return round(2 * EARTH_RADIUS_KM * math.asin(math.sqrt(half)) / 10) * 10
