"""Facts as AWS gives them, to take apart in the tests of preflight and placement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from deployer.aws.ec2 import Instance, InstanceType, Zone
from deployer.aws.images import MachineImage
from deployer.aws.prices import Price
from deployer.aws.quotas import Quota
from deployer.aws.session import Identity
from deployer.config import Config
from deployer.errors import AccessDenied
from deployer.facts import Facts, Unknown

ZONES = (Zone("us-east-1a", "use1-az4"), Zone("us-east-1b", "use1-az6"), Zone("us-east-1c", "use1-az1"))

G4DN = InstanceType(
    name="g4dn.xlarge",
    vcpus=4,
    memory_mib=16384,
    gpus=1,
    gpu_name="T4",
    gpu_manufacturer="NVIDIA",
    gpu_memory_mib=16384,
)
G5 = replace(G4DN, name="g5.xlarge", gpu_name="A10G", gpu_memory_mib=22888)

IMAGE = MachineImage(
    ami_id="ami-0d1a0000000000001",
    name="Deep Learning OSS Nvidia Driver AMI GPU PyTorch 2.10 (Ubuntu 24.04) 20261001",
    description="Supported EC2 instances: G4dn, G5, G6.",
    root_device="/dev/sda1",
    snapshot_gb=75,
    architecture="x86_64",
    supported_families=frozenset({"g4dn", "g5", "g6"}),
    user="ubuntu",
    python="/opt/pytorch/bin/python",
)

G_QUOTA = Quota(code="L-DB2E81BA", name="Running On-Demand G and VT instances", region="us-east-1", value=64.0, used=0)


def config(**values: Any) -> Config:
    """Return a configuration with two candidates, g4dn.xlarge before g5.xlarge."""
    return Config(**({"name": "demo", "instance_type": ("g4dn.xlarge", "g5.xlarge")} | values))


def facts(**values: Any) -> Facts:
    """Return the facts of an account where everything is fine, with `values` in their place."""
    return Facts(
        **(
            {
                "config": config(),
                "identity": Identity(account="123456789012", arn="arn:aws:iam::123456789012:user/ada"),
                "regions": {"us-east-1": True, "us-west-2": True, "ap-east-1": False},
                "zones": ZONES,
                "types": {"g4dn.xlarge": G4DN, "g5.xlarge": G5},
                "offerings": {
                    "g4dn.xlarge": frozenset({"us-east-1a", "us-east-1b"}),
                    "g5.xlarge": frozenset({"us-east-1b", "us-east-1c"}),
                },
                "quotas": {"g4dn.xlarge": G_QUOTA, "g5.xlarge": G_QUOTA},
                "images": {"g4dn.xlarge": IMAGE, "g5.xlarge": IMAGE},
                "instances": (),
                "prices": {"g4dn.xlarge": Price(usd_per_hour=0.526, source="table", as_of="2026-07-20")},
                "spot_prices": {},
            }
            | values
        )
    )


def denied(action: str) -> Unknown:
    """Return the answer to a question that the credentials may not ask."""
    error = AccessDenied(f"These credentials may not do {action}.", code="UnauthorizedOperation", operation=action)
    return Unknown(error.message, action, error)


def instance(**values: Any) -> Instance:
    """Return a machine of the deployment that runs."""
    return Instance(
        **(
            {
                "id": "i-1",
                "instance_type": "g4dn.xlarge",
                "availability_zone": "us-east-1b",
                "state": "running",
                "vcpus": 4,
                "deployment": "demo",
            }
            | values
        )
    )
