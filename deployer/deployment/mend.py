"""After a Terraform that was killed: remove what it made and did not write down, found by our own id."""

from __future__ import annotations

from deployer.aws import removal, s3
from deployer.aws.removal import Owned
from deployer.aws.session import Session
from deployer.config import Config
from deployer.deployment import record as records
from deployer.deployment.reporter import Reporter
from deployer.errors import ConfigError
from deployer.terraform import Terraform

INTERNET_ROUTE = "module.network.aws_route.internet"  # has neither tag nor id

# These two and the key pair share one name, so that only their address tells which of them Terraform knows.
NAMED = {
    "role": "module.access.aws_iam_role.this",
    "instance-profile": "module.access.aws_iam_instance_profile.this",
}


def bucket_name(config: Config, account: str) -> str:
    """Return the deployment's bucket: unique in the world by the account, and at most 63 characters."""
    return f"deployer-{config.name}-{account}-{config.region}"


def identity_name(config: Config) -> str:
    """Return the name of the role, the instance profile and the key pair."""
    return f"deployer-{config.name}-{config.region}"


def initialise(terraform: Terraform, config: Config) -> None:
    """Make Terraform ready to work. Raises ConfigError where the bucket for its state is not there."""
    state = config.state
    if state.bucket and not s3.bucket_exists(Session(state.region or config.region), state.bucket):
        region = state.region or config.region
        raise ConfigError(
            f"The bucket {state.bucket} for Terraform's state ([state] bucket) does not exist.",
            hint=f"Make it once: `aws s3 mb s3://{state.bucket} --region {region}`, with versioning switched on.",
        )
    terraform.init(state, state_key=f"deployer/{config.name}.tfstate", region=config.region)


def settle(terraform: Terraform, reporter: Reporter) -> None:
    """Let a Terraform whose deployer was killed come to its end, before anything it makes is looked at."""
    terraform.settle(
        lambda: reporter.note("The Terraform of a killed command is still at work. Stopping it: it saves its state …")
    )


def mend(config: Config, account: str, terraform: Terraform, session: Session, reporter: Reporter) -> None:
    """Remove what carries our id and Terraform does not know; the bucket stays, since the next apply takes it over."""
    addresses = terraform.resources()
    known = terraform.identifiers() | {kind for kind, address in NAMED.items() if address in addresses}
    owned = _owned(config, account, session)
    tables = [item.id for item in owned if item.kind == "route-table" and item.id in known]
    removal.unhook(session, tables, known, keep_routes=INTERNET_ROUTE in addresses)
    lost = [
        item for item in owned if item.kind != "bucket" and (item.kind if item.kind in NAMED else item.id) not in known
    ]
    if lost:
        _remove(session, lost, reporter)


def remove_owned(
    config: Config, account: str, session: Session, reporter: Reporter, *, keep_bucket: bool = False
) -> int:
    """Remove everything that carries our id; return how much that was."""
    found = [item for item in _owned(config, account, session) if not (keep_bucket and item.kind == "bucket")]
    return _remove(session, found, reporter) if found else 0


def _owned(config: Config, account: str, session: Session) -> list[Owned]:
    return removal.find_owned(
        session,
        records.deployment_id(config),
        identity=identity_name(config),
        bucket=bucket_name(config, account),
    )


def _remove(session: Session, lost: list[Owned], reporter: Reporter) -> int:
    removed: list[Owned] = []
    with reporter.step("Removing what Terraform does not know, by this deployment's id") as step:

        def tell(item: Owned) -> None:
            removed.append(item)
            step.say(f"{item.kind} {item.id}")

        removal.remove(session, lost, tell)
    return len(removed)
