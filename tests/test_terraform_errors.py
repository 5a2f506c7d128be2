"""What Terraform says of a failure, as our error."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.terraform.events import diagnosed, to_error


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("StatusCode: 500, api error InsufficientInstanceCapacity: sold out", "InsufficientInstanceCapacity"),
        ("StatusCode: 400, api error InvalidAMIID.NotFound: no such image", "InvalidAMIID.NotFound"),
        (
            "unexpected state 'terminated', wanted target 'running'. last error: "
            "Server.InsufficientInstanceCapacity: Insufficient capacity",
            "InsufficientInstanceCapacity",
        ),
        ("unexpected state 'terminated'. last error: Server.InternalError: Internal error on launch", "InternalError"),
        # A disk key that may not be used: no other zone helps.
        ("unexpected state. last error: Client.InternalError: Client error on launch", "Client.InternalError"),
        ("Invalid value for variable", ""),
    ],
)
def test_error_carries_the_code_of_aws(said: str, code: str, tmp_path: Path) -> None:
    assert to_error(said, tmp_path / "terraform.log").code == code


NO_CAPACITY = {
    "summary": "creating EC2 Instance: operation error EC2: RunInstances, api error InsufficientInstanceCapacity: no",
    "address": "module.gpu_instance.aws_instance.node[0]",
}
DENIED = {"summary": "api error AccessDenied: no", "address": "module.bucket.aws_s3_bucket.this"}
TIMED_OUT = {"summary": "waiting for VPC: timeout", "address": "module.network.aws_vpc.this"}


@pytest.mark.parametrize(
    ("diagnostics", "code", "addresses"),
    [
        ([NO_CAPACITY], "InsufficientInstanceCapacity", [NO_CAPACITY]),
        # What is wrong beside the launch comes first: another candidate does not help against it.
        ([NO_CAPACITY, DENIED], "AccessDenied", [DENIED, NO_CAPACITY]),
        ([NO_CAPACITY, TIMED_OUT], "", [TIMED_OUT, NO_CAPACITY]),
    ],
)
def test_error_of_several_resources_names_them_and_the_code_that_matters(
    diagnostics: list[dict[str, str]], code: str, addresses: list[dict[str, str]], tmp_path: Path
) -> None:
    error = diagnosed(diagnostics, tmp_path / "terraform.log")

    assert error.code == code
    assert error.addresses == tuple(item["address"] for item in addresses)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("VpcLimitExceeded: no", "--region"),
        ("VpcLimitExceeded: no", "deployer quota request --code L-F678F1CE"),
        ("InternetGatewayLimitExceeded: no", "deployer quota request --code L-A4707A72"),
        ("RequestExpired: no", "aws sso login"),
        ("UnauthorizedOperation: no", "docs/aws/least-privilege-policy.json"),
        ("UnauthorizedOperation: with an explicit deny in a service control policy", "who runs the organisation"),
    ],
)
def test_error_of_aws_says_what_to_type(said: str, hint: str, tmp_path: Path) -> None:
    assert hint in to_error(f"api error {said}", tmp_path / "terraform.log").hint


def test_error_says_how_terraform_gets_credentials_that_it_cannot_read(tmp_path: Path) -> None:
    error = to_error("Error: No valid credential sources found", tmp_path / "terraform.log")

    assert "aws configure export-credentials --format env" in error.hint
