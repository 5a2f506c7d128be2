"""What `check` answers: the facts of the account, what they mean, and where a launch would be tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from deployer import cost, placement, preflight, selection
from deployer.aws.cloud9 import Cloud9Access
from deployer.aws.session import Session
from deployer.config import Config
from deployer.deployment.board import Board, make_board
from deployer.distance import km_between
from deployer.errors import AwsError
from deployer.facts import Facts, Unknown, gather_regions
from deployer.placement import Candidate
from deployer.preflight import Finding, Level
from deployer.preflight.account import check_region


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What `check` found in one region: the facts, what they mean, and where a launch would be tried, in order."""

    facts: Facts
    findings: tuple[Finding, ...]
    candidates: tuple[Candidate, ...]

    @property
    def can_launch(self) -> bool:
        """Say whether anything can be launched: there is a place to try, and nothing is known against it."""
        return bool(self.candidates) and preflight.can_launch(self.findings)

    @property
    def board(self) -> Board:
        """Return the facts as type × zone."""
        return make_board(self.facts, self.candidates)

    @property
    def cost(self) -> cost.Cost | None:
        """Return what the next candidate costs per hour; None without one."""
        if not self.candidates:
            return None
        first, config = self.candidates[0], self.facts.config
        disk = placement.root_volume_gb(config, first.image)
        return cost.hourly(
            first,
            nodes=config.nodes,
            root_volume_gb=disk,
            max_hours=config.max_hours,
            has_cloud9=config.cloud9 and self.facts.cloud9 is Cloud9Access.OPEN,
        )


@dataclass(frozen=True, kw_only=True)
class Way:
    """How far a region is from the data: km where both places are known, else the seconds of its first answer."""

    region: str
    km: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What `check` found in several regions, the nearest to the data first.

    `data_region` is empty where the data is on this machine, or where its place could not be read.
    """

    surveys: tuple[Survey, ...]
    ways: tuple[Way, ...]
    data_region: str

    @property
    def can_launch(self) -> bool:
        """Say whether anything can be launched anywhere."""
        return any(item.can_launch for item in self.surveys)


def survey(config: Config, session: Session, *, is_shortlist: bool = False) -> Survey:
    """Ask AWS everything that decides whether `config` can be launched; change nothing.

    With `is_shortlist` the types were chosen by their hardware, and only those that the region has are looked at.
    """
    return _judge(preflight.gather(session, config), is_shortlist)


def compare(config: Config, session: Session, regions: Sequence[str], *, is_shortlist: bool = False) -> Comparison:
    """Ask the same of several regions at once, of `("all",)` those that the account may use."""
    # A zone belongs to one region: to insist on it would leave nothing to compare.
    found = gather_regions(session, replace(config, availability_zone=""), regions)
    return arrange({region: _judge(facts, is_shortlist) for region, facts in found.items()})


def require_region(config: Config, regions: Mapping[str, bool] | Unknown) -> None:
    """Raise AwsError where the region of the configuration does not exist, or is not enabled; pure."""
    if isinstance(regions, Unknown):
        return
    for item in check_region(Facts(config=config, regions=regions)):
        if item.level is Level.ERROR:
            raise AwsError(item.message, hint=item.hint, code="NoSuchRegion")


def arrange(surveys: Mapping[str, Survey]) -> Comparison:
    """Put surveys in the order of their distance to the data; pure."""
    locations = [item.facts.data for item in surveys.values() if not isinstance(item.facts.data, Unknown)]
    data_region = locations[0].region if locations else ""
    ways = sorted((_way(item.facts, data_region) for item in surveys.values()), key=_length)
    return Comparison(surveys=tuple(surveys[way.region] for way in ways), ways=tuple(ways), data_region=data_region)


def _judge(facts: Facts, is_shortlist: bool) -> Survey:
    facts = selection.narrow(facts) if is_shortlist else facts
    return Survey(
        facts=facts,
        findings=tuple(preflight.check(facts)),
        candidates=tuple(placement.candidates(facts)),
    )


def _way(facts: Facts, data_region: str) -> Way:
    """Return how far a region is; of one that may not be used, nothing was measured."""
    region = facts.config.region
    is_usable = isinstance(facts.regions, Unknown) or facts.regions.get(region, False)
    return Way(
        region=region,
        km=km_between(region, data_region) if data_region else None,
        seconds=facts.seconds_away if is_usable else None,
    )


def _length(way: Way) -> tuple[float, float, str]:
    """Sort by what is known: km from the data, then seconds from here, then the name."""
    return (_or_last(way.km), _or_last(way.seconds), way.region)


def _or_last(value: float | None) -> float:
    return float("inf") if value is None else value
