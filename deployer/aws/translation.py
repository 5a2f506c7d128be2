"""What boto3 raises, in our words: what happened with the facts, then what to type.

The code sets group AWS's error codes by what the user can do about them.
"""

from __future__ import annotations

import os
import re
from typing import Any

from deployer.aws.denials import denying_policy
from deployer.aws.quota_groups import quota_codes, quota_name
from deployer.aws.regions import close_regions, known_regions
from deployer.errors import (
    AccessDenied,
    AwsError,
    ExpiredCredentials,
    NoCapacity,
    NoCredentials,
    QuotaExceeded,
)

# Sources: the error lists of the EC2, S3 and STS API references, read 2026-11.
EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
CLOCK_CODES = frozenset({"RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"})
UNKNOWN_CREDENTIALS_CODES = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
DENIED_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "Forbidden",
        "UnauthorizedOperation",
        "403",
    }
)
CAPACITY_CODES = frozenset(
    {
        "InsufficientCapacity",
        "InsufficientHostCapacity",
        "InsufficientInstanceCapacity",
        "InsufficientReservedInstanceCapacity",
        "InsufficientVolumeCapacity",
        "ReservationCapacityExceeded",
        "SpotMaxPriceTooLow",
        "UnfulfillableCapacity",
    }
)
QUOTA_CODES = frozenset(
    {
        "AddressLimitExceeded",
        "InstanceLimitExceeded",
        "InternetGatewayLimitExceeded",
        "MaxFleetCountExceeded",
        "MaxSpotInstanceCountExceeded",
        "NatGatewayLimitExceeded",
        "TooManyBuckets",
        "VcpuLimitExceeded",
        "VolumeLimitExceeded",
        "VpcLimitExceeded",
    }
)
# Quotas of vCPUs: of all types of a family, spot and on demand apart.
VCPU_QUOTA_CODES = frozenset({"InstanceLimitExceeded", "MaxSpotInstanceCountExceeded", "VcpuLimitExceeded"})
# What `deployer quota request` can ask for. Amazon VPC User Guide, "Amazon VPC quotas", read 2026-11.
COUNTED_QUOTAS = {
    "AddressLimitExceeded": "L-0263D0A3",
    "InternetGatewayLimitExceeded": "L-A4707A72",
    "VpcLimitExceeded": "L-F678F1CE",
}
THROTTLE_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
ACCOUNT_CODES = frozenset({"Blocked", "OptInRequired", "PendingVerification", "AccountProblem"})

SERVER_FAULT_CODES = frozenset({"InternalError", "ServiceUnavailable", "Unavailable"})

# What a launch alone can be refused for: its image and its disk; and what AWS says of its own faults.
AGAIN_HINT = "It is AWS's own fault, often of one zone: give the same command again, or name another zone (--zone)."
LAUNCH_HINTS = {
    **dict.fromkeys(SERVER_FAULT_CODES, AGAIN_HINT),
    "InvalidAMIID.NotFound": "Leave ami empty to get an image of this region that fits; `deployer ami list` has them.",
    "InvalidBlockDeviceMapping": "Set root_volume_gb = 0 in deployer.toml: the disk then fits the image.",
}

CREDENTIALS_HINT = "Run `aws configure`, or set AWS_PROFILE to a profile that works, or rehearse with `--cloud local`."
EXPIRED_HINT = "Run `aws sso login`, or put new keys in place with `aws configure`."


def translate(error: Exception, operation: str, region: str) -> AwsError | None:
    """Return our error for one of boto3's, or None where it is none of AWS's doing."""
    from boto3.exceptions import Boto3Error
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        return _translate_answer(error.response, operation, region)
    if isinstance(error, boto.ParamValidationError):
        return None
    if isinstance(error, Boto3Error) and isinstance(error.__context__, Exception):
        return translate(error.__context__, operation, region)
    facts: dict[str, Any] = {"operation": operation, "code": type(error).__name__}
    said = mask_secrets(_first_line(str(error)))
    if isinstance(error, boto.ProfileNotFound):
        return NoCredentials(f"{said}.", hint=_profiles_hint(), **facts)
    if isinstance(error, boto.NoCredentialsError):
        return NoCredentials("No AWS credentials were found on this machine.", hint=CREDENTIALS_HINT, **facts)
    if isinstance(error, boto.PartialCredentialsError):
        return NoCredentials(f"The AWS credentials are incomplete: {said}.", hint=CREDENTIALS_HINT, **facts)
    expired = (boto.SSOError, boto.TokenRetrievalError, boto.LoginError, boto.NoAuthTokenError)
    if isinstance(error, expired):
        return ExpiredCredentials(f"The AWS sign-in has expired: {said}.", hint=EXPIRED_HINT, **facts)
    if isinstance(error, boto.CredentialRetrievalError | boto.MetadataRetrievalError):
        return NoCredentials(f"The AWS credentials could not be fetched: {said}.", hint=CREDENTIALS_HINT, **facts)
    if isinstance(error, boto.SSLError):
        hint = "Behind a proxy that inspects TLS, set AWS_CA_BUNDLE to its certificate."
        return AwsError(f"AWS's certificate was not accepted: {said}.", hint=hint, **facts)
    if isinstance(error, boto.HTTPClientError | boto.EndpointConnectionError | boto.InvalidRegionError):
        return _unreachable(error, said, region, facts)
    if isinstance(error, boto.BotoCoreError | Boto3Error):
        return AwsError(f"{operation} failed: {said}.", **facts)
    return None


def launch_error(code: str, message: str, *, instance_type: str, spot: bool, region: str, zone: str) -> AwsError:
    """Return our error for a launch that AWS refused, told by Terraform in its own words."""
    told = re.search(rf"\b{re.escape(code)}: (.+)", message) if code else None
    said = mask_secrets(_first_line(told[1] if told else message))
    facts: dict[str, Any] = {"operation": "ec2:RunInstances", "code": code}
    if code in VCPU_QUOTA_CODES:
        is_spot = spot or code == "MaxSpotInstanceCountExceeded"
        message = (
            f"{region} allows this account no more {'spot' if is_spot else 'on-demand'} vCPUs for {instance_type} "
            f"({quota_name(instance_type, is_spot)}): {said} ({code})."
        )
        codes = quota_codes(instance_type, is_spot)
        named = f" --code {codes[-1]}" if len(codes) == 1 else ""
        return QuotaExceeded(message, hint=_more_vcpus(region, named), **facts)
    if code in CAPACITY_CODES:
        hint = "Try another zone (--zone) or type (--instance-type), or wait a few minutes."
        return NoCapacity(f"{instance_type} in {zone}: {said} ({code}).", hint=hint, **facts)
    refused = _translate_answer({"Error": {"Code": code, "Message": said}}, "ec2:RunInstances", region)
    refused.hint = refused.hint or LAUNCH_HINTS.get(code, "")
    return refused


def full_quota_hint(code: str, region: str = "") -> str:
    """Return what to do about a full quota that is not of vCPUs."""
    option = f" --region {region}" if region else ""
    if code not in COUNTED_QUOTAS:
        return "Raise the quota in the AWS console under Service Quotas, or remove what is not needed any more."
    return (
        "Remove one that is not needed, choose another region (--region), or ask AWS for more: "
        f"`deployer quota request --code {COUNTED_QUOTAS[code]}{option}`."
    )


def _translate_answer(response: Any, operation: str, region: str) -> AwsError:
    """Return our error for an error that AWS answered."""
    code = str(response.get("Error", {}).get("Code", ""))
    said = mask_secrets(_first_line(str(response.get("Error", {}).get("Message", "") or code))).rstrip(".")
    facts: dict[str, Any] = {"operation": operation, "code": code}
    where = f" in {region}" if region else ""
    if code in EXPIRED_CODES:
        return ExpiredCredentials("The AWS credentials have expired.", hint=EXPIRED_HINT, **facts)
    if code in CLOCK_CODES or "Signature expired" in said or "Signature not yet current" in said:
        hint = "Set this machine's clock: AWS refuses requests more than 5 to 15 minutes off."
        if code == "RequestExpired":  # EC2 says it of a session's end as well
            hint += f" Where the clock is right, the sign-in has expired. {EXPIRED_HINT}"
        return AwsError(f"AWS refused the time of the request: {said}.", hint=hint, **facts)
    if code in UNKNOWN_CREDENTIALS_CODES:
        hint = CREDENTIALS_HINT
        if region:
            hint += f" If they work elsewhere, enable {region} in this account, or pass --region."
        return NoCredentials(f"AWS does not accept these credentials{where} ({code}).", hint=hint, **facts)
    if code in DENIED_CODES:
        return _denied(said, operation, where, facts)
    if code in CAPACITY_CODES:
        hint = "Try another zone (--zone) or type (--instance-type), or wait a few minutes."
        return NoCapacity(f"{said} ({code}).", hint=hint, **facts)
    if code in VCPU_QUOTA_CODES:
        return QuotaExceeded(f"{said} ({code}).", hint=_more_vcpus(region), **facts)
    if code in QUOTA_CODES:
        return QuotaExceeded(f"{said}{where} ({code}).", hint=full_quota_hint(code, region), **facts)
    if code in THROTTLE_CODES:
        return AwsError(f"AWS is throttling {operation}{where} ({code}).", hint="Try again in a minute.", **facts)
    if code in ACCOUNT_CODES:
        return _not_released(code, said, where, region, facts)
    return AwsError(f"{operation} failed{where}: {said} ({code}).", **facts)


def _denied(said: str, operation: str, where: str, facts: dict[str, Any]) -> AccessDenied:
    """Return the error for a permission that is missing, or that a policy above the user's own takes away."""
    named = re.search(r"not authorized to perform:? ([a-z0-9-]+:\w+)", said)
    facts["operation"] = action = named[1] if named else operation
    policy = denying_policy(said)
    if policy:
        return AccessDenied(f"{policy.name} forbids {action}{where}.", hint=policy.advice(action), **facts)
    hint = f"Ask the account's administrator to allow {action}."
    return AccessDenied(f"These credentials may not do {action}{where}.", hint=hint, **facts)


def _not_released(code: str, said: str, where: str, region: str, facts: dict[str, Any]) -> AwsError:
    """Return the error for an account that may not launch yet, or not any more."""
    if code == "PendingVerification":
        message = f"AWS is still verifying this account{where}: {said} ({code})."
        hint = (
            "Wait, and give the same command again: it usually takes minutes, four hours at most. There is nothing to "
            "file. After that, write to https://console.aws.amazon.com/support/home."
        )
    elif code == "OptInRequired" and "marketplace" in said.lower():
        message = f"The image is one of AWS Marketplace's, and this account has not subscribed to it: {said} ({code})."
        hint = "Open the address that AWS names, accept the terms there, and give the same command again."
    elif code == "OptInRequired":
        message = f"This account is not signed up for the service{where}: {said} ({code})."
        enable = f"aws account enable-region --region-name {region}" if region else "aws account enable-region"
        hint = (
            "Complete the sign-up of the account (payment method, telephone) at https://console.aws.amazon.com; "
            f"a region that is not enabled: {enable}."
        )
    else:
        message = f"AWS has blocked this account{where}: {said} ({code})."
        hint = "Look for AWS's mail (often a payment), and answer it at https://console.aws.amazon.com/support/home."
    return AwsError(message, hint=hint, **facts)


def _more_vcpus(region: str, code: str = "") -> str:
    option = f" --region {region}" if region else ""
    return (
        f"`deployer quota request{code}{option}` asks AWS for more, and `deployer quota{option}` shows what is in use. "
        "Or take another family of types (--instance-type), or buy the other way (--spot or --on-demand)."
    )


def _unreachable(error: Exception, said: str, region: str, facts: dict[str, Any]) -> AwsError:
    """Return the error for a request that got no answer: no such region, no local cloud, or no network."""
    url = str(getattr(error, "kwargs", {}).get("endpoint_url", ""))
    in_url = re.search(r"\.([a-z]{2}(?:-[a-z]+)+-\d+)\.", url)
    region = in_url[1] if in_url else region
    if region and region not in known_regions():
        close = close_regions(region)
        hint = f"Did you mean {', '.join(close)}?" if close else "`aws ec2 describe-regions` lists them."
        return AwsError(f"{region} is not an AWS region: nothing answers there.", hint=hint, **facts)
    custom = os.environ.get("AWS_ENDPOINT_URL", "")
    if custom and (not url or url.startswith(custom)):
        hint = "AWS_ENDPOINT_URL points there: start what should answer (`deployer local start`), or unset it."
        return AwsError(f"Nothing answers at {custom}.", hint=hint, **facts)
    hint = "Check the network; behind a proxy set HTTPS_PROXY."
    return AwsError(f"AWS{f' in {region}' if region else ''} cannot be reached: {said}.", hint=hint, **facts)


def _profiles_hint() -> str:
    import botocore.session

    # "default" in a session of its own: the one with the wrong name cannot list the right ones.
    profiles = sorted(botocore.session.Session(profile="default").available_profiles)
    listed = f" (there are: {', '.join(profiles)})" if profiles else ""
    return f"Set AWS_PROFILE to a profile in ~/.aws/config{listed}, or unset it."


def _first_line(text: str) -> str:
    """Return what a person reads: no encoded authorization message, no canonical request."""
    return (text.split("Encoded authorization failure message")[0].strip().splitlines() or [""])[0].rstrip(". ")


def mask_secrets(text: str) -> str:
    """Return `text` without what could be used to sign in: key ids, signatures, tokens."""
    text = re.sub(r"\b(AKIA|ASIA)[A-Z0-9]{12,}", r"\1…", text)
    return re.sub(r"(?i)(signature|security-token|secret[\w-]*|session[\w-]*token)(\s*[=:]\s*)[^\s,&]+", r"\1\2…", text)
