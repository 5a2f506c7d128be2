"""Terraform, behind one adapter: python-terraform builds the command lines, this module runs and reads them.

python-terraform 0.10.1 buffers all output and breaks several calls on today's Terraform, so only its
`generate_cmd_string` is used.

1. Terraform writes its JSON events to a file that is read as it grows: if we are killed, Terraform still
   ends its work and saves its state.
2. It runs in a session of its own: Ctrl-C reaches us alone, is forwarded once, and then we wait.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from python_terraform import IsFlagged
from python_terraform import Terraform as CommandLine

from deployer.config import StateConfig
from deployer.errors import Interrupted, TerraformError
from deployer.terraform import running
from deployer.terraform.binary import environment, find_binary
from deployer.terraform.events import END, diagnosed, grow, strip, texts, to_error
from deployer.terraform.module import backend_options, copy_module, module_files, rescue_state

# A local state's lock is the operating system's and ends with its holder: worth waiting for, also for a Terraform
# whose deployer was killed.
LOCK_TIMEOUT = "10m"
NO_ROOM_BYTES = 64 * 1024  # less than a state needs
VARIABLES_FILE = "deployment.tfvars.json"
STATE_FILE = "terraform.tfstate"
_STREAMED = {"json": IsFlagged, "input": False}


@dataclass(frozen=True, kw_only=True)
class Change:
    """One resource that Terraform means to change; `action` is create, update, delete, replace or import."""

    address: str
    action: str


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where an apply or a destroy stands: `done` of `total` resources, and the last one that ended."""

    done: int
    total: int
    address: str = ""
    seconds: float = 0.0


OnProgress = Callable[[Progress], None]


class Terraform:
    """The root module in one directory, with its state. Nothing is run before `init`."""

    def __init__(
        self,
        directory: Path,
        *,
        module: Traversable | None = None,
        on_interrupt: Callable[[], None] = lambda: None,
    ) -> None:
        self.directory = directory
        self.module = module or resources.files("terraform")
        self.on_interrupt = on_interrupt
        self.events_file = directory / "events.jsonl"
        self.log_file = directory / "terraform.log"
        self._stamp = directory / ".terraform" / "initialised"
        self._mark = directory / "running"

    def settle(self, on_wait: Callable[[], None]) -> None:
        """Stop a Terraform whose deployer was killed, and wait until it has saved its state."""
        running.settle(self._mark, on_wait)

    def init(self, state: StateConfig, *, state_key: str, region: str) -> None:
        """Copy the root module and initialise it; do nothing where both are as they were. Raises TerraformError."""
        rescue_state(self.directory / STATE_FILE)
        backend = backend_options(state, state_key=state_key, region=region)
        fingerprint = hashlib.sha256(json.dumps([backend, sorted(module_files(self.module))]).encode()).hexdigest()
        stamp = self._stamp
        if stamp.exists() and stamp.read_text() == fingerprint:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        copy_module(self.module, self.directory)
        override = self.directory / "backend_override.tf.json"
        if backend:
            override.write_text(json.dumps({"terraform": {"backend": {"s3": backend}}}, indent=2))
        else:
            override.unlink(missing_ok=True)
        moved = (self.directory / ".terraform" / "terraform.tfstate").exists() or bool(backend)
        flags = {"migrate_state": IsFlagged, "force_copy": IsFlagged} if moved else {}
        self._run(self._command("init", input=False, no_color=IsFlagged, **flags))
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(fingerprint)

    def plan(self, variables: Mapping[str, Any], *, destroy: bool = False) -> tuple[Change, ...]:
        """Return what an apply would change, and change nothing."""
        changes: list[Change] = []

        def collect(event: dict[str, Any]) -> None:
            if event["type"] == "planned_change":
                change = event["change"]
                changes.append(Change(address=change["resource"]["addr"], action=change["action"]))

        extra = {"destroy": IsFlagged} if destroy else {}
        command = self._command(
            "plan", var_file=self._write(variables), lock_timeout=LOCK_TIMEOUT, **_STREAMED, **extra
        )
        self._stream(command, collect)
        return tuple(changes)

    def apply(
        self, variables: Mapping[str, Any], on_progress: OnProgress, *, targets: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Apply and return the outputs. Raises TerraformError with AWS's code, or Interrupted.

        With `targets`, only these addresses and what they need; the state is then taken at its word, not compared
        with AWS: for an apply on the heels of another.
        """
        return self._change("apply", variables, on_progress, targets)

    def destroy(
        self, variables: Mapping[str, Any] | None, on_progress: OnProgress, *, targets: Sequence[str] = ()
    ) -> None:
        """Destroy every resource in the state, or only `targets`; None takes the variables of the last apply."""
        self._change("destroy", variables, on_progress, targets)

    def resources(self) -> tuple[str, ...]:
        """Return the addresses of what the state holds, data sources left out."""
        if not self._stamp.exists():
            return ()
        listed = self._run(self._command("state list"), check=False).splitlines()
        return tuple(line for line in listed if line and not re.search(r"(^|\.)data\.", line))

    def identifiers(self) -> frozenset[str]:
        """Return every text in the state's resources: the ids of what Terraform knows, and of what hangs on it."""
        if not self._stamp.exists():
            return frozenset()
        shown = json.loads(self._run(self._command("show", json=IsFlagged)) or "{}")
        return frozenset(texts(shown.get("values", {}).get("root_module", {})))

    def forget(self, address: str) -> None:
        """Take a module or resource out of the state without touching it."""
        self._run(self._command("state rm", address))

    def _change(
        self, verb: str, variables: Mapping[str, Any] | None, on_progress: OnProgress, targets: Sequence[str]
    ) -> dict[str, Any]:
        command = self._command(
            verb,
            auto_approve=IsFlagged,
            var_file=self._write(variables),
            lock_timeout=LOCK_TIMEOUT,
            **_STREAMED,
            **({"target": list(targets), "refresh": False} if targets else {}),
        )
        done = total = 0
        outputs: dict[str, Any] = {}

        def follow(event: dict[str, Any]) -> None:
            nonlocal done, total, outputs
            if event["type"] == "planned_change":
                total += 2 if event["change"]["action"] == "replace" else 1
                on_progress(Progress(done=0, total=total))
            elif event["type"] == "apply_complete" and event["hook"]["action"] != "read":
                done += 1
                address, seconds = event["hook"]["resource"]["addr"], event["hook"].get("elapsed_seconds", 0)
                on_progress(Progress(done=done, total=max(total, done), address=address, seconds=float(seconds)))
            elif event["type"] == "outputs":
                outputs = {name: item["value"] for name, item in event["outputs"].items() if "value" in item}

        self._stream(command, follow)
        return outputs

    def _command(self, verb: str, *arguments: str, **options: Any) -> list[str]:
        # Its constructor reads the state for itself and falls over a damaged one: it is sent after a file there is not.
        builder = CommandLine(working_dir=str(self.directory), state="none", terraform_bin_path=find_binary())
        return list(builder.generate_cmd_string(verb, *arguments, **options))

    def _write(self, variables: Mapping[str, Any] | None) -> str:
        path = self.directory / VARIABLES_FILE
        if variables is not None:
            path.write_text(json.dumps(dict(variables), indent=2, sort_keys=True))
        return path.name

    def saved_variables(self) -> dict[str, Any] | None:
        """Return the variables of the last plan, apply or destroy; None where there was none."""
        try:
            return dict(json.loads((self.directory / VARIABLES_FILE).read_text()))
        except (OSError, ValueError):
            return None

    def _run(self, command: list[str], *, check: bool = True) -> str:
        with self.log_file.open("a") as log:
            print("$ " + " ".join(command), file=log, flush=True)
            done = subprocess.run(command, cwd=self.directory, env=environment(), capture_output=True, text=True)
            log.write(done.stdout + done.stderr)
        if check and done.returncode != 0:
            raise to_error(strip(done.stderr or done.stdout), self.log_file)
        return done.stdout

    def _stream(self, command: list[str], on_event: Callable[[dict[str, Any]], None]) -> None:
        """Run a command and hand on its JSON events as they come; raise what its diagnostics say once it has ended."""
        errors: list[dict[str, str]] = []
        interrupted = False
        with self.events_file.open("wb") as events, self.log_file.open("ab") as log:
            log.write(("$ " + " ".join(command) + "\n").encode())
            log.flush()
            process = running.start(
                command, mark=self._mark, cwd=self.directory, env=environment(), stdin=subprocess.DEVNULL,
                stdout=events, stderr=log,
            )  # fmt: skip
            lines = grow(self.events_file, process)
            while True:
                try:
                    for event in lines:
                        if event["type"] == "diagnostic" and event["diagnostic"]["severity"] == "error":
                            errors.append(event["diagnostic"])
                        if not interrupted:
                            on_event(event)
                    break
                except KeyboardInterrupt:
                    lines = grow(self.events_file, process, start=END)
                    if not interrupted and process.poll() is None:
                        process.send_signal(signal.SIGINT)
                        self.on_interrupt()
                    interrupted = True
        if interrupted:
            raise Interrupted("Interrupted; Terraform has stopped and saved its state.")
        if process.returncode != 0:
            if shutil.disk_usage(self.directory).free < NO_ROOM_BYTES:
                raise _no_room(self.directory)
            raise diagnosed(errors, self.log_file)


def _no_room(directory: Path) -> TerraformError:
    return TerraformError(
        f"The disk is full: Terraform could not write in {directory}.",
        hint="Free some space. Then `deployer up` completes it and `deployer down` removes it, also what it could not "
        "write down: that is found by its tags.",
    )
