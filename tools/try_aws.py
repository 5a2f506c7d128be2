#!/usr/bin/env python3
"""Run the whole loop on a real AWS account: say what it costs, ask, and tear down whatever happens."""

from __future__ import annotations

import argparse
import os
import sys
import time

from demo import ROOT, Shell, draw, go_round, say, show_results, tear_down

INSTANCE_TYPE = "g4dn.xlarge"  # the cheapest x86_64 GPU machine: $0.526 an hour in us-east-1, 2026-07-20
MAX_HOURS = 1
STEPS = (
    ("check", "--instance-type", INSTANCE_TYPE),
    ("up", "--yes", "--instance-type", INSTANCE_TYPE),
    ("train", "--", "--preset", "quick"),
    ("fetch",),
)


def main() -> int:
    """Ask, then run the loop in a folder of its own; return the first exit code that is not 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--region", default=os.environ.get("AWS_REGION", "us-east-1"))
    options = parser.parse_args()
    problem = describe_account(options.region)
    if problem:
        print(f"Error: {problem}\nHint: aws configure, aws sso login, or export AWS_PROFILE=...", file=sys.stderr)
        return 2
    if not agree():
        say("Nothing was started.")
        return 1
    started = time.strftime("%Y%m%d-%H%M%S")
    # A folder for each run: the state of one that could not be torn down is never written over.
    shell = Shell(ROOT / ".cache" / "test-aws" / started, settings={"DEPLOYER_MAX_HOURS": str(MAX_HOURS)})
    name, clock, code = f"test-{started[-6:]}", time.monotonic(), 1
    try:
        shell.prepare()
        options_of_group = ("--cloud", "aws", "--name", name, "--region", options.region)
        code = go_round(shell, *options_of_group, "init", "--data", str(draw(shell)), steps=STEPS)
    finally:
        failed = tear_down(shell, code)
    show_results(shell.folder, seconds=time.monotonic() - clock, complete=not (code or failed))
    if failed:
        say(f"Something may be left and cost money. Try again: cd {shell.folder} && {ROOT}/.venv/bin/deployer down")
    return code or failed


def describe_account(region: str) -> str:
    """Say which account would pay, and how much; return what is wrong with the credentials, if anything."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        caller = boto3.Session(region_name=region).client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        return str(error)
    profile = os.environ.get("AWS_PROFILE") or ("the environment" if "AWS_ACCESS_KEY_ID" in os.environ else "default")
    say(f"Profile  {profile}: {caller['Arn']}")
    say(f"Account  {caller['Account']}, region {region}")
    say(f"Machine  one {INSTANCE_TYPE}, which terminates itself after {MAX_HOURS} hour whatever happens")
    say("Cost     about $0.20 for a quarter of an hour, $0.60 at most")
    return ""


def agree() -> bool:
    if not sys.stdin.isatty():
        say("This asks before it spends money, and there is no terminal to ask on.")
        return False
    try:
        return input('Type "yes" to start: ').strip() == "yes"
    except (EOFError, KeyboardInterrupt):
        return False


if __name__ == "__main__":
    sys.exit(main())
