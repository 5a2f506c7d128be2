"""AWS Cloud9's environments, a service that moto does not have."""

from __future__ import annotations

import sys
import uuid
from typing import Any

from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse

from deployer.localcloud.services import register


class NotFoundError(ServiceException):
    """There is no such environment."""

    code = "NotFoundException"


class Environment:
    """One environment; what EC2 would run for it is not emulated."""

    def __init__(self, wanted: dict[str, Any], *, account: str, region: str) -> None:
        self.id = uuid.uuid4().hex
        self.token = wanted.get("clientRequestToken")
        self.arn = f"arn:aws:cloud9:{region}:{account}:environment:{self.id}"
        self.tags = {tag["Key"]: tag["Value"] for tag in wanted.get("tags", [])}
        self.facts = {
            "id": self.id,
            "arn": self.arn,
            "name": wanted["name"],
            "description": wanted.get("description", ""),
            "type": "ec2",
            "connectionType": wanted.get("connectionType", "CONNECT_SSH"),
            "ownerArn": wanted.get("ownerArn") or f"arn:aws:iam::{account}:root",
            "lifecycle": {"status": "CREATED"},
            "managedCredentialsStatus": "ENABLED_ON_CREATE",
        }


class Cloud9Backend(BaseBackend):
    """The environments of one account in one region."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.environments: dict[str, Environment] = {}

    @property
    def _url_module(self) -> Any:  # moto looks for a neighbour called urls.py
        return sys.modules[__name__]

    def environment(self, environment_id: str) -> Environment:
        """Return an environment by its id."""
        if environment_id not in self.environments:
            raise NotFoundError(f"Environment {environment_id} does not exist.")
        return self.environments[environment_id]

    def by_arn(self, arn: str) -> Environment:
        """Return an environment by its ARN."""
        return self.environment(arn.rpartition(":")[2])


cloud9_backends = BackendDict(Cloud9Backend, "cloud9")


class Cloud9Response(BaseResponse):
    """The API; botocore's model of it reads the requests and writes the answers."""

    def __init__(self) -> None:
        super().__init__(service_name="cloud9")
        self.automated_parameter_parsing = True

    @property
    def backend(self) -> Cloud9Backend:
        """The environments that this request is about."""
        return cloud9_backends[self.current_account][self.region]

    def create_environment_e_c2(self) -> ActionResult:  # moto's spelling of CreateEnvironmentEC2
        """Create an environment; the same token again gives the same environment."""
        token = self.params.get("clientRequestToken")
        for known in self.backend.environments.values():
            if token and known.token == token:
                return ActionResult({"environmentId": known.id})
        environment = Environment(dict(self.params), account=self.current_account, region=self.region)
        self.backend.environments[environment.id] = environment
        return ActionResult({"environmentId": environment.id})

    def describe_environments(self) -> ActionResult:
        """Return the facts of the environments asked for."""
        asked = self.params.get("environmentIds", [])
        return ActionResult({"environments": [self.backend.environment(one).facts for one in asked]})

    def describe_environment_status(self) -> ActionResult:
        """Say that the environment is ready."""
        self.backend.environment(self.params["environmentId"])
        return ActionResult({"status": "ready", "message": "Environment is ready to use"})

    def list_environments(self) -> ActionResult:
        """List the ids of all environments."""
        return ActionResult({"environmentIds": list(self.backend.environments)})

    def update_environment(self) -> ActionResult:
        """Change the name or the description."""
        environment = self.backend.environment(self.params["environmentId"])
        environment.facts |= {key: self.params[key] for key in ("name", "description") if key in self.params}
        return ActionResult({})

    def delete_environment(self) -> ActionResult:
        """Delete an environment."""
        del self.backend.environments[self.backend.environment(self.params["environmentId"]).id]
        return ActionResult({})

    def describe_environment_memberships(self) -> ActionResult:
        """Name no member beside the owner."""
        return ActionResult({"memberships": []})

    def list_tags_for_resource(self) -> ActionResult:
        """List the tags of an environment."""
        tags = self.backend.by_arn(self.params["ResourceARN"]).tags
        return ActionResult({"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]})

    def tag_resource(self) -> ActionResult:
        """Add tags."""
        tags = {tag["Key"]: tag["Value"] for tag in self.params["Tags"]}
        self.backend.by_arn(self.params["ResourceARN"]).tags |= tags
        return ActionResult({})

    def untag_resource(self) -> ActionResult:
        """Remove tags."""
        tags = self.backend.by_arn(self.params["ResourceARN"]).tags
        for key in self.params["TagKeys"]:
            tags.pop(key, None)
        return ActionResult({})


url_bases = [r"https?://cloud9\.(.+)\.amazonaws\.com"]
url_paths = {"{0}/$": Cloud9Response.dispatch}


def install() -> None:
    """Register the service."""
    register("cloud9", cloud9_backends, url_bases[0])
