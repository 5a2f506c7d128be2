"""One trial, in a process of its own: a training whose validation figures are told after every epoch."""

from __future__ import annotations

import math
import os
import signal
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.config import TrainConfig
from model.errors import ModelError

if TYPE_CHECKING:
    from model.data.dataset import Dataset


@dataclass(frozen=True, kw_only=True)
class Order:
    """A training to be done in its `output` folder, and the file for all that it prints."""

    config: TrainConfig
    log: Path


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """An epoch of a trial; its process waits for an answer: whether to go on."""

    number: int
    of: int
    score: float


@dataclass(frozen=True, kw_only=True)
class Result:
    """A finished trial: balanced accuracy and log loss on the validation images, as model.pt would answer.

    `answers` is the class that was named for each validation image, in the order of the split.
    """

    score: float
    loss: float
    answers: tuple[int, ...]
    epochs: int


@dataclass(frozen=True)
class Stopped:
    """A trial that was not worth going on with."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A trial that came to nothing, and why."""

    reason: str


Message = Epoch | Result | Stopped | Failure


class _Stop(Exception):
    """The study wants no more epochs of this trial."""


def work(connection: Connection, environment: Mapping[str, str]) -> None:
    """Do the trainings that are ordered, one after the other, until the other end is closed.

    `environment` counts from before PyTorch is imported: which GPU, how many threads. A trial needs no checkpoint of
    its own: what the job's folder holds is the study's.
    """
    os.environ.update(environment)
    os.environ.pop("DEPLOYER_JOB_DIR", None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of a terminal; the study says what to do
    threading.Thread(target=_end_with_the_study, daemon=True).start()
    images = Images()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            order: Order = connection.recv()
            _redirect(order.log)
            connection.send(_run(order.config, images, lambda epoch: _ask(connection, epoch)))


class Images:
    """The images of the last trial, for the next one: most trials want them at the same size.

    The test part is taken out of the split: no trial can look at it.
    """

    def __init__(self) -> None:
        self._key: Any = None
        self._dataset: Dataset | None = None

    def load(self, config: TrainConfig) -> Dataset:
        """Return the images; raises DataError."""
        from model.data.dataset import load_dataset

        if self._dataset is None or self._key != config.decode_size:
            self._dataset = None  # the memory, before the next ones need it
            dataset = load_dataset(config)
            splits = tuple(replace(split, test=()) for split in dataset.splits)
            self._key, self._dataset = config.decode_size, replace(dataset, splits=splits)
        return self._dataset


def run_trial(config: TrainConfig, images: Images, go_on: Callable[[Epoch], bool]) -> Result | Stopped:
    """Train and return what the validation images say; `go_on` is asked after every epoch."""
    dataset = images.load(config)

    # PyTorch takes seconds to import; images that cannot be read are told before.
    from model.evaluation.metrics import compute_balanced_accuracy, count_confusions
    from model.evaluation.results import EpochLog
    from model.interruption import Interruption
    from model.memory import telling_of_short_memory
    from model.training.fit import fit

    class Told(EpochLog):
        """Tells each epoch instead of keeping it, and ends the trial where it is told to."""

        def append(self, epoch: dict[str, Any]) -> None:
            super().append(epoch)
            told = Epoch(number=epoch["epoch"], of=epochs, score=epoch["validation_balanced_accuracy"])
            if not go_on(told):
                raise _Stop

    epochs = config.count_epochs(len(dataset.split.train))
    try:
        with telling_of_short_memory():
            fitted = fit(config, dataset, Told(config.output / "metrics.jsonl"), Interruption())
    except _Stop:
        return Stopped()
    logits, targets = fitted.validation.logits, fitted.validation.targets
    answers = logits.argmax(axis=1)
    matrix = count_confusions(answers, targets, len(dataset.classes))
    return Result(
        score=compute_balanced_accuracy(matrix),
        loss=fitted.validation.loss,
        answers=tuple(answers.tolist()),
        epochs=fitted.epochs,
    )


def _run(config: TrainConfig, images: Images, go_on: Callable[[Epoch], bool]) -> Result | Stopped | Failure:
    try:
        result = run_trial(config, images, go_on)
    except ModelError as error:
        return Failure(reason=error.message)
    except MemoryError:
        return Failure(reason="There is not enough memory.")
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise  # the study has ended
    except Exception as error:  # one trial's fault must not end the others; the log has all of it
        traceback.print_exc()
        return Failure(reason=f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".") + ".")
    if isinstance(result, Result) and not math.isfinite(result.loss):
        return Failure(reason="The probabilities are no numbers.")
    return result


def _ask(connection: Connection, epoch: Epoch) -> bool:
    connection.send(epoch)
    answer: bool = connection.recv()
    return answer


def _redirect(log: Path) -> None:
    """Let all that this process prints, also what is printed by libraries, go to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)


def _end_with_the_study() -> None:
    """End this process when the one that started it is gone, however it went."""
    study = parent_process()
    if study is not None:
        wait([study.sentinel])
        os._exit(1)
