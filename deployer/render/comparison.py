"""What `check` found in several regions: one row for each region and type, what stands in the way, what is nearest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from deployer.facts import Unknown
from deployer.hints import as_typed
from deployer.preflight.findings import Level
from deployer.preflight.verdicts import verdicts_of_regions
from deployer.render.board import NOTHING, as_facts, legend, usd
from deployer.render.console import MARKS, print_json
from deployer.render.page import Page

if TYPE_CHECKING:
    from deployer.aws.prices import Price
    from deployer.deployment.board import Offer
    from deployer.deployment.survey import Comparison, Survey, Way


# In place of the configured zone, which is of one region.
ANY_ZONE = "''"


def show(found: Comparison, *, as_json: bool, left_out_zone: str = "") -> None:
    """Print the regions, the nearest to the data first; a zone that is configured was not insisted on."""
    if as_json:
        print_json(_as_facts(found))
        return
    page = Page()
    count = len(found.surveys)
    page.title(f"{count} regions, nearest to the data first" if count > 1 else "1 region")
    page.table(_regions(found, page.is_wide))
    page.note(*legend([item.board for item in found.surveys]))
    _obstacles(page, found)
    page.line()
    page.text(nearest(found))
    if cheapest(found):
        page.text(cheapest(found))
    if found.can_launch:
        region = next(item.facts.config.region for item in found.surveys if item.can_launch)
        up = as_typed("deployer up").replace("deployer", f"deployer --region {region}", 1)
        up += f" --zone {ANY_ZONE}" if left_out_zone else ""
        page.line(f"[green]It can be launched.[/] Next: {escape(up)}")
    else:
        page.line("[red]Nothing can be launched in any of them.[/]")


def nearest(found: Comparison) -> str:
    """Return which region is nearest to the data, why, and the nearest that can give a machine."""
    first = found.ways[0]
    if first.km is None and first.seconds is None:
        return "Which region is nearest to the data is not known: none of them answered."
    why = _why(first, found.data_region)
    able = next((way for way, item in zip(found.ways, found.surveys, strict=True) if item.can_launch), None)
    if able is None or able == first:
        return f"Nearest to the data: {first.region}, {why}."
    then = _why(able, found.data_region)
    return f"Nearest to the data: {first.region}, {why}; the nearest that can be launched: {able.region}, {then}."


def cheapest(found: Comparison) -> str:
    """Return where a machine costs least, of all that can be launched; empty where no price is known."""
    priced = [
        (candidate.usd_per_hour, candidate.instance_type, item.facts.config.region)
        for item in found.surveys
        for candidate in item.candidates
        if candidate.usd_per_hour is not None
    ]
    if not priced:
        return ""
    usd_per_hour, instance_type, region = min(priced, key=lambda item: item[0])
    return f"Cheapest: {region}, {instance_type} at ${usd_per_hour:.3f} per hour."


def distance(way: Way) -> str:
    """Return how far a region is, in the unit that is known."""
    if way.km is not None:
        return f"{way.km:,} km"
    return NOTHING if way.seconds is None else f"{way.seconds * 1000:.0f} ms"


def _why(way: Way, data_region: str) -> str:
    if way.km == 0:
        return "where its bucket is"
    if way.km is not None:
        return f"{way.km:,} km from its bucket in {data_region}"
    if way.seconds is None:
        return "which did not answer"
    return f"which answered this machine in {way.seconds * 1000:.0f} ms"


def _regions(found: Comparison, is_wide: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2 if is_wide else 1, 0, 0), header_style="dim")
    right = {"on demand", "spot", "score", "vCPUs free"}
    columns = ["", "region", "instance type", "zones", "on demand", "spot", "score", "vCPUs free"]
    for name in [*columns, *(["image"] if is_wide else []), "distance"]:
        heading = name if is_wide or name == "instance type" else name.replace(" ", "\n")
        table.add_column(heading, justify="right" if name in right else "left", no_wrap=name != "image")
    for way, item in zip(found.ways, found.surveys, strict=True):
        names = [name for name in item.facts.config.instance_type if item.board.of_type(name)]
        for name in names or [""]:
            cells = [way.region, *_type_cells(item, name)]
            if is_wide:
                cells.append(_image(item, name))
            table.add_row(_mark(item, name), *map(escape, cells), distance(way))
    return table


def _type_cells(found: Survey, name: str) -> list[str]:
    """Return type, zones, prices, score and headroom; of a region that told nothing, only that."""
    if not name:
        return [NOTHING] * 6
    offers = found.board.of_type(name)
    sold = [item for item in offers if item.offered is not False]
    zones = "?" if any(item.offered is None for item in offers) else f"{len(sold)} of {len(offers)}"
    scores = [item.spot_score for item in sold if item.spot_score is not None]
    quota = found.facts.quotas.get(name)
    free = "?" if quota is None or quota.value is None else str(max(0, int(quota.value) - (quota.used or 0)))
    return [
        name,
        zones,
        usd(next((item.on_demand for item in sold if item.on_demand), None)),
        usd(_cheapest(sold)),
        str(max(scores)) if scores else NOTHING,
        free,
    ]


def _cheapest(offers: list[Offer]) -> Price | None:
    return min((item.spot for item in offers if item.spot), key=lambda price: price.usd_per_hour, default=None)


def _image(found: Survey, name: str) -> str:
    image = found.facts.images.get(name)
    if image is None or isinstance(image, Unknown):
        return NOTHING
    return image.catalogue_name or image.name


def _mark(found: Survey, name: str) -> str:
    """Return whether this type can be launched there, and whether something is to be said against it."""
    if not any(item.instance_type == name for item in found.candidates):
        return MARKS["ERROR"]
    about = [item.level for item in found.findings if item.instance_type in {"", name}]
    return MARKS["WARNING" if Level.WARNING in about else "OK"]


def _obstacles(page: Page, found: Comparison) -> None:
    """Print each warning and error once, with the regions that it is about."""
    told = {item.facts.config.region: item.findings for item in found.surveys}
    obstacles = [item for item in verdicts_of_regions(told) if item.level in {Level.WARNING, Level.ERROR}]
    if not obstacles:
        return
    page.title("What stands in the way")
    for item in obstacles:
        is_named = all(region in item.message for region in item.regions)
        where = "" if is_named else f"{', '.join(item.regions)}: "
        page.item(MARKS[item.level.name], item.check, f"{where}{as_typed(item.message)}", as_typed(item.hint))


def _as_facts(found: Comparison) -> dict[str, Any]:
    first = found.ways[0]
    is_measured = first.km is not None or first.seconds is not None
    return {
        "can_launch": found.can_launch,
        "data_region": found.data_region or None,
        "nearest": first.region if is_measured else None,
        "nearest_launchable": next((item.board.region for item in found.surveys if item.can_launch), None),
        "regions": [
            as_facts(item) | {"distance_km": way.km, "seconds_away": way.seconds}
            for way, item in zip(found.ways, found.surveys, strict=True)
        ],
    }
