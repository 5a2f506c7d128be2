"""Results home: what a job left on its host, into one folder here."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from deployer.errors import DeployerError, NotDeployed
from deployer.remote.ssh import Connection
from deployer.remote.transfer import fetch_tree

RECORD_NAME = "job.json"
LOG_NAME = "log"


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """What this machine remembers of a job; `fetched` once everything came home after its end."""

    job: str
    host: str
    returncode: int | None
    fetched: bool


def fetch(
    connection: Connection,
    job: str,
    *,
    into: Path,
    on_progress: Callable[[int, int], None] | None = None,
    checkpoints: bool = False,
) -> list[Path]:
    """Bring the artifacts and the log of `job` to the folder `into`, and return the files; what is here stays.

    `on_progress` gets the bytes so far and in all. A job that still runs can be fetched, too, and again later. Every
    file arrives whole or not at all; the log only grows. Raises NotDeployed where the host does not know the job,
    DeployerError where this machine cannot write.
    """
    ended, returncode = _read_end(connection, job)
    try:
        into.mkdir(parents=True, exist_ok=True)
        _complete_log(connection, job, into / LOG_NAME)
        own = [f"/{LOG_NAME}", f"/{RECORD_NAME}"]  # a file of such a name among the artifacts must not replace ours
        found = fetch_tree(connection, f"{_place(job)}/artifacts", into, on_progress=on_progress, skip=own)
        if checkpoints:
            found += fetch_tree(connection, f"{_place(job)}/checkpoints", into / "checkpoints", on_progress=on_progress)
        _write_record(into, JobRecord(job=job, host=connection.host.alias, returncode=returncode, fetched=ended))
    except OSError as error:
        raise DeployerError(
            f"{error.filename or into} cannot be written: {error.strerror}.",
            hint=f"Make room, then run `deployer fetch {job}`: what arrived is kept.",
        ) from error
    return [into / LOG_NAME, *(item.path for item in found)]


def is_fetched(folder: Path) -> bool:
    """Return whether the folder holds all that its job left: it was fetched after the job's end."""
    record = read_record(folder)
    return record is not None and record.fetched


def read_record(folder: Path) -> JobRecord | None:
    """Return what was remembered in a job's folder, or None where nothing was fetched yet."""
    try:
        return JobRecord(**json.loads((folder / RECORD_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _place(job: str) -> str:
    return f"~/.deployer/jobs/{job}"


def _read_end(connection: Connection, job: str) -> tuple[bool, int | None]:
    """Return whether the job had ended before anything was fetched, and how; a lost job has no end."""
    answer = connection.run(f"cd {_place(shlex.quote(job))} && {{ cat exit.json 2>/dev/null || true; }}", check=False)
    if answer.returncode:
        raise NotDeployed(
            f"There is no job {job} on {connection.host}.", hint="`deployer status` lists the jobs that there are."
        )
    try:
        end = json.loads(answer.stdout)
        return True, end["returncode"]
    except (ValueError, KeyError, TypeError):
        return False, None


def _complete_log(connection: Connection, job: str, mirror: Path) -> None:
    """Append what the mirror lacks; at its place, so that somebody who follows the log meanwhile is not disturbed."""
    mirror.touch()
    with mirror.open("r+b", buffering=0) as file:
        offset = file.seek(0, 2)
        with connection.open(f"tail -c +{offset + 1} {_place(shlex.quote(job))}/log") as stream:
            stream.close_input()
            while block := stream.read():
                rest = memoryview(block)
                while rest:
                    rest = rest[file.write(rest) or 0 :]
            stream.finish(check=False)  # a job that has just begun has no log


def _write_record(folder: Path, record: JobRecord) -> None:
    partial = folder / f"{RECORD_NAME}.part"
    partial.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / RECORD_NAME)
