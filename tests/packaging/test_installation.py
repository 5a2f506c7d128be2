"""What a user installs works from any folder, by wheel and by `pip install -e` alike."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from deployer import __version__

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("deployer", "model", "ami", "terraform")
NEVER_SHIPPED = shutil.ignore_patterns("__pycache__", ".terraform*", "*.tfstate*", "*.egg-info", "tests")

# Lists what is found the way deployer itself finds it, and imports all that the base install must carry.
LOCATE = """
import importlib, json, pkgutil, sys
from importlib.resources import files
def walk(folder, prefix):
    for item in folder.iterdir():
        if item.name == "__pycache__":
            continue
        if item.is_dir():
            yield from walk(item, prefix + item.name + "/")
        else:
            yield prefix + item.name
import deployer
modules = [m.name for m in pkgutil.walk_packages(deployer.__path__, "deployer.", onerror=lambda name: None)]
base = [n for n in modules if not n.startswith("deployer.localcloud") and not n.startswith("deployer.remote.agents")
        and n != "deployer.__main__"]
for name in base:
    importlib.import_module(name)
print(json.dumps({
    "files": [name for package in sys.argv[1:] for name in walk(files(package), package + "/")],
    "modules": base,
    "heavy": sorted({"torch", "moto", "asyncssh"} & sys.modules.keys()),
}))
"""


@dataclass(frozen=True)
class Installation:
    """One environment with deployer in it."""

    kind: str
    folder: Path

    def run(self, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run one of its programs far from the sources, with nothing of ours in the environment."""
        environment = {"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.defpath}", "HOME": str(cwd)}
        program = str(self.folder / "bin" / command[0])
        return subprocess.run([program, *command[1:]], cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a clone holds, and the junk that work in it leaves behind."""
    folder = tmp_path_factory.mktemp("sources")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=NEVER_SHIPPED)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    for junk in (
        "tests/test_x.py",
        "tools/tool.py",
        "terraform/.terraform/providers/provider",
        "terraform/.terraform.lock.hcl",
        "terraform/terraform.tfstate",
        "terraform/terraform.tfvars",
        "terraform/modules/network/tests/network.tftest.hcl",
        "runs/20260101-000000/model.pt",
        "demo/deployer.toml",
    ):
        path = folder / junk
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("junk")
    return folder


@pytest.fixture(scope="session")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(sources))
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session", params=["wheel", "editable"])
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp(request.param) / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    _link_dependencies("deployer", folder / "lib" / version / "site-packages")
    if request.param == "wheel":
        target = ["--no-index", str(request.getfixturevalue("wheel"))]
    else:
        # The build runs under the environment it installs into, which has no setuptools: that is lent to it.
        _lend_setuptools(folder / "lib" / version / "site-packages")
        target = ["--no-build-isolation", "--editable", str(request.getfixturevalue("sources"))]
    _pip("--python", python, "install", "--no-deps", *target)
    return Installation(request.param, folder)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A user's project whose folders and files have the names of our packages."""
    for package in (*PACKAGES, "click"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit('imported from the user\\'s folder')\n")
    return tmp_path


def test_wheel_carries_every_file_of_the_packages_and_nothing_else(wheel: Path, sources: Path) -> None:
    expected = {str(path.relative_to(sources)) for package in PACKAGES for path in _shipped(sources / package)}

    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert found == expected
    assert {"terraform/main.tf", "terraform/modules/network/main.tf", "model/train.py", "ami/catalogue.py"} <= found


def test_installation_finds_every_file(installation: Installation, sources: Path, elsewhere: Path) -> None:
    script = elsewhere / "scripts" / "locate.py"
    script.parent.mkdir()
    script.write_text(LOCATE)

    done = installation.run("python", str(script), *PACKAGES, cwd=elsewhere)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    needed = {str(path.relative_to(sources)) for package in PACKAGES for path in _shipped(sources / package)}
    assert needed <= set(found["files"])
    assert "deployer.commands.up" in found["modules"]
    assert found["heavy"] == []


def test_installation_says_its_version(installation: Installation, elsewhere: Path) -> None:
    done = installation.run("deployer", "--version", cwd=elsewhere)

    assert (done.returncode, done.stdout.strip()) == (0, f"deployer {__version__}")


def test_installation_runs_beside_folders_named_like_its_packages(installation: Installation, elsewhere: Path) -> None:
    done = installation.run("deployer", "local", "status", "--json", cwd=elsewhere)

    assert "imported from the user's folder" not in done.stderr
    assert json.loads(done.stdout) == {"running": False}


def test_installation_without_an_extra_says_which_to_install(installation: Installation, elsewhere: Path) -> None:
    done = installation.run("deployer", "--cloud", "local", "check", cwd=elsewhere)

    assert done.returncode == 2, done.stderr
    assert "deployer[local]" in done.stderr
    assert "Traceback" not in done.stderr
    assert "imported from the user's folder" not in done.stderr


def _shipped(package: Path) -> list[Path]:
    """Return the files of a package in the sources that a user needs, the planted junk left out."""
    files = [path for path in package.rglob("*") if path.is_file() and path.read_bytes() != b"junk"]
    return [path for path in files if "__pycache__" not in path.parts and path.suffix != ".pyc"]


def _link_dependencies(project: str, site_packages: Path) -> None:
    """Link what a bare `pip install` of the project brings, extras left out, from the running environment."""
    wanted, seen = _requirements(project), set[str]()
    while wanted:
        name = wanted.pop()
        if name not in seen:
            seen.add(name)
            wanted += _requirements(name)
            _link_distribution(name, site_packages)


def _lend_setuptools(site_packages: Path) -> None:
    _link_distribution("setuptools", site_packages)


def _requirements(project: str) -> list[str]:
    parsed = [Requirement(text) for text in metadata.requires(project) or []]
    plain = [item for item in parsed if item.marker is None or item.marker.evaluate({"extra": ""})]
    return [re.sub(r"[-_.]+", "-", item.name).lower() for item in plain]


def _link_distribution(name: str, site_packages: Path) -> None:
    installed = Path(sysconfig.get_path("purelib"))
    for file in metadata.files(name) or []:
        top = file.parts[0]
        if top not in {"..", "__pycache__"} and not (site_packages / top).exists():
            (site_packages / top).symlink_to(installed / top)


def _pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
