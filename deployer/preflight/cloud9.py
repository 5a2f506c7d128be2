"""Can there be a Cloud9 environment? Never in the way: the machine works as well without."""

from __future__ import annotations

from deployer.aws.cloud9 import Cloud9Access
from deployer.facts import Facts, Unknown
from deployer.preflight.findings import Finding, Level, allow

# The next best thing, which needs nothing of AWS.
INSTEAD = "`deployer up` goes on without it; use VS Code Remote-SSH instead: `deployer ssh-config` has the host."


def check_cloud9(facts: Facts) -> list[Finding]:
    """Can this account have the Cloud9 environment that is configured? Nothing where none is."""
    if not facts.config.cloud9:
        return []
    region = facts.config.region
    if isinstance(facts.cloud9, Unknown):
        message = f"Whether this account has Cloud9 could not be read: {facts.cloud9.reason}"
        advice = [allow(facts.cloud9.permission, facts.cloud9.reason), INSTEAD]
        return [Finding("cloud9", Level.WARNING, message, " ".join(filter(None, advice)))]
    if facts.cloud9 is Cloud9Access.NO_SERVICE:
        return [Finding("cloud9", Level.WARNING, f"There is no Cloud9 in {region}.", INSTEAD)]
    if facts.cloud9 is Cloud9Access.CLOSED:
        # AWS announcement of 2024-07-25; access is per account and cannot be asked for.
        message = "AWS closed Cloud9 to accounts that did not use it before 2024-07-25; this account did not."
        return [Finding("cloud9", Level.WARNING, message, INSTEAD)]
    return [Finding("cloud9", Level.OK, f"this account can have a Cloud9 environment in {region}")]
