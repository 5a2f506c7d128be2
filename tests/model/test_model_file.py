from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from model.atomic import write_file, write_json
from model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from model.errors import CheckpointError, SaveError
from model.networks.catalogue import build_network


def _checkpoint(**changes: Any) -> Checkpoint:
    network = build_network("cnn", class_count=2, image_size=32)
    values: dict[str, Any] = {
        "arch": "cnn",
        "classes": ("cat", "dog é"),
        "image_size": 32,
        "mean": (1.0, 2.0, 3.0),
        "std": (4.0, 5.0, 6.0),
        "state": network.state_dict(),
        "training": {"seed": 7},
    }
    return Checkpoint(**(values | changes))


def test_checkpoint_comes_back_whole(tmp_path: Path) -> None:
    saved = _checkpoint()
    save_checkpoint(tmp_path / "model.pt", saved)

    loaded = load_checkpoint(tmp_path / "model.pt")

    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(loaded.build()(images), saved.build()(images))
    assert (loaded.classes, loaded.image_size, loaded.mean, loaded.training) == (
        saved.classes,
        saved.image_size,
        saved.mean,
        saved.training,
    )


def test_checkpoint_needs_no_trust(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "model.pt", _checkpoint())

    content = torch.load(tmp_path / "model.pt", weights_only=True)

    assert content["classes"] == ["cat", "dog é"]


@pytest.mark.parametrize("damage", ["missing", "folder", "empty", "text", "truncated", "other", "weights"])
def test_load_checkpoint_refuses(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "model.pt"
    save_checkpoint(path, _checkpoint())
    whole = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage in {"empty", "text", "truncated"}:
        path.write_bytes({"empty": b"", "text": b"not a model", "truncated": whole[: len(whole) // 2]}[damage])
    elif damage == "other":
        torch.save({"weights": torch.zeros(3)}, path)
    elif damage == "weights":
        save_checkpoint(path, _checkpoint(classes=("a", "b", "c")))

    with pytest.raises(CheckpointError) as raised:
        load_checkpoint(path)

    assert str(path) in raised.value.message
    assert raised.value.hint


def test_load_checkpoint_names_a_newer_format(tmp_path: Path) -> None:
    torch.save({"format": 999}, tmp_path / "model.pt")

    with pytest.raises(CheckpointError, match="newer version"):
        load_checkpoint(tmp_path / "model.pt")


def test_write_file_replaces_the_old_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_file(tmp_path / "new folder" / "file", b"old")

    write_file(tmp_path / "new folder" / "file", b"new")

    assert (tmp_path / "new folder" / "file").read_bytes() == b"new"
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == ["file"]


def test_write_file_keeps_the_old_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.pt").write_bytes(b"old")

    def refuse(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    # A real full disk needs a file system of its own; this is the call that meets it last.
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(SaveError, match=r"model\.pt cannot be written: no space left on device"):
        write_file(tmp_path / "model.pt", b"new")

    assert (tmp_path / "model.pt").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


def test_write_file_meets_a_full_device() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("only Linux has /dev/full")
    with pytest.raises(SaveError, match="cannot be written"):
        write_file(Path("/dev/full/model.pt"), b"new")


def test_write_json_refuses_what_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "metrics.json", {"auc": float("nan")})

    assert not (tmp_path / "metrics.json").exists()
