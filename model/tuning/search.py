"""Trial after trial, on as many processes as there are, until all are done or the time is over."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree

from model.console import count, format_duration, say, warn
from model.errors import ModelError
from model.progress import LOG_SECONDS, every
from model.threads import count_cores
from model.tuning.study import FAILED, FINISHED, STOPPED, Running, Study, Trial, pick_best
from model.tuning.trial import Epoch, Failure, Message, Order, Result, Stopped
from model.tuning.workers import Worker, employ, wait_for

# When so many trials have failed and none has not, the next ones will fail as well.
HOPELESS_TRIALS = 3

Place = dict[str, str]


def choose_places(jobs: int | None, gpus: int) -> list[Place]:
    """Return what the environment of each process says: its GPU, or its share of the cores."""
    if gpus:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        names = visible if len(visible) == gpus and all(visible) else [str(number) for number in range(gpus)]
        return [{"CUDA_VISIBLE_DEVICES": names[place % gpus]} for place in range(jobs or gpus)]
    if jobs is None or jobs == 1:
        return [{}]
    return [{"OMP_NUM_THREADS": str(max(1, count_cores() // jobs))}] * jobs


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Where a search ends: after so many trials in all, and no later than so many seconds after it began."""

    trials: int
    seconds: float | None = None


class Search:
    """Trials that run at the same time; `folder` is for what they need while they run, `logs` for what they print."""

    def __init__(
        self,
        study: Study,
        limits: Limits,
        *,
        folder: Path,
        logs: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._study = study
        self._limits = limits
        self._folder = folder
        self._logs = logs
        self._clock = clock
        self._running: dict[Worker, tuple[Running, float]] = {}
        self._ended = list(study.list_trials())
        self._ended_before = len(self._ended)
        self._began = clock()
        self._is_line_due = every(LOG_SECONDS, clock)

    def run(self, places: Sequence[Place]) -> None:
        """Do trials until all are done or the time is over; raises ModelError when all fail, and Interrupted."""
        with employ(places) as workers:
            try:
                while self._begin_trials(workers):
                    for worker in wait_for(self._running, timeout_seconds=self._seconds_left()):
                        self._take(worker, worker.read())
            finally:
                for worker, (running, _) in self._running.items():
                    worker.end()  # before its folder is removed under it
                    self._remove(running)
        if self._running:
            ran = count(len(self._running), "trial")
            say(f"the time is over; --resume repeats the {ran} that ran, and does the rest")

    def _begin_trials(self, workers: Sequence[Worker]) -> bool:
        """Give a trial to whoever has none, and say whether there is anything to wait for."""
        if self._seconds_left() == 0.0:
            return False
        for worker in workers:
            if worker not in self._running and len(self._ended) + len(self._running) < self._limits.trials:
                running = self._study.begin_trial()
                self._remove(running)
                log = self._logs / f"trial-{running.number:03d}.txt"
                worker.begin(Order(config=replace(running.config, output=self._place(running)), log=log))
                self._running[worker] = running, self._clock()
        return bool(self._running)

    def _seconds_left(self) -> float | None:
        if self._limits.seconds is None:
            return None
        return max(0.0, self._began + self._limits.seconds - self._clock())

    def _take(self, worker: Worker, message: Message) -> None:
        running, began = self._running[worker]
        if isinstance(message, Epoch):
            go_on = self._study.report(running, message.number / message.of, message.score)
            worker.answer(go_on)
            if go_on and self._is_line_due():
                say(f"{self._name(running.number)}  epoch {message.number}/{message.of}  {message.score:.3f}")
            return
        del self._running[worker]
        self._remove(running)
        seconds = round(self._clock() - began, 1)
        if isinstance(message, Result):
            outcome = {"loss": message.loss, "answers": message.answers, "epochs": message.epochs}
            self._study.finish(running, message.score, outcome | {"seconds": seconds})
        elif isinstance(message, Stopped):
            self._study.stop(running, {"seconds": seconds})
        elif isinstance(message, Failure):
            self._study.fail(running, {"seconds": seconds, "reason": message.reason})
        self._ended = list(self._study.list_trials())
        self._tell(next(trial for trial in self._ended if trial.number == running.number))
        self._refuse_hopeless()

    def _tell(self, trial: Trial) -> None:
        best = pick_best(self._ended)
        so_far = f"  best {best.score:.3f} (trial {best.number})" if best else ""
        took = f"in {format_duration(trial.seconds)}"
        rest = f"{so_far}  ETA {format_duration(self._estimate_rest())}"
        if trial.state == FINISHED:
            say(f"{self._name(trial.number)}  {trial.score:.3f} (log loss {trial.loss:.3f}) {took}{rest}")
        elif trial.state == STOPPED:
            say(f"{self._name(trial.number)}  stopped early at {trial.curve[-1][1]:.3f} {took}{rest}")
        else:
            warn(f"Trial {trial.number} failed: {trial.reason} See {self._logs / f'trial-{trial.number:03d}.txt'}.")

    def _refuse_hopeless(self) -> None:
        if len(self._ended) >= HOPELESS_TRIALS and all(trial.state == FAILED for trial in self._ended):
            raise ModelError(
                f"All {len(self._ended)} trials failed, the last one so: {self._ended[-1].reason}",
                hint=f"{self._logs} has what each of them printed.",
            )

    def _estimate_rest(self) -> float:
        """Return how long the trials to come take, at the pace of this run."""
        done = len(self._ended) - self._ended_before
        return (self._clock() - self._began) / max(1, done) * (self._limits.trials - len(self._ended))

    def _name(self, number: int) -> str:
        return f"trial {number}/{self._limits.trials}"

    def _place(self, running: Running) -> Path:
        return self._folder / f"trial-{running.number:03d}"

    def _remove(self, running: Running) -> None:
        rmtree(self._place(running), ignore_errors=True)
