"""The trials and what they gave, in Optuna's storage: on disk as soon as they are told, so that a kill costs no more
than the trials that were running.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from model.config import TrainConfig
from model.errors import CheckpointError, SaveError, UsageError
from model.tuning.origin import refuse_other_origin
from model.tuning.space import Choice, Space, apply, tidy

if TYPE_CHECKING:
    import optuna

# The first trials are drawn evenly: what TPE learns from fewer is noise.
DRAWN_TRIALS = 8

# Trials that are finished before others are measured by them; and how far, in thousandths, a trial goes before it is.
# Before half of a schedule that falls to zero, high learning rates look worse than they end.
MEASURING_TRIALS = 5
UNTOUCHED = 500

FINISHED, STOPPED, FAILED = "finished", "stopped early", "failed"

_CUT_OFF, _IS_BASE, _NUMBER, _OUTCOME = "cut_off", "is_base", "number", "outcome"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial. `values` are those of the options searched; `curve` has (share of the training, score) of each epoch.

    A failed trial has its `reason`; `score`, `loss` and `answers` are those of a finished one.
    """

    number: int
    state: str
    is_base: bool
    values: dict[str, Any]
    seconds: float = 0.0
    score: float = 0.0
    loss: float = 0.0
    answers: tuple[int, ...] = ()
    epochs: int = 0
    curve: tuple[tuple[float, float], ...] = ()
    reason: str = ""


class Study:
    """The trials of a tuning, those of earlier runs included."""

    def __init__(self, study: optuna.Study, space: Space, base: TrainConfig) -> None:
        self._study = study
        self._space = space
        self._base = base

    def begin_trial(self) -> Running:
        """Return the next trial; the first has the values of the base."""
        numbers = [trial.user_attrs.get(_NUMBER, 0) for trial in self._study.trials]
        trial = self._study.ask(_describe_distributions(self._space))
        number = trial.user_attrs.get(_NUMBER, 1 + max(numbers))  # one that is done again has its own
        trial.set_user_attr(_NUMBER, number)
        return Running(number=number, config=apply(self._base, trial.params), trial=trial)

    def report(self, running: Running, share: float, score: float) -> bool:
        """Write down how a trial stands, and return whether it is worth going on; that of the base always is."""
        step = round(1000 * share)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # two of more than 1,000 epochs are one step
            running.trial.report(score, step)
        is_sure = share >= 1.0 or _IS_BASE in running.trial.user_attrs
        return is_sure or not running.trial.should_prune()

    def finish(self, running: Running, score: float, outcome: Mapping[str, Any]) -> None:
        """Write down a finished trial; `outcome` has its loss, answers, epochs and seconds."""
        running.trial.set_user_attr(_OUTCOME, dict(outcome))
        self._study.tell(running.trial, score)

    def stop(self, running: Running, outcome: Mapping[str, Any]) -> None:
        """Write down a trial that was not worth going on with."""
        running.trial.set_user_attr(_OUTCOME, dict(outcome))
        self._study.tell(running.trial, state=_optuna().trial.TrialState.PRUNED)

    def fail(self, running: Running, outcome: Mapping[str, Any]) -> None:
        """Write down a trial that came to nothing; `outcome` has its reason."""
        running.trial.set_user_attr(_OUTCOME, dict(outcome))
        self._study.tell(running.trial, state=_optuna().trial.TrialState.FAIL)

    def list_trials(self) -> tuple[Trial, ...]:
        """Return all trials that have ended, in their order."""
        cut_off = self._study.user_attrs.get(_CUT_OFF, [])
        ended = [trial for trial in self._study.trials if trial.state.is_finished() and trial.number not in cut_off]
        return tuple(sorted(map(_describe_trial, ended), key=lambda trial: trial.number))

    def weigh_options(self) -> dict[str, float]:
        """Return how much of the spread of the better trials each option explains, {} where that cannot be said."""
        optuna = _optuna()
        finished = [trial for trial in self._study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
        if len(finished) < DRAWN_TRIALS or len({trial.value for trial in finished}) < 2:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna calls its evaluators experimental, and numpy divides by nothing
            weights: dict[str, float] = optuna.importance.get_param_importances(
                self._study, evaluator=optuna.importance.PedAnovaImportanceEvaluator(), params=list(self._space)
            )
        return weights


@dataclass(frozen=True, kw_only=True)
class Running:
    """A trial that is under way, under the number that people see."""

    number: int
    config: TrainConfig
    trial: optuna.Trial


def pick_best(trials: Sequence[Trial]) -> Trial | None:
    """Return the finished trial with the highest score, of equals that with the lowest loss, then the first."""
    finished = [trial for trial in trials if trial.state == FINISHED]
    return max(finished, key=lambda trial: (trial.score, -trial.loss), default=None)


def refuse_without_optuna() -> None:
    """Raise UsageError where Optuna is missing."""
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise UsageError("A tuning needs Optuna, which this Python lacks.", hint="pip install optuna") from error


def refuse_misplaced(path: Path, *, resume: bool) -> None:
    """Raise UsageError where a study is that is not to be gone on with, or none is and one should."""
    if resume and not path.is_file():
        raise CheckpointError(
            f"There is nothing to resume: {path} does not exist.", hint="Leave --resume out to begin."
        )
    if not resume and path.is_file():
        raise UsageError(
            f"{path} holds the trials of an earlier tuning.",
            hint="Add --resume to go on with it, or choose another --output folder.",
        )


@contextmanager
def open_study(path: Path, space: Space, base: TrainConfig, origin: Mapping[str, Any]) -> Iterator[Study]:
    """Give the study in a file, which is made where it is missing; raises CheckpointError where it is another one.

    `origin` is all that the trials follow from, in values that JSON knows. Trials that were running when an earlier
    run ended are done again, with the values that they had.
    """
    optuna = _optuna()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _telling_of_storage(path):
        study = optuna.create_study(
            storage=f"sqlite:///{path}",
            study_name="tuning",
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=MEASURING_TRIALS, n_warmup_steps=UNTOUCHED),
        )
        past = study.trials
        # Another seed for each run: the same one would draw what it has drawn already.
        # Trials that run at the same time count as bad until they are finished, or all would be drawn alike.
        study.sampler = optuna.samplers.TPESampler(
            n_startup_trials=DRAWN_TRIALS, seed=base.seed + len(past), constant_liar=True
        )
        if not past:
            study.set_user_attr("origin", dict(origin))
            study.enqueue_trial({name: getattr(base, name) for name in space}, user_attrs={_IS_BASE: True})
        refuse_other_origin(path, study.user_attrs.get("origin", {}), origin)
        _repeat_cut_off(study, [trial for trial in past if trial.state == optuna.trial.TrialState.RUNNING])
        yield Study(study, space, base)


def _repeat_cut_off(study: optuna.Study, cut_off: Sequence[optuna.trial.FrozenTrial]) -> None:
    """Have trials done again that were running when an earlier run ended; what they were before is passed over."""
    for trial in cut_off:
        kept = {name: value for name, value in trial.user_attrs.items() if name in {_IS_BASE, _NUMBER}}
        study.enqueue_trial(trial.params, user_attrs=kept)
        study.set_user_attr(_CUT_OFF, [*study.user_attrs.get(_CUT_OFF, []), trial.number])
        study.tell(trial.number, state=_optuna().trial.TrialState.FAIL)


def _describe_trial(trial: optuna.trial.FrozenTrial) -> Trial:
    states = _optuna().trial.TrialState
    outcome = trial.user_attrs.get(_OUTCOME, {})
    return Trial(
        number=trial.user_attrs[_NUMBER],
        state={states.COMPLETE: FINISHED, states.PRUNED: STOPPED}.get(trial.state, FAILED),
        is_base=_IS_BASE in trial.user_attrs,
        values={name: tidy(value) for name, value in trial.params.items()},
        score=(trial.value or 0.0) if trial.state == states.COMPLETE else 0.0,
        curve=tuple((step / 1000, value) for step, value in sorted(trial.intermediate_values.items())),
        **{**outcome, "answers": tuple(outcome.get("answers", ()))},
    )


def _describe_distributions(space: Space) -> dict[str, optuna.distributions.BaseDistribution]:
    distributions = _optuna().distributions
    return {
        name: distributions.CategoricalDistribution(searched.values)
        if isinstance(searched, Choice)
        else distributions.FloatDistribution(searched.low, searched.high, log=searched.is_log)
        for name, searched in space.items()
    }


@contextmanager
def _telling_of_storage(path: Path) -> Iterator[None]:
    """Turn what SQLite says into errors of ours."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import DatabaseError

    try:
        yield
    except (StorageInternalError, DatabaseError) as error:
        reason = str(getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error).rstrip(".")
        if "not a database" in reason or "malformed" in reason:
            raise CheckpointError(
                f"{path} holds no study: {reason}.", hint="Choose another --output folder."
            ) from error
        raise SaveError(
            f"{path} cannot be written: {reason}.",
            hint="Free some space; the same command with --resume then goes on.",
        ) from error


def _optuna() -> ModuleType:
    """Return Optuna, which takes half a second to import."""
    import optuna

    return optuna
