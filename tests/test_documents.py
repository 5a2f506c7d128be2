"""Documents say what the program does, and go stale loudly."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from deployer import __version__, config
from deployer.cli import cli
from tools import write_cli_docs

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "deployer.example.toml"
COMMANDS = list(write_cli_docs.walk(cli, "deployer"))
COMMITTED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
PAGES = sorted(path for path in ROOT.rglob("*.md") if str(path.relative_to(ROOT)) in COMMITTED)


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[path for path, _ in COMMANDS])
def test_command_has_help_and_an_example_and_is_documented(path: str, command: click.Command) -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    words = command.help or ""

    assert len(words.splitlines()[0]) > 15, f"{path} says too little about itself"
    assert isinstance(command, click.Group) or re.search(rf"^ *(\S+=\S+ |eval .*)?{path}\b", words, re.MULTILINE), (
        f"{path} has no example"
    )
    assert r"\b" not in words, f"{path}: click takes the character backspace for lines as they are, not two characters"
    assert f"\n## {path}\n" in page
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help, f"{path} {parameter.opts[0]} has no help"


def test_cli_page_is_what_help_says() -> None:
    # In a process of its own: click remembers the names of --help from whoever asked a command first.
    done = subprocess.run([sys.executable, ROOT / "tools" / "write_cli_docs.py", "--check"], cwd=ROOT)

    assert done.returncode == 0, "run `make docs`"


def test_cli_page_check_notices_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = tmp_path / "cli.md"
    stale.write_text(write_cli_docs.render().replace("deployer up", "deployer go up", 1))
    monkeypatch.setattr(write_cli_docs, "PAGE", stale)

    assert write_cli_docs.main(["--check"]) == 1
    assert write_cli_docs.main([]) == 0
    assert write_cli_docs.main(["--check"]) == 0


def test_example_configuration_loads_and_holds_the_defaults(tmp_path: Path) -> None:
    loaded = config.load(file=EXAMPLE, environment={})

    assert loaded == config.Config(project=ROOT, file=EXAMPLE)


def test_example_configuration_names_every_key_with_a_comment() -> None:
    table = tomllib.loads(EXAMPLE.read_text())
    named = {key for key, value in table.items() if not isinstance(value, dict)}
    named |= {f"{section}.{key}" for section, value in table.items() if isinstance(value, dict) for key in value}
    lines = EXAMPLE.read_text().splitlines()

    assert named == set(config.keys())
    for number, line in enumerate(lines):
        if re.match(r"\w+ = ", line):
            assert lines[number - 1].startswith("# "), f"{line} has no comment"


def test_changelog_has_the_version() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert headings[0] == "Unreleased"
    assert __version__ in headings


def test_make_targets_of_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"\bmake ([a-z][a-z-]+)(?=[`\s])", _commands(page))}

    assert {"demo", "test"} <= named
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_document_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text())

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_no_committed_file_names_a_path_of_this_machine() -> None:
    here = re.compile(rf"(?<![\w./-])({re.escape(str(ROOT))}|{re.escape(str(Path.home()))}/)(?![\w-])".encode())
    texts = ((name, ROOT / name) for name in COMMITTED if (ROOT / name).is_file())

    assert len(COMMITTED) > 50
    assert [name for name, path in texts if here.search(path.read_bytes())] == []


def test_policy_names_real_actions_and_fits_into_a_managed_policy() -> None:
    import botocore.session

    policy = json.loads((ROOT / "docs" / "aws" / "least-privilege-policy.json").read_text())
    session = botocore.session.get_session()
    operations = {
        "cloud9": "cloud9",
        "ec2": "ec2",
        "iam": "iam",
        "pricing": "pricing",
        "sagemaker": "sagemaker",
        "servicequotas": "service-quotas",
        "ssm": "ssm",
    }
    # S3's actions have other names than its calls, and iam:PassRole is no call at all.
    checked = [item for item in _actions(policy) if not item.startswith("s3:") and item != "iam:PassRole"]

    unknown = [
        item
        for item in checked
        if item.partition(":")[2] not in session.get_service_model(operations[item.partition(":")[0]]).operation_names
    ]

    assert unknown == []
    assert len(checked) > 60
    assert not any("*" in item for item in _actions(policy))
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, white space not counted
    assert len(re.sub(r"\s", "", json.dumps(policy))) <= 6144


def test_policy_allows_what_deployer_asks_for_itself() -> None:
    policy = json.loads((ROOT / "docs" / "aws" / "least-privilege-policy.json").read_text())
    # Errors name the permission that was missing, so every call's action stands in the code as text. Whoever has
    # credentials may ask who they are.
    services = "cloud9|ec2|iam|pricing|s3|sagemaker|servicequotas|ssm"
    sources = "\n".join(
        path.read_text() for path in (ROOT / "deployer").rglob("*.py") if "localcloud" not in path.parts
    )
    named = set(re.findall(rf'"((?:{services}):[A-Z]\w+)"', sources))
    named |= {f"ec2:{operation}" for operation in re.findall(r'_ec2\("(\w+)"', sources)}

    assert len(named) > 20
    assert sorted(named - set(_actions(policy))) == []


def _actions(policy: dict[str, list[dict[str, str | list[str]]]]) -> Iterator[str]:
    for statement in policy["Statement"]:
        listed = statement["Action"]
        yield from [listed] if isinstance(listed, str) else listed


def _commands(page: Path) -> str:
    """Return what a page shows as code: indented lines and what stands in backticks."""
    text = page.read_text()
    return "\n".join([*re.findall(r"^    .*$", text, re.MULTILINE), *re.findall(r"`[^`\n]+`", text)])
