"""The adapter on real Terraform, with a module of built-in resources: no provider, no network."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from deployer import terraform
from deployer.config import StateConfig
from deployer.errors import Interrupted, MissingDependency, TerraformError
from deployer.terraform import Progress, Terraform

MODULE = """
variable "count_of" {
  type = number
}

variable "seconds" {
  type    = number
  default = 0
}

variable "message" {
  type    = string
  default = "hello"

  validation {
    condition     = var.message != "bad"
    error_message = "message must not be bad."
  }
}

resource "terraform_data" "quick" {
  count = var.count_of
  input = var.message
}

resource "terraform_data" "slow" {
  count = var.seconds > 0 ? 1 : 0

  provisioner "local-exec" {
    command = "sleep ${var.seconds}"
  }
}

output "messages" {
  value = terraform_data.quick[*].output
}
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "module"
    (folder / "modules" / "inner").mkdir(parents=True)
    (folder / "main.tf").write_text(MODULE)
    (folder / "modules" / "inner" / "main.tf").write_text("")
    return folder


@pytest.fixture
def adapter(tmp_path: Path, module: Path) -> Terraform:
    made = Terraform(tmp_path / "work", module=module)
    made.init(StateConfig(), state_key="", region="us-east-1")
    return made


def test_apply_reports_progress_and_returns_outputs(adapter: Terraform) -> None:
    seen: list[Progress] = []

    outputs = adapter.apply({"count_of": 3}, seen.append)

    assert outputs == {"messages": ["hello"] * 3}
    assert (seen[-1].done, seen[-1].total) == (3, 3)
    assert seen[-1].address.startswith("terraform_data.quick[")
    assert len(adapter.resources()) == 3


def test_apply_twice_changes_nothing(adapter: Terraform) -> None:
    adapter.apply({"count_of": 2}, lambda _: None)
    seen: list[Progress] = []

    outputs = adapter.apply({"count_of": 2}, seen.append)

    assert seen == []
    assert outputs == {"messages": ["hello"] * 2}


def test_plan_names_changes_and_makes_nothing(adapter: Terraform) -> None:
    changes = adapter.plan({"count_of": 2})

    assert sorted((item.address, item.action) for item in changes) == [
        ("terraform_data.quick[0]", "create"),
        ("terraform_data.quick[1]", "create"),
    ]
    assert adapter.resources() == ()


def test_destroy_takes_the_variables_of_the_last_apply(adapter: Terraform) -> None:
    adapter.apply({"count_of": 2}, lambda _: None)

    adapter.destroy(None, lambda _: None)

    assert adapter.resources() == ()


def test_apply_of_a_target_leaves_the_rest_and_tells_all_outputs(adapter: Terraform) -> None:
    adapter.apply({"count_of": 1}, lambda _: None)

    outputs = adapter.apply({"count_of": 3, "message": "bye"}, lambda _: None, targets=["terraform_data.quick[1]"])

    assert adapter.resources() == ("terraform_data.quick[0]", "terraform_data.quick[1]")
    assert list(outputs) == ["messages"]


def test_destroy_of_targets_leaves_the_rest(adapter: Terraform) -> None:
    adapter.apply({"count_of": 3}, lambda _: None)

    adapter.destroy(None, lambda _: None, targets=["terraform_data.quick[0]", "terraform_data.quick[2]"])

    assert adapter.resources() == ("terraform_data.quick[1]",)


def test_init_is_not_repeated_until_the_module_changes(adapter: Terraform, module: Path) -> None:
    copied = adapter.directory / "main.tf"
    copied.write_text("# touched\n")

    adapter.init(StateConfig(), state_key="", region="us-east-1")
    kept = copied.read_text()
    (module / "outputs.tf").write_text("")
    adapter.init(StateConfig(), state_key="", region="us-east-1")

    assert kept == "# touched\n"
    assert copied.read_text() == MODULE


@pytest.mark.parametrize("damage", ["", '{"version": 4, "resou'])
def test_damaged_state_is_put_aside_for_the_one_before(adapter: Terraform, damage: str) -> None:
    adapter.apply({"count_of": 1}, lambda _: None)
    adapter.apply({"count_of": 3}, lambda _: None)
    (adapter.directory / "terraform.tfstate").write_text(damage)

    adapter.init(StateConfig(), state_key="", region="us-east-1")

    assert "terraform_data.quick[0]" in adapter.resources()
    assert (adapter.directory / "terraform.tfstate.damaged").read_text() == damage


def test_forget_leaves_the_rest(adapter: Terraform) -> None:
    adapter.apply({"count_of": 2}, lambda _: None)

    adapter.forget("terraform_data.quick[0]")

    assert adapter.resources() == ("terraform_data.quick[1]",)


def test_bad_variable_is_told_in_terraforms_words(adapter: Terraform) -> None:
    with pytest.raises(TerraformError, match=r"message must not be bad\."):
        adapter.apply({"count_of": 1, "message": "bad"}, lambda _: None)


def test_caller_environment_cannot_change_the_command(adapter: Terraform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CLI_ARGS_apply", "-target=nothing.at_all")
    monkeypatch.setenv("TF_VAR_message", "bad")
    monkeypatch.setenv("TF_WORKSPACE", "elsewhere")

    assert adapter.apply({"count_of": 1}, lambda _: None) == {"messages": ["hello"]}


SCRIPT = """
import sys
from pathlib import Path
from deployer.errors import Interrupted
from deployer.terraform import Terraform
made = Terraform(Path(sys.argv[1]), on_interrupt=lambda: print("stopping", flush=True))
try:
    made.apply({"count_of": 2, "seconds": int(sys.argv[2])}, lambda p: print(p.done, flush=True))
except Interrupted as error:
    print(error, made.resources(), flush=True)
    sys.exit(error.exit_code)
"""


def _start(adapter: Terraform, seconds: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(adapter.directory), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    while process.stdout.readline().strip() != "2":
        assert process.poll() is None
    return process


def test_ctrl_c_is_forwarded_once_and_state_is_saved(adapter: Terraform) -> None:
    process = _start(adapter, 3)

    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == Interrupted.exit_code
    assert output.count("stopping") == 1
    assert "terraform_data.quick[0]" in output


def test_kill_of_the_caller_leaves_terraform_to_finish(adapter: Terraform) -> None:
    process = _start(adapter, 2)

    process.kill()
    process.communicate()
    outputs = adapter.apply({"count_of": 2, "seconds": 2}, lambda _: None)  # waits for the other's lock

    assert outputs == {"messages": ["hello"] * 2}
    assert "terraform_data.slow[0]" in adapter.resources()


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("", "is not installed"),
        ("1.9.8", r"Terraform 1\.9\.8 at .* is too old: 1\.11 or newer"),
        ("?", "does not say its version"),
    ],
)
def test_missing_or_old_terraform_says_how_to_get_one(
    version: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if version:
        fake = tmp_path / "terraform"
        fake.write_text(f'#!/bin/sh\necho \'{{"terraform_version": "{version}"}}\'\n')
        fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    with pytest.raises(MissingDependency, match=expected) as caught:
        terraform.find_binary()

    assert "make install" in caught.value.hint


def test_events_are_read_while_terraform_writes(adapter: Terraform) -> None:
    started = time.monotonic()
    first: list[float] = []

    adapter.apply({"count_of": 1, "seconds": 2}, lambda _: first.append(time.monotonic() - started))

    assert first[-1] - first[0] > 1
