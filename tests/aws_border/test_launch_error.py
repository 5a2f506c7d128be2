"""A launch that AWS refused comes out of Terraform as text: which quota it was, and what to type."""

from __future__ import annotations

import pytest

from deployer import errors
from deployer.aws.translation import launch_error

TERRAFORM = (
    "module.gpu_instance.aws_instance.node[0]: creating EC2 Instance: operation error EC2: RunInstances, https "
    "response error StatusCode: 400, RequestID: 59dbff89, api error {code}: {said}"
)


def refused(
    code: str, said: str = "Because.", *, instance_type: str = "gr6.4xlarge", spot: bool = False
) -> errors.AwsError:
    return launch_error(
        code,
        TERRAFORM.format(code=code, said=said),
        instance_type=instance_type,
        spot=spot,
        region="us-east-1",
        zone="us-east-1a",
    )


@pytest.mark.parametrize(
    ("code", "instance_type", "spot", "says", "hint"),
    [
        ("VcpuLimitExceeded", "gr6.4xlarge", False, "no more on-demand vCPUs", "--code L-DB2E81BA --region us-east-1"),
        ("VcpuLimitExceeded", "p5.4xlarge", False, "Running On-Demand P instances", "--code L-417A185B"),
        ("InstanceLimitExceeded", "g4dn.xlarge", False, "on-demand vCPUs for g4dn.xlarge", "--code L-DB2E81BA"),
        ("MaxSpotInstanceCountExceeded", "g5.xlarge", True, "no more spot vCPUs", "--code L-3819A6DF"),
        ("VcpuLimitExceeded", "g5.xlarge", True, "All G and VT Spot Instance Requests", "--code L-3819A6DF"),
        # Two quotas may hold it; `quota request` finds out which.
        ("MaxSpotInstanceCountExceeded", "p5.4xlarge", True, "spot vCPUs", "deployer quota request --region us-east-1"),
    ],
)
def test_launch_error_says_which_quota_is_full(code: str, instance_type: str, spot: bool, says: str, hint: str) -> None:
    error = refused(code, instance_type=instance_type, spot=spot)

    assert type(error) is errors.QuotaExceeded
    assert (error.code, error.operation) == (code, "ec2:RunInstances")
    assert says in error.message
    assert "us-east-1 allows this account" in error.message
    assert hint in error.hint


@pytest.mark.parametrize(
    ("code", "said", "kind", "says", "hint"),
    [
        (
            "InternalError",
            "An internal error has occurred",
            errors.AwsError,
            "An internal error has occurred (InternalError)",
            "give the same command again",
        ),
        (
            "PendingVerification",
            "Your request for accessing resources in this region is being validated.",
            errors.AwsError,
            "still verifying this account in us-east-1",
            "nothing to file",
        ),
        (
            "OptInRequired",
            "In order to use this AWS Marketplace product you need to accept terms and subscribe.",
            errors.AwsError,
            "has not subscribed",
            "accept the terms",
        ),
        ("OptInRequired", "You are not subscribed to this service.", errors.AwsError, "not signed up", "enable-region"),
        ("Blocked", "This account is currently blocked.", errors.AwsError, "has blocked this account", "AWS's mail"),
        (
            "UnauthorizedOperation",
            "You are not authorized to perform this operation. User: arn:aws:iam::1:user/a is not authorized to "
            "perform: ec2:RunInstances on resource: * with an explicit deny in a service control policy. "
            "Encoded authorization failure message: fe5f80f7",
            errors.AccessDenied,
            "policy of the organisation forbids ec2:RunInstances in us-east-1",
            "No IAM permission helps",
        ),
        (
            "InsufficientInstanceCapacity",
            "We currently do not have sufficient capacity. You can get it by choosing us-east-1b.",
            errors.NoCapacity,
            "gr6.4xlarge in us-east-1a: We currently do not",
            "--zone",
        ),
    ],
)
def test_launch_error_tells_the_account_from_the_policy_from_the_zone(
    code: str, said: str, kind: type[errors.AwsError], says: str, hint: str
) -> None:
    error = refused(code, said)

    assert type(error) is kind
    assert says in error.message
    assert hint in error.hint
    # Terraform's own words around AWS's are noise by then.
    assert "module.gpu_instance" not in error.message
    assert "fe5f80f7" not in error.message
