"""The quotas that matter to a configuration, and the way from a request for more to AWS's answer."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from deployer.aws import claims, ec2, quota_requests, quotas
from deployer.aws.asking import Unknown, ask
from deployer.aws.ec2 import Instance, InstanceType
from deployer.aws.quota_requests import QuotaRequest
from deployer.aws.quotas import Quota
from deployer.aws.regions import home_region
from deployer.aws.session import Session
from deployer.config import Config
from deployer.deployment import record
from deployer.deployment.survey import require_region
from deployer.errors import AwsError, NotDeployed, UsageError
from deployer.remote.host import write_atomically

MEMORY = "quota-request.json"

# Between two looks at a request: people decide it. The variable is for our own tests.
FOLLOW_PAUSE_SECONDS = float(os.environ.get("_DEPLOYER_QUOTA_PAUSE_SECONDS", "60"))


@dataclass(frozen=True, kw_only=True)
class Headroom:
    """One quota against what the configuration needs of it; None is "not known".

    `own` is what this deployment uses already, which counts as free. `purpose` says what for. `request` is the newest
    request for more, where there is one.
    """

    quota: Quota
    purpose: str
    needed: int | None
    own: int = 0
    is_wanted: bool = True
    request: QuotaRequest | None = None

    @property
    def free(self) -> int | None:
        """Return how much this deployment may use in all; None where that is not known."""
        if self.quota.value is None or self.quota.used is None:
            return None
        return int(self.quota.value) - self.quota.used + self.own

    @property
    def is_enough(self) -> bool | None:
        """Say whether the deployment fits; None where that is not known."""
        if self.free is None or self.needed is None:
            return None
        return self.needed <= self.free

    @property
    def enough(self) -> int | None:
        """Return the smallest total that would do."""
        if self.quota.used is None or self.needed is None:
            return None
        return self.quota.used - self.own + self.needed


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Every quota that matters in one region; `gap` says why requests could not be read, empty where they could."""

    region: str
    rows: tuple[Headroom, ...]
    gap: str = ""


@dataclass(frozen=True, kw_only=True)
class Increase:
    """A request to be filed: the new total, or the one that is open already, or neither where enough is applied."""

    quota: Quota
    value: int | None = None
    request: QuotaRequest | None = None


def overview(config: Config, session: Session) -> Overview:
    """Ask AWS for every quota that the configuration meets, both ways of buying, with their use and requests.

    Raises AwsError for a region that does not exist, or that the account has not enabled.
    """
    names = config.instance_type
    regions = ask(ec2.regions, session.elsewhere(home_region(config.region)))
    by_codes = {
        (quotas.quota_codes(name, spot), spot): name
        for spot in (config.spot, not config.spot)
        for name in reversed(names)
        if quotas.quota_codes(name, spot)
    }
    limits = {key: ask(quotas.read_limit, session, name, key[1]) for key, name in by_codes.items()}
    instances, reserved = ask(ec2.instances, session), ask(claims.capacity_reservations, session)
    spot_requests = ask(claims.spot_requests, session)
    others = ask(quotas.other_quotas, session, config.endpoint.instance_type)
    types, requests = ask(ec2.instance_types, session, names), ask(quota_requests.list_requests, session)
    require_region(config, regions.result())
    known, history = types.result(), requests.result()
    running, reservations, waiting = instances.result(), reserved.result(), spot_requests.result()
    rows = []
    for codes, spot in sorted(by_codes, key=lambda key: (key[1] != config.spot, names.index(by_codes[key]))):
        limit = limits[codes, spot].result()
        if isinstance(limit, Unknown):
            name = quotas.quota_name(by_codes[codes, spot], spot)
            limit = Quota(code=codes[-1], name=name, region=session.region, reason=limit.reason)
        quota = quotas.with_usage(limit, running, reservations, waiting)
        sharing = [name for name in names if quotas.quota_codes(name, spot) == codes]
        rows.append(_of_vcpus(config, quota, sharing, known, running, is_wanted=spot == config.spot))
    answer = others.result()
    rows += _of_networks(config, {} if isinstance(answer, Unknown) else answer)
    if isinstance(history, Unknown):
        return Overview(region=session.region, rows=tuple(rows), gap=history.reason)
    newest = {item.code: item for item in reversed(history)}
    rows = [replace(row, request=newest.get(row.quota.code)) for row in rows]
    return Overview(region=session.region, rows=tuple(rows))


def plan_request(config: Config, session: Session, *, code: str = "", value: int | None = None) -> Increase:
    """Return what would be filed; change nothing.

    Without a code, for what the first configured type lacks. Raises UsageError for a value that is not more than what
    is applied, and where none is given and none can be told.
    """
    found = overview(config, session)
    row = next((item for item in found.rows if not code or item.quota.code == code), None)
    row = row or Headroom(quota=quotas.find_quota(session, code), purpose="", needed=None)
    quota = row.quota
    if not quota.code:
        raise AwsError(f"Which quota it is could not be read: {quota.reason}", hint="Name it with --code L-….")
    applied = f"{quota.name} ({quota.code}) is {_amount(quota.value)} in {quota.region}"
    if value is not None and quota.value is not None and value <= quota.value:
        raise UsageError(
            f"{applied}, and {value} is not more.",
            hint="AWS wants the new total, not what is added, and lowers no quota.",
        )
    if row.request and row.request.is_open:
        return Increase(quota=quota, request=row.request)
    wanted = value if value is not None else _enough(row, config, applied)
    return Increase(quota=quota, value=wanted if quota.value is None or wanted > quota.value else None)


def file(config: Config, session: Session, increase: Increase) -> QuotaRequest:
    """File the request, or take the one that is open, and remember it. Raises AwsError."""
    request = increase.request
    if request is None:
        if increase.value is None:
            raise ValueError("there is nothing to file")
        try:
            request = quota_requests.file_request(session, increase.quota, increase.value)
        except AwsError as error:
            if error.code != quota_requests.ALREADY_OPEN:
                raise
            request = _open_request(session, increase.quota, error)
    path = record.prepare(config) / MEMORY
    write_atomically(path, json.dumps(asdict(request), indent=2))
    return request


def remembered(config: Config) -> QuotaRequest:
    """Return the last request that was filed for this deployment from this folder. Raises NotDeployed."""
    try:
        return QuotaRequest(**json.loads((config.state_directory / MEMORY).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise NotDeployed(
            f"No quota request was filed for {config.name!r} from this folder.",
            hint="`deployer quota` shows those that AWS has; `deployer quota request` files one.",
        ) from None


def standing(session: Session, request_id: str) -> QuotaRequest:
    """Return where a request stands; a closed case counts as granted where the quota was raised. Raises AwsError."""
    request = quota_requests.read_request(session, request_id)
    if request.status == "CASE_CLOSED":
        value = quotas.find_quota(session, request.code, request.service).value
        if value is not None and value >= request.desired:
            return replace(request, status="APPROVED")
    return request


def follow(
    session: Session, request: QuotaRequest, *, timeout_seconds: float, on_change: Callable[[QuotaRequest], None]
) -> QuotaRequest:
    """Look at a request until AWS has decided or the time is over; `on_change` hears of every new status."""
    deadline = time.monotonic() + timeout_seconds
    while request.is_open and time.monotonic() < deadline:
        time.sleep(min(FOLLOW_PAUSE_SECONDS, max(0.0, deadline - time.monotonic())))
        now = standing(session, request.id)
        if now.status != request.status:
            on_change(now)
        request = now
    return request


def _of_vcpus(
    config: Config,
    quota: Quota,
    names: Sequence[str],
    types: dict[str, InstanceType] | Unknown,
    running: Sequence[Instance] | Unknown,
    *,
    is_wanted: bool,
) -> Headroom:
    """Return the headroom of the types that share a quota, for the largest of them."""
    sizes = [] if isinstance(types, Unknown) else [types[name].vcpus for name in names if name in types]
    ours = [] if isinstance(running, Unknown) else [item for item in running if item.deployment == config.name]
    return Headroom(
        quota=quota,
        purpose=f"{config.nodes} × {' / '.join(names)}",
        needed=max(sizes) * config.nodes if sizes else None,
        own=sum(item.vcpus for item in ours if quotas.counts_against(quota, item)),
        is_wanted=is_wanted,
    )


def _of_networks(config: Config, found: dict[str, Quota]) -> list[Headroom]:
    """Return the headroom of all else; `up` makes no endpoint, but one is wanted."""
    purposes = {"vpc": "the network", "internet-gateway": "the network", "endpoint": "1 endpoint"}
    return [
        Headroom(quota=quota, purpose=purposes[kind], needed=1, own=int(config.name in quota.holders))
        for kind, quota in found.items()
    ]


def _enough(row: Headroom, config: Config, applied: str) -> int:
    if row.enough is None:
        why = f": {row.quota.reason}" if row.quota.reason else "."
        raise UsageError(
            f"{applied}; what {config.name!r} needs of it is not known{why}", hint="Say the new total: --value N."
        )
    return row.enough


def _open_request(session: Session, quota: Quota, error: AwsError) -> QuotaRequest:
    """Return the request that AWS says is open."""
    for request in quota_requests.list_requests(session):
        if request.code == quota.code and request.is_open:
            return request
    raise error


def _amount(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"
