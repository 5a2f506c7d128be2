"""`deployer predict`."""

from __future__ import annotations

from pathlib import Path

import click

from deployer.commands.context import Context, pass_context


@click.command()
@click.argument("what", nargs=-1, required=True)
@click.option("--model", help="model.pt, its export (.onnx), a folder of results, or a job  [default: latest run]")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Table to write, or folder for those of videos.  [default: predictions.csv]",
)
@click.option("--sort", type=click.Path(path_type=Path), help="Copy each picture to FOLDER/<class>/ or FOLDER/unsure/.")
@click.option(
    "--threshold", type=click.FloatRange(0, 1), help="Probability below which --sort is unsure.  [default: 0.8]"
)
@click.option("--link", is_flag=True, help="Link instead of copying: no disk space, the same files.")
@click.option(
    "--every", type=click.FloatRange(min=0, min_open=True), help="Seconds between the frames of a video.  [default: 1]"
)
@click.option("--interesting", multiple=True, help="Class whose moments a video's contact sheet shows; repeat it.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Pictures at a time.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="What computes.  [default: auto]")
@click.option("--engine", type=click.Choice(["auto", "torch", "onnx"]), help="What runs model.pt.  [default: auto]")
@pass_context
def predict(context: Context, /, what: tuple[str, ...], model: str | None, **options: object) -> int:
    """Classify pictures and videos on this machine: a folder, a glob in quotes, single files.

    \b
    Examples:
      deployer predict new_photos
      deployer predict new_photos --sort sorted --threshold 0.9
      deployer predict dive.mp4 --every 2 --model runs/20261121-101500-k3xq
      deployer predict photo.jpg --model serving/model.onnx
    """
    from deployer import programs, runs

    file = Path(model) if model and Path(model).is_file() else None
    file = file or runs.find_run(context.runs_directory(), model or "", holding="model.pt") / "model.pt"
    needs = programs.FOR_EXPORTS if file.suffix == ".onnx" else programs.FOR_NETWORKS
    arguments = ["--model", str(file), *programs.as_options(options), "--", *what]
    return programs.run("model.predict", arguments, needs=needs)
