"""The Service Quotas API, which moto knows in part and for VPC only; and the networks that the quotas hold back."""

from __future__ import annotations

import json
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_ip_addresses import ElasticAddressBackend
from moto.ec2.models.internet_gateways import InternetGatewayBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.responses import ServiceQuotasResponse

from deployer.localcloud.patching import adds, replaces
from deployer.localcloud.quota_requests import Increase, QuotaRequests
from deployer.localcloud.quotas import BY_CODE, QUOTAS, Quota, Quotas

PAGE_SIZE = 100  # ListServiceQuotas, "MaxResults": 1 to 100
SERVICES = {
    "ec2": "Amazon Elastic Compute Cloud (Amazon EC2)",
    "vpc": "Amazon Virtual Private Cloud (Amazon VPC)",
    "sagemaker": "Amazon SageMaker",
}


def install(quotas: Quotas, requests: QuotaRequests) -> None:
    """Teach moto the quotas, with the values in `quotas`, and the requests to increase them."""
    _answer_values(quotas)
    _answer_requests(quotas, requests)
    _hold_back_networks(quotas)


def _answer_values(quotas: Quotas) -> None:
    @adds(ServiceQuotasResponse)
    def get_service_quota(self: Any) -> str:
        quota = _asked_quota(self, quotas)
        applied = quotas.value(quota.code, region=self.region)
        if applied is None:  # "if the applied value is not available, the quota is not retrieved"
            raise NoSuchResource
        return json.dumps({"Quota": _describe(self, quota, applied)})

    @adds(ServiceQuotasResponse)
    def get_aws_default_service_quota(self: Any) -> str:
        quota = _asked_quota(self, quotas)
        return json.dumps({"Quota": _describe(self, quota, quota.documented)})

    @adds(ServiceQuotasResponse)
    def list_service_quotas(self: Any) -> str:
        values = [(quota, quotas.value(quota.code, region=self.region)) for quota in _asked_service(self, quotas)]
        applied = [_describe(self, quota, value) for quota, value in values if value is not None]
        return json.dumps(_page("Quotas", applied, _parameters(self)))

    @adds(ServiceQuotasResponse)
    def list_aws_default_service_quotas(self: Any) -> str:
        defaults = [_describe(self, quota, quota.documented) for quota in _asked_service(self, quotas)]
        return json.dumps(_page("Quotas", defaults, _parameters(self)))


def _answer_requests(quotas: Quotas, requests: QuotaRequests) -> None:
    @adds(ServiceQuotasResponse)
    def request_service_quota_increase(self: Any) -> str:
        quota, desired = _asked_quota(self, quotas), float(_parameters(self)["DesiredValue"])
        if desired <= quotas.limit(quota.code, region=self.region):
            raise JsonRESTError(
                "IllegalArgumentException", "The desired value must be greater than the current quota value."
            )
        request = requests.file(quota, desired, region=self.region)
        if request is None:
            raise JsonRESTError(
                "ResourceAlreadyExistsException", "Only one open service quota increase request is allowed per quota."
            )
        return json.dumps({"RequestedQuota": _describe_request(self, request)})

    @adds(ServiceQuotasResponse)
    def get_requested_service_quota_change(self: Any) -> str:
        request = requests.find(_parameters(self)["RequestId"], region=self.region)
        if request is None:
            raise NoSuchResource
        return json.dumps({"RequestedQuota": _describe_request(self, request)})

    def history(self: Any) -> str:
        asked = _parameters(self)
        listed = [_describe_request(self, request) for request in requests.listing(region=self.region)]
        fields = ("ServiceCode", "QuotaCode", "Status")
        found = [item for item in listed if all(asked.get(name) in {None, item[name]} for name in fields)]
        return json.dumps(_page("RequestedQuotas", found, asked))

    for name in ("", "_by_quota"):
        setattr(ServiceQuotasResponse, f"list_requested_service_quota_change_history{name}", history)


def _hold_back_networks(quotas: Quotas) -> None:
    def require(backend: Any, code: str, count: int, error: str, what: str) -> None:
        if count >= quotas.limit(code, region=backend.region_name):
            raise EC2ClientError(error, f"The maximum number of {what} has been reached.")

    @replaces(VPCBackend, "create_vpc")
    def create_vpc(original: Any, self: Any, *arguments: Any, **options: Any) -> Any:
        if not options.get("is_default"):  # moto makes that one itself, while a region begins
            require(self, "L-F678F1CE", len(self.vpcs), "VpcLimitExceeded", "VPCs")
        return original(self, *arguments, **options)

    @replaces(InternetGatewayBackend, "create_internet_gateway")
    def create_internet_gateway(original: Any, self: Any, *arguments: Any, **options: Any) -> Any:
        count = len(self.internet_gateways)
        require(self, "L-A4707A72", count, "InternetGatewayLimitExceeded", "internet gateways")
        return original(self, *arguments, **options)

    @replaces(ElasticAddressBackend, "allocate_address")
    def allocate_address(original: Any, self: Any, *arguments: Any, **options: Any) -> Any:
        require(self, "L-0263D0A3", len(self.addresses), "AddressLimitExceeded", "addresses")
        return original(self, *arguments, **options)


def _asked_service(response: Any, quotas: Quotas) -> list[Quota]:
    service = _parameters(response).get("ServiceCode")
    if service not in SERVICES:
        raise NoSuchResource
    known = [quota for quota in QUOTAS if quota.service == service]
    return [quota for quota in known if quotas.exists(quota.code, region=response.region)]


def _asked_quota(response: Any, quotas: Quotas) -> Quota:
    code = str(_parameters(response).get("QuotaCode"))
    if BY_CODE.get(code) not in _asked_service(response, quotas):
        raise NoSuchResource
    return BY_CODE[code]


def _describe(response: Any, quota: Quota, value: float) -> dict[str, Any]:
    return _name(response, quota) | {"Value": value, "Adjustable": True}


def _describe_request(response: Any, request: Increase) -> dict[str, Any]:
    account = response.current_account
    return _name(response, request.quota) | {
        "Id": request.id,
        "CaseId": request.case_id,
        "DesiredValue": request.desired,
        "Status": request.status,
        "Created": request.created,
        "LastUpdated": request.last_updated,
        "Requester": json.dumps({"accountId": account, "callerArn": f"arn:aws:iam::{account}:root"}),
    }


def _name(response: Any, quota: Quota) -> dict[str, Any]:
    place = f"{response.region}:{response.current_account}"
    return {
        "ServiceCode": quota.service,
        "ServiceName": SERVICES[quota.service],
        "QuotaArn": f"arn:aws:servicequotas:{place}:{quota.service}/{quota.code}",
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Unit": "None",
        "GlobalQuota": False,
    }


def _parameters(response: Any) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(response.body or "{}")
    return parsed


def _page(name: str, items: list[dict[str, Any]], asked: dict[str, Any]) -> dict[str, Any]:
    start = int(asked.get("NextToken") or 0)
    end = start + min(int(asked.get("MaxResults") or PAGE_SIZE), PAGE_SIZE)
    page: dict[str, Any] = {name: items[start:end]}
    return page | ({"NextToken": str(end)} if end < len(items) else {})
