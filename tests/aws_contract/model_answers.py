"""Answers drawn from botocore's service models: every member that AWS may send is there, and no other can be read."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.model import OperationModel, Shape, StructureShape

MOMENT = datetime(2026, 11, 20, 12, tzinfo=UTC)

# What a paginator reads to see whether there is more: these answers are the last page.
TOKENS = frozenset({"NextToken", "nextToken", "NextMarker", "Marker", "NextContinuationToken", "IsTruncated"})
TOKENS |= {"NextKeyMarker", "NextVersionIdMarker"}

# botocore's own, in no model; its waiters look for an error first.
OF_EVERY_ANSWER = frozenset({"ResponseMetadata", "Error"})
METADATA = {"HTTPStatusCode": 200, "RetryAttempts": 0, "HTTPHeaders": {}, "RequestId": "0"}


Complain = Callable[[str], None]


class NotInModel(AssertionError):
    """The code reads or sends what AWS's service model does not have."""


class Structure(dict[str, Any]):
    """A structure of an answer: reading a key that its shape has not is an error, even with `get` or `in`.

    The error is told to `complain` too, for code that would swallow it.
    """

    def __init__(self, shape: Shape, values: Mapping[str, Any], complain: Complain) -> None:
        super().__init__(values)
        self.shape = shape
        self.complain = complain

    def __getitem__(self, key: str) -> Any:
        return super().__getitem__(self._known(key))

    def __contains__(self, key: object) -> bool:
        return super().__contains__(self._known(key))

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(self._known(key), default)

    def pop(self, key: str, *default: Any) -> Any:
        return super().pop(self._known(key), *default)

    def _known(self, key: Any) -> Any:
        if key not in self.shape.members and key not in OF_EVERY_ANSWER:
            error = NotInModel(f"{self.shape.name} has no member {key!r}; it has {', '.join(self.shape.members)}")
            self.complain(str(error))
            raise error
        return key


def answer_of(operation: OperationModel, given: Mapping[str, Any], complain: Complain) -> Structure:
    """Return a full answer of the operation; `given` replaces members, in lists and structures member by member."""
    shape = operation.output_shape or StructureShape("Nothing", {"type": "structure", "members": {}})
    answer = _Filling(complain).structure(shape, given, ())
    dict.__setitem__(answer, "ResponseMetadata", METADATA)
    return answer


@dataclass(frozen=True)
class _Filling:
    """Fills shapes; `above` are the names of those around, since a shape may hold itself."""

    complain: Complain

    def structure(self, shape: Shape, given: Mapping[str, Any], above: tuple[str, ...]) -> Structure:
        unknown = sorted(set(given) - set(shape.members))
        if unknown:
            raise NotInModel(f"the case gives {shape.name} the members {unknown}, which it has not")
        filled = {
            name: self._any(member, given.get(name), (*above, shape.name))
            for name, member in shape.members.items()
            if member.name not in above and (name in given or name not in TOKENS)
        }
        return Structure(shape, filled, self.complain)

    def _any(self, shape: Shape, given: Any, above: tuple[str, ...]) -> Any:
        if shape.type_name == "structure":
            return self.structure(shape, given or {}, above)
        if shape.type_name == "list":
            items = [None] if given is None else given
            return [
                self._any(shape.member, item, (*above, shape.name)) for item in items if shape.member.name not in above
            ]
        if given is not None:
            return given
        if shape.type_name == "map":
            return {self._any(shape.key, None, above): self._any(shape.value, None, (*above, shape.name))}
        return _scalar(shape)


def _scalar(shape: Shape) -> Any:
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else "1".ljust(shape.metadata.get("min", 0), "1")
    if shape.type_name == "blob":
        return io.BytesIO(b"{}") if shape.serialization.get("streaming") else b"{}"
    return {"boolean": True, "timestamp": MOMENT, "float": 1.0, "double": 1.0}.get(shape.type_name, 1)
