from __future__ import annotations

import errno
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from model.atomic import write_file, write_json
from model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from model.errors import CheckpointError, SaveError
from model.networks.catalogue import build_network


def _checkpoint(**changes: Any) -> Checkpoint:
    values: dict[str, Any] = {
        "arch": "cnn",
        "classes": ("cat", "dog é"),
        "image_size": 32,
        "decode_size": 37,
        "mean": (1.0, 2.0, 3.0),
        "std": (4.0, 5.0, 6.0),
        "states": tuple(build_network("cnn", class_count=2, image_size=32).state_dict() for _ in range(2)),
        "temperature": 1.25,
        "tta": "flip",
        "training": {"seed": 7},
    }
    return Checkpoint(**(values | changes))


class _Malicious:
    """A pickle that writes a file when it is read without care."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (str(self._path), "w"))


def test_checkpoint_comes_back_whole(tmp_path: Path) -> None:
    saved = _checkpoint()
    save_checkpoint(tmp_path / "model.pt", saved)

    loaded = load_checkpoint(tmp_path / "model.pt")

    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        for place in range(2):
            assert torch.equal(loaded.build(place)(images), saved.build(place)(images))
    for name in ("arch", "classes", "image_size", "decode_size", "mean", "std", "temperature", "tta"):
        assert getattr(loaded, name) == getattr(saved, name)
    assert loaded.training == {"seed": 7}
    assert loaded.torch_version == torch.__version__


def test_save_checkpoint_tells_of_short_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullBuffer(io.BytesIO):
        """Memory cannot be made short without harm to other tests."""

        def write(self, content: Any) -> int:  # noqa: ARG002
            raise MemoryError

    monkeypatch.setattr(io, "BytesIO", FullBuffer)

    with pytest.raises(SaveError, match=r"model\.pt cannot be written: memory is too short"):
        save_checkpoint(tmp_path / "model.pt", _checkpoint())

    assert list(tmp_path.iterdir()) == []


def test_checkpoint_needs_no_trust_and_no_more_room_than_its_weights(tmp_path: Path) -> None:
    network = build_network("inception_v3", class_count=2, image_size=75, auxiliary=True)
    half = {name: part.half() if part.is_floating_point() else part for name, part in network.state_dict().items()}
    save_checkpoint(tmp_path / "model.pt", _checkpoint(arch="inception_v3", image_size=75, states=(half,)))

    content = torch.load(tmp_path / "model.pt", weights_only=True)

    (state,) = content["states"]
    assert content["classes"] == ["cat", "dog é"]
    assert {part.dtype for part in state.values()} == {torch.float32, torch.int64}
    assert not [name for name in state if name.startswith("AuxLogits")]
    assert (tmp_path / "model.pt").stat().st_size < 1.02 * sum(part.nbytes for part in state.values())


def test_build_leaves_the_checkpoint_alone() -> None:
    checkpoint = _checkpoint()
    before = checkpoint.states[0]["classifier.bias"].clone()

    with torch.no_grad():
        checkpoint.build().get_parameter("classifier.bias").add_(1.0)

    assert torch.equal(checkpoint.states[0]["classifier.bias"], before)


def test_load_checkpoint_reads_the_first_format(tmp_path: Path) -> None:
    network = build_network("small_resnet", class_count=2, image_size=64)
    content = {
        "format": 1,
        "arch": "small_resnet",
        "classes": ["a", "b"],
        "image_size": 64,
        "mean": [1.0, 2.0, 3.0],
        "std": [4.0, 5.0, 6.0],
        "state_dict": network.state_dict(),
        "training": {},
    }
    torch.save(content, tmp_path / "model.pt")

    loaded = load_checkpoint(tmp_path / "model.pt")

    assert (loaded.temperature, loaded.tta, loaded.decode_size, len(loaded.states)) == (1.0, "none", 64, 1)


def test_load_checkpoint_reads_the_second_format(tmp_path: Path) -> None:
    saved = _checkpoint()
    save_checkpoint(tmp_path / "model.pt", saved)
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    torch.save(content | {"format": 2, "dropout": 0.3}, tmp_path / "second.pt")

    loaded = load_checkpoint(tmp_path / "second.pt")

    assert (loaded.temperature, loaded.tta, loaded.decode_size) == (1.25, "flip", 37)
    assert torch.equal(loaded.states[1]["classifier.bias"], saved.states[1]["classifier.bias"])


def _keep(content: bytes) -> bytes:
    return content


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flip_a_bit(content: bytes) -> bytes:
    place = len(content) // 2  # in the midst of a weight
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def _compress(content: bytes) -> bytes:
    """Return the same archive compressed: a small file that grows when it is read."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as archive,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as smaller,
    ):
        for name in archive.namelist():
            smaller.writestr(name, archive.read(name))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda _: b"", "damaged"),
        (lambda _: b"not a model", "damaged"),
        (_cut, "damaged"),
        (_flip_a_bit, "a checksum is wrong"),
        (_compress, "it is compressed"),
    ],
    ids=["empty", "text", "truncated", "flipped", "compressed"],
)
def test_load_checkpoint_refuses_damage(tmp_path: Path, damage: Callable[[bytes], bytes], reason: str) -> None:
    path = tmp_path / "model.pt"
    save_checkpoint(path, _checkpoint())
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(CheckpointError, match=reason) as raised:
        load_checkpoint(path)

    assert str(path) in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"arch": "resnet19"}, "no architecture 'resnet19'"),
        ({"arch": "small_resnet"}, "weights do not fit"),
        ({"classes": ["a", "b", "c"]}, r"classifier\.bias is \[2\] float32 instead of \[3\]"),
        ({"classes": ["a", 2]}, "classes are no distinct names"),
        ({"classes": ["a", "a"]}, "classes are no distinct names"),
        ({"classes": []}, "0 classes"),
        ({"classes": [str(number) for number in range(100_001)]}, "100,001 classes"),
        ({"image_size": 10**9}, "1000000000 pixels"),
        ({"image_size": "32"}, "32 pixels"),
        ({"decode_size": 10**9}, "pixels"),
        ({"mean": [1.0, 2.0]}, "normalisation"),
        ({"std": [1.0, 0.0, 1.0]}, "normalisation"),
        ({"std": [1.0, float("nan"), 1.0]}, "normalisation"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": "warm"}, "damaged"),
        ({"tta": "many"}, "views are 'many'"),
        ({"training": [1]}, "what it says of its training is no table"),
        ({"states": []}, "0 networks"),
        ({"states": [{}]}, r"classifier\.bias is missing instead of \[2\] float32"),
        ({"states": [{"classifier.bias": torch.zeros(2).long()}]}, r"\[2\] int64 instead of \[2\] float32"),
        ({"states": [{"classifier.bias": 3}]}, "no tensors"),
        ({"states": [{"classifier.bias": torch.zeros(1).expand(10**12)}]}, "larger than the file"),
        ({"states": [{"classifier.bias": torch.full((2,), float("nan"))}]}, "no numbers"),
        ({"states": None}, "damaged"),
        ({"format": 0.5}, "format is 0.5"),
        ({"format": "2"}, "format is '2'"),
        ({"format": 4}, "newer version"),
    ],
)
def test_load_checkpoint_refuses_what_no_training_writes(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    path = tmp_path / "model.pt"
    save_checkpoint(path, _checkpoint())
    torch.save(torch.load(path, weights_only=True) | changes, path)

    with pytest.raises(CheckpointError, match=reason):
        load_checkpoint(path)


@pytest.mark.parametrize("content", [{"weights": torch.zeros(3)}, [1, 2], torch.zeros(3), {"format": 999}])
def test_load_checkpoint_refuses_other_files_of_pytorch(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "model.pt")

    with pytest.raises(CheckpointError, match=r"not written by this program|newer version"):
        load_checkpoint(tmp_path / "model.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_load_checkpoint_runs_no_code(tmp_path: Path, *, zipped: bool) -> None:
    content = {"format": 2, "arch": _Malicious(tmp_path / "written")}
    torch.save(content, tmp_path / "model.pt", _use_new_zipfile_serialization=zipped)

    with pytest.raises(CheckpointError, match="not written by this program"):
        load_checkpoint(tmp_path / "model.pt")

    assert not (tmp_path / "written").exists()


def test_load_checkpoint_says_what_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.pt", tmp_path):
        with pytest.raises(CheckpointError, match="There is no model in"):
            load_checkpoint(path)


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
