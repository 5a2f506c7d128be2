"""The client of the local cloud's own API; standard library only, so that the command line stays quick."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from deployer.errors import LocalCloudError
from deployer.localcloud.faults import Fault

TIMEOUT_SECONDS = 20


class ControlClient:
    """What can be asked of, and told to, a running local cloud. Every method raises LocalCloudError."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        # Not through the user's proxy: the local cloud is on this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def status(self) -> dict[str, Any]:
        """Return pid, uptime, instances with their SSH ports, faults and latency."""
        return self._ask("GET", "status")

    def add_fault(self, fault: Fault) -> dict[str, Any]:
        """Put a fault in force; return those which are."""
        return self._ask("POST", "faults", fault.to_json())

    def faults(self) -> dict[str, Any]:
        """Return the faults in force and the latency."""
        return self._ask("GET", "faults")

    def clear_faults(self) -> dict[str, Any]:
        """Forget every fault, and the latency."""
        return self._ask("DELETE", "faults")

    def set_latency(self, milliseconds: int) -> dict[str, Any]:
        """Delay every answer to AWS's calls."""
        return self._ask("PUT", "latency", {"latency_ms": milliseconds})

    def set_quota(self, code: str, value: float, *, region: str = "") -> dict[str, Any]:
        """Set a quota, in one region or (empty) in all; return its code, name, value and region."""
        return self._ask("PUT", "quotas", {"code": code, "value": value, "region": region})

    def unset_quota(self, code: str, *, region: str = "") -> dict[str, Any]:
        """Take a quota's applied value away, so that only AWS's default answers."""
        return self._ask("DELETE", "quotas", {"code": code, "region": region})

    def decide_quota(self, code: str, *, is_approved: bool, region: str = "") -> dict[str, Any]:
        """Approve or deny what is open for a quota; return the requests that were decided."""
        return self._ask("PUT", "quota-requests", {"code": code, "is_approved": is_approved, "region": region})

    def quotas(self, *, region: str = "") -> dict[str, Any]:
        """Return the quotas of a region; a value is None where the account has no applied one."""
        return self._ask("GET", "quotas", {"region": region})

    def _ask(self, method: str, path: str, document: Any = None) -> dict[str, Any]:
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.endpoint}/_local/{path}", data=body, method=method)  # noqa: S310
        request.add_header("Content-Type", "application/json")
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            raise _refusal(error) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise LocalCloudError(
                f"The local cloud at {self.endpoint} does not answer: {error}.",
                hint="`deployer local stop` and `deployer local start` begin again with an empty one.",
            ) from error
        return answer


def _refusal(error: urllib.error.HTTPError) -> LocalCloudError:
    with error:
        try:
            answer = json.load(error)
        except ValueError:
            answer = {}
    return LocalCloudError(
        answer.get("message") or f"The local cloud answered {error.code}.", hint=answer.get("hint", "")
    )
