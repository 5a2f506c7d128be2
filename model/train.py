"""Train a classifier on a folder of labelled images.

python -m model.train --data photos --output results
python -m model.train --data photos --output results --arch resnet18 --image-size 224 --epochs 60
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from model.config import parse_train_arguments
from model.console import run, say
from model.data.dataset import load_dataset
from model.evaluation.results import EpochLog
from model.interruption import Interruption
from model.threads import let_waiting_threads_sleep


def main() -> None:
    """Find the images, train, and write the results; raises ModelError."""
    config = parse_train_arguments()
    started = time.perf_counter()
    with Interruption() as interruption:
        log = EpochLog(config.output / "metrics.jsonl")
        dataset = load_dataset(config)

        # PyTorch takes seconds to import; a folder that cannot be used is told before.
        let_waiting_threads_sleep()
        from model.evaluation.outcome import write_outcome
        from model.training.fit import fit

        fitted = fit(config, dataset, log, interruption)
        with interruption.shielded():
            metrics = write_outcome(config, dataset, fitted, log.epochs, seconds=time.perf_counter() - started)
    _tell(metrics)


def _tell(metrics: Mapping[str, Any]) -> None:
    say(f"best epoch by validation: {metrics['best_epoch']} of {metrics['epochs']}; this is the one in model.pt")
    for name in ("validation", "test"):
        part = metrics[name]
        auc = "undefined" if part["auc"] is None else f"{part['auc']:.2f}"
        say(
            f"{name}: accuracy {part['accuracy']:.2f}, balanced {part['balanced_accuracy']:.2f},"
            f" macro F1 {part['macro_f1']:.2f}, AUC {auc} on {part['count']:,} images"
        )
    say("wrote model.pt metrics.json metrics.jsonl predictions.csv report.html")


if __name__ == "__main__":
    sys.exit(run(main))
