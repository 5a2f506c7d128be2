"""What Terraform writes while it works, and its diagnostics as our errors."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deployer.aws.denials import denying_policy
from deployer.aws.translation import full_quota_hint
from deployer.errors import StateLocked, TerraformError

POLL_SECONDS = 0.05
# Of a refused call; and of a machine that ended while it started, where the code stands in EC2's state reason. There an
# internal error of the client is a disk key that it may not use, which every zone would refuse: it keeps its prefix.
API_ERROR = re.compile(r"(?:api error |last error: (?:Server\.|(?=Client\.InternalError)|Client\.))(\w[\w.]*\b)")
END = -1
LAUNCHED = "aws_instance."

_EXPIRED = "The AWS sign-in has expired: `aws sso login`, or put new keys in place. Then the same command again."
HINTS = {
    "VpcLimitExceeded": full_quota_hint("VpcLimitExceeded"),
    "InternetGatewayLimitExceeded": full_quota_hint("InternetGatewayLimitExceeded"),
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "RequestExpired": _EXPIRED,
}


def grow(path: Path, process: subprocess.Popen[bytes], *, start: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the JSON lines of a file that `process` appends to, until it has ended and all is read."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END if start == END else os.SEEK_SET)
        rest = b""
        while True:
            ended = process.poll() is not None  # asked before reading: what was written before the end is read
            chunk = file.read()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                if isinstance(event, dict) and "type" in event:
                    yield event
            if ended and not chunk:
                return
            if not chunk:
                time.sleep(POLL_SECONDS)


def diagnosed(errors: list[dict[str, str]], log_file: Path) -> TerraformError:
    """Return the error that Terraform's diagnostics amount to; its code is that of the first."""
    if not errors:
        tail = strip(log_file.read_text(errors="replace")[-2000:]) if log_file.exists() else ""
        return to_error(tail, log_file)
    # A refused launch last: what else went wrong would meet the next candidate too.
    errors = sorted(errors, key=lambda item: LAUNCHED in item.get("address", ""))
    lines = []
    for item in errors:
        where = f"{item['address']}: " if item.get("address") else ""
        detail = " ".join(item.get("detail", "").split())
        lines.append(
            where + item["summary"].strip() + (f" ({detail})" if detail and detail not in item["summary"] else "")
        )
    error = to_error("\n".join(dict.fromkeys(lines)), log_file)
    found = API_ERROR.search(lines[0])
    error.code = found[1] if found else ""
    error.addresses = tuple(item.get("address", "") for item in errors)
    return error


def to_error(text: str, log_file: Path) -> TerraformError:
    """Return Terraform's words as our error, with AWS's code where they carry one."""
    found = API_ERROR.search(text)
    code = found[1] if found else ""
    if "acquiring the state lock" in text:
        return StateLocked(
            f"Another Terraform holds the lock of this deployment's state. {text}",
            hint="Wait for the other command. If there is none, its machine died: `terraform force-unlock <ID>`.",
            code=code,
        )
    if "Failed to query available provider packages" in text or "Failed to install provider" in text:
        return TerraformError(
            f"Terraform cannot fetch its AWS provider. {text}",
            hint="The first `up` downloads it: is there a network? Behind a mirror, set TF_CLI_CONFIG_FILE.",
        )
    if "No valid credential sources found" in text or "AssumeRoleTokenProvider" in text:
        return TerraformError(
            f"Terraform finds no AWS credentials, though deployer did. {text}",
            hint="It cannot ask for an MFA code, nor read an `aws login`. Hand them over in the environment: "
            'eval "$(aws configure export-credentials --format env)"',
            code=code,
        )
    if code in {"UnauthorizedOperation", "AccessDenied", "AccessDeniedException"}:
        policy = denying_policy(text)
        if policy:
            return TerraformError(text, hint=policy.advice("it"), code=code)
        hint = "Your credentials lack a permission: docs/aws/least-privilege-policy.json has all that is needed."
        return TerraformError(text, hint=hint, code=code)
    hint = HINTS.get(code, f"All of it is in {log_file}.")
    return TerraformError(text or "Terraform failed without a word.", hint=hint, code=code)


def strip(text: str) -> str:
    """Return Terraform's boxed text as one plain paragraph."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return " ".join(re.sub(r"[╷│╵]", " ", plain).split())


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a tree of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)
