"""Every error a user can act on; `cli.py` alone turns them into a message and an exit code.

DeployerError (exit code 1)
├── UsageError (exit code 2)
│   ├── ConfigError            a key or value in deployer.toml, DEPLOYER_* or a flag
│   ├── DataError              images or targets that cannot be used
│   └── MissingDependency      a program or an extra that is not installed
├── AwsError                   what AWS answered, in our words
│   ├── NoCredentials · ExpiredCredentials · AccessDenied
│   ├── NoCapacity             this zone has none now; the next candidate may
│   └── QuotaExceeded
├── PreflightFailed            nothing can be launched
├── TerraformError
│   └── StateLocked
├── Busy                       another command works on this deployment
├── NotDeployed                there is no such deployment, or no such job
├── RemoteError                the host or the road to it
│   ├── HostUnreachable · HostKeyMismatch
│   └── GpuNotReady
├── JobError                   a job that cannot be started, read or cancelled
├── LocalCloudError
└── LeftoversFound             `down` found something that still exists
Interrupted (exit code 130)    Ctrl-C, after everything was brought to rest
"""

from __future__ import annotations


class DeployerError(Exception):
    """Something the user can act on: what happened with the facts, then what to type. Shown without a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(DeployerError):
    """The command line or the configuration asks for something that cannot be."""

    exit_code = 2


class ConfigError(UsageError):
    """A key or a value in deployer.toml, in DEPLOYER_* or in a flag is not allowed."""


class DataError(UsageError):
    """The images or the targets file cannot be used."""


class MissingDependency(UsageError):
    """A program or a Python extra is not installed."""


class AwsError(DeployerError):
    """AWS refused a call; `code` is AWS's own error code, `operation` the call."""

    def __init__(self, message: str, *, hint: str = "", code: str = "", operation: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.operation = operation


class NoCredentials(AwsError):
    """No AWS credentials were found, or AWS does not know them."""


class ExpiredCredentials(AwsError):
    """The session token has expired."""


class AccessDenied(AwsError):
    """The credentials lack a permission; `operation` names it."""


class NoCapacity(AwsError):
    """AWS has no such machine in this zone now; another zone or type may have one."""


class QuotaExceeded(AwsError):
    """The account may not run as many vCPUs of this family."""


class PreflightFailed(DeployerError):
    """At least one check says that nothing can be launched."""


class TerraformError(DeployerError):
    """Terraform ended with an error; `code` is AWS's error code where the diagnostic carries one.

    `addresses` are the resources that it stopped at, as far as Terraform names them.
    """

    def __init__(self, message: str, *, hint: str = "", code: str = "", addresses: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.addresses = addresses


class StateLocked(TerraformError):
    """Another Terraform holds the lock of this state."""


class Busy(DeployerError):
    """Another command works on this deployment at this moment."""


class NotDeployed(DeployerError):
    """There is no such deployment, or no such job in it."""


class RemoteError(DeployerError):
    """A command on the host failed."""


class HostUnreachable(RemoteError):
    """No SSH connection to the host."""


class HostKeyMismatch(RemoteError):
    """The host showed another key than its console printed."""


class GpuNotReady(RemoteError):
    """PyTorch on the host cannot use a GPU, and allow_cpu is not set."""


class JobError(DeployerError):
    """A job cannot be started, read or cancelled."""


class LocalCloudError(DeployerError):
    """The local cloud cannot do what was asked."""


class LeftoversFound(DeployerError):
    """`down` found resources of the deployment that still exist."""


class Interrupted(DeployerError):
    """Ctrl-C, after everything was brought to rest."""

    exit_code = 130
