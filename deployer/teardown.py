"""What is still there of a deployment, and may cost money: asked of AWS by tag and by name, never of a local file."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from deployer.aws import cloud9, ec2, existence, iam, s3
from deployer.aws.session import Session
from deployer.errors import AccessDenied, AwsError


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """Something that still exists; not `is_certain` where AWS did not say, and `detail` tells why."""

    kind: str
    id: str
    detail: str = ""
    is_certain: bool = True


def find_leftovers(
    session: Session, deployment: str, *, account: str, bucket: str = "", role_name: str = "", key_name: str = ""
) -> list[Leftover]:
    """Return what still exists of a deployment, the certain first; what could not be asked is in the list too.

    Terminated machines and closed spot requests are not leftovers. The bucket is looked for only where it is
    named; role, instance profile, key pair and Cloud9 environment are found by the names Terraform gives them.
    """
    own_name = f"deployer-{deployment}-{session.region}"
    role, key = role_name or own_name, key_name or own_name
    questions: list[tuple[str, str, Callable[[], list[Leftover]]]] = [
        ("tagged resources", "all", lambda: _tagged(session, deployment)),
        ("key pair", key, lambda: _key_pairs(session, key)),
        ("IAM role", role, lambda: _named("IAM role", role, iam.role_exists(session, role), account)),
        (
            "instance profile",
            role,
            lambda: _named("instance profile", role, iam.instance_profile_exists(session, role), account),
        ),
        ("Cloud9 environment", own_name, lambda: _environments(session, own_name)),
    ]
    if bucket:
        questions.append(
            ("bucket", bucket, lambda: _named("bucket", bucket, s3.bucket_exists(session, bucket), account))
        )
    with ThreadPoolExecutor(max_workers=len(questions), thread_name_prefix="leftovers") as pool:
        answers = list(pool.map(lambda question: _answer(*question), questions))
    # A key pair carries the tag as well as the name.
    found = dict.fromkeys(item for answer in answers for item in answer)
    return sorted(found, key=lambda item: not item.is_certain)


def _answer(kind: str, name: str, ask: Callable[[], list[Leftover]]) -> list[Leftover]:
    try:
        return ask()
    except AwsError as error:
        why = f"allow {error.operation}" if isinstance(error, AccessDenied) else error.message
        return [Leftover(kind=kind, id=name, detail=f"could not be asked: {why}", is_certain=False)]


def _tagged(session: Session, deployment: str) -> list[Leftover]:
    alive = existence.existing(session, ec2.tagged(session, deployment))
    return [
        Leftover(kind=item.kind.replace("-", " "), id=item.id, detail=detail or item.name) for item, detail in alive
    ]


def _key_pairs(session: Session, name: str) -> list[Leftover]:
    return [Leftover(kind="key pair", id=item.id, detail=item.name) for item in ec2.key_pairs(session, name)]


def _named(kind: str, name: str, exists: bool, account: str) -> list[Leftover]:
    return [Leftover(kind=kind, id=name, detail=f"in account {account}")] if exists else []


def _environments(session: Session, name: str) -> list[Leftover]:
    return [Leftover(kind="Cloud9 environment", id=item, detail=name) for item in cloud9.environments(session, name)]
