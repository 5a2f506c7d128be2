"""Terraform is found or fetched, and nothing unchecked is ever unpacked."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tools import fetch_terraform
from tools.fetch_terraform import PINNED, FetchError, Release

PROGRAM = b'#!/bin/sh\necho \'{"terraform_version": "1.11.4"}\'\n'
PLATFORM = "linux_amd64"
ARCHIVE = f"terraform_1.11.4_{PLATFORM}.zip"


@dataclass
class Releases:
    """A releases server; the first `cuts` answers end half-way."""

    archive: bytes
    cuts: int = 0
    requests: list[str] = field(default_factory=list)
    url: str = ""

    def release(self, sha256: str | None = None) -> Release:
        digest = sha256 or hashlib.sha256(self.archive).hexdigest()
        return Release(version="1.11.4", sha256={PLATFORM: digest}, base_url=self.url)


@pytest.fixture
def releases(monkeypatch: pytest.MonkeyPatch) -> Iterator[Releases]:
    # A proxy of the machine that runs the tests must not get in between.
    monkeypatch.setenv("no_proxy", "*")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as bundle:
        bundle.writestr("LICENSE.txt", "a licence")
        bundle.writestr("terraform", PROGRAM)
    state = Releases(archive=content.getvalue())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append(self.path)
            if not self.path.endswith(f"/1.11.4/{ARCHIVE}"):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(state.archive)))
            self.end_headers()
            cut = len(state.requests) <= state.cuts
            self.wfile.write(state.archive[: len(state.archive) // 2] if cut else state.archive)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/terraform"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def test_fetch_terraform_unpacks_an_archive_with_the_pinned_hash(releases: Releases, tmp_path: Path) -> None:
    program = fetch_terraform.fetch_terraform(releases.release(), cache=tmp_path, platform_name=PLATFORM)

    assert program == tmp_path / "1.11.4" / "terraform"
    assert program.read_bytes() == PROGRAM
    assert fetch_terraform.read_version(program) == (1, 11, 4)
    assert [path.name for path in program.parent.iterdir()] == ["terraform"]


def test_fetch_terraform_asks_the_network_once(releases: Releases, tmp_path: Path) -> None:
    for _ in range(2):
        fetch_terraform.fetch_terraform(releases.release(), cache=tmp_path, platform_name=PLATFORM)

    assert len(releases.requests) == 1


def test_fetch_terraform_refuses_another_hash_and_keeps_nothing(releases: Releases, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"SHA-256 of terraform_1\.11\.4_linux_amd64\.zip is"):
        fetch_terraform.fetch_terraform(releases.release("0" * 64), cache=tmp_path, platform_name=PLATFORM)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_fetch_terraform_tries_again_after_a_cut_connection(releases: Releases, tmp_path: Path) -> None:
    releases.cuts = 2

    program = fetch_terraform.fetch_terraform(releases.release(), cache=tmp_path, platform_name=PLATFORM)

    assert program.read_bytes() == PROGRAM
    assert len(releases.requests) == 3


def test_fetch_terraform_gives_up_and_says_how_to_install_by_hand(releases: Releases, tmp_path: Path) -> None:
    releases.cuts = 99

    with pytest.raises(FetchError) as raised:
        fetch_terraform.fetch_terraform(releases.release(), cache=tmp_path, platform_name=PLATFORM)

    half, whole = len(releases.archive) // 2, len(releases.archive)
    assert f"ended after {half} of {whole} bytes" in str(raised.value)
    assert "https://developer.hashicorp.com/terraform/install" in raised.value.hint
    assert f"put {ARCHIVE} into {tmp_path}/" in raised.value.hint
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_fetch_terraform_without_a_network_says_how_to_install_by_hand(tmp_path: Path) -> None:
    nowhere = Release(version="1.11.4", sha256={PLATFORM: "0" * 64}, base_url="http://127.0.0.1:9/terraform")

    with pytest.raises(FetchError, match=r"could not be fetched in 3 attempts: .*refused") as raised:
        fetch_terraform.fetch_terraform(nowhere, cache=tmp_path, platform_name=PLATFORM)

    assert "install Terraform 1.11 or newer yourself" in raised.value.hint


def test_fetch_terraform_names_the_status_of_a_missing_archive(releases: Releases, tmp_path: Path) -> None:
    release = Release(version="1.11.5", sha256={PLATFORM: "0" * 64}, base_url=releases.url)

    with pytest.raises(FetchError, match="answered 404"):
        fetch_terraform.fetch_terraform(release, cache=tmp_path, platform_name=PLATFORM)

    assert len(releases.requests) == 1


def test_fetch_terraform_takes_an_archive_laid_there_by_hand(releases: Releases, tmp_path: Path) -> None:
    (tmp_path / ARCHIVE).write_bytes(releases.archive)

    program = fetch_terraform.fetch_terraform(releases.release(), cache=tmp_path, platform_name=PLATFORM)

    assert program.read_bytes() == PROGRAM
    assert releases.requests == []


def test_fetch_terraform_refuses_an_unknown_platform(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="no Terraform is pinned for windows_amd64"):
        fetch_terraform.fetch_terraform(PINNED, cache=tmp_path, platform_name="windows_amd64")


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [
        ("Linux", "x86_64", "linux_amd64"),
        ("Linux", "aarch64", "linux_arm64"),
        ("Darwin", "arm64", "darwin_arm64"),
        ("Darwin", "x86_64", "darwin_amd64"),
    ],
)
def test_name_platform_uses_the_words_of_the_releases(system: str, machine: str, expected: str) -> None:
    assert fetch_terraform.name_platform(system, machine) == expected
    assert len(PINNED.sha256[expected]) == 64


@pytest.mark.parametrize(
    ("answer", "usable"),
    [
        ('{"terraform_version": "1.11.0"}', True),
        ('{"terraform_version": "1.12.0-beta1"}', True),
        ('{"terraform_version": "2.0.1"}', True),
        ('{"terraform_version": "1.10.5"}', False),
        ("Terraform v0.11.14", False),
        ("", False),
    ],
)
def test_find_terraform_accepts_only_a_new_enough_program(
    answer: str, usable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "terraform"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")

    assert (fetch_terraform.find_terraform() == program) is usable


def test_main_fetches_links_and_prints_the_program(
    releases: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(fetch_terraform, "PINNED", releases.release())
    monkeypatch.setattr(fetch_terraform, "name_platform", lambda: PLATFORM)
    cache, links = tmp_path / "cache", tmp_path / "bin"

    code = fetch_terraform.main(["--cache", str(cache), "--link", str(links), "--base-url", releases.url])

    assert code == 0
    assert capsys.readouterr().out.strip() == str(cache / "1.11.4" / "terraform")
    assert (links / "terraform").read_bytes() == PROGRAM


def test_main_says_on_stderr_why_there_is_no_terraform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))

    code = fetch_terraform.main(["--cache", str(tmp_path), "--base-url", "http://127.0.0.1:9"])

    assert code == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines()[-2].startswith("Error: http://127.0.0.1:9/1.11.4/terraform_1.11.4_")
    assert output.err.splitlines()[-1].startswith("Hint: install Terraform")
