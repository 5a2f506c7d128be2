"""The results on this machine: runs/<job>/, and which of them is meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deployer.errors import UsageError


def find_run(runs: Path, wanted: str, *, holding: str) -> Path:
    """Return the folder of results that `wanted` names and that has the file `holding`; "" is the latest run.

    A name is a folder, a file in one, or the id of a job under `runs`. Raises UsageError naming what there is.
    """
    if not wanted:
        return _latest(runs, holding)
    path = Path(wanted).expanduser()
    for folder in (path, path.parent, runs / wanted):
        if (folder / holding).is_file() and (folder != path.parent or path.is_file()):
            return folder
    if _is_folder(runs, wanted):
        raise UsageError(
            f"{wanted} has no {holding}: the training has not ended, or its results were not fetched.",
            hint=f"deployer fetch {wanted}" if (runs / wanted).is_dir() else "Name the folder of a training's results.",
        )
    raise UsageError(f"There is no run {wanted!r}.", hint=_tell_known(runs, holding))


def find_runs(runs: Path, wanted: Sequence[str], *, holding: str) -> tuple[list[Path], list[str]]:
    """Return the folders that have the file, as `find_run` does, and the words of those that lack it.

    What has not ended is passed over where two others have (`runs/*`); else it raises UsageError.
    """
    found, lacking, errors = [], [], []
    for each in wanted:
        try:
            found.append(find_run(runs, each, holding=holding))
        except UsageError as error:
            if not _is_folder(runs, each):
                raise
            lacking.append(each)
            errors.append(error)
    if errors and len(found) < 2:
        raise errors[0]
    return found, lacking


def _is_folder(runs: Path, wanted: str) -> bool:
    return Path(wanted).expanduser().is_dir() or (runs / wanted).is_dir()


def _latest(runs: Path, holding: str) -> Path:
    known = _list(runs, holding)
    if not known:
        raise UsageError(
            f"There is no run with a {holding} in {runs}.", hint="Run `deployer train`, or name a folder of results."
        )
    return known[-1]


def _list(runs: Path, holding: str) -> list[Path]:
    """Return the runs that have the file, the oldest first: a job's id begins with its date."""
    return sorted(path.parent for path in runs.glob(f"*/{holding}"))


def _tell_known(runs: Path, holding: str) -> str:
    names = [folder.name for folder in _list(runs, holding)][-5:]
    return f"The last runs: {', '.join(names)}." if names else "Name a folder of results."
