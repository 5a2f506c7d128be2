"""`deployer train`."""

from __future__ import annotations

import click

from deployer.commands.context import Context, json_option, pass_context


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--detach", is_flag=True, help="Start the job and return; `deployer logs -f` shows it.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value="",
    metavar="[JOB]",
    help="Go on from the checkpoint of JOB, or the latest one, with its arguments where none are given.",
)
@json_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_context
def train(context: Context, /, detach: bool, resume: str | None, as_json: bool, arguments: tuple[str, ...]) -> int:
    """Send code and images, train on the instance, show its log, bring the results to runs/<job>/.

    Ctrl-C detaches: the job goes on, `deployer logs -f` shows it again, `deployer cancel` stops it.

    \b
    Examples:
      deployer train
      deployer train -- --preset quick --arch resnet18
      deployer train --detach
      deployer train --resume

    The exit code is the job's own; 0 when detached.
    """
    from deployer import render
    from deployer.deployment import record
    from deployer.deployment.train import train as run_training

    config = context.config()
    known = record.read(config)
    reporter = context.reporter(as_json=as_json)
    result = run_training(
        config, known, context.session(config), reporter, arguments=arguments, detach=detach, resume=resume
    )
    return render.train_result(result, as_json=as_json)
