"""The one configuration: defaults < deployer.toml < DEPLOYER_* < flags, put together once and then frozen.

Every key is a field here with its default, what it means and what is allowed; `deployer.example.toml`, the environment
variables and the errors follow from these fields.
"""

from __future__ import annotations

import difflib
import json
import os
import shlex
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from deployer import allowed
from deployer.errors import ConfigError

FILE_NAME = "deployer.toml"
PREFIX = "DEPLOYER_"

# Keys whose flag has another name.
FLAGS = {"availability_zone": "--zone"}

# Set by deployer itself for the jobs it starts; not configuration.
RESERVED_VARIABLES = frozenset(
    {
        *("DEPLOYER_JOB_DIR", "DEPLOYER_JOB", "DEPLOYER_DATA_DIR", "DEPLOYER_HOST", "DEPLOYER_USD_PER_HOUR"),
        "DEPLOYER_ARGUMENTS",
    }
)


def _key(default: Any, description: str, check: Callable[[Any], str | None] | None = None) -> Any:
    return field(default=default, metadata={"description": description, "check": check})


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the images and their labels are: relative to deployer.toml, or on S3 already."""

    path: str = _key(
        "", "folder of the images, or s3://bucket/folder; empty: the project folder itself", allowed.check_data_path
    )
    targets: str = _key(
        "",
        "table with the labels (CSV or TSV), with images on S3 relative to path; "
        "empty: found in the folder, or one folder per class",
    )


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What runs on the instance."""

    command: str = _key("", "your own command instead of the built-in model; it runs in the project folder")
    arguments: tuple[str, ...] = _key((), 'arguments of the built-in model, e.g. ["--epochs", "20"]')


@dataclass(frozen=True, kw_only=True)
class EndpointConfig:
    """Where the classifier is to be served one day: today only the quota for it is checked."""

    instance_type: str = _key(
        "", 'SageMaker instance type, e.g. "ml.g4dn.xlarge"; empty: none', allowed.check_endpoint_type
    )


@dataclass(frozen=True, kw_only=True)
class StateConfig:
    """Where Terraform keeps its state: under .deployer/, or in an S3 bucket with its native lock file."""

    bucket: str = _key("", "existing bucket for the state; empty: local, under .deployer/", allowed.check_bucket)
    key: str = _key("", "object key of the state; empty: deployer/<name>.tfstate")
    region: str = _key("", "region of that bucket; empty: the deployment's region")


@dataclass(frozen=True, kw_only=True)
class Config:
    """One deployment, whole: every command gets this value and nothing else."""

    project: Path = field(default_factory=Path.cwd, metadata={"internal": True})
    file: Path | None = field(default=None, metadata={"internal": True})

    name: str = _key("demo", "name of the deployment, on every resource as a tag", allowed.check_name)
    cloud: str = _key("aws", '"aws", or "local" for a rehearsal on this machine', allowed.one_of("aws", "local"))
    region: str = _key("us-east-1", "AWS region", allowed.check_region)
    availability_zone: str = _key(
        "", "zone to insist on, by name or id; empty: the first one that can", allowed.check_zone
    )
    instance_type: tuple[str, ...] = _key(
        ("g4dn.xlarge", "g5.xlarge", "g6.xlarge"), "GPU instance types, tried in this order", allowed.check_types
    )
    nodes: int = _key(1, "number of instances", allowed.between(1, 16))
    spot: bool = _key(False, "buy spare capacity: cheaper, may be taken back with two minutes' notice")
    max_price: float = _key(0.0, "USD per hour that one instance may cost at most; 0: any", allowed.between(0, 1000))
    ami: str = _key(
        "", "an ami-… id, a name or a pattern of names (`deployer ami list`); empty: what fits the instance type"
    )
    root_volume_gb: int = _key(
        0, "size of the root disk in GiB; 0: what the image needs and 40 more", allowed.between(0, 16384)
    )
    max_hours: float = _key(
        8.0, "hours until the instance terminates itself, whatever happens", allowed.between(0.02, 720)
    )
    allow_cpu: bool = _key(False, "accept instance types and hosts without a GPU")
    allowed_cidr: str = _key(
        "", "address block that may reach port 22; empty: this machine's public address", allowed.check_cidr
    )
    cloud9: bool = _key(False, "add a Cloud9 environment (closed to accounts new since July 2024)")
    ssh_config: str = _key("", "OpenSSH configuration to go through, e.g. for a bastion")
    ssh_user: str = _key("", "login name on the instance; empty: the image's own")
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)
    state: StateConfig = field(default_factory=StateConfig)

    @property
    def state_directory(self) -> Path:
        """Everything this machine remembers of the deployment (mode 0700)."""
        return self.project / ".deployer" / "deployments" / self.cloud / self.name

    @property
    def data_directory(self) -> Path:
        """The folder of the images on this machine; the project where they are on S3."""
        return self.project if self.data_bucket else (self.project / self.data.path).resolve()

    @property
    def data_bucket(self) -> tuple[str, str] | None:
        """The bucket with the images and what their keys begin with ("" or "folder/"); None for a folder here."""
        if not allowed.is_s3(self.data.path):
            return None
        bucket, _, folder = self.data.path.removeprefix(allowed.S3_SCHEME).partition("/")
        return bucket, f"{folder.rstrip('/')}/" if folder.strip("/") else ""

    @property
    def runs_directory(self) -> Path:
        """Where results come home: one folder per job."""
        return self.project / "runs"


SECTIONS: dict[str, type[Any]] = {
    "data": DataConfig,
    "train": TrainConfig,
    "endpoint": EndpointConfig,
    "state": StateConfig,
}


def keys() -> dict[str, Any]:
    """Return every key as `region` or `train.command`, with its dataclass field (type, default, metadata)."""
    found = {}
    for item in fields(Config):
        if item.name in SECTIONS:
            found.update({f"{item.name}.{inner.name}": inner for inner in fields(SECTIONS[item.name])})
        elif not item.metadata.get("internal"):
            found[item.name] = item
    return found


def variable(key: str) -> str:
    """Return the environment variable of a key: `train.command` is DEPLOYER_TRAIN_COMMAND."""
    return PREFIX + key.replace(".", "_").upper()


def load(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    flags: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Config:
    """Put the configuration together: defaults < file < DEPLOYER_* < flags.

    `defaults` stand in for some of our own: a local cloud brings its ssh_config along.

    `file` is the one the user named (it must exist); without it deployer.toml in `folder` is read where there is one.
    `flags` maps keys to values; None means the flag was not given. Raises ConfigError.
    """
    folder = folder or Path.cwd()
    chosen = file or (folder / FILE_NAME if (folder / FILE_NAME).exists() else None)
    values = {key: _convert(key, value, "the defaults") for key, value in (defaults or {}).items()}
    if chosen is not None:
        values.update(_read_file(chosen))
    for name, text in environment.items():
        if name.startswith(PREFIX) and name not in RESERVED_VARIABLES:
            key = _known(name, {variable(known): known for known in keys()}, "the environment")
            values[key] = _convert(key, text, f"the environment variable {name}")
    for key, value in (flags or {}).items():
        if value is not None:
            values[key] = _convert(key, value, FLAGS.get(key, "--" + key.replace("_", "-")))
    project = (chosen.parent if chosen else folder).resolve()
    return _build(values, project=project, file=chosen)


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """Return `config` with some keys replaced, checked like any other source."""
    nested: dict[str, Any] = {}
    for key, value in values.items():
        section, _, inner = key.rpartition(".")
        converted = _convert(key, value, key)
        if section:
            nested[section] = replace(nested.get(section, getattr(config, section)), **{inner: converted})
        else:
            nested[key] = converted
    return replace(config, **nested)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist.", hint="Run `deployer init` to write one.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: {error.reason} at byte {error.start}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name in SECTIONS:
            if not isinstance(value, dict):
                raise ConfigError(f"{name} in {path} must be a table, written as [{name}].")
            known = {inner.name: f"{name}.{inner.name}" for inner in fields(SECTIONS[name])}
            values.update({_known(key, known, f"[{name}] of {path}"): item for key, item in value.items()})
        else:
            top = {key: key for key in keys() if "." not in key} | {section: section for section in SECTIONS}
            values[_known(name, top, str(path))] = value
    return {key: _convert(key, value, str(path)) for key, value in values.items()}


def _known(name: str, known: Mapping[str, str], where: str) -> str:
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"Did you mean {close[0]}? " if close else ""
    raise ConfigError(f"Unknown key {name!r} in {where}.", hint=f"{meant}Known are: {', '.join(sorted(known))}.")


_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def _convert(key: str, value: Any, where: str) -> Any:
    """Return `value` as the key's type, checked; text is parsed, since the environment knows nothing else."""
    item = keys()[key]
    wanted = {"str": "text", "bool": "true or false", "int": "a whole number", "float": "a number"}.get(
        str(item.type), "text or a list of texts"
    )

    def refuse(reason: str) -> ConfigError:
        return ConfigError(f"{key} = {_shown(value)} in {where} {reason}.")

    kind = str(item.type)
    result: Any = value
    if kind == "bool" and isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        result = value.lower() in _TRUE
    elif kind in {"int", "float"} and isinstance(value, str):
        try:
            result = {"int": int, "float": float}[kind](value)
        except ValueError:
            raise refuse(f"must be {wanted}") from None
    elif kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        result = float(value)
    elif kind.startswith("tuple"):
        if isinstance(value, str):
            try:
                value = [part.strip() for part in value.split(",")] if key == "instance_type" else shlex.split(value)
            except ValueError as error:
                raise refuse(f"must be {wanted}: {str(error).lower()}") from None
            value = [part for part in value if part]
        if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
            raise refuse(f"must be {wanted}")
        # A type named twice is tried once.
        result = tuple(dict.fromkeys(value) if key == "instance_type" else value)
    right = {"str": str, "bool": bool, "int": int, "float": float}.get(kind, tuple)
    if not isinstance(result, right) or (kind in {"int", "float"} and isinstance(result, bool)):
        raise refuse(f"must be {wanted}")
    check = item.metadata["check"]
    reason = check(result) if check else None
    if reason:
        raise refuse(reason)
    return result


def _shown(value: Any) -> str:
    """Return a value as TOML has it."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False, default=str)


def _build(values: Mapping[str, Any], *, project: Path, file: Path | None) -> Config:
    top = {key: value for key, value in values.items() if "." not in key}
    for section, kind in SECTIONS.items():
        inner = {key.partition(".")[2]: value for key, value in values.items() if key.startswith(section + ".")}
        top[section] = kind(**inner)
    config = Config(project=project, file=file, **top)
    # An id does not spell its region; the account's own zones decide, when they are asked.
    is_name = allowed.ZONE_PATTERN.fullmatch(config.availability_zone)
    if is_name and not config.availability_zone.startswith(config.region):
        raise ConfigError(
            f'availability_zone = "{config.availability_zone}" is not in region "{config.region}".',
            hint=f"Set region to {config.availability_zone[:-1]}, or leave availability_zone empty.",
        )
    if config.data_bucket and (config.data.targets.startswith("/") or "//" in config.data.targets):
        raise ConfigError(
            f'data.targets = "{config.data.targets}" must be relative to data.path = "{config.data.path}".',
            hint='Put the table beside the images on S3, and set targets to its name there, e.g. "targets.csv".',
        )
    return config
