"""A stage for failures: one project folder with a local cloud, where a row of docs/errors.md is played."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from error_table import Row
from local_shell import Answer, Shell


@dataclass(frozen=True)
class Played:
    """What a row's command said, and AWS's names of the calls that it made, in their order."""

    answer: Answer
    requests: tuple[str, ...]


class Rehearsal:
    """A user's folder and its local cloud; between the rows there are no faults."""

    def __init__(self, folder: Path) -> None:
        self.shell = Shell(folder)
        self.shell("local", "start")

    def play(self, row: Row) -> Played:
        """Put the row's faults in force, type its command, and take them back."""
        named = any(setting.startswith("name =") for setting in row.settings)
        settings = row.settings if named else ('name = "fish"', *row.settings)
        (self.shell.folder / "deployer.toml").write_text("\n".join(settings) + "\n")
        quotas = self._quotas() if any(command[0] == "quota" for command in row.rehearsal) else {}
        log = self.shell.folder / ".deployer" / "local" / "requests.log"
        try:
            for command in row.rehearsal:
                self.shell("local", *command)
            begin = log.stat().st_size
            answer = self.shell(*row.command, expect=None)
            lines = log.read_bytes()[begin:].decode().splitlines()
        finally:
            self.shell("local", "fault", "clear")
            for _, _, code, *_ in (command for command in row.rehearsal if command[0] == "quota"):
                self.shell("local", "quota", "set", code, quotas[code])
            # As if ten minutes had gone by: a place that one row found empty is tried last in the next.
            (self.shell.folder / ".deployer" / "attempts-local.json").unlink(missing_ok=True)
        return Played(answer, tuple(line.split()[-2] for line in lines))

    def machines(self) -> list[str]:
        """Return the ids of what bills by the hour: instances, their disks, and open requests for them."""
        ec2 = self.aws("ec2")
        instances = [item for group in ec2.describe_instances()["Reservations"] for item in group["Instances"]]
        requests = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
        return [
            *(item["InstanceId"] for item in instances if item["State"]["Name"] not in {"shutting-down", "terminated"}),
            *(item["VolumeId"] for item in ec2.describe_volumes()["Volumes"]),
            *(item["SpotInstanceRequestId"] for item in requests if item["State"] in {"open", "active"}),
        ]

    def aws(self, service: str, region: str = "us-east-1") -> Any:
        """Return plain boto3, to arrange what a row is about and to look what is left."""
        environment = self.shell("local", "env", "--json").json()["environment"]
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )

    def end(self) -> None:
        """Remove what the rows have begun, and see that nothing is left of it."""
        deployments = self.shell.folder / ".deployer" / "deployments" / "local"
        try:
            for folder in sorted(deployments.iterdir()) if deployments.exists() else []:
                assert "nothing is left" in self.shell("--name", folder.name, "down", "--yes").stdout
        finally:
            self.shell("local", "stop")

    def _quotas(self) -> dict[str, str]:
        listed = self.shell("local", "quota", "list", "--json").json()["quotas"]
        return {item["code"]: str(item["value"]) for item in listed}
