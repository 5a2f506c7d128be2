"""Search the options of a training that suit a folder of images best.

python -m model.tune --data photos --output tuned
python -m model.tune --data photos --output tuned --trials 40 --time-limit 2h --jobs 2
python -m model.train --data photos --output results --preset tuned/best.json
"""

from __future__ import annotations

import sys

from model.claim import claim, remove_leftovers
from model.config import TrainConfig
from model.console import run, say
from model.data.dataset import load_dataset
from model.errors import Interrupted, UsageError
from model.interruption import Interruption
from model.launch import read_launch
from model.threads import keep_waiting_threads_short
from model.tuning.config import TuneConfig, parse_tune_arguments
from model.tuning.origin import describe_origin
from model.tuning.search import Limits, Search, choose_places
from model.tuning.space import spell
from model.tuning.study import open_study, refuse_misplaced, refuse_without_optuna


def main() -> None:
    """Look at the images, do the trials, and write what they tell; raises ModelError."""
    config = parse_tune_arguments()
    if read_launch().count > 1:
        raise UsageError("A tuning starts its own processes, so torchrun has no use here.", hint="Use --jobs.")
    refuse_without_optuna()
    keep_waiting_threads_short()
    with Interruption(), claim(config.base.output):
        remove_leftovers(config.base.output)
        path = config.base.checkpoints / "study.db"
        refuse_misplaced(path, resume=config.resume)
        try:
            _tune(config)
        except Interrupted as error:
            if path.is_file():
                error.message += f" The same command with --resume goes on from {path}."
            raise


def _tune(config: TuneConfig) -> None:
    base = config.base
    dataset = load_dataset(base)

    # PyTorch takes seconds to import; a folder that cannot be used is told before.
    from model.training.start import refuse_impossible
    from model.tuning.results import FILES, Judges, describe_command, write_results

    refuse_impossible(base)
    judges, origin = Judges.of(dataset), describe_origin(base, config.space, dataset)
    del dataset  # the trials have theirs
    with open_study(base.checkpoints / "study.db", config.space, base, origin) as study:
        done = len(study.list_trials())
        places = choose_places(config.jobs, _count_gpus(base))
        _introduce(config, done, len(places))
        limits = Limits(trials=config.trials, seconds=config.time_limit_seconds)
        Search(study, limits, folder=base.checkpoints, logs=base.output / "logs").run(places)
        for sentence in write_results(config, study, judges):
            say(sentence)
    say(f"wrote {' '.join(FILES)}")
    say(f"train with it: {describe_command(config)}")


def _introduce(config: TuneConfig, done: int, processes: int) -> None:
    for name, searched in config.space.items():
        say(f"searching {spell(name)}: {searched.describe()}")
    earlier = f", {done} of them done" if done else ""
    say(f"{config.trials} trials{earlier}, {processes} at a time, the first with the preset's values")


def _count_gpus(config: TrainConfig) -> int:
    if config.device == "cpu":
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


if __name__ == "__main__":
    sys.exit(run(main))
