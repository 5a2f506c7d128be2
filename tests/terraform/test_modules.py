"""The root module and each of the others: formatted, valid, its native tests green, its README complete."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "terraform"
MODULES = [ROOT, *sorted(path for path in (ROOT / "modules").iterdir() if path.is_dir())]
FILES = {"main.tf", "variables.tf", "outputs.tf", "versions.tf", "README.md", "tests"}

each_module = pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)


@dataclass(frozen=True)
class Workspace:
    """A copy of the root module and its children, initialised once: every init hashes the provider anew."""

    root: Path

    def folder(self, module: Path) -> Path:
        """Return the copy of `module`, ready for `terraform test`."""
        copy = self.root / module.relative_to(ROOT)
        if copy != self.root:
            shutil.copy(self.root / ".terraform.lock.hcl", copy)
        return copy


def terraform(*arguments: str, folder: Path, data: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}
    if data:
        environment["TF_DATA_DIR"] = str(data)
    command = ["terraform", f"-chdir={folder}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


def text_of(done: subprocess.CompletedProcess[str]) -> str:
    return f"{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("modules") / "terraform"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(".terraform*", "__pycache__"))
    done = terraform("init", "-backend=false", "-no-color", folder=root)
    assert done.returncode == 0, text_of(done)
    return Workspace(root)


def test_terraform_is_formatted() -> None:
    done = terraform("fmt", "-check", "-diff", "-recursive", folder=ROOT)

    assert done.returncode == 0, text_of(done)


def test_terraform_is_valid(workspace: Workspace) -> None:
    """The root calls every module, so this validates them all."""
    done = terraform("validate", "-no-color", folder=workspace.root)

    assert done.returncode == 0, text_of(done)


@each_module
def test_native_tests_pass(module: Path, workspace: Workspace) -> None:
    done = terraform("test", "-no-color", folder=workspace.folder(module), data=workspace.root / ".terraform")

    assert done.returncode == 0, text_of(done)
    assert re.search(r"^Success! [1-9]\d* passed, 0 failed", done.stdout, re.MULTILINE), text_of(done)


@each_module
def test_module_has_its_files(module: Path) -> None:
    assert {path.name for path in module.iterdir()} >= FILES


@each_module
def test_readme_names_every_variable_and_output(module: Path) -> None:
    source = (module / "variables.tf").read_text() + (module / "outputs.tf").read_text()
    declared = re.findall(r'^(?:variable|output) "(\w+)"', source, re.MULTILINE)
    readme = (module / "README.md").read_text()

    assert declared
    assert [name for name in declared if f"`{name}`" not in readme] == []


@each_module
def test_variables_and_outputs_are_described(module: Path) -> None:
    source = (module / "variables.tf").read_text() + (module / "outputs.tf").read_text()
    blocks = re.findall(r'^(?:variable|output) "\w+" \{.*?^\}', source, re.MULTILINE | re.DOTALL)

    assert [block for block in blocks if not re.search(r"^  description = ", block, re.MULTILINE)] == []


@each_module
def test_native_tests_are_named_by_what_they_show(module: Path) -> None:
    source = "\n".join(file.read_text() for file in module.glob("tests/*.tftest.hcl"))
    runs = re.findall(r'^run "(\w+)"', source, re.MULTILINE)

    assert runs
    assert [name for name in runs if not re.match(r"(creates|requires|rejects)_", name)] == []


@pytest.mark.parametrize("module", MODULES[1:], ids=lambda path: path.name)
def test_module_leaves_provider_and_backend_to_the_root(module: Path) -> None:
    source = "\n".join(file.read_text() for file in module.glob("*.tf"))

    assert not re.search(r"^\s*(provider|backend) \"", source, re.MULTILINE)


def test_providers_carry_the_tags_and_name_no_endpoint_and_no_credential() -> None:
    """Which cloud it is, the environment alone says; an aliased provider inherits no tags."""
    source = (ROOT / "providers.tf").read_text()
    arguments = re.findall(r"^  (\w+)", source, re.MULTILINE)

    assert arguments == ["region", "default_tags", "alias", "region", "max_retries", "default_tags"]
    assert source.count("tags = local.tags") == 2
