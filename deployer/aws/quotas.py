"""How much of each this account may have in a region, and how much of that is in use: vCPUs, networks, endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deployer.aws.asking import Answer, Unknown, ask
from deployer.aws.claims import CapacityReservation, SpotRequest
from deployer.aws.ec2 import DEPLOYMENT_TAG, Instance, tags_of
from deployer.aws.hardware import hardware_table
from deployer.aws.quota_groups import P5_SPOT_LEGACY_NAME, P_SPOT_NAMES, quota_codes, quota_group, quota_name
from deployer.aws.session import Session, aws_errors
from deployer.errors import AccessDenied, AwsError

__all__ = [
    "Quota",
    "counts_against",
    "find_quota",
    "other_quotas",
    "quota_codes",
    "quota_group",
    "quota_name",
    "read_limit",
    "with_usage",
]

# pending is about to run; stopping, stopped and terminated do not count.
COUNTED_STATES = frozenset({"pending", "running"})

# Amazon VPC User Guide, "Amazon VPC quotas", read 2026-11.
VPC_CODE, VPC_NAME = "L-F678F1CE", "VPCs per Region"
GATEWAY_CODE, GATEWAY_NAME = "L-A4707A72", "Internet gateways per Region"

# The account's own value, and AWS's where it has none: IAM action and call.
APPLIED = {"servicequotas:GetServiceQuota": "get_service_quota"}
DEFAULT = {"servicequotas:GetAWSDefaultServiceQuota": "get_aws_default_service_quota"}


@dataclass(frozen=True, kw_only=True)
class Quota:
    """`value` may be in use at once, `used` are; None is "could not be read", and `reason` says why.

    With both there and a reason, `used` is a lower bound. `permission` is the IAM action that is missing, empty where
    it is not that. `holders` are the deployments of ours that use some of it: of networks, each has one.
    """

    code: str
    name: str
    region: str
    service: str = "ec2"
    value: float | None = None
    used: int | None = None
    reason: str = ""
    permission: str = ""
    holders: frozenset[str] = frozenset()


def read_limit(session: Session, instance_type: str, spot: bool) -> Quota:
    """Return the quota without its use: the account's own value, else AWS's default, else None with the reason."""
    quota = Quota(code="", name=quota_name(instance_type, spot), region=session.region)
    codes = quota_codes(instance_type, spot)
    if not codes:
        return replace(quota, reason=f"AWS has no spot quota for {quota_group(instance_type).name} instances.")
    if len(codes) > 1:
        return _p5_spot_limit(session, replace(quota, code=codes[-1]), codes)
    return _limit(session, replace(quota, code=codes[0]))


def with_usage(
    quota: Quota,
    instances: Sequence[Instance] | Unknown,
    reservations: Sequence[CapacityReservation] | Unknown = (),
    requests: Sequence[SpotRequest] | Unknown = (),
) -> Quota:
    """Return the quota with the vCPUs that count against it: machines, unused reservations, open spot requests.

    What could not be read makes the figure a lower bound, and without the machines there is none.
    """
    is_spot = "Spot" in quota.name
    waiting = requests if is_spot else ()
    reserved = () if is_spot else reservations
    if isinstance(instances, Unknown):
        return _blame(quota, instances)
    counted = [item for item in instances if counts_against(quota, item)]
    vcpus = {item.name: item.vcpus for item in hardware_table()} | {item.instance_type: item.vcpus for item in counted}
    used = sum(item.vcpus for item in counted)
    for part in (reserved, waiting):
        if isinstance(part, Unknown):
            quota = _blame(quota, part)
            continue
        for item in part:
            if quota.code in quota_codes(item.instance_type, is_spot):
                used += vcpus.get(item.instance_type, 0) * _unused(item)
    return replace(quota, used=used)


def counts_against(quota: Quota, instance: Instance) -> bool:
    """Tell whether a machine uses up this quota now."""
    return instance.state in COUNTED_STATES and quota.code in quota_codes(instance.instance_type, instance.is_spot)


def other_quotas(session: Session, endpoint_instance_type: str = "") -> dict[str, Quota]:
    """Return what else can be full: "vpc", "internet-gateway", and "endpoint" where a type for one is given.

    Never raises AwsError.
    """
    vpcs = Quota(code=VPC_CODE, name=VPC_NAME, region=session.region, service="vpc")
    gateways = Quota(code=GATEWAY_CODE, name=GATEWAY_NAME, region=session.region, service="vpc")
    asked: dict[str, tuple[Quota, Answer[Quota], Answer[Any]]] = {
        "vpc": (vpcs, ask(_limit, session, vpcs), ask(_vpcs, session)),
        "internet-gateway": (gateways, ask(_limit, session, gateways), ask(_internet_gateways, session)),
    }
    if endpoint_instance_type:
        name = f"{endpoint_instance_type} for endpoint usage"
        endpoints = Quota(code="", name=name, region=session.region, service="sagemaker")
        asked["endpoint"] = (endpoints, ask(_named_limit, session, endpoints), ask(_endpoints, session))
    return {name: _held(quota, limit.result(), held.result()) for name, (quota, limit, held) in asked.items()}


def find_quota(session: Session, code: str, service: str = "") -> Quota:
    """Return a quota by its code, of whichever service has it, without its use. Raises AwsError."""
    services = (service,) if service else ("ec2", "vpc", "sagemaker")
    asked = [ask(_find, session, name, code) for name in services]
    answers = [item.result() for item in asked]
    for answer in answers:
        if isinstance(answer, Quota):
            return answer
    for answer in answers:
        if isinstance(answer, Unknown) and answer.error:
            raise answer.error
    raise AwsError(
        f"None of {', '.join(services)} has a quota {code} in {session.region}.",
        hint="`deployer quota` shows the codes that matter here.",
        code="NoSuchResourceException",
    )


def _p5_spot_limit(session: Session, quota: Quota, codes: Sequence[str]) -> Quota:
    """Return the limit of P5 and later on the spot market, by the names that the account has.

    Where the names may not be read, by the codes; all are asked for at once.
    """
    names = (P5_SPOT_LEGACY_NAME, *P_SPOT_NAMES)
    listing = ask(_listed, session, "ec2")
    # A default of the quota that was merged away would say 0 where P's own holds.
    own = ask(_limit, session, replace(quota, code=codes[0], name=names[0]), APPLIED)
    merged = ask(_limit, session, quota)
    listed = listing.result()
    if isinstance(listed, Unknown):
        answers = [own.result(), merged.result()]
    else:
        by_name = {item.name: item for item in listed}
        answers = [*(by_name[name] for name in names if name in by_name), merged.result()]
    known = [item for item in answers if not isinstance(item, Unknown)]
    return next((item for item in known if item.value is not None), known[-1] if known else quota)


def _limit(session: Session, quota: Quota, calls: Mapping[str, str] = APPLIED | DEFAULT) -> Quota:
    """Return the quota with the value that holds, or with the reason why there is none; never raises AwsError."""
    try:
        answer = _read(session, quota, calls)
    except AwsError as error:
        return _blame(quota, error)
    if answer is None:
        return replace(quota, reason=f"Service Quotas does not know {quota.code} in {session.region}.")
    return replace(quota, value=float(answer["Value"]))


def _named_limit(session: Session, quota: Quota) -> Quota:
    """Return the quota with the code and the value that go with its name: SageMaker has one for each type and use."""
    listed = _listed(session, quota.service)
    found = next((item for item in listed if item.name == quota.name), None)
    if found is None:
        reason = f"Service Quotas has no quota of that name in {session.region}: is it an ml.… type that is sold there?"
        return replace(quota, reason=reason)
    return found


def _find(session: Session, service: str, code: str) -> Quota | None:
    quota = Quota(code=code, name=code, region=session.region, service=service)
    answer = _read(session, quota)
    return replace(quota, name=answer["QuotaName"], value=float(answer["Value"])) if answer else None


def _read(session: Session, quota: Quota, calls: Mapping[str, str] = APPLIED | DEFAULT) -> Any:
    """Return what Service Quotas says of one quota in the first call that knows it; None where there is none such."""
    for permission, call in calls.items():
        try:
            with aws_errors(permission, region=session.region):
                client = session.client("service-quotas")
                return getattr(client, call)(ServiceCode=quota.service, QuotaCode=quota.code)["Quota"]
        except AwsError as error:
            if error.code != "NoSuchResourceException":
                raise
    return None


def _listed(session: Session, service: str) -> list[Quota]:
    """Return the quotas of a service that have a value in this account."""
    with aws_errors("servicequotas:ListServiceQuotas", region=session.region):
        return [
            Quota(
                code=item["QuotaCode"],
                name=item["QuotaName"],
                region=session.region,
                service=service,
                value=float(item["Value"]),
            )
            for item in session.pages("service-quotas", "list_service_quotas", "Quotas", ServiceCode=service)
        ]


def _vpcs(session: Session) -> list[str]:
    """Return whose each VPC of the region is: the deployment's name, empty where it is not ours."""
    with aws_errors("ec2:DescribeVpcs", region=session.region):
        return [_holder(item) for item in session.pages("ec2", "describe_vpcs", "Vpcs")]


def _internet_gateways(session: Session) -> list[str]:
    """Return whose each internet gateway of the region is, as for VPCs."""
    with aws_errors("ec2:DescribeInternetGateways", region=session.region):
        return [_holder(item) for item in session.pages("ec2", "describe_internet_gateways", "InternetGateways")]


def _endpoints(session: Session) -> list[str] | Unknown:
    """Return that there are no endpoints; their types would take two more calls for each of them."""
    with aws_errors("sagemaker:ListEndpoints", region=session.region):
        found = session.client("sagemaker").list_endpoints()["Endpoints"]
    return Unknown("endpoints exist there, and which types they use was not looked at.") if found else []


def _holder(item: dict[str, Any]) -> str:
    return tags_of(item).get(DEPLOYMENT_TAG, "")


def _held(quota: Quota, limit: Quota | Unknown, held: list[str] | Unknown) -> Quota:
    found = _blame(quota, limit) if isinstance(limit, Unknown) else limit
    if isinstance(held, Unknown):
        return _blame(found, held)
    return replace(found, used=len(held), holders=frozenset(filter(None, held)))


def _unused(item: CapacityReservation | SpotRequest) -> int:
    """Return how many machines count that do not run: a spot request that has its machine counts as that."""
    if isinstance(item, SpotRequest):
        return 0 if item.instance_id else 1
    return item.available


def _blame(quota: Quota, cause: AwsError | Unknown) -> Quota:
    """Return the quota with the reason why something of it is not known; the first reason stays."""
    if quota.reason:
        return quota
    if isinstance(cause, AwsError):
        permission = cause.operation if isinstance(cause, AccessDenied) else ""
        return replace(quota, reason=cause.message, permission=permission)
    return replace(quota, reason=cause.reason, permission=cause.permission)
