"""What `deployer init` finds in a folder, and the file it writes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from deployer import config as configuration
from deployer import project as finding
from deployer.errors import ConfigError, DataError


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("filename,label\na.jpg,x\n" if path.suffix == ".csv" else "")


@pytest.mark.parametrize(
    ("files", "path", "targets", "classes"),
    [
        (("targets.csv", "images/a.jpg"), "", "targets.csv", ()),
        (("fish/targets.csv", "fish/images/a.jpg", "fish/sources.csv"), "fish", "fish/targets.csv", ()),
        (("data/labels.csv", "data/a.png"), "data", "data/labels.csv", ()),
        (("photos/cat/a.jpg", "photos/dog/b.JPG"), "photos", "", ("cat", "dog")),
        (
            ("photos/cat/1/a.jpg", "photos/cat/2/a.jpg", "photos/dog/1/b.jpg", "photos/dog/2/b.jpg"),
            "photos",
            "",
            ("cat", "dog"),
        ),
        (("photos/cat/1/a.jpg", "photos/dog/1/b.jpg"), "photos", "", ("cat", "dog")),
        (("photos/cat/a.jpg", "photos/dog/b.jpg", "docs/figure.png"), "photos", "", ("cat", "dog")),
        (("a.jpg", "b.jpg"), "", "", ()),
        (("targets.csv", "cat/a.jpg", "dog/b.jpg"), "", "targets.csv", ()),
        ((".hidden/targets.csv", ".hidden/a.jpg", "cat/a.jpg", "dog/b.jpg"), "", "", ("cat", "dog")),
        (("runs/1/targets.csv", "runs/1/a.jpg", "cat/a.jpg", "dog/b.jpg"), "", "", ("cat", "dog")),
    ],
)
def test_find_images_finds_them(
    files: tuple[str, ...], path: str, targets: str, classes: tuple[str, ...], project: Path
) -> None:
    make(project, *files)

    found = finding.find_images(project)

    assert found is not None
    assert (found.path, found.targets, found.classes) == (path, targets, classes)


def test_find_images_in_an_empty_folder_finds_none(project: Path) -> None:
    assert finding.find_images(project) is None


def test_find_images_elsewhere_keeps_the_whole_path(project: Path, tmp_path: Path) -> None:
    make(tmp_path / "my frames", "targets.csv", "images/a.jpg")

    found = finding.find_images(project, tmp_path / "my frames")

    assert found is not None
    assert found.path == str(tmp_path / "my frames")


def test_find_images_in_a_missing_folder_is_refused(project: Path) -> None:
    with pytest.raises(DataError, match="nowhere is not a folder"):
        finding.find_images(project, Path("nowhere"))


@pytest.mark.parametrize(
    ("folder", "name"),
    [("Deep Sea 2026", "deep-sea-2026"), ("Fänge", "fange"), ("x", "demo"), ("深海", "demo"), ("1-a", "demo")],
)
def test_deployment_name_is_one_that_aws_takes(folder: str, name: str) -> None:
    assert finding.deployment_name(Path(folder)) == name


def test_written_file_names_every_key_and_loads(project: Path) -> None:
    file = project / "deployer.toml"
    finding.write_config(file, {"name": "fish", "data.path": 'a "quoted" föld'})

    loaded = configuration.load()

    assert (loaded.name, loaded.data.path) == ("fish", 'a "quoted" föld')
    text = file.read_text(encoding="utf-8")
    uncommented = "\n".join(line.removeprefix("# ") if " = " in line else line for line in text.splitlines())
    table = tomllib.loads(uncommented)
    flat = {key if not isinstance(value, dict) else None for key, value in table.items()} - {None}
    flat |= {f"{section}.{key}" for section in configuration.SECTIONS for key in table[section]}
    assert flat == set(configuration.keys())


def test_written_file_is_not_written_over_unasked(project: Path) -> None:
    file = project / "deployer.toml"
    file.write_text("precious")

    with pytest.raises(ConfigError, match="is there already"):
        finding.write_config(file, {})

    assert file.read_text() == "precious"
