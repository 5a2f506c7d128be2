"""Provision: check, then Terraform candidate by candidate, then wait until the hosts can work."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from deployer import cost, preflight
from deployer.aws import ec2, prices
from deployer.aws.session import Session
from deployer.config import Config
from deployer.deployment import record as records
from deployer.deployment.launch import Launch, Launched
from deployer.deployment.mend import initialise, mend, settle
from deployer.deployment.reach import make_reachable
from deployer.deployment.record import Node, Record
from deployer.deployment.reporter import Reporter
from deployer.deployment.survey import Survey, survey
from deployer.deployment.variables import has_cloud9, price, tf_variables
from deployer.errors import AwsError, Busy, Interrupted, PreflightFailed, TerraformError
from deployer.placement import Candidate
from deployer.preflight import Finding, Unknown
from deployer.terraform import Change, Terraform


@dataclass(frozen=True, kw_only=True)
class UpPlan:
    """What `up` will do; `--dry-run` prints this value, the real run carries it out."""

    config: Config
    survey: Survey
    candidates: tuple[Candidate, ...]
    cost: cost.Cost
    changes: tuple[Change, ...] = ()

    @property
    def running(self) -> bool:
        """Say whether the machines are there already, so that there is nothing to agree to."""
        return any(item.state in {"pending", "running"} for item in self.survey.facts.existing)


@dataclass(frozen=True, kw_only=True)
class UpResult:
    """A deployment that is ready: what it is, and what it costs."""

    record: Record
    changed: int
    seconds: float
    usd_at_most: float | None = None


def plan_up(config: Config, session: Session, reporter: Reporter, *, preview: bool = False) -> UpPlan:
    """Decide where to launch. With `preview`, ask Terraform too what it would change. Raises PreflightFailed."""
    is_known_here = (records.prepare(config) / "id").exists()
    terraform = Terraform(config.state_directory / "terraform")
    settle(terraform, reporter)
    with reporter.step("Checking the account and preparing Terraform") as step, ThreadPoolExecutor(1) as pool:
        ready = pool.submit(initialise, terraform, config)
        found = survey(config, session)
        step.progress(0, 0, "Terraform's provider")
        if found.facts.existing and not is_known_here:
            raise _made_elsewhere(config, found)
        if found.can_launch:
            ready.result()
    candidates = _keep_running(found, session, reporter) or found.candidates
    if not candidates:
        raise PreflightFailed(_why_not(found.findings), hint=_what_helps(found.findings))
    hourly = price(config, candidates[0], has_cloud9=has_cloud9(found.facts))
    plan = UpPlan(config=config, survey=found, candidates=tuple(candidates), cost=hourly)
    if not preview:
        return plan
    with reporter.step("Asking Terraform what it would change"):
        changes = terraform.plan(tf_variables(config, found.facts, candidates[0], session, terraform))
    return replace(plan, changes=changes)


def up(plan: UpPlan, session: Session, reporter: Reporter, *, wait_seconds: float = 0.0) -> UpResult:
    """Carry out the plan: apply, then wait for SSH and a machine that can train. Raises what stopped it.

    Where no candidate can be had, go on trying for `wait_seconds`.
    """
    started = time.monotonic()
    config = plan.config
    terraform = Terraform(
        config.state_directory / "terraform",
        on_interrupt=lambda: reporter.note("Stopping Terraform: it ends what it has begun and saves its state …"),
    )
    try:
        with records.unfinished(config) as cut_short:
            if cut_short:
                mend(config, plan.survey.facts.account, terraform, session, reporter)
            launched = _launch(plan, terraform, session, reporter, wait_seconds)
        record = _remember(plan, launched, reporter)
        record = make_reachable(config, record, session, reporter)
    except (KeyboardInterrupt, Interrupted):
        raise Interrupted("Interrupted: " + _what_exists(terraform, config), hint=_AFTER_INTERRUPT) from None
    except (TerraformError, AwsError):
        reporter.warn(f"It stopped on the way: {_what_exists(terraform, config)} {_AFTER_INTERRUPT}")
        raise
    records.write(config, record)
    seconds = time.monotonic() - started
    most = _at_most(config, launched, record)
    return UpResult(record=record, changed=launched.changed, seconds=seconds, usd_at_most=most)


_AFTER_INTERRUPT = "`deployer up` completes it; `deployer down` removes it."


def _keep_running(found: Survey, session: Session, reporter: Reporter) -> tuple[Candidate, ...]:
    """Return the one candidate that instances of this deployment already run as, so that nothing is replaced."""
    running = [item for item in found.facts.existing if item.state in {"pending", "running"}]
    if not running:
        return ()
    kept = running[0]
    same = [
        item
        for item in found.candidates
        if (item.instance_type, item.availability_zone) == (kept.instance_type, kept.availability_zone)
    ]
    if same:
        return (same[0],)
    if not found.candidates:
        return ()
    reporter.warn(
        f"{kept.id} already runs as {kept.instance_type} in {kept.availability_zone} and stays so; "
        "to change that, run `deployer down` first."
    )
    zones = found.facts.zones
    zone = None if isinstance(zones, Unknown) else ec2.find_zone(zones, kept.availability_zone)
    known = {} if kept.is_spot else prices.on_demand_prices(session, [kept.instance_type])
    price = known.get(kept.instance_type)
    return (
        Candidate(
            instance_type=kept.instance_type,
            availability_zone=kept.availability_zone,
            zone_id=zone.id if zone else "",
            image=found.candidates[0].image,
            usd_per_hour=price.usd_per_hour if price else None,
            usd_per_hour_at_most=price.usd_per_hour if price else None,
            price_source=f"{price.source}, {price.as_of}" if price else "",
        ),
    )


def _launch(plan: UpPlan, terraform: Terraform, session: Session, reporter: Reporter, wait_seconds: float) -> Launched:
    variables = tf_variables(plan.config, plan.survey.facts, plan.candidates[0], session, terraform)
    account = plan.survey.facts.account
    launch = Launch(plan.config, account, variables, terraform, reporter, keeps_machines=plan.running)
    return launch.run(plan.candidates, wait_seconds=wait_seconds)


def _remember(plan: UpPlan, launched: Launched, reporter: Reporter) -> Record:
    config, candidate, outputs = plan.config, launched.candidate, launched.outputs
    many = len(outputs["instance_ids"]) > 1
    nodes = tuple(
        Node(
            alias=f"{config.name}-{index}" if many else config.name,
            instance_id=instance_id,
            instance_type=instance_type,
            availability_zone=zone,
            public_ip=public_ip,
        )
        for index, (instance_id, instance_type, zone, public_ip) in enumerate(
            zip(
                outputs["instance_ids"],
                outputs["instance_types"],
                outputs["availability_zones"],
                outputs["public_ips"],
                strict=True,
            )
        )
    )
    created, max_hours = _lifetime(config, nodes)
    if max_hours != config.max_hours:
        reporter.warn(
            f"The machine still ends by itself after {max_hours:g} h, not {config.max_hours:g}: its deadline was set "
            "at its first boot. ami/README.md says how to move it there; `deployer down` and `up` sets a new one."
        )
    record = Record(
        name=config.name,
        cloud=config.cloud,
        region=config.region,
        account=plan.survey.facts.account,
        bucket=outputs["bucket_name"],
        nodes=nodes,
        user=config.ssh_user or candidate.image.user,
        pythons=(candidate.image.python, "python3"),
        spot=config.spot,
        usd_per_hour=price(config, candidate, has_cloud9=launched.has_cloud9).total,
        created=created,
        max_hours=max_hours,
        project=str(config.project),
    )
    records.write(config, record)
    return record


def _at_most(config: Config, launched: Launched, record: Record) -> float | None:
    """Return the most that the machines can cost until they end by themselves, by the deadline that they have."""
    bill = price(config, launched.candidate, has_cloud9=launched.has_cloud9)
    return None if bill.per_max_hours is None else bill.per_max_hours / bill.max_hours * record.max_hours


def _lifetime(config: Config, nodes: Sequence[Node]) -> tuple[float, float]:
    """Return when the nodes were launched and for how many hours: what the record that knows them says, or now."""
    try:
        before = json.loads((config.state_directory / "deployment.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return time.time(), config.max_hours
    known = {node["instance_id"] for node in before["nodes"]}
    if known & {node.instance_id for node in nodes}:
        return float(before["created"]), float(before["max_hours"])
    return time.time(), config.max_hours


def _what_exists(terraform: Terraform, config: Config) -> str:
    made = terraform.resources()
    if not made:
        return "Terraform knows of nothing that was made."
    machines = [item for item in made if "aws_instance" in item]
    costly = f"{len(machines)} instance(s) among them, which cost money" if machines else "no instance among them"
    return f"{len(made)} resources of {config.name!r} exist, {costly}."


def _why_not(findings: Sequence[Finding]) -> str:
    errors = [item for item in findings if item.level is preflight.Level.ERROR]
    return "Nothing can be launched. " + " ".join(item.message for item in preflight.verdicts(errors))


def _made_elsewhere(config: Config, found: Survey) -> Busy:
    """Without its key and its state we would lock its maker out, or meet each of its names as taken."""
    return Busy(
        f"{found.facts.existing[0].id} of a deployment {config.name!r} exists in {config.region} already, and it was "
        "not made from this folder: neither its key nor its state is here.",
        hint=f"Go on where it was made, or copy {config.state_directory} from there, or choose another --name.",
    )


def _what_helps(findings: Sequence[Finding]) -> str:
    hints = dict.fromkeys(item.hint for item in findings if item.level is preflight.Level.ERROR and item.hint)
    return " ".join([*hints, "`deployer check` shows every zone, quota and price."])
