"""Images of one's own on the local cloud: baked, used by the next machine, pruned; and what the catalogue shows."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_shell import Shell

SETTINGS = 'name = "fish"\nallow_cpu = true\n'
SEED = "Deep Learning Base AMI (Ubuntu 18.04) Version 31.0"
ON_HOST = ".deployer/venv/bin/python"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A project folder on the local cloud, which needs a package that no index has."""
    folder = tmp_path_factory.mktemp("reef project")
    wheel = write_wheel(tmp_path_factory.mktemp("wheels"))
    (folder / "deployer.toml").write_text(SETTINGS)
    (folder / "requirements.txt").write_text("# what the training needs\n-r more.txt\nclick\n")
    (folder / "more.txt").write_text(f"reefkit @ {wheel.as_uri()}\n")
    yield Shell(folder)
    Shell(folder)("local", "stop", expect=None)


def write_wheel(folder: Path) -> Path:
    """Write the smallest package that pip installs without asking anybody."""
    wheel = folder / "reefkit-1.0-py3-none-any.whl"
    info = "reefkit-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("reefkit.py", "WORD = 'anemone'\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: reefkit\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "reefkit.py,,\n")
    return wheel


def test_bake_without_a_deployment_says_what_to_do_first(shell: Shell) -> None:
    answer = shell("ami", "bake", "--yes", expect=1)

    assert "Hint: Run `deployer" in answer.stderr
    assert "up` first" in answer.stderr


def test_baked_image_holds_the_dependencies_and_serves_the_next_machine(shell: Shell) -> None:
    shell("up", "--yes")
    shell(
        "ssh",
        "--",
        "mkdir -p project .deployer/data && echo secret > project/notes && echo fish > .deployer/data/a.jpg",
    )

    made = shell("ami", "bake", "--yes", "--name", "reef-1", "--json").json()

    assert shell("ssh", "--", "ls", "-A", ".deployer").stdout.split() == ["venv"]  # it is back, and empty
    assert "nothing is left" in shell("down", "--yes").stdout
    (own,) = shell("ami", "list", "--json").json()["baked"]
    assert (own["image"]["ami_id"], own["image"]["name"], own["state"]) == (made["ami_id"], "reef-1", "available")
    checked = shell("check")
    assert f"{made['ami_id']} (reef-1) fits g4dn.xlarge" in " ".join(checked.stdout.split())

    assert "reef-1" in shell("up", "--yes").stderr
    told = shell("ssh", "--", ON_HOST, "-c", "'import reefkit, click; print(reefkit.WORD)'")
    assert told.stdout.strip() == "anemone"
    assert shell("ssh", "--", "ls -A project .deployer/data", expect=None).stdout.strip() == ""

    shell("ssh", "--", "mkdir project && echo secret > project/notes")
    again = shell("ami", "bake", "--yes", "--name", "reef-1", expect=2)
    assert "There is an image 'reef-1' in us-east-1 already." in again.stderr
    assert shell("ssh", "--", "cat project/notes").stdout.strip() == "secret"  # the machine was not touched

    pruned = shell("ami", "prune", "--yes", "--json").json()
    assert pruned["images"] == [made["ami_id"]]
    assert (len(pruned["snapshots"]), pruned["freed_gb"]) == (1, made["snapshot_gb"])
    assert shell("ami", "list", "--json").json()["baked"] == []
    assert "nothing is left" in shell("down", "--yes").stdout


@pytest.mark.parametrize("image", [SEED, "ami-063f381b07ea97834"])
def test_check_says_what_is_wrong_with_each_half_of_an_old_recipe(shell: Shell, image: str) -> None:
    (shell.folder / "old.toml").write_text(f'instance_type = ["g3.4xlarge"]\nami = "{image}"\n')

    answer = " ".join(shell("--config", "old.toml", "check", expect=1).stdout.split())

    assert "g3.4xlarge was withdrawn: AWS has not offered that family since 2024-11" in answer
    assert "AWS patched Ubuntu 18.04 until 2023-05-31" in answer
    assert "is a Base image without PyTorch" in answer
    assert "g4dn.xlarge" in answer
    assert "pytorch-2.10-ubuntu-24.04" in answer


def test_check_finds_an_id_of_another_region(shell: Shell) -> None:
    (shell.folder / "away.toml").write_text('region = "us-west-2"\nami = "ami-063f381b07ea97834"\n')

    answer = " ".join(shell("--config", "away.toml", "check", expect=1).stdout.split())

    assert f"There is no image ami-063f381b07ea97834 in us-west-2. It is '{SEED}' in us-east-1." in answer


def test_list_shows_what_drives_a_type(shell: Shell) -> None:
    rows = shell("ami", "list", "--type", "g5g.xlarge", "--json").json()["rows"]

    assert {row["image"]["architectures"][0] for row in rows} == {"arm64"}
    assert all(row["newest"]["ami_id"].startswith("ami-") for row in rows)


def test_show_tells_an_image_that_is_past(shell: Shell) -> None:
    text = shell("ami", "show", "base-ubuntu-18.04").stdout

    assert SEED in text
    assert "2023-05-31, past" in text
    assert "450.80.02 proprietary" in text
