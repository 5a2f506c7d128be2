"""What `check` answers: the facts of the account, what they mean, and where a launch would be tried."""

from __future__ import annotations

from dataclasses import dataclass

from deployer import placement, preflight
from deployer.aws.session import Session
from deployer.config import Config
from deployer.placement import Candidate
from deployer.preflight import Facts, Finding


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What `check` found: the facts, what they mean, and where a launch would be tried, in order."""

    facts: Facts
    findings: tuple[Finding, ...]
    candidates: tuple[Candidate, ...]

    @property
    def can_launch(self) -> bool:
        """Say whether anything can be launched."""
        return preflight.can_launch(self.findings)


def survey(config: Config, session: Session) -> Survey:
    """Ask AWS everything that decides whether `config` can be launched; change nothing."""
    facts = preflight.gather(session, config)
    return Survey(
        facts=facts,
        findings=tuple(preflight.check(facts)),
        candidates=tuple(placement.candidates(facts)),
    )
