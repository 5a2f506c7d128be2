"""Shards: what was written is read back as the folder was, and what is damaged is named."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from bucket_server import S3Account
from conftest import DrawImage
from training_runs import configure

from model.data.dataset import load_dataset
from model.data.samples import find_labelled_images
from model.data.shard_writing import Written, write_shards
from model.data.shelves import open_shelf
from model.data.sources import Source, open_source
from model.data.split import split_samples
from model.errors import DataError, UsageError
from model.evaluation.results import EpochLog
from model.interruption import Interruption
from model.training.fit import fit


def _write(folder: Path, out: Path | str, *, shard_mb: int = 0) -> Written:
    source = open_source(folder)
    return write_shards(source, find_labelled_images(source), open_shelf(out), shard_mb=shard_mb)


def _describe(data: Path | Source) -> list[tuple[str, str, str]]:
    return [(sample.name, sample.label, sample.group) for sample in find_labelled_images(data).samples]


def _pack(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write a tar as another program would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, body in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(body)
            archive.addfile(header, io.BytesIO(body))
    return path


@pytest.fixture
def project(write_targets: Callable[..., Path]) -> Path:
    rows = [
        (f"{label}/dive{n % 4}.mp4_{n:03d}.png", label, f"dive{n % 4}") for label in ("red", "blue") for n in range(8)
    ]
    return write_targets(rows)


@pytest.fixture
def shards(project: Path, tmp_path: Path) -> Path:
    _write(project, tmp_path / "shards")
    return tmp_path / "shards"


def test_shards_have_names_labels_groups_and_bytes_of_the_folder(project: Path, shards: Path) -> None:
    source = open_source(shards)

    assert _describe(source) == _describe(project)
    folder, packed = find_labelled_images(project).samples, find_labelled_images(source).samples
    assert split_samples(packed, seed=3) == split_samples(folder, seed=3)
    assert [sample.path.read_bytes() for sample in packed] == [sample.path.read_bytes() for sample in folder]


def test_shards_without_their_index_are_the_same(project: Path, shards: Path) -> None:
    (shards / "index.json").unlink()

    assert _describe(shards) == _describe(project)


def test_class_folders_with_folders_inside_keep_their_order(class_folders: Path, tmp_path: Path) -> None:
    (class_folders / "red" / "a").mkdir()
    (class_folders / "red" / "red_00.png").rename(class_folders / "red" / "a" / "z.png")
    _write(class_folders, tmp_path / "shards")

    assert _describe(tmp_path / "shards") == _describe(class_folders)


def test_layout_is_that_of_webdataset(shards: Path) -> None:
    with tarfile.open(shards / "shard-000000.tar") as archive:
        names = archive.getnames()
        fields = json.load(archive.extractfile("000000000.json"))  # type: ignore[arg-type]
        number = archive.extractfile("000000000.cls").read()  # type: ignore[union-attr]

    assert {name.partition(".")[0] for name in names} == {f"{k:09d}" for k in range(16)}
    assert fields == {"name": "blue/dive0.mp4_000.png", "label": "blue", "group": "dive0"}
    assert number == b"0"


def test_same_images_make_the_same_shards(project: Path, shards: Path, tmp_path: Path) -> None:
    _write(project, tmp_path / "again")

    for path in shards.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_shards_that_each_count_from_the_first_are_told_apart(
    draw_image: DrawImage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_image(tmp_path / "one.png", "red")
    picture = (tmp_path / "one.png").read_bytes()
    for number in range(2):
        labels = {f"{k:03d}.cls": b"ab"[k % 2 :][:1] for k in range(6)}
        files = labels | {f"{k:03d}.png": picture for k in range(6)}
        _pack(tmp_path / "shards" / f"part-{number}.tar", files)

    found = find_labelled_images(open_source(tmp_path / "shards"))

    told = [(sample.name, sample.label) for sample in found.samples]
    assert told[5:7] == [("part-0/005.png", "b"), ("part-1/000.png", "a")]
    assert found.samples[7].path.read_bytes() == picture
    assert "each image is named with its shard" in capsys.readouterr().out


def test_shards_whose_tables_use_the_same_names_are_told_apart(draw_image: DrawImage, tmp_path: Path) -> None:
    draw_image(tmp_path / "one.png", "red")
    for number in range(2):
        files = {f"{k}.json": json.dumps({"filename": f"{k}.png", "label": "ab"[k % 2]}).encode() for k in range(4)}
        files |= {f"{k}.png": (tmp_path / "one.png").read_bytes() for k in range(4)}
        _pack(tmp_path / "shards" / f"part-{number}.tar", files)

    found = find_labelled_images(tmp_path / "shards")

    assert [sample.name for sample in found.samples] == [f"part-{n}/{k}.png" for n in range(2) for k in range(4)]
    assert [sample.label for sample in found.samples] == list("abababab")


def test_folders_in_shards_stay_classes_beside_files_of_one_name(draw_image: DrawImage, tmp_path: Path) -> None:
    draw_image(tmp_path / "one.png", "red")
    for number in range(2):
        files = {f"{label}/{number}-{k}.png": (tmp_path / "one.png").read_bytes() for label in "ab" for k in range(4)}
        _pack(tmp_path / "shards" / f"part-{number}.tar", files | {"info.json": b"{}"})

    with pytest.raises(DataError, match=r"info\.json is in part-0\.tar and part-1\.tar"):
        find_labelled_images(tmp_path / "shards")


@pytest.mark.parametrize("names", [("a.tar.gz", "index.json"), ("a.tar", "b.TGZ"), ("photos.zip",)])
def test_archives_instead_of_images_are_refused(names: tuple[str, ...], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"")

    with pytest.raises(DataError, match="what is compressed has no places to read from"):
        open_source(tmp_path)


def test_archives_beside_images_do_no_harm(class_folders: Path, tmp_path: Path) -> None:
    (class_folders / "photos.zip").write_bytes(b"")
    (class_folders / "red").rename(class_folders / "red.zip")

    assert find_labelled_images(class_folders).classes == ("blue", "red.zip")
    with pytest.raises(DataError, match="does not exist"):
        open_source(tmp_path / "nosuch.zip")


def test_compressed_shards_are_refused_with_the_way_out(tmp_path: Path) -> None:
    for name in ("a.tar.gz", "b.tgz"):
        (tmp_path / name).write_bytes(b"")

    with pytest.raises(DataError, match=r"a\.tar\.gz, b\.tgz in .* cannot be read") as raised:
        open_source(tmp_path)
    assert "Unpack it first" in raised.value.hint
    with pytest.raises(DataError, match="cannot be read: what is compressed"):
        open_source(tmp_path / "a.tar.gz")


def test_large_set_is_divided_and_read_shard_by_shard(tmp_path: Path) -> None:
    for label in ("a", "b"):
        for number in range(6):
            path = tmp_path / "large" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes([number]) * 300_000)

    written = _write(tmp_path / "large", tmp_path / "out", shard_mb=1)

    assert written.shards == len(list((tmp_path / "out").glob("*.tar"))) == 4
    source = open_source(tmp_path / "out")
    ordered = source.order([entry.name for entry in source.entries()])
    tars = [source.entry(name).version for name in ordered]
    assert len([k for k in range(1, 12) if tars[k].split("+")[0] != tars[k - 1].split("+")[0]]) == 3
    assert [source.read(name)[0] for name in source.order(["000000003.png", "000000007.png"])] == [3, 1]


def test_writing_again_removes_shards_that_are_no_more(project: Path, shards: Path) -> None:
    (shards / "shard-000007.tar").write_bytes(b"of an earlier set")

    _write(project, shards)

    assert sorted(path.name for path in shards.iterdir()) == ["index.json", "shard-000000.tar"]


def test_folder_with_other_files_is_not_written_to(project: Path) -> None:
    with pytest.raises(UsageError, match=r"holds other files than shards: images, targets.csv"):
        _write(project, project)


def test_shard_that_is_cut_off_is_named(shards: Path) -> None:
    tar = shards / "shard-000000.tar"
    tar.write_bytes(tar.read_bytes()[:-3000])

    with pytest.raises(DataError, match=r"shard-000000\.tar in .* is cut off: it has [\d,]+ bytes, and [\d,]+ were"):
        open_source(shards)


@pytest.mark.parametrize("end", [-1024, -3000, 700])
def test_shard_that_is_cut_off_is_named_without_an_index_too(shards: Path, end: int) -> None:
    (shards / "index.json").unlink()
    tar = shards / "shard-000000.tar"
    tar.write_bytes(tar.read_bytes()[:end])

    with pytest.raises(DataError, match=r"shard-000000\.tar is cut off or damaged"):
        open_source(shards)


def test_shard_that_is_compressed_is_named(shards: Path) -> None:
    (shards / "index.json").unlink()
    shard = shards / "shard-000000.tar"
    shard.write_bytes(gzip.compress(shard.read_bytes()))

    with pytest.raises(DataError, match=r"shard-000000\.tar is compressed") as refused:
        find_labelled_images(open_source(shards))

    assert "gunzip" in refused.value.hint


def test_shard_with_a_damaged_header_is_named(shards: Path) -> None:
    (shards / "index.json").unlink()
    tar = shards / "shard-000000.tar"
    content = bytearray(tar.read_bytes())
    content[content.index(b"000000005.cls") + 100] ^= 0xFF
    tar.write_bytes(content)

    with pytest.raises(DataError, match=r"shard-000000\.tar is cut off or damaged"):
        open_source(shards)


def test_shard_with_a_damaged_image_is_named_when_it_is_read(shards: Path) -> None:
    tar = shards / "shard-000000.tar"
    content = bytearray(tar.read_bytes())
    content[content.index(b"000000005.png") + 600] ^= 0xFF
    tar.write_bytes(content)
    source = open_source(shards)

    with pytest.raises(DataError, match=r"shard-000000\.tar in .* is damaged: 000000005\.png"):
        source.read("000000005.png")


def test_missing_shard_is_named(tmp_path: Path, project: Path) -> None:
    _write(project, tmp_path / "out")
    _pack(tmp_path / "out" / "more.tar", {"x.jpg": b"1", "x.cls": b"1"})
    (tmp_path / "out" / "shard-000000.tar").unlink()

    with pytest.raises(DataError, match=r"shard-000000\.tar is missing"):
        open_source(tmp_path / "out")


@pytest.mark.parametrize(
    ("beside", "label"),
    [
        ({"cls": b"3"}, "3"),
        ({"cls": b"crab\n"}, "crab"),
        ({"json": b'{"label": "crab", "depth": 3.5}'}, "crab"),
        ({"json": b'{"label": 3}'}, "3"),
        ({"json": b'{"Class": "crab"}', "cls": b"1"}, "crab"),
        ({"json": b'"crab"'}, "crab"),
        ({"txt": b"a crab on sand", "cls": b"1"}, "1"),
        ({"json": b'{"label": ["crab"], "class": "crab", "image": {"width": 9}}'}, "crab"),
    ],
)
def test_shards_of_others_have_their_labels(tmp_path: Path, beside: dict[str, bytes], label: str) -> None:
    files = {}
    for number in range(3):
        files |= {f"a/{number}.jpg": b"x"} | {f"a/{number}.{kind}": body for kind, body in beside.items()}
        files |= {f"b/{number}.jpg": b"x", f"b/{number}.cls": b"other"}
    _pack(tmp_path / "set" / "train-0.tar", files)

    found = find_labelled_images(tmp_path / "set")

    assert found.classes == tuple(sorted((label, "other")))
    assert [sample.name for sample in found.samples][:1] == ["a/0.jpg"]


def test_groups_of_others_come_from_known_fields_or_the_one_that_is_named(tmp_path: Path) -> None:
    files = {}
    for number in range(6):
        fields = {"label": "ab"[number % 2], "patient_id": number // 2, "site": "north"}
        files |= {f"{number}.png": b"x", f"{number}.json": json.dumps(fields).encode()}
    _pack(tmp_path / "set" / "train-0.tar", files)

    known = find_labelled_images(tmp_path / "set")
    named = find_labelled_images(tmp_path / "set", group_from="site")

    assert [sample.group for sample in known.samples] == ["0", "0", "1", "1", "2", "2"]
    assert {sample.group for sample in named.samples} == {"north"}
    with pytest.raises(DataError, match="'depth' names a column, and no image"):
        find_labelled_images(tmp_path / "set", group_from="depth")


def test_names_of_others_need_no_ending(tmp_path: Path, draw_image: Callable[..., Path]) -> None:
    files = {}
    for number in range(6):
        files[f"{number}.png"] = draw_image(tmp_path / f"{number}.png", "red", seed=number).read_bytes()
        files[f"{number}.json"] = json.dumps({"name": f"dive.{number}", "label": "ab"[number % 2]}).encode()
    _pack(tmp_path / "set" / "a.tar", files)

    _write(tmp_path / "set", tmp_path / "again")

    expected = [(f"dive.{number}", "ab"[number % 2], "") for number in range(6)]
    assert _describe(tmp_path / "again") == _describe(tmp_path / "set") == expected
    (tmp_path / "again" / "index.json").unlink()
    assert _describe(tmp_path / "again") == _describe(tmp_path / "set")


def test_tar_of_a_folder_has_the_labels_of_the_folder(project: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        archive.add(project / "images", arcname="./images")
        archive.add(project / "targets.csv", arcname="targets.csv")

    assert _describe(tmp_path / "photos.tar") == _describe(project)


def test_json_file_in_a_tar_of_a_folder_is_no_label(class_folders: Path, tmp_path: Path) -> None:
    (class_folders / "about.json").write_text('{"license": "CC0"}')
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        archive.add(class_folders, arcname=".")

    assert _describe(tmp_path / "photos.tar") == _describe(class_folders)


def test_file_that_is_in_two_shards_is_named(tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        _pack(tmp_path / "set" / name, {"reef/1.jpg": b"x"})

    with pytest.raises(DataError, match=r"reef/1\.jpg is in a\.tar and b\.tar of"):
        open_source(tmp_path / "set")


def test_shards_in_a_bucket_are_those_of_the_folder(
    s3: S3Account, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.data.tars.BLOCK_BYTES", 5000)  # images lie across the borders of blocks
    first, again = _write(project, "s3://photos/set"), _write(project, "s3://photos/set")

    source = open_source("s3://photos/set")
    samples = find_labelled_images(source).samples
    read = {key: source.read(key) for key in source.order([sample.key for sample in samples])}

    assert (first.sent, again.sent) == (1, 0)
    assert _describe(source) == _describe(project)
    assert [read[k.key] for k in samples] == [k.path.read_bytes() for k in find_labelled_images(project).samples]
    source.close()


def test_training_on_shards_gives_the_model_of_the_folder(class_folders: Path, tmp_path: Path) -> None:
    _write(class_folders, tmp_path / "shards")
    weights = []
    for data in (class_folders, tmp_path / "shards"):
        config = configure(tmp_path / f"{data.name}-result", data=data, epochs=1, cache="none", folds=0)
        log = EpochLog(config.output / "metrics.jsonl", is_resumed=False)
        weights.append(fit(config, load_dataset(config), log, Interruption()).checkpoint.states[0])

    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
