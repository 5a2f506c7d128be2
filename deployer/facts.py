"""What preflight and placement reason about: everything asked of AWS, in parallel, before a cent is spent.

Asking and deciding are apart: nothing here judges. What could not be read is `Unknown`, which is not a no.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ami import catalogue
from deployer import attempts, dataset
from deployer.attempts import Attempt
from deployer.aws import claims, cloud9, ec2, images, own_images, prices, quotas, spot
from deployer.aws.asking import DEADLINE_SECONDS, Answer, Unknown, ask, first_known
from deployer.aws.cloud9 import Cloud9Access
from deployer.aws.ec2 import Instance, InstanceType, Zone
from deployer.aws.hardware import hardware_table
from deployer.aws.images import MachineImage
from deployer.aws.prices import Price
from deployer.aws.quotas import Quota
from deployer.aws.regions import default_regions, home_region, known_regions
from deployer.aws.s3 import DataLocation
from deployer.aws.session import Identity, Session
from deployer.config import Config
from deployer.errors import NoCredentials

__all__ = ["ALL_REGIONS", "NOT_ASKED", "Facts", "Unknown", "gather", "gather_regions"]

# In place of a list of regions: those that the account may use.
ALL_REGIONS = ("all",)

# So many of several regions are asked who we are: the one that is asked may be the one that fails.
WITNESSES = 2

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
    # The image of `ami`, where that is set; also where no type of the configuration is known.
    configured_image: MachineImage | Unknown = NOT_ASKED
    instances: tuple[Instance, ...] | Unknown = NOT_ASKED
    prices: Mapping[str, Price] = field(default_factory=dict)
    # Why the prices on demand are the table's; None where the Price List told them.
    price_list: Unknown | None = None
    spot_prices: Mapping[tuple[str, str], Price] | Unknown = NOT_ASKED
    # By zone id, 1 to 10, for all configured types together: fewer than three types always score low.
    spot_scores: Mapping[str, int] | Unknown = NOT_ASKED
    # What else can be full: "vpc", "internet-gateway", and "endpoint" where one is configured.
    other_quotas: Mapping[str, Quota] = field(default_factory=dict)
    cloud9: Cloud9Access | Unknown = NOT_ASKED
    data: DataLocation | Unknown = NOT_ASKED
    attempts: tuple[Attempt, ...] = ()
    # How long this region's quickest answer took: how far it is from here, where nothing better is known.
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
        facts = _gather_home(session, config)
        if not _is_enabled(facts):
            return facts
    # The region first: its images take two answers, one after the other.
    asked = _Region(session, config)
    facts = asked.facts(_Everywhere([session], config, [config.region]))
    error = facts.identity.error if isinstance(facts.identity, Unknown) else None
    if isinstance(error, NoCredentials) and error.code and config.region != home_region(config.region):
        # A region that is not enabled says that it does not know the credentials.
        seen_from_home = _gather_home(session, config)
        if isinstance(seen_from_home.identity, Identity) and not _is_enabled(seen_from_home):
            return seen_from_home
    return facts


def gather_regions(session: Session, config: Config, regions: Sequence[str]) -> dict[str, Facts]:
    """Ask AWS everything about several regions at once, in their order; ("all",) is those that the account may use.

    Guarantees, beside that of `gather`:
    1. A region that is refused, throttled or silent has the Unknowns; the others are as they would be without it.
    2. What is the same everywhere (identity, regions, prices, the data) is not asked of each of them.
    """
    home = session.elsewhere(home_region(config.region))
    if tuple(regions) == ALL_REGIONS:
        listed = ask(ec2.regions, home).result()
        known = (
            default_regions(config.region) if isinstance(listed, Unknown) else [key for key in listed if listed[key]]
        )
        regions = sorted(known)
    configs = {name: replace(config, region=name) for name in regions}
    # Nothing answers in a region that does not exist: it would be waited for.
    asked = {name: _Region(session.elsewhere(name), configs[name]) for name in configs if name in known_regions()}
    witnesses = [home, *(session.elsewhere(name) for name in asked if name != home.region)]
    everywhere = _Everywhere(witnesses[:WITNESSES], config, configs)
    return {
        name: asked[name].facts(everywhere) if name in asked else everywhere.facts(configs[name]) for name in configs
    }


class _Everywhere:
    """What is the same in every region, under way from the start; any of `sessions` may tell it."""

    def __init__(self, sessions: Sequence[Session], config: Config, regions: Iterable[str]) -> None:
        self._identity = [ask(session.identity) for session in sessions]
        self._regions = [ask(ec2.regions, session) for session in sessions]
        self._prices = prices.Asked(sessions[0], config.instance_type, regions)
        self._data = ask(dataset.locate, sessions[0], config) if config.data_bucket else None
        self._attempts = attempts.recent(config)

    def facts(self, config: Config) -> Facts:
        """Wait for the answers; what is asked of one region is left out."""
        return Facts(
            config=config,
            identity=first_known(self._identity),
            regions=first_known(self._regions),
            prices=self._prices.in_region(config.region),
            price_list=self._prices.refusal(),
            data=self._data.result() if self._data else NOT_ASKED,
            attempts=self._attempts,
        )


class _Region:
    """Everything that is asked of one region, under way from the start."""

    def __init__(self, session: Session, config: Config) -> None:
        names = config.instance_type
        self._session = session
        self._config = config
        self._images = _Images(session, config)
        by_codes = {quotas.quota_codes(name, config.spot): name for name in names}
        self._limits = {codes: ask(quotas.read_limit, session, name, config.spot) for codes, name in by_codes.items()}
        # Never refused; each of its questions has a deadline of its own.
        self._other_quotas = ask(
            quotas.other_quotas, session, config.endpoint.instance_type, within_seconds=DEADLINE_SECONDS + 2
        )
        self._types = ask(ec2.instance_types, session, names)
        self._instances = ask(ec2.instances, session)
        self._zones = ask(ec2.zones, session)
        self._offerings = ask(ec2.offerings, session, names)
        self._spot_prices = ask(prices.spot_prices, session, names)
        self._spot_scores = ask(spot.placement_scores, session, names, config.nodes)
        # Each counts against the quota of its own kind only.
        self._reservations = None if config.spot else ask(claims.capacity_reservations, session)
        self._requests = ask(claims.spot_requests, session) if config.spot else None
        self._cloud9 = ask(cloud9.access, session) if config.cloud9 else None

    def facts(self, everywhere: _Everywhere) -> Facts:
        """Wait for the answers, each for as long as its question may take."""
        running = self._instances.result()
        types = self._types.result()
        others = self._other_quotas.result()
        return replace(
            everywhere.facts(self._config),
            zones=self._zones.result(),
            types=types,
            offerings=self._offerings.result(),
            quotas=self._quotas(running),
            images=self._images.by_type(types),
            configured_image=self._images.configured(),
            instances=running if isinstance(running, Unknown) else tuple(running),
            spot_prices=self._spot_prices.result(),
            spot_scores=self._spot_scores.result(),
            other_quotas={} if isinstance(others, Unknown) else others,
            cloud9=self._cloud9.result() if self._cloud9 else NOT_ASKED,
            seconds_away=self._session.quickest_seconds,
        )

    def _quotas(self, running: list[Instance] | Unknown) -> dict[str, Quota]:
        reservations = self._reservations.result() if self._reservations else ()
        requests = self._requests.result() if self._requests else ()
        found = {}
        for name in self._config.instance_type:
            limit = self._limits[quotas.quota_codes(name, self._config.spot)].result()
            if isinstance(limit, Unknown):
                title = quotas.quota_name(name, self._config.spot)
                limit = Quota(code="", name=title, region=self._config.region, reason=limit.reason)
            found[name] = quotas.with_usage(limit, running, reservations, requests)
        return found


class _Images:
    """The image of each type, asked for before AWS has told the type's architecture."""

    def __init__(self, session: Session, config: Config) -> None:
        self._candidates: dict[tuple[str, str], tuple[catalogue.Image, ...]] = {}
        # Types that share their candidates share the question.
        self._asked: dict[tuple[catalogue.Image, ...], Answer[MachineImage]] = {}
        for name in config.instance_type:
            for architecture in _architectures(name):
                candidates = () if config.ami else catalogue.images_for(name, architecture)
                self._candidates[name, architecture] = candidates
                if candidates not in self._asked:
                    self._asked[candidates] = ask(_resolve_image, session, config.ami, candidates)
        # Baked for this project, and so better than any other that fits.
        self._baked = None if config.ami else ask(own_images.newest_usable, session, config.project.name)
        self._configured = self._asked.get(()) if config.ami else None

    def configured(self) -> MachineImage | Unknown:
        """Return the image of `ami`."""
        return self._configured.result() if self._configured else NOT_ASKED

    def by_type(self, types: Mapping[str, InstanceType] | Unknown) -> dict[str, MachineImage | Unknown]:
        """Return the image of each type that exists; where that is unknown, of each by its likelier architecture."""
        found: dict[str, MachineImage | Unknown] = {}
        baked = self._baked.result() if self._baked else None
        for (name, architecture), candidates in self._candidates.items():
            if isinstance(types, Unknown):
                is_wanted = name not in found
            else:
                is_wanted = name in types and types[name].architecture == architecture
            if is_wanted:
                has_gpu = isinstance(types, Unknown) or types[name].has_gpu
                if isinstance(baked, MachineImage) and images.fits(baked, name, architecture, has_gpu=has_gpu):
                    found[name] = baked
                else:
                    found[name] = self._asked[candidates].result()
        return found


def _architectures(instance_type: str) -> tuple[str, ...]:
    """Return what processor a type may have, the likelier first; the table knows that of most types with a GPU."""
    known = [item.arch for item in hardware_table() if item.name == instance_type]
    return tuple(known) or ("x86_64", "arm64")


def _resolve_image(session: Session, ami: str, candidates: tuple[catalogue.Image, ...]) -> MachineImage:
    return images.resolve_named(session, ami) if ami else images.resolve(session, candidates)


def _gather_home(session: Session, config: Config) -> Facts:
    """Return what a region that every account may use tells about the configured one."""
    home = session.elsewhere(home_region(config.region))
    identity, regions = ask(home.identity), ask(ec2.regions, home)
    return Facts(config=config, identity=identity.result(), regions=regions.result())


def _is_enabled(facts: Facts) -> bool:
    return not isinstance(facts.regions, Unknown) and facts.regions.get(facts.config.region, False)
