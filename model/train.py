"""Train a classifier on a folder of labelled images.

python -m model.train --data photos --output results
python -m model.train --data photos --output results --arch resnet18 --image-size 224 --epochs 60
torchrun --nproc-per-node=4 -m model.train --data photos --output results
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from model.claim import claim, remove_leftovers
from model.config import TrainConfig, parse_train_arguments
from model.console import run, say
from model.data.dataset import Dataset, UnreadableImages, load_dataset
from model.errors import Interrupted, SaveError, SourceGone
from model.evaluation.events import EventLog
from model.evaluation.results import EpochLog
from model.interruption import Interruption
from model.launch import Launch, read_launch
from model.threads import keep_waiting_threads_short

if TYPE_CHECKING:
    from model.training.fit import Fitted


def main() -> None:
    """Find the images, train, and write the results; raises ModelError."""
    config, launch = parse_train_arguments(), read_launch()
    with ExitStack() as stack:
        interruption = stack.enter_context(Interruption())
        if launch.is_first:
            stack.enter_context(claim(config.output))
            for folder in (config.output, config.checkpoints):
                remove_leftovers(folder)
        try:
            metrics = _train(config, launch, interruption, stack)
        except Interrupted as error:
            last = config.checkpoints / "last.pt"
            if last.is_file() and str(last) not in error.message:
                error.message += f" The same command with --resume goes on from {last}."
            raise
        except SourceGone as error:
            last = config.checkpoints / "last.pt"
            if last.is_file():
                error.hint = f"Once the images can be reached, the same command with --resume goes on from {last}."
            raise
    if metrics is not None:
        _tell(metrics)


def _train(config: TrainConfig, launch: Launch, interruption: Interruption, stack: ExitStack) -> dict[str, Any] | None:
    """Return the metrics; None from all processes but the first, and when the training was finished before."""
    started = time.perf_counter()
    keep_waiting_threads_short()
    unfinished = None
    if config.resume:
        from model.training.resume import find_unfinished

        unfinished = find_unfinished(config)
        if unfinished is None:
            return None
    elif (config.checkpoints / "last.pt").is_file():
        say(f"note: {config.checkpoints / 'last.pt'} is of an earlier training, which --resume would go on with")
    if not _is_plain(config):
        from model.training.start import refuse_impossible

        refuse_impossible(config)
    # Several processes would have to agree on every image, and a training that goes on has to see that all are as then.
    dataset = load_dataset(config, is_streaming=launch.count == 1 and not config.resume)
    stack.callback(dataset.close)
    # Not before: images that cannot be used must not cost an earlier training its curves.
    events = EventLog(config.output / "events") if launch.is_first else None
    log = EpochLog(config.output / "metrics.jsonl", events=events, is_resumed=config.resume or not launch.is_first)

    # PyTorch takes seconds to import; a folder that cannot be used is told before.
    from model.device import choose_device
    from model.memory import telling_of_short_memory
    from model.training.distributed import join_processes
    from model.training.fit import fit
    from model.training.resume import has_begun_with_more

    with telling_of_short_memory(), join_processes(launch, choose_device(config.device)) as processes:
        if unfinished is not None and has_begun_with_more(unfinished, dataset):
            say("the training begins again: it was stopped before it had read all its images, and some hold no picture")
            log.restore(())
            unfinished = None
        try:
            fitted = fit(config, dataset, log, interruption, processes=processes, unfinished=unfinished)
        except UnreadableImages:
            dataset = dataset.complete()
            say("the training begins again without them")
            log.restore(())
            fitted = fit(config, dataset, log, interruption, processes=processes)
        dataset = dataset.complete()
    if not launch.is_first:
        return None
    try:
        with interruption.shielded():
            seconds = fitted.earlier_seconds + time.perf_counter() - started
            return _write_results(config, dataset, fitted, log, seconds)
    except Interrupted as error:
        error.message += f" The training is finished, and all results are in {config.output}."
        raise


def _write_results(
    config: TrainConfig, dataset: Dataset, fitted: Fitted, log: EpochLog, seconds: float
) -> dict[str, Any]:
    from model.outcome.writing import write_outcome
    from model.training.resume import remove_checkpoint

    try:
        metrics = write_outcome(config, dataset, fitted, log.epochs, seconds=seconds)
    except SaveError as error:
        last = config.checkpoints / "last.pt"
        error.hint = (
            f"Free some space; the same command with --resume then goes on from {last}."
            if last.is_file()
            else f"Free some space and train again: {last} could not be written either."
        )
        raise
    remove_checkpoint(config)
    return metrics


def _is_plain(config: TrainConfig) -> bool:
    """Say whether nothing is asked for that may be missing: then PyTorch's seconds can wait for the images."""
    is_ours = config.arch in {"small_resnet", "cnn"}
    return is_ours and not config.pretrained and config.start_from is None and config.device != "cuda"


def _tell(metrics: Mapping[str, Any]) -> None:
    say(f"model.pt holds the weights of epoch {metrics['best_epoch']} of {metrics['epochs']}")
    for name in ("validation", "test"):
        part = metrics[name]
        auc = "undefined" if part["auc"] is None else f"{part['auc']:.2f}"
        say(
            f"{name}: accuracy {part['accuracy']:.2f}, balanced {part['balanced_accuracy']:.2f},"
            f" macro F1 {part['macro_f1']:.2f}, AUC {auc} on {part['count']:,} images"
        )
    say("wrote model.pt metrics.json metrics.jsonl predictions.csv report.html model_card.md events/")


if __name__ == "__main__":
    sys.exit(run(main))
