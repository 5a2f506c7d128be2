"""Whose policy forbids a call: AWS says it in words, and for all but the user's own other people can help.

Words: IAM User Guide, "Troubleshoot access denied error messages", read 2026-11.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """A kind of policy that takes a permission away; `words` stand in what AWS says of it."""

    words: str
    name: str
    hint: str

    def advice(self, action: str) -> str:
        """Return what helps, for an IAM action or "it"."""
        return self.hint.format(action=action)


_OF_THE_ORGANISATION = (
    "No IAM permission helps against that: ask who runs the organisation to allow {action}, or try another region "
    "(--region): many organisations allow only some."
)
# An explicit deny stands in any of them, so that it comes last.
POLICIES = (
    Policy("service control policy", "A service control policy of the organisation", _OF_THE_ORGANISATION),
    Policy("resource control policy", "A resource control policy of the organisation", _OF_THE_ORGANISATION),
    Policy(
        "permissions boundary",
        "The permissions boundary of these credentials",
        "Ask the account's administrator to add {action} to the boundary.",
    ),
    Policy("session policy", "The session policy of these credentials", "Sign in with a session that may do {action}."),
    Policy(
        "explicit deny",
        "A policy with an explicit deny",
        "To allow {action} elsewhere does not help: ask the account's administrator to take the deny away.",
    ),
)


def denying_policy(said: str) -> Policy | None:
    """Return the policy that AWS names; None where a permission is simply missing."""
    return next((policy for policy in POLICIES if policy.words in said), None)
