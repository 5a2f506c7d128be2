"""One candidate after the other, until AWS gives a machine or nothing is left to try.

1. The machines of a deployment land in one zone or not at all: what a failed candidate left behind is gone before the
   next one is tried, and after the last one too.
2. Machines that ran before are left alone.
3. The first apply looks at everything. Those on its heels look at the machines alone, which takes seconds.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from deployer import attempts, placement
from deployer.attempts import Attempt
from deployer.aws import translation
from deployer.aws.quotas import quota_group
from deployer.config import Config
from deployer.deployment.reporter import Reporter, Step
from deployer.deployment.variables import candidate_variables
from deployer.errors import AwsError, NoCapacity, QuotaExceeded, TerraformError
from deployer.placement import Candidate
from deployer.terraform import Progress, Terraform

MACHINES = "module.gpu_instance"
NODE = f"{MACHINES}.aws_instance.node"
CLOUD9 = "module.cloud9"

# The provider that launches gives up after two attempts, so that a zone without capacity answers at once; patience with
# throttling is therefore ours.
THROTTLE_PAUSES_SECONDS = (2, 5, 10, 20, 40)

# Between two rounds of --wait: AWS's capacity changes by the minute. The variable is for our own tests.
WAIT_PAUSE_SECONDS = float(os.environ.get("_DEPLOYER_WAIT_PAUSE_SECONDS", "15"))
WAIT_PAUSE_MAX_SECONDS = 120.0
WAIT_GROWTH = 1.5
WAIT_JITTER = 0.2

# No later round changes these.
LASTING_CODES = placement.VCPU_QUOTA_CODES | {"Unsupported"}

# What else to try where all that was configured is sold out: one GPU, the cheapest of each generation.
OTHER_TYPES = ("g4dn.xlarge", "g5.xlarge", "g6.xlarge", "g6e.xlarge")


@dataclass(frozen=True, kw_only=True)
class Launched:
    """What was had: where, Terraform's outputs, and how many resources changed on the way."""

    candidate: Candidate
    outputs: dict[str, Any]
    changed: int
    has_cloud9: bool


class Launch:
    """One `up` on its way to its machines."""

    def __init__(
        self,
        config: Config,
        account: str,
        variables: dict[str, Any],
        terraform: Terraform,
        reporter: Reporter,
        *,
        keeps_machines: bool,
    ) -> None:
        self._config = config
        self._account = account
        self._variables = variables
        self._terraform = terraform
        self._reporter = reporter
        self._kept = frozenset(self._nodes()) if keeps_machines else frozenset()
        self._is_narrow = False
        self._changed = 0
        self._refused: dict[str, tuple[Candidate, AwsError]] = {}
        self._pauses = iter(THROTTLE_PAUSES_SECONDS)

    def run(self, candidates: Sequence[Candidate], *, wait_seconds: float = 0.0) -> Launched:
        """Return the first candidate that could be launched; go on trying for `wait_seconds`.

        Raises NoCapacity or QuotaExceeded with all that was tried, or what would meet every candidate.
        """
        deadline = time.monotonic() + wait_seconds
        pauses = _growing_pauses()
        while True:
            launched = self._first_of(candidates)
            if launched is not None:
                return launched
            candidates = self._worth_another_round(candidates)
            seconds_left = deadline - time.monotonic()
            if not candidates or seconds_left <= 0:
                raise self._nothing_left(wait_seconds, is_worth_waiting=bool(candidates))
            pause = min(next(pauses), seconds_left)
            places = "1 place" if len(candidates) == 1 else f"{len(candidates)} places"
            self._reporter.note(
                f"Nothing to be had in {places}. Again in {_spoken(pause)}, "
                f"for {_spoken(seconds_left)} more (Ctrl-C ends it)."
            )
            time.sleep(pause)

    def _first_of(self, candidates: Sequence[Candidate]) -> Launched | None:
        left = list(candidates)
        while left:
            candidate = left[0]
            try:
                outputs = self._apply(candidate)
            except TerraformError as error:
                left = self._after(error, left)
                continue
            attempts.forget(self._config, self._attempt(candidate))
            has_cloud9 = bool(self._variables["cloud9_enabled"])
            return Launched(candidate=candidate, outputs=outputs, changed=self._changed, has_cloud9=has_cloud9)
        return None

    def _apply(self, candidate: Candidate) -> dict[str, Any]:
        variables = self._variables | candidate_variables(self._config, candidate)
        with self._reporter.step(f"Terraform apply: {_where(candidate)}") as step:
            targets = (MACHINES,) if self._is_narrow else ()
            return self._terraform.apply(variables, self._follow(step), targets=targets)

    def _after(self, error: TerraformError, left: list[Candidate]) -> list[Candidate]:
        """Return what to try after a failed apply; raise what no other candidate would change."""
        failed = left[0]
        if self._fails_at(error, CLOUD9, MACHINES) and any(item.startswith(CLOUD9) for item in error.addresses):
            self._go_without_cloud9(error)
            return left
        if self._has_paused(error):
            self._is_narrow = self._fails_at(error, MACHINES)
            return left
        if not error.code or not self._fails_at(error, MACHINES):
            raise error
        self._take_back()
        self._is_narrow = True  # all the rest was made
        ours = translation.launch_error(
            error.code,
            error.message,
            instance_type=failed.instance_type,
            spot=self._config.spot,
            region=self._config.region,
            zone=failed.availability_zone,
        )
        if error.code not in placement.CANDIDATE_CODES:
            raise ours from error
        self._refused[_where(failed)] = failed, ours
        if failed.zone_id:
            attempts.remember(self._config, self._attempt(failed, code=error.code))
        rest = placement.remaining(left, failed, error.code, error.message)
        following = f"Trying {_where(rest[0])}." if rest else "Nothing else is left to try."
        self._reporter.warn(f"{_where(failed)}: {error.code}. {following}")
        return rest

    def _fails_at(self, error: TerraformError, *modules: str) -> bool:
        """Say whether an apply failed in these modules and nowhere else."""
        return bool(error.addresses) and all(item.startswith(modules) for item in error.addresses)

    def _go_without_cloud9(self, error: TerraformError) -> None:
        self._variables["cloud9_enabled"] = False
        self._is_narrow = False
        first = error.message.splitlines()[0]
        self._reporter.warn(f"Going on without Cloud9 (`deployer ssh-config` serves VS Code Remote-SSH): {first}")

    def _has_paused(self, error: TerraformError) -> bool:
        """Wait where AWS throttles and patience is left; say whether the call is worth another try."""
        pause = next(self._pauses, None) if error.code in translation.THROTTLE_CODES else None
        if pause is None:
            return False
        self._reporter.warn(f"AWS answers {error.code}: it gets too many requests. Again in {pause} s.")
        time.sleep(pause)
        return True

    def _take_back(self) -> None:
        """Destroy what a failed apply has launched all the same."""
        while launched := [item for item in self._nodes() if item not in self._kept]:
            count = "1 machine" if len(launched) == 1 else f"{len(launched)} machines"
            try:
                with self._reporter.step(f"Giving back {count}: all of them in one zone, or none") as step:
                    self._terraform.destroy(None, self._follow(step, counted=False), targets=launched)
                return
            except TerraformError as error:
                if not self._has_paused(error):
                    raise

    def _nodes(self) -> list[str]:
        return [item for item in self._terraform.resources() if item.startswith(NODE)]

    def _worth_another_round(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        left = list(candidates)
        for failed, error in self._refused.values():
            if error.code in LASTING_CODES:
                left = placement.remaining(left, failed, error.code)
        return left

    def _nothing_left(self, wait_seconds: float, *, is_worth_waiting: bool) -> AwsError:
        zones: dict[tuple[str, str], list[str]] = {}
        for candidate, error in self._refused.values():
            zones.setdefault((candidate.instance_type, error.code), []).append(candidate.availability_zone)
        tried = "; ".join(f"{name} in {', '.join(places)}: {code}" for (name, code), places in zones.items())
        errors = [error for _, error in self._refused.values()]
        kind = QuotaExceeded if all(isinstance(item, QuotaExceeded) for item in errors) else NoCapacity
        waited = f" in {_spoken(wait_seconds)}" if wait_seconds else ""
        last = errors[-1]
        return kind(
            f"No candidate could be launched{waited}. Tried: {tried}.",
            hint=" ".join([*self._quota_advice(), *self._advice(wait_seconds, is_worth_waiting)]),
            code=last.code,
            operation="ec2:RunInstances",
        )

    def _quota_advice(self) -> list[str]:
        return list(dict.fromkeys(item.hint for _, item in self._refused.values() if isinstance(item, QuotaExceeded)))

    def _advice(self, wait_seconds: float, is_worth_waiting: bool) -> list[str]:
        config = self._config
        refused = self._refused.values()
        codes = {error.code for _, error in refused}
        full = {quota_group(item.instance_type) for item, error in refused if error.code in placement.VCPU_QUOTA_CODES}
        others = [name for name in OTHER_TYPES if name not in config.instance_type and quota_group(name) not in full]
        waiting = "Try again later" if wait_seconds else "`deployer up --wait 30m` goes on trying"
        return [
            *([f"{waiting}."] if is_worth_waiting else []),
            *(["Raise max_price."] if "SpotMaxPriceTooLow" in codes and config.max_price else []),
            *(["Leave --zone out."] if config.availability_zone else []),
            *([f"Allow other types too: add {others[0]} to instance_type."] if others else []),
            "--on-demand buys from another stock." if config.spot else "--spot buys from another stock.",
            "`deployer check --region all` compares the regions.",
        ]

    def _attempt(self, candidate: Candidate, *, code: str = "") -> Attempt:
        return Attempt(
            region=self._config.region,
            zone_id=candidate.zone_id,
            instance_type=candidate.instance_type,
            spot=self._config.spot,
            code=code,
            at=time.time(),
            account=self._account,
        )

    def _follow(self, step: Step, *, counted: bool = True) -> Callable[[Progress], None]:
        before = self._changed

        def show(progress: Progress) -> None:
            if counted:
                self._changed = before + progress.done
            text = f"{progress.address} ({progress.seconds:.0f} s)" if progress.address else "planning"
            step.progress(progress.done, progress.total, text)

        return show


def _where(candidate: Candidate) -> str:
    return f"{candidate.instance_type} in {candidate.availability_zone}"


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _growing_pauses() -> Iterator[float]:
    """Yield the seconds between two rounds; the jitter keeps many who wait from coming all at once."""
    pause = WAIT_PAUSE_SECONDS
    while True:
        yield pause * random.uniform(1 - WAIT_JITTER, 1 + WAIT_JITTER)  # noqa: S311 - a pause, not a secret
        pause = min(pause * WAIT_GROWTH, WAIT_PAUSE_MAX_SECONDS)
