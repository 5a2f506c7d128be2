"""AWS over HTTP: one local cloud for all tests of these borders, without machines or faults before each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deployer.aws import ec2
from deployer.aws.session import Session
from deployer.localcloud import daemon
from deployer.localcloud.control import ControlClient
from deployer.localcloud.daemon import RunningCloud
from deployer.localcloud.faults import Fault


@pytest.fixture(scope="session")
def running_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    project = tmp_path_factory.mktemp("cloud")
    yield daemon.start(project)
    daemon.stop(project)


@pytest.fixture
def cloud(running_cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> ControlClient:
    """An account without machines or faults; AWS's environment variables lead there."""
    for name in [item for item in os.environ if item.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in running_cloud.environment().items():
        monkeypatch.setenv(name, value)
    # A fault must be seen at once, not after boto3's second and third try.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    control = ControlClient(running_cloud.endpoint)
    control.clear_faults()
    for code in ("L-DB2E81BA", "L-3819A6DF"):
        control.set_quota(code, 64)
    return control


@pytest.fixture(scope="session")
def shared_session() -> Session:
    # Making boto3's clients is most of the time that a test takes.
    return Session("us-east-1")


@pytest.fixture
def session(cloud: ControlClient, shared_session: Session) -> Session:
    """A session whose clients other tests have used: it knows who it is already."""
    return shared_session


@pytest.fixture
def fresh_session(cloud: ControlClient) -> Session:
    """A session that has asked nothing yet."""
    return Session("us-east-1")


@pytest.fixture(autouse=True)
def no_machines(cloud: ControlClient, session: Session) -> Iterator[None]:
    """Leave no machine to the next test."""
    yield
    cloud.clear_faults()
    machines = [item.id for item in ec2.instances(session)]
    if machines:
        session.client("ec2").terminate_instances(InstanceIds=machines)


@pytest.fixture
def ec2_client(session: Session) -> Any:
    """Plain boto3, to arrange what the code under test then reads."""
    return session.client("ec2")


@pytest.fixture
def refuse(cloud: ControlClient) -> Callable[..., None]:
    """Let calls fail, each with the same error."""

    def put_in_force(*actions: str, code: str = "UnauthorizedOperation", message: str = "") -> None:
        for action in actions:
            cloud.add_fault(Fault(action=action, code=code, message=message))

    return put_in_force


@pytest.fixture
def launch(ec2_client: Any) -> Callable[..., str]:
    """Start a machine with the deployment's tag, and return its id."""

    def start(*, deployment: str = "demo", instance_type: str = "g4dn.xlarge", **options: Any) -> str:
        filters = [{"Name": "name", "Values": ["Deep Learning Base*"]}]
        images = ec2_client.describe_images(Owners=["amazon"], Filters=filters)["Images"]
        tags = [{"Key": "deployer:deployment", "Value": deployment}, {"Key": "Name", "Value": f"deployer-{deployment}"}]
        answer = ec2_client.run_instances(
            ImageId=images[0]["ImageId"],
            InstanceType=instance_type,
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
            **options,
        )
        return str(answer["Instances"][0]["InstanceId"])

    return start
