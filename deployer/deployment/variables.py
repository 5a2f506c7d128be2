"""What Terraform's root module is given: the configuration, the candidate, and what the account already has."""

from __future__ import annotations

import ipaddress
from typing import Any

from ami import first_boot
from deployer import cost, placement
from deployer.aws import address, iam, s3
from deployer.aws.cloud9 import Cloud9Access
from deployer.aws.session import Session
from deployer.config import Config
from deployer.deployment import record as records
from deployer.deployment.mend import bucket_name
from deployer.facts import Facts
from deployer.placement import Candidate
from deployer.remote import ssh
from deployer.terraform import Terraform

# AWS fixes this name: Cloud9's service-linked role may pass no other. docs.aws.amazon.com/cloud9, ec2-ssm
CLOUD9_ROLE = "AWSCloud9SSMAccessRole"
CLOUD9_ENVIRONMENT = "module.cloud9[0].aws_cloud9_environment_ec2.this"


def tf_variables(
    config: Config, facts: Facts, candidate: Candidate, session: Session, terraform: Terraform
) -> dict[str, Any]:
    """Return the variables of the root module for one candidate; makes the deployment's SSH key on the first call."""
    folder = records.prepare(config)
    known = terraform.resources()
    bucket = bucket_name(config, facts.account)
    data_bucket, data_prefix = config.data_bucket or ("", "")
    return {
        "name": config.name,
        "region": config.region,
        "deployment_id": records.deployment_id(config),
        "node_count": config.nodes,
        "spot": config.spot,
        "spot_max_price": config.max_price if config.spot else 0,
        "ssh_public_key": ssh.generate_key(folder / "id_ed25519"),
        "allowed_cidr": _block(config.allowed_cidr) or address.caller_cidr(),
        "allow_cpu_instance": config.allow_cpu,
        "bucket_name": bucket,
        # It outlived an earlier `down --keep-bucket`: it exists, and Terraform does not know it.
        "adopt_bucket": "module.bucket.aws_s3_bucket.this" not in known and s3.bucket_exists(session, bucket),
        "data_bucket": data_bucket,
        "data_prefix": data_prefix,
        **_cloud9(facts, session, known),
        **candidate_variables(config, candidate),
    }


def candidate_variables(config: Config, candidate: Candidate) -> dict[str, Any]:
    """Return those variables that are another candidate's own."""
    return {
        "instance_type": candidate.instance_type,
        "availability_zone": candidate.availability_zone,
        "ami_id": candidate.image.ami_id,
        "root_volume_gb": placement.root_volume_gb(config, candidate.image),
        "user_data": first_boot.render(max_hours=config.max_hours, python=candidate.image.python),
    }


def has_cloud9(facts: Facts) -> bool:
    """Say whether there will be a Cloud9 environment: it is configured, and this account may have one."""
    return facts.config.cloud9 and facts.cloud9 is Cloud9Access.OPEN


def price(config: Config, candidate: Candidate, *, has_cloud9: bool = False) -> cost.Cost:
    """Return what the deployment costs as this candidate."""
    return cost.hourly(
        candidate,
        nodes=config.nodes,
        root_volume_gb=placement.root_volume_gb(config, candidate.image),
        max_hours=config.max_hours,
        has_cloud9=has_cloud9,
    )


def _block(cidr: str) -> str:
    """Return a block as AWS writes it, without the bits of a host: 203.0.113.7/24 is 203.0.113.0/24."""
    return str(ipaddress.ip_network(cidr, strict=False)) if cidr else ""


def _cloud9(facts: Facts, session: Session, known: tuple[str, ...]) -> dict[str, Any]:
    # One that exists stays, also while AWS does not say whether there may be one: somebody works in it.
    if not has_cloud9(facts) and not (facts.config.cloud9 and CLOUD9_ENVIRONMENT in known):
        return {"cloud9_enabled": False}
    ours = any(item.startswith("module.cloud9") and "aws_iam_role.ssm" in item for item in known)
    return {"cloud9_enabled": True, "cloud9_create_role": ours or not iam.role_exists(session, CLOUD9_ROLE)}
