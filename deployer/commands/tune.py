"""`deployer tune`."""

from __future__ import annotations

from pathlib import Path

import click

from deployer.commands.context import Context, json_option, pass_context


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--trials", type=click.IntRange(min=1), help="Trainings in all.  [default: 20]")
@click.option("--time-limit", help="End after 90s, 30m, 2h or 1h30m.")
@click.option("--jobs", type=click.IntRange(min=1), help="Trials at a time.  [default: one for each GPU]")
@click.option("--params", help="Options to search, with commas: learning-rate,mixup.  [default: those that count]")
@click.option("--data", help="Search on this machine, over this folder; without it on the instance.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="With --data: folder for the results.  [default: tuned]"
)
@click.option("--detach", is_flag=True, help="Start the job and return; `deployer logs -f` shows it.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value="",
    metavar="[JOB]",
    help="Go on with the trials of JOB, or of the latest one.",
)
@json_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_context
def tune(
    context: Context,
    /,
    data: str | None,
    output: Path | None,
    detach: bool,
    resume: str | None,
    as_json: bool,
    arguments: tuple[str, ...],
    **search: object,
) -> int:
    """Search the options of a training that suit these images best.

    Leaves best.json, a preset to train with, and report.html, which says what counted. Each trial is a training, judged
    on the validation images; the test images are never looked at. ARGUMENTS are those of `deployer train`: what they
    set is not searched.

    \b
    Examples:
      deployer tune --trials 40 --time-limit 2h
      deployer tune -- --arch resnet18 --pretrained --weights s3://bucket/weights
      deployer tune --data photos --output tuned --params learning-rate,mixup
      deployer train -- --preset runs/20261121-101500-k3xq/best.json

    The exit code is the job's own; 0 when detached.
    """
    from deployer import programs
    from deployer.errors import UsageError

    arguments = (*programs.as_options(search), *arguments)
    if data is not None:
        if detach or as_json or resume:
            raise UsageError(
                "--detach, --json and a JOB are for a tuning on the instance.", hint="Leave them or --data out."
            )
        own = programs.as_options({"data": data, "output": output or Path("tuned"), "resume": resume is not None})
        return programs.run("model.tune", [*own, *arguments], needs=(*programs.FOR_NETWORKS, "optuna"))
    if output is not None:
        raise UsageError("--output is for a tuning on this machine.", hint="Add --data, or leave --output out.")

    from deployer import render
    from deployer.deployment import record
    from deployer.deployment.train import TUNE
    from deployer.deployment.train import train as run_training

    config = context.config()
    known = record.read(config)
    reporter = context.reporter(as_json=as_json)
    result = run_training(
        config,
        known,
        context.session(config),
        reporter,
        arguments=arguments,
        detach=detach,
        resume=resume,
        program=TUNE,
    )
    return render.train_result(result, as_json=as_json)
