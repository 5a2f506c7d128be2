"""Configuration: precedence, and errors that name the key, the file, what is allowed, and what was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deployer import config as configuration
from deployer.config import Config, load
from deployer.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    file = folder / "deployer.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_later_sources_win(project: Path) -> None:
    write(project, 'region = "eu-west-1"\nmax_hours = 3\nnodes = 2\n')

    loaded = load(environment={"DEPLOYER_MAX_HOURS": "4", "DEPLOYER_NODES": "3"}, flags={"nodes": 5, "name": None})

    assert (loaded.region, loaded.max_hours, loaded.nodes, loaded.name) == ("eu-west-1", 4.0, 5, "demo")


def test_sections_come_from_file_and_environment(project: Path) -> None:
    write(project, '[train]\narguments = ["--epochs", "3"]\n[data]\npath = "frames"\n')

    loaded = load(environment={"DEPLOYER_TRAIN_COMMAND": "python own.py", "DEPLOYER_DATA_TARGETS": "t.csv"})

    assert loaded.train.command == "python own.py"
    assert loaded.train.arguments == ("--epochs", "3")
    assert loaded.data_directory == project / "frames"
    assert loaded.data.targets == "t.csv"


def test_instance_type_that_is_named_twice_is_tried_once(project: Path) -> None:
    write(project, 'instance_type = ["g5.xlarge", "g6.xlarge", "g5.xlarge"]\n')

    assert load(environment={}).instance_type == ("g5.xlarge", "g6.xlarge")


@pytest.mark.parametrize(
    ("path", "bucket"),
    [
        ("s3://reef", ("reef", "")),
        ("s3://reef/", ("reef", "")),
        ("s3://reef/2026/frames", ("reef", "2026/frames/")),
        ("s3://reef.example/my frames/", ("reef.example", "my frames/")),
        ("frames", None),
        ("", None),
    ],
)
def test_images_are_in_a_folder_or_in_a_bucket(path: str, bucket: tuple[str, str] | None, project: Path) -> None:
    loaded = load(environment={"DEPLOYER_DATA_PATH": path})

    assert loaded.data_bucket == bucket
    assert loaded.data_directory == (project if bucket else project / path)


def test_project_is_the_folder_of_the_file(project: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()

    loaded = load(file=write(elsewhere, 'name = "fish"\n'))

    assert loaded.project == elsewhere
    assert loaded.state_directory == elsewhere / ".deployer/deployments/aws/fish"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('regoin = "x"', "Unknown key 'regoin' in .*deployer.toml", "Did you mean region? Known are: allow_cpu,"),
        ("[train]\nepochs = 3", r"Unknown key 'epochs' in \[train\]", "Known are: arguments, command."),
        ("train = 3", r"must be a table, written as \[train\]", ""),
        ("nodes = 'two'", r'nodes = "two" in .*deployer.toml must be a whole number', ""),
        ("nodes = true", "nodes = true .* must be a whole number", ""),
        ("nodes = 1.5", r"nodes = 1\.5 .* must be a whole number", ""),
        ("nodes = 0", "nodes = 0 .* must be between 1 and 16", ""),
        ("spot = 'maybe'", "must be true or false", ""),
        ("max_hours = -1", "must be between", ""),
        ('cloud = "azure"', 'must be "aws" or "local"', ""),
        ('cloud = "locl"', 'did you mean "local"', ""),
        ('[state]\nbucket = "Fish_State"', "the name of a bucket", ""),
        ('[data]\npath = "s3://"', 'data.path = "s3://" .* must look like "s3://my-bucket/images"', ""),
        ('[data]\npath = "s3://Reef/x"', "lower-case letters", ""),
        ('[data]\npath = "S3://reef"', 'must be a folder, or look like "s3://', ""),
        ('[data]\npath = "https://reef.s3.amazonaws.com/x"', 'must be a folder, or look like "s3://', ""),
        ('[data]\npath = "s3://reef/*.jpg"', "must name one folder of the bucket", ""),
        ('[data]\npath = "s3://reef//x"', "must name one folder of the bucket", ""),
        ('[data]\npath = "s3://reef/../b"', "must name one folder of the bucket", ""),
        ('[data]\npath = "s3://reef"\ntargets = "/t.csv"', "must be relative to data.path", "beside the images"),
        ('region = "us-east-1a"', "belongs in availability_zone", ""),
        ('availability_zone = "us-west-2a"', 'is not in region "us-east-1"', "Set region to us-west-2"),
        ("instance_type = []", "at least one instance type", ""),
        ('instance_type = ["g4dn"]', "must look like", ""),
        ('instance_type = ["G4DN.xlarge"]', 'did you mean "g4dn.xlarge"', ""),
        ("max_price = -1", "must be between 0 and 1000", ""),
        ("instance_type = [1]", "must be text or a list of texts", ""),
        ('allowed_cidr = "0.0.0.0/0"', "SSH is not for everyone", ""),
        ('allowed_cidr = "home"', "IPv4 block", ""),
        ('allowed_cidr = "::1/128"', "IPv4", ""),
        ("region = ", "is not valid TOML", ""),
    ],
)
def test_bad_file_is_refused_with_the_fix(text: str, message: str, hint: str, project: Path) -> None:
    write(project, text + "\n")

    with pytest.raises(ConfigError, match=message) as caught:
        load(environment={})

    assert caught.value.exit_code == 2
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "name", ["", "a", "Fish", "fish_1", "-fish", "fish-", "fi--sh", "1fish", "f" * 21, "fish.1", "fïsh"]
)
def test_name_that_aws_refuses_is_refused_here(name: str, project: Path) -> None:
    with pytest.raises(ConfigError, match="AWS refuses other names"):
        load(environment={}, flags={"name": name})


@pytest.mark.parametrize("name", ["ab", "fish", "deep-sea-2026", "f" * 20])
def test_name_that_aws_takes_is_taken(name: str, project: Path) -> None:
    assert load(environment={}, flags={"name": name}).name == name


def test_unknown_variable_is_refused_with_a_suggestion(project: Path) -> None:
    with pytest.raises(ConfigError, match="DEPLOYER_REGOIN") as caught:
        load(environment={"DEPLOYER_REGOIN": "us-east-1"})

    assert "DEPLOYER_REGION" in caught.value.hint


def test_bad_flag_is_named_as_it_was_typed(project: Path) -> None:
    with pytest.raises(ConfigError, match='"nowhere" in --zone must be'):
        load(environment={}, flags={"availability_zone": "nowhere"})


@pytest.mark.parametrize("zone", ["us-east-1a", "use1-az4", "apse2-az1"])
def test_zone_is_a_name_of_the_region_or_the_id_of_any_zone(zone: str, project: Path) -> None:
    assert load(environment={}, flags={"availability_zone": zone}).availability_zone == zone


def test_job_variables_are_not_configuration(project: Path) -> None:
    of_a_job = {"DEPLOYER_JOB_DIR": "/x", "DEPLOYER_DATA_DIR": "/y", "DEPLOYER_ARGUMENTS": "--preset best"}
    assert load(environment=of_a_job) == Config(project=project)


def test_missing_named_file_says_what_writes_one(project: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml does not exist") as caught:
        load(file=project / "nowhere.toml")

    assert "deployer init" in caught.value.hint


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("instance_type", "g5.xlarge, g6.xlarge", ("g5.xlarge", "g6.xlarge")),
        ("train.arguments", "--data 'my fish'", ("--data", "my fish")),
        ("spot", "yes", True),
        ("spot", "0", False),
        ("max_hours", "0.5", 0.5),
    ],
)
def test_text_becomes_the_keys_type(key: str, value: str, expected: Any, project: Path) -> None:
    loaded = load(environment={configuration.variable(key): value})

    section, _, name = key.rpartition(".")
    holder = getattr(loaded, section) if section else loaded
    assert getattr(holder, name) == expected
