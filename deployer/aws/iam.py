"""IAM, which is one for all regions: whether a role or an instance profile exists."""

from __future__ import annotations

from deployer.aws.session import Session, aws_errors
from deployer.errors import AwsError


def role_exists(session: Session, name: str) -> bool:
    """Tell whether the account has a role of this name."""
    return _exists(session, "iam:GetRole", "get_role", RoleName=name)


def instance_profile_exists(session: Session, name: str) -> bool:
    """Tell whether the account has an instance profile of this name."""
    return _exists(session, "iam:GetInstanceProfile", "get_instance_profile", InstanceProfileName=name)


def _exists(session: Session, permission: str, call: str, **parameters: str) -> bool:
    try:
        with aws_errors(permission, region=session.region):
            getattr(session.client("iam"), call)(**parameters)
    except AwsError as error:
        if error.code == "NoSuchEntity":
            return False
        raise
    return True
