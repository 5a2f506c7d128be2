"""AWS for boto3's real clients: each request is held against the service model, each answer is made of it.

botocore serializes and validates the request as always; a `before-call` hook, the seam of botocore's own Stubber, then
answers in the place of the network.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.model import OperationModel, Shape

from aws_contract.call_sites import Call
from aws_contract.model_answers import NotInModel, answer_of

PACKAGE = Path(__file__).resolve().parents[2] / "deployer"


@dataclass(frozen=True)
class Refusal:
    """An answer that is one of AWS's errors."""

    code: str
    status: int = 400


# Members of the answer by operation, a Refusal, or a list of either: one for each call, the last for all that follow.
Answers = Mapping[str, Any]


@dataclass
class StandIn:
    """Answers for AWS, and remembers what was asked and what was wrong with it."""

    answers: Answers = field(default_factory=dict)
    made: set[Call] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    _calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def begin(self, answers: Answers) -> None:
        """Forget the case before; `made` stays."""
        self.answers = answers
        self.wrong = []
        self._calls.clear()

    def stand_before(self, client: Any) -> Any:
        """Return the client, which from now on never reaches a network."""
        events = client.meta.events
        events.register("provide-client-params", self._check_request)
        events.register("before-call", self._answer)
        # A hook could not do it: what botocore finds wrong with a request it raises, and code that asks in threads or
        # takes any error for "unknown" would swallow it.
        client._make_api_call = self._remember_mistakes(client._make_api_call)
        return client

    def _remember_mistakes(self, call: Any) -> Any:
        from botocore.exceptions import ClientError

        def calling(operation_name: str, parameters: Any) -> Any:
            try:
                return call(operation_name, parameters)
            except ClientError:
                raise
            except Exception as error:
                self.wrong.append(f"{operation_name}: {error}")
                raise

        return calling

    def _check_request(self, params: Mapping[str, Any], model: OperationModel, **_: Any) -> None:
        if model.input_shape is not None:
            _check_values(params, model.input_shape)
            _check_filters(params, model.input_shape)

    def _answer(self, model: OperationModel, **_: Any) -> tuple[AWSResponse, Any]:
        self._remember_callers(xform_name(model.name))
        given = self.answers.get(model.name, {})
        if isinstance(given, list):
            given = given[min(self._calls[model.name], len(given) - 1)]
            self._calls[model.name] += 1
        if isinstance(given, Refusal):
            error = {"Code": given.code, "Message": "The case says so."}
            metadata = {"HTTPStatusCode": given.status}
            return AWSResponse(None, given.status, {}, None), {"Error": error, "ResponseMetadata": metadata}
        return AWSResponse(None, 200, {}, None), answer_of(model, given, self.wrong.append)

    def _remember_callers(self, operation: str) -> None:
        frame = sys._getframe()
        while frame is not None:
            path = Path(frame.f_code.co_filename)
            if path.is_relative_to(PACKAGE):
                function = frame.f_code.co_qualname.split(".<locals>")[0]
                self.made.add(Call(path.relative_to(PACKAGE).as_posix(), function, operation))
            frame = frame.f_back  # type: ignore[assignment]


def _check_values(value: Any, shape: Shape) -> None:
    """Hold each string against its list of values, which botocore leaves to AWS."""
    if shape.type_name == "structure" and isinstance(value, Mapping):
        for name, member in value.items():
            if name in shape.members:  # an unknown name is botocore's to refuse
                _check_values(member, shape.members[name])
    elif shape.type_name == "list" and isinstance(value, list | tuple):
        for item in value:
            _check_values(item, shape.member)
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        raise NotInModel(f"{shape.name} has no value {value!r}; it has {', '.join(shape.enum)}")


def _check_filters(params: Mapping[str, Any], shape: Shape) -> None:
    """Hold the names of filters against the reference, which lists them as text; no shape has them."""
    if "Filters" not in params or "Filters" not in shape.members:
        return
    listed = re.findall(r"<li>\s*<p>\s*<code>([^<]+)</code>", shape.members["Filters"].documentation)
    documented = {name.strip() for name in listed}
    for name in [item["Name"] for item in params["Filters"] if "Name" in item]:
        if documented and name not in documented and not name.startswith("tag:"):
            raise NotInModel(f"{shape.name} documents no filter {name!r}, only {', '.join(sorted(documented))}")
