from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError, ParamValidationError

from deployer import errors
from deployer.aws.regions import close_regions, known_regions
from deployer.aws.session import Session, aws_errors

Refuse = Callable[..., Session]
ROOT = Path(__file__).parents[2]


def ask(session: Session) -> None:
    with aws_errors("ec2:DescribeZones", region=session.region):
        session.client("ec2").describe_availability_zones()


def test_session_names_the_account(session: Session) -> None:
    identity = session.identity()

    assert identity.account == "123456789012"
    assert identity.arn.startswith("arn:aws:")


def test_session_makes_one_client_for_many_threads(session: Session) -> None:
    with ThreadPoolExecutor(8) as pool:
        clients = list(pool.map(lambda _: session.client("ec2"), range(8)))

    assert len({id(client) for client in clients}) == 1
    assert clients[0].meta.config.connect_timeout == 5


def test_session_reaches_another_region_where_asked(session: Session) -> None:
    assert session.client("pricing", region="eu-central-1").meta.region_name == "eu-central-1"


def test_session_elsewhere_is_the_same_caller_in_another_region(session: Session) -> None:
    other = session.elsewhere("eu-west-1")

    assert other.client("ec2").meta.region_name == "eu-west-1"
    assert other.client("ec2", region="us-east-1") is session.client("ec2", region="us-east-1")
    assert other.identity() is session.identity()


def test_session_times_the_quickest_answer_of_each_region(session: Session) -> None:
    before = session.quickest_seconds
    ask(session)

    assert before is None
    assert session.quickest_seconds is not None
    assert 0 < session.quickest_seconds < 30
    assert session.elsewhere("eu-west-1").quickest_seconds is None


@pytest.mark.parametrize(("variable", "attempts"), [(None, 5), ("2", 2)])
def test_session_tries_often_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, attempts: int
) -> None:
    monkeypatch.delenv("AWS_MAX_ATTEMPTS", raising=False)
    if variable:
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", variable)

    retries = Session("us-east-1").client("sts").meta.config.retries

    assert (retries["mode"], retries["total_max_attempts"]) == ("standard", attempts)


def test_session_module_does_not_import_boto3() -> None:
    code = "import sys, deployer.aws.session, deployer.aws.s3, deployer.dataset; print('boto3' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stdout.strip() == "False"


ANSWERS = [
    # code, HTTP status, our error, what the hint says
    ("ExpiredToken", 400, errors.ExpiredCredentials, "aws sso login"),
    ("RequestExpired", 400, errors.AwsError, "clock"),
    ("RequestExpired", 400, errors.AwsError, "aws sso login"),
    ("RequestTimeTooSkewed", 403, errors.AwsError, "clock"),
    ("AuthFailure", 401, errors.NoCredentials, "enable us-east-1"),
    ("InvalidClientTokenId", 403, errors.NoCredentials, "aws configure"),
    ("UnauthorizedOperation", 403, errors.AccessDenied, "allow ec2:DescribeZones"),
    ("AccessDenied", 403, errors.AccessDenied, "allow ec2:DescribeZones"),
    ("InsufficientInstanceCapacity", 500, errors.NoCapacity, "--zone"),
    ("VcpuLimitExceeded", 400, errors.QuotaExceeded, "deployer quota request --region us-east-1"),
    ("MaxSpotInstanceCountExceeded", 400, errors.QuotaExceeded, "deployer quota request --region us-east-1"),
    ("RequestLimitExceeded", 503, errors.AwsError, "in a minute"),
    ("VpcLimitExceeded", 400, errors.QuotaExceeded, "quota request --code L-F678F1CE"),
    ("InternetGatewayLimitExceeded", 400, errors.QuotaExceeded, "quota request --code L-A4707A72"),
    ("AddressLimitExceeded", 400, errors.QuotaExceeded, "quota request --code L-0263D0A3"),
    ("TooManyBuckets", 400, errors.QuotaExceeded, "console under Service Quotas"),
    ("PendingVerification", 400, errors.AwsError, "nothing to file"),
    ("OptInRequired", 400, errors.AwsError, "enable-region --region-name us-east-1"),
    ("Blocked", 400, errors.AwsError, "AWS's mail"),
    ("InvalidParameterValue", 400, errors.AwsError, ""),
]


@pytest.mark.parametrize(("code", "status", "kind", "hint"), ANSWERS)
def test_session_translates_what_aws_answers(
    refuse: Refuse, code: str, status: int, kind: type[errors.AwsError], hint: str
) -> None:
    session = refuse(code, status=status)

    with pytest.raises(errors.AwsError) as caught:
        ask(session)

    assert type(caught.value) is kind
    assert caught.value.code == code
    assert hint in caught.value.hint
    assert caught.value.__cause__ is not None


def test_session_names_the_permission_that_aws_names(refuse: Refuse) -> None:
    message = "User: arn:aws:iam::1:user/x is not authorized to perform: iam:PassRole on resource: y"
    session = refuse("AccessDenied", status=403, message=message)

    with pytest.raises(errors.AccessDenied) as caught:
        ask(session)

    assert caught.value.operation == "iam:PassRole"
    assert "iam:PassRole" in caught.value.message


SUBJECT = "User: arn:aws:iam::1:user/x is not authorized to perform: ec2:DescribeZones on resource: * "


@pytest.mark.parametrize(
    ("message", "says", "hint"),
    [
        ("with an explicit deny in a service control policy", "policy of the organisation", "No IAM permission helps"),
        (
            "because no service control policy allows the ec2:DescribeZones action",
            "policy of the organisation",
            "try another region",
        ),
        ("with an explicit deny in a resource control policy", "resource control policy", "No IAM permission helps"),
        ("because no permissions boundary allows the ec2:DescribeZones action", "boundary", "to the boundary"),
        ("because no session policy allows the ec2:DescribeZones action", "session policy", "Sign in"),
        ("with an explicit deny in an identity-based policy", "an explicit deny", "take the deny away"),
        (
            "because no identity-based policy allows the ec2:DescribeZones action",
            "may not do",
            "administrator to allow",
        ),
    ],
)
def test_session_tells_whose_policy_forbids_a_call(refuse: Refuse, message: str, says: str, hint: str) -> None:
    session = refuse("UnauthorizedOperation", status=403, message=SUBJECT + message)

    with pytest.raises(errors.AccessDenied, match="ec2:DescribeZones in us-east-1") as caught:
        ask(session)

    assert says in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "message",
    [
        "The key AKIAIOSFODNN7EXAMPLE is odd",
        "Signature=fe5f80f77d5fa3beca038a248ff027d0 is odd",
        "X-Amz-Security-Token: IQoJb3JpZ2luX2VjE is odd",
        "You are not authorized. Encoded authorization failure message: fe5f80f77d5fa3beca038a248ff027d0",
    ],
)
def test_session_shows_no_secret(refuse: Refuse, message: str) -> None:
    session = refuse("InvalidThing", message=message)

    with pytest.raises(errors.AwsError) as caught:
        ask(session)

    shown = caught.value.message + caught.value.hint
    assert not any(secret in shown for secret in ("IOSFODNN7", "fe5f80f7", "IQoJb3JpZ2"))


def test_session_without_credentials_says_how_to_get_some() -> None:
    with pytest.raises(errors.NoCredentials) as caught:
        Session("us-east-1").identity()

    assert "--cloud local" in caught.value.hint
    assert "AWS_PROFILE" in caught.value.hint


def test_session_with_half_a_key_pair_names_the_other_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")

    with pytest.raises(errors.NoCredentials, match="AWS_SECRET_ACCESS_KEY"):
        Session("us-east-1").identity()


def test_session_with_an_unknown_profile_lists_the_known_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[profile work]\nregion = us-east-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "wrok")

    with pytest.raises(errors.NoCredentials, match="wrok") as caught:
        Session("us-east-1").client("ec2")

    assert "work" in caught.value.hint


def test_session_with_a_stale_sso_token_says_to_sign_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        "[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n"
        "[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://example.invalid/start\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))

    with pytest.raises(errors.ExpiredCredentials) as caught:
        Session("us-east-1").identity()

    assert "aws sso login" in caught.value.hint


def test_session_without_an_answer_names_the_endpoint(credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    with pytest.raises(errors.AwsError, match=r"127\.0\.0\.1:9") as caught:
        ask(Session("us-east-1"))

    assert "deployer local start" in caught.value.hint


def test_errors_of_a_region_that_does_not_exist_list_close_ones() -> None:
    url = "https://ec2.us-easst-1.amazonaws.com/"

    with pytest.raises(errors.AwsError, match="us-easst-1 is not an AWS region") as caught, aws_errors("ec2:X"):
        raise EndpointConnectionError(endpoint_url=url)

    assert "us-east-1" in caught.value.hint


def test_errors_of_a_network_that_is_down_do_not_blame_the_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")

    with pytest.raises(errors.AwsError, match="cannot be reached") as caught, aws_errors("ec2:X"):
        raise EndpointConnectionError(endpoint_url="https://ec2.eu-west-1.amazonaws.com/")

    assert "HTTPS_PROXY" in caught.value.hint


@pytest.mark.parametrize(
    "error", [errors.DataError("ours"), ParamValidationError(report="a bug"), ZeroDivisionError("a bug")]
)
def test_errors_that_are_not_of_aws_pass_through(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, aws_errors("ec2:X"):
        raise error

    assert caught.value is error


def test_regions_are_known_without_asking() -> None:
    assert {"us-east-1", "eu-central-1", "us-gov-west-1"} <= set(known_regions())
    assert close_regions("us-east1")[0] == "us-east-1"
    assert close_regions("nowhere") == ()
