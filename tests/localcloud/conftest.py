"""One real local cloud for all tests of this folder, and machines on it that a test gets with an SSH key.

Each test leaves it as it found it: no instances, no faults, the quotas that it starts with.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from cloud_machines import Machine, describe

from deployer.localcloud import daemon
from deployer.localcloud.control import ControlClient
from deployer.localcloud.quotas import QUOTAS

IMAGE = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"


@pytest.fixture(scope="session")
def local_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[daemon.RunningCloud]:
    """A local cloud that runs for the whole session, in a folder of its own."""
    project = tmp_path_factory.mktemp("local-cloud")
    yield daemon.start(project)
    daemon.stop(project)


@pytest.fixture(scope="session")
def ssh_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The private half of an ed25519 key pair; the public half lies beside it."""
    path = tmp_path_factory.mktemp("key") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@pytest.fixture
def control(local_cloud: daemon.RunningCloud) -> Iterator[ControlClient]:
    """The local cloud's own API; faults and quotas are put back afterwards."""
    client = ControlClient(local_cloud.endpoint)
    yield client
    client.clear_faults()
    for quota in QUOTAS:
        if quota.is_legacy:
            client.unset_quota(quota.code)
        else:
            client.set_quota(quota.code, quota.initial)


@pytest.fixture(scope="session")
def boto_session() -> boto3.Session:
    """One session for all tests: it reads each service's model once."""
    return boto3.Session("AKIALOCALTESTS000000", "no-secret", region_name="us-east-1")


@pytest.fixture
def aws(local_cloud: daemon.RunningCloud, control: ControlClient, boto_session: boto3.Session) -> Callable[..., Any]:
    """Make a boto3 client for a service of the local cloud."""

    def client(service: str, **options: Any) -> Any:
        return boto_session.client(service, endpoint_url=local_cloud.endpoint, **options)

    return client


@pytest.fixture
def launch(
    aws: Callable[..., Any], local_cloud: daemon.RunningCloud, ssh_key: Path
) -> Iterator[Callable[..., Machine]]:
    """Launch an instance and return it running; keywords go to RunInstances, `cloud_config` into its user data."""
    ec2 = aws("ec2")
    image = aws("ssm").get_parameter(Name=IMAGE)["Parameter"]["Value"]
    if not ec2.describe_key_pairs(Filters=[{"Name": "key-name", "Values": ["test"]}])["KeyPairs"]:
        public = ssh_key.with_suffix(".pub").read_bytes()
        ec2.import_key_pair(KeyName="test", PublicKeyMaterial=public)
    ours: list[str] = []

    def run(*, cloud_config: str = "", **options: Any) -> Machine:
        request = {"ImageId": image, "InstanceType": "g4dn.xlarge", "KeyName": "test", "MinCount": 1, "MaxCount": 1}
        if cloud_config:
            options["UserData"] = f"#cloud-config\n{cloud_config}"
        identifier = ec2.run_instances(**(request | options))["Instances"][0]["InstanceId"]
        ours.append(identifier)
        address = describe(ec2, identifier).get("PublicIpAddress", "")
        return Machine(identifier, address, _ssh_options(local_cloud, ssh_key))

    yield run
    if ours:
        ec2.terminate_instances(InstanceIds=ours)


def _ssh_options(cloud: daemon.RunningCloud, key: Path) -> list[str]:
    settings = {
        "IdentityFile": str(key),
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": os.devnull,
        "LogLevel": "ERROR",
        "ConnectTimeout": "10",
    }
    words = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    return ["-F", str(cloud.directory / "ssh_config"), *words]
