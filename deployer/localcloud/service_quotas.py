"""The Service Quotas API for EC2, which moto knows for VPC only."""

from __future__ import annotations

import json
import uuid
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.models import ServiceQuotasBackend
from moto.servicequotas.responses import ServiceQuotasResponse

from deployer.localcloud.patching import adds, replaces
from deployer.localcloud.quotas import BY_CODE, QUOTAS, Quotas


def install(quotas: Quotas) -> None:
    """Teach moto EC2's quotas, with the values in `quotas`."""
    requests: dict[str, dict[str, Any]] = {}

    @replaces(ServiceQuotasBackend, "get_service_quota")
    def get_service_quota(original: Any, self: Any, service_code: str, quota_code: str) -> dict[str, Any]:
        if service_code != "ec2":
            found: dict[str, Any] = original(self, service_code, quota_code)
            return found
        if quota_code not in BY_CODE:
            raise NoSuchResource
        return _describe(self, quota_code, quotas.value(quota_code, region=self.region_name))

    @replaces(ServiceQuotasBackend, "list_aws_default_service_quotas")
    def list_defaults(original: Any, self: Any, service_code: str) -> list[dict[str, Any]]:
        if service_code != "ec2":
            found: list[dict[str, Any]] = original(self, service_code)
            return found
        return [_describe(self, quota.code, quota.documented) for quota in QUOTAS]

    @adds(ServiceQuotasResponse)
    def list_service_quotas(self: Any) -> str:
        code = _parameters(self)["ServiceCode"]
        listed = self.backend.list_aws_default_service_quotas(code)
        applied = [self.backend.get_service_quota(code, quota["QuotaCode"]) for quota in listed]
        return json.dumps(_page("Quotas", applied, _parameters(self)))

    @adds(ServiceQuotasResponse)
    def get_aws_default_service_quota(self: Any) -> str:
        asked = _parameters(self)
        for quota in self.backend.list_aws_default_service_quotas(asked["ServiceCode"]):
            if quota["QuotaCode"] == asked["QuotaCode"]:
                return json.dumps({"Quota": quota})
        raise NoSuchResource

    @adds(ServiceQuotasResponse)
    def request_service_quota_increase(self: Any) -> str:
        asked = _parameters(self)
        current = self.backend.get_service_quota(asked["ServiceCode"], asked["QuotaCode"])
        if any(open_one["QuotaArn"] == current["QuotaArn"] for open_one in requests.values()):
            raise JsonRESTError(
                "ResourceAlreadyExistsException", "Only one open service quota increase request is allowed per quota."
            )
        if asked["DesiredValue"] <= current["Value"]:
            raise JsonRESTError(
                "IllegalArgumentException", "The desired value must be greater than the current quota value."
            )
        request = {
            key: current[key] for key in ("ServiceCode", "ServiceName", "QuotaArn", "QuotaCode", "QuotaName", "Unit")
        }
        request |= {
            "Id": uuid.uuid4().hex,
            "DesiredValue": asked["DesiredValue"],
            "Status": "PENDING",
            "GlobalQuota": False,
        }
        requests[request["Id"]] = request
        return json.dumps({"RequestedQuota": request})

    @adds(ServiceQuotasResponse)
    def get_requested_service_quota_change(self: Any) -> str:
        request = requests.get(_parameters(self)["RequestId"])
        if request is None:
            raise NoSuchResource
        return json.dumps({"RequestedQuota": request})

    def history(self: Any) -> str:
        asked = _parameters(self)
        found = [
            request
            for request in requests.values()
            if asked.get("ServiceCode") in {None, request["ServiceCode"]}
            and asked.get("QuotaCode") in {None, request["QuotaCode"]}
            and asked.get("Status") in {None, request["Status"]}
        ]
        return json.dumps(_page("RequestedQuotas", found, asked))

    for name in ("", "_by_quota"):
        setattr(ServiceQuotasResponse, f"list_requested_service_quota_change_history{name}", history)


def _describe(backend: Any, code: str, value: float) -> dict[str, Any]:
    return {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaArn": f"arn:aws:servicequotas:{backend.region_name}:{backend.account_id}:ec2/{code}",
        "QuotaCode": code,
        "QuotaName": BY_CODE[code].name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def _parameters(response: Any) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(response.body or "{}")
    return parsed


def _page(name: str, items: list[dict[str, Any]], asked: dict[str, Any]) -> dict[str, Any]:
    start = int(asked.get("NextToken") or 0)
    end = start + int(asked.get("MaxResults") or 100)
    page: dict[str, Any] = {name: items[start:end]}
    return page | ({"NextToken": str(end)} if end < len(items) else {})
