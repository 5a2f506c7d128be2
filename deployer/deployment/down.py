"""Tear down: results home first, then every resource, then a look by tag whether anything is left."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import Any

from deployer import artifacts, teardown
from deployer.aws import ec2
from deployer.aws.session import Session
from deployer.config import Config
from deployer.deployment import record as records
from deployer.deployment.mend import bucket_name, initialise, mend, remove_owned, settle
from deployer.deployment.reporter import Reporter
from deployer.errors import DeployerError, Interrupted, NotDeployed, StateLocked, TerraformError
from deployer.remote import ssh
from deployer.remote.job import Jobs
from deployer.teardown import Leftover
from deployer.terraform import Progress, Terraform

CANCEL_GRACE_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class DownResult:
    """What `down` did, and what is still there; `is_made_here` unless another folder or machine made it."""

    destroyed: int
    leftovers: tuple[Leftover, ...]
    kept_bucket: str
    fetched: tuple[str, ...]
    seconds: float
    is_made_here: bool = True


def down(config: Config, session: Session, reporter: Reporter, *, keep_bucket: bool = False) -> DownResult:
    """Destroy the deployment and look by tag for what is left; safe to repeat."""
    started = time.monotonic()
    is_made_here = (records.prepare(config) / "id").exists()
    account = session.identity().account
    bucket = bucket_name(config, account)
    fetched = _bring_home(config, session, reporter)
    terraform = Terraform(
        config.state_directory / "terraform",
        on_interrupt=lambda: reporter.note("Stopping Terraform: it ends what it has begun and saves its state …"),
    )
    destroyed = 0
    settle(terraform, reporter)
    try:
        if config.state.bucket or (terraform.directory / "terraform.tfstate").exists():
            with reporter.step("Preparing Terraform"):
                initialise(terraform, config)
            if records.is_unfinished(config):
                # Terraform could not destroy a network that holds something it does not know.
                mend(config, account, terraform, session, reporter)
            destroyed = _destroy(config, terraform, account, reporter, keep_bucket=keep_bucket)
    except (KeyboardInterrupt, Interrupted):
        left = len(terraform.resources())
        raise Interrupted(
            f"Interrupted: {left} resources of {config.name!r} are still there.", hint="`deployer down` goes on."
        ) from None
    except StateLocked:
        raise
    except TerraformError as error:
        # What Terraform could not destroy goes on costing money: the next steps find it by tag.
        reporter.warn(f"Terraform did not destroy everything: {error.message}")
    leftovers = _look(config, session, account, "" if keep_bucket else bucket, reporter)
    certain = any(item.is_certain for item in leftovers)
    removed = remove_owned(config, account, session, reporter, keep_bucket=keep_bucket) if certain else 0
    if removed:
        leftovers = _look(config, session, account, "" if keep_bucket else bucket, reporter)
    if not leftovers:
        _forget(config, keep_id=keep_bucket)
    return DownResult(
        destroyed=destroyed + removed,
        leftovers=leftovers,
        kept_bucket=bucket if keep_bucket else "",
        fetched=fetched,
        seconds=time.monotonic() - started,
        is_made_here=is_made_here,
    )


def _look(config: Config, session: Session, account: str, bucket: str, reporter: Reporter) -> tuple[Leftover, ...]:
    with reporter.step("Looking for anything left, by tag"):
        return tuple(teardown.find_leftovers(session, config.name, account=account, bucket=bucket))


def _bring_home(config: Config, session: Session, reporter: Reporter) -> tuple[str, ...]:
    """Fetch the results of every job that has not been fetched whole; stop one that still runs, first."""
    try:
        record = records.read(config)
    except NotDeployed:
        return ()
    if not any(item.state == "running" for item in ec2.instances(session, config.name)):
        return ()
    host = records.host(config, record, record.nodes[0])
    brought = []
    try:
        with (
            reporter.step("Bringing home what was not fetched") as step,
            ssh.Connection(host) as connection,
            Jobs(host) as jobs,
        ):
            for status in jobs.list():
                if not status.state.is_terminal:
                    step.say(f"stopping {status.job}")
                    jobs.cancel(status.job, grace_seconds=CANCEL_GRACE_SECONDS)
                folder = config.runs_directory / status.job
                if artifacts.is_fetched(folder):
                    continue
                artifacts.fetch(connection, status.job, into=folder, on_progress=lambda *_: None)
                brought.append(status.job)
            step.say(", ".join(brought) or "everything is here already")
    except DeployerError as error:
        reporter.warn(f"Results on the host, if there are any, could not be brought home: {error}")
    return tuple(brought)


def _destroy(config: Config, terraform: Terraform, account: str, reporter: Reporter, *, keep_bucket: bool) -> int:
    if keep_bucket and any(item.startswith("module.bucket.") for item in terraform.resources()):
        terraform.forget("module.bucket")
    destroyed = 0
    with reporter.step("Terraform destroy") as step:

        def show(progress: Progress) -> None:
            nonlocal destroyed
            destroyed = progress.done
            text = f"{progress.address} ({progress.seconds:.0f} s)" if progress.address else "planning"
            step.progress(progress.done, progress.total, text)

        terraform.destroy(_variables(config, account, terraform), show)
    return destroyed


def _variables(config: Config, account: str, terraform: Terraform) -> dict[str, Any] | None:
    """Return None where the variables of the last `up` are at hand; else what a destroy needs to be well-formed."""
    if terraform.saved_variables() is not None:
        return None
    return {
        "name": config.name,
        "region": config.region,
        "instance_type": config.instance_type[0],
        "availability_zone": f"{config.region}a",
        "ami_id": "ami-00000000000000000",
        "root_volume_gb": 100,
        "user_data": "",
        "ssh_public_key": ssh.generate_key(config.state_directory / "id_ed25519"),
        "allowed_cidr": "127.0.0.1/32",
        "allow_cpu_instance": True,
        "bucket_name": bucket_name(config, account),
    }


def _forget(config: Config, *, keep_id: bool) -> None:
    """Remove what this machine remembers; the id stays where the bucket does, since it tells whose that is."""
    own_id = records.deployment_id(config)
    shutil.rmtree(config.state_directory, ignore_errors=True)
    if keep_id:
        records.remember_id(config, own_id)
