from __future__ import annotations

import hashlib
import io
import random
import tarfile
import threading
from pathlib import Path

import pytest

from deployer.dataset import shards
from deployer.dataset.shards import DataFile, Shard, ShardReader, pack
from deployer.errors import DataError, Interrupted


def make_files(folder: Path, sizes: list[int]) -> list[DataFile]:
    numbers = random.Random(0)
    files = []
    for index, size in enumerate(sizes):
        path = folder / f"{index:04}.jpg"
        path.write_bytes(numbers.randbytes(size))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append(DataFile(name=path.name, path=path, size=size, sha256=digest))
    return files


def read(shard: Shard) -> bytes:
    return io.BufferedReader(ShardReader(shard, threading.Event())).read()


def test_shard_is_a_tar_with_the_files_where_it_says(tmp_path: Path) -> None:
    files = make_files(tmp_path, [0, 1, 511, 512, 513, 100_000])
    shard = Shard(tuple(files))

    data = read(shard)

    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == [file.sha256 for file in files]
    for file, offset in zip(files, shard.offsets, strict=True):
        assert data[offset : offset + file.size] == file.path.read_bytes()
    assert len(data) == shard.size


def test_shard_can_be_read_from_anywhere_again(tmp_path: Path) -> None:
    shard = Shard(tuple(make_files(tmp_path, [700, 0, 3000])))
    data = read(shard)

    with io.BufferedReader(ShardReader(shard, threading.Event()), buffer_size=64) as stream:
        assert stream.seek(0, io.SEEK_END) == shard.size
        for position in (0, 511, 512, 1000, 1536, 2049, shard.size - 1, 0):
            stream.seek(position)
            assert stream.read(1000) == data[position : position + 1000]


def test_shard_name_depends_on_contents_and_not_on_names(tmp_path: Path) -> None:
    files = make_files(tmp_path, [10, 20])
    renamed = [DataFile(name=f"new-{file.name}", path=file.path, size=file.size, sha256=file.sha256) for file in files]

    assert Shard(tuple(files)).id == Shard(tuple(renamed)).id
    assert Shard(tuple(files)).id != Shard(tuple(reversed(files))).id


@pytest.mark.parametrize("content", [b"other bytes, same len", b"shorter", b"something that is longer"])
def test_shard_of_a_file_that_changed_is_not_read_to_its_end(tmp_path: Path, content: bytes) -> None:
    files = make_files(tmp_path, [21, 21])
    files[1].path.write_bytes(content)
    reader = ShardReader(Shard(tuple(files)), threading.Event())

    with pytest.raises(DataError, match=r"0001\.jpg changed"):
        reader.readall()

    assert isinstance(reader.failure, DataError)


def test_shard_of_a_file_that_is_gone_names_it(tmp_path: Path) -> None:
    files = make_files(tmp_path, [21])
    files[0].path.unlink()

    with pytest.raises(DataError, match=r"0000\.jpg cannot be read"):
        read(Shard(tuple(files)))


def test_shard_stops_when_told(tmp_path: Path) -> None:
    stop = threading.Event()
    reader = ShardReader(Shard(tuple(make_files(tmp_path, [21]))), stop)
    reader.read(10)
    stop.set()

    with pytest.raises(Interrupted):
        reader.read(10)


def test_pack_keeps_shards_small_and_contents_single(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 20_000)
    monkeypatch.setattr(shards, "MEAN_SHARD_BYTES", 10_000)
    files = make_files(tmp_path, [3000] * 30 + [50_000])

    packed = pack([*files, *files])

    assert sorted(file.name for shard in packed for file in shard.files) == [file.name for file in files]
    assert all(shard.size <= 20_000 for shard in packed if files[-1] not in shard.files)
    assert Shard((files[-1],)) in packed


def test_pack_changes_few_shards_for_one_more_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 40_000)
    monkeypatch.setattr(shards, "MEAN_SHARD_BYTES", 10_000)
    files = make_files(tmp_path, [1500] * 300)

    before = {shard.id for shard in pack(files[1:])}
    after = {shard.id for shard in pack(files)}

    assert len(before) > 20
    assert len(after - before) <= 3
