"""All formatting: tables and progress for people, JSON for programs. Data goes to stdout, the rest to stderr."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from deployer.hints import as_typed
from deployer.progress import format_seconds
from deployer.render.console import MARKS, money, print_json, stdout

if TYPE_CHECKING:
    from deployer.config import Config
    from deployer.deployment.down import DownResult
    from deployer.deployment.jobs import Status
    from deployer.deployment.train import TrainResult
    from deployer.project import Found
    from deployer.remote.job import JobStatus


def train_result(result: TrainResult, *, as_json: bool) -> int:
    """Print how the job ended and where its results are; return the exit code of the command."""
    status = result.status
    if as_json:
        print_json(
            {
                "job": result.job,
                "state": "RUNNING" if result.detached else status.state.name if status else "UNKNOWN",
                "returncode": status.returncode if status else None,
                "folder": str(result.folder),
                "files": [str(file) for file in result.files],
            }
        )
    if result.detached or status is None:
        if not as_json:
            console = Console(stderr=True, highlight=False, soft_wrap=True)
            console.print(f"\nDetached: [bold]{result.job}[/] goes on.")
            for what, verb in (("look again", "logs -f"), ("results", "fetch"), ("stop it", "cancel")):
                console.print(f"  {what:<11} {escape(as_typed(f'deployer {verb} {result.job}'))}")
        return 0
    if not as_json:
        _job_end(status)
        _files(result.folder, result.files)
    return exit_code(status)


def exit_code(status: JobStatus) -> int:
    """Return the job's own exit code; 1 where nobody saw its end."""
    return 1 if status.returncode is None else status.returncode


def log_end(status: JobStatus | None, *, follow: bool) -> int:
    """Say how the job stands after its log; return the exit code of the command."""
    if status is None:
        Console(stderr=True).print("\nThe job goes on.")
        return 0
    if status.state.is_terminal:
        _job_end(status)
        return exit_code(status) if follow else 0
    return 0


def fetched(status: JobStatus, folder: Path, files: tuple[Path, ...], *, as_json: bool) -> None:
    """Print what came home."""
    if as_json:
        print_json({"job": status.job, "state": status.state.name, "folder": str(folder), "files": list(files)})
        return
    _job_end(status)
    _files(folder, files)


def report(page: Path, *, opened: bool, as_json: bool) -> None:
    """Say where the report is; what was opened is said on stderr, so that the address alone is on stdout."""
    if as_json:
        print_json({"run": page.parent.name, "report": str(page), "address": page.as_uri()})
        return
    stdout().print(page.as_uri(), markup=False)
    if opened:
        Console(stderr=True).print("Opened in the browser.")


def cancelled(status: JobStatus) -> None:
    """Say how the job ended."""
    _job_end(status)


def status(found: Status, *, as_json: bool) -> None:
    """Print the deployment as it is now."""
    record = found.record
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    out = stdout()
    out.print(f"[bold]{escape(record.name)}[/] on {record.cloud}, {record.region}, bucket {record.bucket}")
    for instance in found.instances:
        colour = "green" if instance.state == "running" else "yellow"
        out.print(
            f"  [{colour}]{instance.state}[/]  {instance.id}  {instance.instance_type}  {instance.availability_zone}"
            f"  {instance.public_ip or ''}"
        )
    ends = f", ends by itself in {_hours(found.hours_left)}" if found.is_running else ""
    out.print(f"  {money(found.usd_so_far)} so far ({found.hours:.1f} h × {money(record.usd_per_hour)}){ends}")
    for job in found.jobs:
        out.print(f"  job {job.job}  {job.state.name}")
    if found.problem:
        out.print(f"{MARKS['WARNING']} {escape(as_typed(found.problem))}")


def down_result(config: Config, result: DownResult, *, as_json: bool) -> int:
    """Print what was destroyed and whether anything is left; return the exit code of the command."""
    if as_json:
        print_json(dataclasses.asdict(result) | {"seconds": round(result.seconds, 1)})
        return 1 if result.leftovers else 0
    out = stdout()
    resources = "1 resource" if result.destroyed == 1 else f"{result.destroyed} resources"
    done = f"{resources} destroyed in {format_seconds(result.seconds)}"
    what = done if result.destroyed else "There was nothing to destroy"
    kept = f" The bucket {result.kept_bucket} was kept, as asked." if result.kept_bucket else ""
    if not result.leftovers:
        out.print(f"{what}; [green]nothing is left[/] of {escape(config.name)!r} in {config.region}.{kept}")
        return 0
    certain = [item for item in result.leftovers if item.is_certain]
    unknown = [item for item in result.leftovers if not item.is_certain]
    out.print(f"{what}.{kept}")
    for title, items in (("[red]Still there[/]", certain), ("[yellow]Could not be looked for[/]", unknown)):
        if items:
            out.print(f"{title}:")
        for item in items:
            out.print(f"  {escape(item.kind)}  {escape(item.id)}  [dim]{escape(item.detail)}[/]")
    again = escape(as_typed("deployer down"))
    if certain and result.is_made_here:
        out.print(f"Run `{again}` again; what stays after that has to be removed in the AWS console.")
    elif certain:
        out.print(f"It was made from another folder or machine, and only there does `{again}` remove it.")
    return 1


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"


def _job_end(status: JobStatus) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    colour = {"SUCCEEDED": "green", "RUNNING": "cyan", "PENDING": "cyan"}.get(status.state.name, "red")
    code = f", exit code {exit_code(status)}" if status.state.is_terminal and status.state.name != "SUCCEEDED" else ""
    reason = f" ({escape(status.reason)})" if status.reason else ""
    console.print(f"[{colour}]{status.job} {status.state.name}[/]{code}{reason}")
    if status.state.name in {"CANCELLED", "PREEMPTED", "LOST"}:
        console.print(f"  go on from its last checkpoint: {escape(as_typed(f'deployer train --resume {status.job}'))}")


def _files(folder: Path, files: tuple[Path, ...]) -> None:
    out = stdout()
    out.print(f"Results in {escape(str(folder))}:")
    for file in sorted(files):
        size = file.stat().st_size if file.exists() else 0
        out.print(f"  {escape(file.name):<20} {f'{size / 1e6:8.1f} MB' if size >= 1e6 else f'{size / 1e3:8.1f} kB'}")


def initialised(file: Path, found: Found | None) -> None:
    """Say what `init` wrote and found, and what to type next."""
    out = stdout()
    out.print(f"Wrote {escape(str(file))}.")
    if found is None:
        out.print(f"{MARKS['WARNING']} No images were found here: set path under \\[data], or use \\[train] command.")
    else:
        if found.targets:
            labels = f"labels from {found.targets}"
        elif found.classes:
            labels = f"{len(found.classes)} classes, one per folder: {', '.join(found.classes[:6])}"
        else:
            labels = "no labels yet: add a targets.csv with the columns filename and label"
        out.print(f"  {found.images} images in {escape(found.path or 'this folder')}, {escape(labels)}")
    elsewhere = "" if file == Path.cwd() / file.name else f"--config {shlex.quote(str(file))} "
    out.print(f"Next: deployer {escape(elsewhere)}check")
