"""What Terraform's root module is given: the configuration, the candidate, and what the account already has."""

from __future__ import annotations

import ipaddress
from typing import Any

from ami import catalogue, first_boot
from deployer import cost, placement
from deployer.aws import address, cloud9, iam, s3
from deployer.aws.images import MachineImage
from deployer.aws.session import Session
from deployer.config import Config
from deployer.deployment import record as records
from deployer.deployment.mend import bucket_name
from deployer.deployment.reporter import Reporter
from deployer.errors import AwsError
from deployer.placement import Candidate
from deployer.remote import ssh
from deployer.terraform import Terraform

# AWS fixes this name: Cloud9's service-linked role may pass no other. docs.aws.amazon.com/cloud9, ec2-ssm
CLOUD9_ROLE = "AWSCloud9SSMAccessRole"


def tf_variables(
    config: Config,
    account: str,
    candidate: Candidate,
    session: Session,
    terraform: Terraform,
    reporter: Reporter,
) -> dict[str, Any]:
    """Return the variables of the root module for one candidate; makes the deployment's SSH key on the first call."""
    folder = records.prepare(config)
    known = terraform.resources()
    bucket = bucket_name(config, account)
    return {
        "name": config.name,
        "region": config.region,
        "deployment_id": records.deployment_id(config),
        "instance_type": candidate.instance_type,
        "availability_zone": candidate.availability_zone,
        "node_count": config.nodes,
        "spot": config.spot,
        "ami_id": candidate.image.ami_id,
        "root_volume_gb": placement.root_volume_gb(config, candidate.image),
        "user_data": first_boot.render(max_hours=config.max_hours, image=_catalogued(candidate.image)),
        "ssh_public_key": ssh.generate_key(folder / "id_ed25519"),
        "allowed_cidr": _block(config.allowed_cidr) or address.caller_cidr(),
        "allow_cpu_instance": config.allow_cpu,
        "bucket_name": bucket,
        # It outlived an earlier `down --keep-bucket`: it exists, and Terraform does not know it.
        "adopt_bucket": "module.bucket.aws_s3_bucket.this" not in known and s3.bucket_exists(session, bucket),
        **(_cloud9(session, known, reporter) if config.cloud9 else {"cloud9_enabled": False}),
    }


def price(config: Config, candidate: Candidate) -> cost.Cost:
    """Return what the deployment costs as this candidate."""
    disk = placement.root_volume_gb(config, candidate.image)
    return cost.hourly(candidate, nodes=config.nodes, root_volume_gb=disk, max_hours=config.max_hours)


def _block(cidr: str) -> str:
    """Return a block as AWS writes it, without the bits of a host: 203.0.113.7/24 is 203.0.113.0/24."""
    return str(ipaddress.ip_network(cidr, strict=False)) if cidr else ""


def _catalogued(image: MachineImage) -> catalogue.Image | None:
    return catalogue.named(image.catalogue_name) if image.catalogue_name else None


def _cloud9(session: Session, known: tuple[str, ...], reporter: Reporter) -> dict[str, Any]:
    """Return the Cloud9 variables: off with a clear word where the account has none, since the rest works without."""
    try:
        is_open = cloud9.is_open(session)
        why = f"AWS closed Cloud9 to accounts that did not use it before 2024-07-25, or {session.region} has none"
    except AwsError as error:
        is_open, why = False, error.message
    if not is_open:
        reporter.warn(f"No Cloud9 environment: {why}. VS Code Remote-SSH works with `deployer ssh-config` instead.")
        return {"cloud9_enabled": False}
    ours = any(item.startswith("module.cloud9") and "aws_iam_role.ssm" in item for item in known)
    return {"cloud9_enabled": True, "cloud9_create_role": ours or not iam.role_exists(session, CLOUD9_ROLE)}
