"""What preflight and placement reason about: everything asked of AWS, in parallel, before a cent is spent.

Asking and deciding are apart: nothing here judges. What could not be read is `Unknown`, which is not a no.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ami import catalogue
from deployer.attempts import Attempt
from deployer.aws import ec2, images, prices, quotas
from deployer.aws.cloud9 import Cloud9Access
from deployer.aws.ec2 import Instance, InstanceType, Zone
from deployer.aws.images import MachineImage
from deployer.aws.prices import Price
from deployer.aws.quotas import Quota
from deployer.aws.regions import known_regions
from deployer.aws.s3 import DataLocation
from deployer.aws.session import Identity, Session
from deployer.config import Config
from deployer.errors import AccessDenied, AwsError, NoCredentials

T = TypeVar("T")

# Every account may use it, and it knows all regions: the place to ask about a region that does not answer.
HOME_REGION = "us-east-1"

# More than the questions of one gathering, so that none waits for another.
THREADS = 24


@dataclass(frozen=True)
class Unknown:
    """What AWS did not tell, and the IAM action that would; `error` is what AWS said."""

    reason: str
    permission: str = ""
    error: AwsError | None = None


NOT_ASKED = Unknown("not asked")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One region of one account, seen for one configuration; mappings go by instance type."""

    config: Config
    identity: Identity | Unknown = NOT_ASKED
    regions: Mapping[str, bool] | Unknown = NOT_ASKED
    zones: tuple[Zone, ...] | Unknown = NOT_ASKED
    types: Mapping[str, InstanceType] | Unknown = NOT_ASKED
    offerings: Mapping[str, frozenset[str]] | Unknown = NOT_ASKED
    quotas: Mapping[str, Quota] = field(default_factory=dict)
    images: Mapping[str, MachineImage | Unknown] = field(default_factory=dict)
    instances: tuple[Instance, ...] | Unknown = NOT_ASKED
    prices: Mapping[str, Price] = field(default_factory=dict)
    spot_prices: Mapping[tuple[str, str], Price] | Unknown = NOT_ASKED
    # By zone id, 1 to 10, for all configured types together: fewer than three types always score low.
    spot_scores: Mapping[str, int] | Unknown = NOT_ASKED
    # What else can be full: "vpc", "internet-gateway", and "endpoint" where one is configured.
    other_quotas: Mapping[str, Quota] = field(default_factory=dict)
    cloud9: Cloud9Access | Unknown = NOT_ASKED
    data: DataLocation | Unknown = NOT_ASKED
    attempts: tuple[Attempt, ...] = ()
    # How long this region took to answer the first call: how far it is from here, where nothing better is known.
    seconds_away: float | None = None

    @property
    def account(self) -> str:
        """Return the number of the account; empty where AWS does not know who is asking."""
        return "" if isinstance(self.identity, Unknown) else self.identity.account

    @property
    def existing(self) -> tuple[Instance, ...]:
        """Return the machines that this deployment has already; none where that could not be read."""
        if isinstance(self.instances, Unknown):
            return ()
        return tuple(item for item in self.instances if item.deployment == self.config.name)


def gather(session: Session, config: Config) -> Facts:
    """Ask AWS everything at once; never raises AwsError, since each part may be Unknown."""
    if config.region not in known_regions():
        # Nothing answers in a region that does not exist; one newer than boto3's list is fine.
        facts = _gather_home(config)
        if not _is_enabled(facts):
            return facts
    facts = _gather_region(session, config)
    error = facts.identity.error if isinstance(facts.identity, Unknown) else None
    if isinstance(error, NoCredentials) and error.code and config.region != HOME_REGION:
        # A region that is not enabled says that it does not know the credentials.
        seen_from_home = _gather_home(config)
        if isinstance(seen_from_home.identity, Identity) and not _is_enabled(seen_from_home):
            return seen_from_home
    return facts


def _gather_region(session: Session, config: Config) -> Facts:
    names = config.instance_type
    with ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="gather") as pool:

        def ask(question: Callable[..., T], *arguments: Any) -> Future[T | Unknown]:
            return pool.submit(_answer, question, *arguments)

        # The types first: the images wait for their architecture.
        types = ask(ec2.instance_types, session, names)
        identity = ask(session.identity)
        regions = ask(ec2.regions, session)
        zones = ask(ec2.zones, session)
        offerings = ask(ec2.offerings, session, names)
        instances = ask(ec2.instances, session)
        by_codes = {quotas.quota_codes(name, config.spot): name for name in names}
        limits = {codes: pool.submit(quotas.read_limit, session, name, config.spot) for codes, name in by_codes.items()}
        on_demand = pool.submit(prices.on_demand_prices, session, names)
        spot = ask(prices.spot_prices, session, names if config.spot else ())
        chosen = _ask_images(ask, session, config, types.result())
        running = instances.result()
        return Facts(
            config=config,
            identity=identity.result(),
            regions=regions.result(),
            zones=zones.result(),
            types=types.result(),
            offerings=offerings.result(),
            quotas={
                name: _with_usage(limits[quotas.quota_codes(name, config.spot)].result(), running) for name in names
            },
            images={name: future.result() for name, future in chosen.items()},
            instances=running if isinstance(running, Unknown) else tuple(running),
            prices=on_demand.result(),
            spot_prices=spot.result(),
        )


def _ask_images(
    ask: Callable[..., Future[MachineImage | Unknown]],
    session: Session,
    config: Config,
    types: Mapping[str, InstanceType] | Unknown,
) -> dict[str, Future[MachineImage | Unknown]]:
    """Ask for the image of each type that exists; types that share their candidates share the question."""
    known = {} if isinstance(types, Unknown) else types
    asked: dict[tuple[catalogue.Image, ...], Future[MachineImage | Unknown]] = {}
    chosen = {}
    for name in config.instance_type:
        if name not in known and not isinstance(types, Unknown):
            continue
        architecture = known[name].architecture if name in known else "x86_64"
        candidates = () if config.ami else catalogue.images_for(name, architecture)
        if candidates not in asked:
            asked[candidates] = ask(_resolve_image, session, config.ami, candidates)
        chosen[name] = asked[candidates]
    return chosen


def _resolve_image(session: Session, ami: str, candidates: tuple[catalogue.Image, ...]) -> MachineImage:
    if ami.startswith("ami-"):
        return images.resolve_id(session, ami)
    if ami:
        candidates = (_named_image(ami),)
    return images.resolve(session, candidates)


def _named_image(name: str) -> catalogue.Image:
    try:
        return catalogue.named(name)
    except catalogue.UnknownImage as error:
        raise AwsError(str(error), hint=error.hint, code="ImageNotFound") from error


def _with_usage(limit: Quota, running: list[Instance] | Unknown) -> Quota:
    if isinstance(running, Unknown):
        return limit if limit.reason else replace(limit, reason=running.reason, permission=running.permission)
    return quotas.with_usage(limit, running)


def _answer(question: Callable[..., T], *arguments: Any) -> T | Unknown:
    try:
        return question(*arguments)
    except AwsError as error:
        permission = error.operation if isinstance(error, AccessDenied) else ""
        return Unknown(error.message, permission, error)


def _gather_home(config: Config) -> Facts:
    """Ask the region that every account has who we are and which regions there are."""
    home = Session(HOME_REGION)
    return Facts(config=config, identity=_answer(home.identity), regions=_answer(ec2.regions, home))


def _is_enabled(facts: Facts) -> bool:
    return not isinstance(facts.regions, Unknown) and facts.regions.get(facts.config.region, False)
