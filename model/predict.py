"""Classify images and videos with a trained model.

python -m model.predict --model results/model.pt new_photos --output predictions.csv
python -m model.predict --model results/model.pt new_photos --sort sorted --threshold 0.9
python -m model.predict --model results/model.pt dive.mp4 --every 2
python -m model.predict --model results/model.onnx photo.jpg
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from model.console import count, list_names, run, say, warn
from model.errors import CheckpointError, DataError, Interrupted, SaveError, UsageError
from model.inference.classifies import Classifies
from model.interruption import Interruption
from model.prediction.batches import classify_in_batches
from model.prediction.config import TABLE, PredictConfig, parse_predict_arguments
from model.prediction.engine import open_engine
from model.prediction.sorting import UNSURE, name_folders, prepare_folder, sort_pictures
from model.prediction.sources import Sources, find_sources
from model.prediction.table import Answer, PartialTable, name_skipped, write_skipped, write_table
from model.progress import Progress

# As many classes as fit a screen.
SHOWN_CLASSES = 20


def main() -> None:
    """Read the command line, classify, and write what was found; raises ModelError."""
    config = parse_predict_arguments()
    with Interruption():
        predict(config)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What there is to do, and what does it; `model` tells the model from others."""

    config: PredictConfig
    sources: Sources
    model: str
    classes: tuple[str, ...]
    classifier: Classifies


def predict(config: PredictConfig) -> None:
    """Classify all that was named: images into one table, or onto the screen; each video into its own."""
    sources = find_sources(config.what, leave_out=config.sort)
    table, folder = _choose_outputs(config.output, sources)
    work = _load(config, sources)
    if len(sources.images) == 1 and not sources.videos and config.output is None:
        _answer_one(work)
    elif sources.images:
        try:
            fill_table(table, work)
        except DataError as error:
            if not sources.videos:
                raise
            warn(error.message)  # a broken picture beside the videos of a dive
    if sources.videos:
        # PyAV need not be there for images.
        from model.prediction.timeline import run_videos

        run_videos(
            sources.videos,
            work.classifier,
            classes=work.classes,
            model=work.model,
            every_seconds=config.every,
            output=folder,
            interesting=config.interesting,
        )


def _choose_outputs(output: Path | None, sources: Sources) -> tuple[Path, Path]:
    """Return the table of the images and the folder of the videos' tables; raises UsageError."""
    if output is None:
        return TABLE, Path()
    if output.parent.is_file():
        raise UsageError(f"--output {output} lies in {output.parent}, which is no folder.")
    if not sources.videos:
        if output.is_dir():
            raise UsageError(
                f"--output {output} is a folder; the table needs a file name.", hint=f"Use --output {output / TABLE}"
            )
        return output, output.parent
    if output.suffix.lower() == ".csv" and not output.is_dir():
        return output, output.parent
    if output.is_file():
        raise UsageError(f"--output {output} is a file; the tables of videos need a folder.")
    return output / TABLE, output


def _load(config: PredictConfig, sources: Sources) -> Work:
    """Make the model ready, when everything that was asked for can be done with it; raises UsageError."""
    if not config.model.is_file():
        inside = config.model / "model.pt"
        hint = (
            f"Use --model {inside}" if inside.is_file() else "Name the model.pt that the training wrote, or its export."
        )
        raise CheckpointError(f"There is no model in {config.model}.", hint=hint)
    engine = open_engine(
        config.model, [sources.root / name for name in sources.images], engine=config.engine, device=config.device
    )
    for label in config.interesting:
        if label not in engine.classes:
            hint = f"--interesting takes {list_names(engine.classes)}."
            raise UsageError(f"The model knows no class {label!r}.", hint=hint)
    if config.sort is not None:
        prepare_folder(config.sort, engine.classes, sources.folders)
        if sources.videos:
            warn("--sort is for images; python -m model.data frames makes them of videos.")
    return Work(
        config=config,
        sources=sources,
        model=engine.digest,
        classes=engine.classes,
        classifier=engine.classifier,
    )


def _answer_one(work: Work) -> None:
    """Print what the model says about the only image."""
    (name,) = work.sources.images
    ((answer,),) = classify_in_batches([name], work.sources.root, work.classifier, batch_size=1)
    if answer.fault:
        raise DataError(f"{work.sources.root / name} cannot be read: it {answer.fault}.")
    say(f"{name}: {work.classes[answer.best]}")
    shown = sorted(zip(answer.shares, work.classes, strict=True), reverse=True)[:SHOWN_CLASSES]
    width = max(len(label) for _share, label in shown)
    for share, label in shown:
        say(f"  {label:{width}}  {share:.4f}")
    if len(work.classes) > len(shown):
        say(f"  and {len(work.classes) - len(shown):,} more")
    if work.config.sort is not None:
        _sort([answer], work.config.sort, work)


def fill_table(table: Path, work: Work) -> None:
    """Classify the images batch by batch; when all are done, write the table and sort."""
    images, total = work.sources.images, count(len(work.sources.images), "image")
    fingerprint = f"{work.model} {work.sources.fingerprint}"
    with PartialTable(table, images=images, fingerprint=fingerprint) as part:
        try:
            with Progress(len(images), "image", done=part.done) as progress:
                rest, size = images[part.done :], work.config.batch_size
                for answers in classify_in_batches(rest, work.sources.root, work.classifier, batch_size=size):
                    part.append(answers)
                    progress.advance(len(answers))
            _finish_table(part, table, work)
            if work.config.sort is not None:
                _sort(part.answers(), work.config.sort, work)
        except (Interrupted, SaveError):
            if part.done:
                say(f"{part.done:,} of {total} are done and kept; the same command goes on from there.")
            raise
        part.remove()


def _finish_table(part: PartialTable, table: Path, work: Work) -> None:
    """Write the table, and beside it what was skipped; raises DataError when that is everything."""
    labels: Counter[str] = Counter()
    bad: list[str] = []
    for answer in part.answers():
        if answer.fault:
            bad.append(f"{answer.name} ({answer.fault})")
        else:
            labels[work.classes[answer.best]] += 1
    if not labels:
        part.remove()
        raise DataError(f"None of the images in {work.sources.root} can be read: {list_names(bad)}.")
    skipped = name_skipped(table)
    if bad:
        write_skipped(skipped, part.answers())
        warn(f"{count(len(bad), 'image')} cannot be read and will be skipped: {list_names(bad)}; listed in {skipped}.")
    else:
        skipped.unlink(missing_ok=True)  # of an earlier run: it names images that were read now
    write_table(table, part.answers(), work.classes)
    say(f"{count(labels.total(), 'image')} classified; results in {table}")
    _tell_counts(labels)


def _sort(answers: Iterable[Answer], into: Path, work: Work) -> None:
    done = sort_pictures(
        answers,
        names=work.sources.images,
        root=work.sources.root,
        into=into,
        classes=work.classes,
        threshold=work.config.threshold,
        link=work.config.link,
    )
    how = "linked" if work.config.link else "copied"
    limit = f"{UNSURE}/ is where the probability is below {work.config.threshold:g}"
    say(f"{count(done.folders.total(), 'image')} {how} into {into}; {limit}")
    _tell_counts(Counter({f"{folder}/": images for folder, images in done.folders.items()}))
    for label, folder in zip(work.classes, name_folders(work.classes), strict=True):
        if label != folder and done.folders[folder]:
            say(f"note: class {label!r} is in {folder}/, for a folder cannot have that name")
    if done.kept:
        say(f"note: {count(done.kept, 'image')} of these had been there before")
    if done.moved:
        say(
            f"note: {count(done.moved, 'image')} of these stayed in another folder than this model's answer, "
            "moved there by hand or by an earlier run; sort into an empty folder to sort all anew"
        )
    if done.gone:
        warn(f"{count(len(done.gone), 'image')} not sorted, for the file has gone: {list_names(done.gone)}.")


def _tell_counts(counts: Counter[str]) -> None:
    for name, images in counts.most_common(SHOWN_CLASSES):
        say(f"  {images:>9,}  {name}")
    if len(counts) > SHOWN_CLASSES:
        say(f"  and {len(counts) - SHOWN_CLASSES:,} more")


if __name__ == "__main__":
    sys.exit(run(main))
