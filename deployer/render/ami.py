"""Machine images: the catalogue as a table, one image in full, and what came and went of our own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployer.hints import as_typed
from deployer.render.console import MARKS, print_json, stdout
from deployer.render.page import Page

if TYPE_CHECKING:
    from ami.catalogue import Image
    from deployer.aws.images import MachineImage
    from deployer.aws.own_images import BakedImage
    from deployer.deployment.bake import Pruned
    from deployer.deployment.images import Listing, Shown


def listing(found: Listing, *, as_json: bool) -> None:
    """Print the catalogue with the newest id in the region, and our own images below."""
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    out = stdout()
    page = Page()
    table = Table(box=None, pad_edge=False)
    # An id that is cut is a wrong one: where there is no room, `ami show` has the rest.
    left_out = set() if page.is_wide else {"PyTorch", "driver", "fits"}
    columns = ("image", "newest in " + found.region, "PyTorch", "driver", "patched until", "fits")
    for column in columns:
        if column not in left_out:
            table.add_column(column, no_wrap=column != "fits", overflow="fold")
    for row in found.rows:
        torch = row.image.torch or ("none" if not row.image.python else "at first boot")
        newest = row.newest.ami_id if row.newest else "gone" if row.is_past and not found.problem else "not known"
        families = row.newest.supported_families if row.newest else None
        cells = (
            row.image.name,
            newest,
            torch,
            _driver(row.image),
            _until(row.patched_until),
            _list(row.image.families if families is None else sorted(families)),
        )
        drawn = [escape(cell) for column, cell in zip(columns, cells, strict=True) if column not in left_out]
        table.add_row(*drawn, style="dim" if row.is_past else "")
    page.table(table)
    if not found.rows:
        out.print(
            f"The catalogue has no image that drives {escape(found.instance_type)}; `deployer ami list` shows all."
        )
    if found.problem:
        out.print(f"{MARKS['WARNING']} {escape(as_typed(found.problem))}")
    if not found.baked:
        bake = escape(as_typed("deployer ami bake"))
        out.print(f"None baked for {escape(found.project)} in {found.region}; `{bake}` makes one.")
        return
    out.print(f"Baked for {escape(found.project)}, the newest first:")
    for item in found.baked:
        out.print(f"  {_baked_line(item)}  [dim]from {escape(item.image.parent)}[/]")


def shown(found: Shown, *, as_json: bool) -> None:
    """Print everything that is known of one image, and whether it fits what is configured."""
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    out = stdout()
    for what, text in _facts(found):
        if text:
            out.print(f"  {what:<14} {escape(text)}")
    for name, is_fitting in found.fits.items():
        mark = MARKS["OK" if is_fitting else "ERROR"]
        out.print(f"{mark} {escape(name)}: {'its driver supports it' if is_fitting else 'it has no driver for it'}")
    if found.problem:
        out.print(f"{MARKS['WARNING']} {escape(as_typed(found.problem))}")


def baked(image: MachineImage, *, as_json: bool) -> None:
    """Print the image that was made."""
    if as_json:
        print_json(dataclasses.asdict(image))
        return
    up, prune = escape(as_typed("deployer up")), escape(as_typed("deployer ami prune"))
    out = stdout()
    out.print(f"[green]{image.ami_id}[/] ({escape(image.name)}) is ready: the next `{up}` of this project uses it.")
    out.print(f"  Its snapshot bills until `{prune}`; `down` leaves it.")


def to_prune(images: Sequence[BakedImage], project: str) -> None:
    """Say which images would go, where somebody is asked."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if images:
        console.print(f"Of those baked for {escape(project)}:")
    for item in images:
        console.print(f"  {_baked_line(item)}")


def pruned(gone: Pruned, *, as_json: bool) -> None:
    """Print what was freed."""
    size = sum(item.size_gb for item in gone.snapshots)
    if as_json:
        ids = {
            "images": [item.image.ami_id for item in gone.images],
            "snapshots": [item.id for item in gone.snapshots],
        }
        print_json(ids | {"freed_gb": size})
        return
    if not gone.images and not gone.snapshots:
        stdout().print("There was nothing to remove.")
        return
    images = f"{len(gone.images)} image{'' if len(gone.images) == 1 else 's'}"
    snapshots = f"{len(gone.snapshots)} snapshot{'' if len(gone.snapshots) == 1 else 's'}"
    stdout().print(f"Removed {images} and {snapshots}: disks of {size} GiB are off the bill.")


def _facts(found: Shown) -> list[tuple[str, str]]:
    image, entry = found.image, found.entry
    facts = [("catalogue", entry.name if entry else "not in it")]
    if image is not None:
        families = (
            _list(sorted(image.supported_families)) if image.supported_families is not None else "it does not say"
        )
        facts += [
            ("name", image.name),
            (f"in {found.region}", image.ami_id),
            ("released", image.created[:10]),
            ("baked from", image.parent),
            ("architecture", image.architecture),
            ("fits", families),
            ("user", image.user),
            ("Python", image.python or "none with PyTorch, nor can the first boot install it"),
            ("root disk", f"{image.snapshot_gb} GiB at least ({image.root_device})"),
            ("patched until", _until(image.patched_until)),
        ]
    elif entry is not None:
        facts += [
            ("name", entry.ami_name),
            ("fits", _list(entry.families)),
            ("user", entry.user),
            ("Python", entry.python or "none with PyTorch"),
            ("patched until", _until(entry.patched_until)),
        ]
    if entry is not None:
        facts += [
            ("driver", _driver(entry)),
            ("CUDA", entry.cuda),
            ("scratch", entry.scratch),
            ("source", entry.source),
        ]
        facts += [("PyTorch", entry.torch)]
    return facts


def _driver(image: Image) -> str:
    kind = "open" if image.has_open_driver else "proprietary"
    return f"{image.driver} {kind}".strip()


def _until(end: date | None) -> str:
    if end is None:
        return "not known"
    return f"{end}, past" if end < datetime.now(UTC).date() else str(end)


def _list(families: Sequence[str]) -> str:
    return " ".join(families)


def _baked_line(item: BakedImage) -> str:
    image = item.image
    return f"{image.ami_id}  {escape(image.name)}  {item.state}  {image.created[:16]}  {image.snapshot_gb} GiB"
