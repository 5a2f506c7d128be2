#!/usr/bin/env python3
"""Write down what a `deployer` command asks of AWS, or ask it again: by boto3 alone, one question after the other.

questions.py record FILE COMMAND…    run `deployer COMMAND…` and write its questions to FILE
questions.py ask FILE                ask them; print how many there were
"""

from __future__ import annotations

import contextlib
import io
import pickle
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.client import BaseClient
from botocore.exceptions import ClientError

# (service, region, operation in snake case, parameters)
Question = tuple[str, str, str, dict[str, Any]]


def record(command: list[str]) -> list[Question]:
    """Run a command of deployer in this process and return its questions, each page of a long answer as one."""
    from botocore import xform_name

    from deployer import cli

    asked: list[Question] = []
    call = BaseClient._make_api_call

    def listening(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        asked.append(
            (client.meta.service_model.service_name, client.meta.region_name, xform_name(operation), parameters)
        )
        return call(client, operation, parameters)

    BaseClient._make_api_call = listening
    with contextlib.redirect_stdout(io.StringIO()):
        cli.run(command)
    return asked


def ask(questions: list[Question]) -> None:
    """Ask one after the other, as a script does; an error is an answer too."""
    session = boto3.Session()
    clients: dict[tuple[str, str], Any] = {}
    for service, region, operation, parameters in questions:
        if (service, region) not in clients:
            clients[service, region] = session.client(service, region_name=region)
        with contextlib.suppress(ClientError):
            getattr(clients[service, region], operation)(**parameters)


def main(arguments: list[str]) -> None:
    """Do what the first word says."""
    if arguments[0] == "record":
        Path(arguments[1]).write_bytes(pickle.dumps(record(arguments[2:])))
        return
    # The file is our own, written a moment ago by the branch above.
    questions = pickle.loads(Path(arguments[1]).read_bytes())  # noqa: S301
    ask(questions)
    print(len(questions))


if __name__ == "__main__":
    main(sys.argv[1:])
