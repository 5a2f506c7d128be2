"""The local cloud's own API under /_local/: faults, quotas, status, and the power switch of each host."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deployer.errors import LocalCloudError
from deployer.localcloud.fault_aims import require_aim
from deployer.localcloud.faults import Fault, Faults
from deployer.localcloud.hosts import Hosts
from deployer.localcloud.instances import Machines, all_instances
from deployer.localcloud.quota_requests import QuotaRequests
from deployer.localcloud.quotas import QUOTAS, Quota, Quotas
from deployer.localcloud.regions import require_region
from deployer.localcloud.wire import Answer

PREFIX = "/_local/"


@dataclass(frozen=True, kw_only=True)
class Admin:
    """All that can be asked of, or told to, the local cloud beside AWS's own calls."""

    faults: Faults
    quotas: Quotas
    quota_requests: QuotaRequests
    hosts: Hosts
    machines: Machines
    started: float

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Answer one request; a mistake in it is a 400 with the message and the hint."""
        parts = path.removeprefix(PREFIX).strip("/").split("/")
        routes: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("GET", "status"): lambda _: self._status(),
            ("GET", "faults"): lambda _: self._list_faults(),
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): lambda _: self._clear_faults(),
            ("PUT", "latency"): self._set_latency,
            ("GET", "quotas"): self._list_quotas,
            ("PUT", "quotas"): self._set_quota,
            ("DELETE", "quotas"): self._unset_quota,
            ("PUT", "quota-requests"): self._decide_quota,
        }
        try:
            values = json.loads(body or b"{}")
            if method == "POST" and parts[0] == "hosts" and parts[2:] == ["power"]:
                return _json(200, self._power(parts[1], values))
            route = routes.get((method, parts[0]))
            return _json(200, route(values)) if route else _json(404, {"message": f"There is no {method} {path}."})
        except LocalCloudError as error:
            return _json(400, {"message": error.message, "hint": error.hint})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return _json(400, {"message": f"{method} {path} is malformed: {error!r}", "hint": ""})

    def _status(self) -> dict[str, Any]:
        instances = [
            {
                "instance_id": instance.id,
                "name": next((tag["value"] for tag in instance.get_tags() if tag["key"] == "Name"), ""),
                "state": instance.state,
                "instance_type": instance.instance_type,
                "availability_zone": instance.availability_zone,
                "public_address": instance.public_ip or "",
                "ssh_port": self.hosts.port(instance.id),
            }
            for instance in all_instances()
            if instance.state != "terminated"
        ]
        uptime = round(time.time() - self.started, 1)
        return {"pid": os.getpid(), "uptime_seconds": uptime, "instances": instances, **self._list_faults()}

    def _list_faults(self) -> dict[str, Any]:
        faults = [fault.to_json() for fault in self.faults.listing()]
        return {"faults": faults, "latency_ms": self.faults.latency_ms}

    def _add_fault(self, values: dict[str, Any]) -> dict[str, Any]:
        fault = Fault.from_json(values)
        require_aim(fault)
        self.faults.add(fault)
        return self._list_faults()

    def _clear_faults(self) -> dict[str, Any]:
        self.faults.clear()
        return self._list_faults()

    def _set_latency(self, values: dict[str, Any]) -> dict[str, Any]:
        milliseconds = int(values["latency_ms"])
        if not 0 <= milliseconds <= 60_000:
            raise LocalCloudError(f"A latency of {milliseconds} ms cannot be.", hint="Use 0 to 60000.")
        self.faults.latency_ms = milliseconds
        return self._list_faults()

    def _list_quotas(self, values: dict[str, Any]) -> dict[str, Any]:
        region = _region(values)
        return {"quotas": [self._describe_quota(quota, region) for quota in QUOTAS]}

    def _set_quota(self, values: dict[str, Any]) -> dict[str, Any]:
        region = _region(values)
        return self._describe_quota(self.quotas.set(str(values["code"]), float(values["value"]), region=region), region)

    def _unset_quota(self, values: dict[str, Any]) -> dict[str, Any]:
        region = _region(values)
        return self._describe_quota(self.quotas.unset(str(values["code"]), region=region), region)

    def _decide_quota(self, values: dict[str, Any]) -> dict[str, Any]:
        is_approved = bool(values["is_approved"])
        decided = self.quota_requests.decide(str(values["code"]), is_approved=is_approved, region=_region(values))
        listed = [
            {"name": one.quota.name, "region": one.region, "value": one.desired, "status": one.status}
            for one in decided
        ]
        return {"requests": listed}

    def _describe_quota(self, quota: Quota, region: str) -> dict[str, Any]:
        value = self.quotas.value(quota.code, region=region)
        return {"code": quota.code, "name": quota.name, "service": quota.service, "value": value, "region": region}

    def _power(self, instance_id: str, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("is_cancelled"):
            self.machines.cancel_shutdown(instance_id)
        else:
            minutes = float(values.get("delay_minutes", 0))
            self.machines.shut_down_in(minutes, instance_id, is_reboot=bool(values.get("is_reboot")))
        return {"instance_id": instance_id}


def _region(values: dict[str, Any]) -> str:
    region = str(values.get("region", ""))
    require_region(region)
    return region


def _json(status: int, document: Any) -> Answer:
    return Answer(status, "application/json", json.dumps(document).encode())
