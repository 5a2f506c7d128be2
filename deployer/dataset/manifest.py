"""Which bytes of which shard are which file: what the bucket holds, and what an upload will change of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from deployer.dataset.folder import Dataset
from deployer.dataset.shards import Shard, pack
from deployer.errors import AwsError

MANIFEST_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Where the bucket has the bytes of a file: `offset` in the tar of that shard."""

    size: int
    sha256: str
    shard: str
    offset: int


@dataclass(frozen=True)
class Manifest:
    """What the bucket holds, by the names of the files."""

    files: Mapping[str, Stored] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Return the document; the same files give the same bytes."""
        rows = {name: [item.size, item.sha256, item.shard, item.offset] for name, item in sorted(self.files.items())}
        return json.dumps({"version": MANIFEST_VERSION, "files": rows}, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, document: bytes, *, source: str) -> Manifest:
        """Read the document back; raises AwsError naming `source` where it is not one of ours."""
        try:
            content = json.loads(document)
            rows = {MANIFEST_VERSION: content["files"]}[content["version"]]
            files = {
                name: Stored(size=size, sha256=sha256, shard=shard, offset=offset)
                for name, (size, sha256, shard, offset) in rows.items()
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise AwsError(
                f"{source} is not a manifest that this version of deployer knows: {error!r}.",
                hint=f"Remove it with `aws s3 rm {source}`; the images are sent again then.",
            ) from error
        return cls(files)


@dataclass(frozen=True, kw_only=True)
class UploadPlan:
    """What an upload will do: the shards to send, the names that are new or changed, the names that are gone."""

    shards: tuple[Shard, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    manifest: Manifest

    @property
    def size(self) -> int:
        """Bytes to send."""
        return sum(shard.size for shard in self.shards)

    @property
    def is_empty(self) -> bool:
        """The bucket has it all, and nothing else."""
        return not (self.changed or self.removed)


def plan(dataset: Dataset, manifest: Manifest) -> UploadPlan:
    """Compare the files here with what the bucket holds, by content: what was only renamed is not sent again."""
    held = {item.sha256: item for item in manifest.files.values()}
    shards = pack(file for file in dataset.files if file.sha256 not in held)
    for shard in shards:
        for file, offset in zip(shard.files, shard.offsets, strict=True):
            held[file.sha256] = Stored(size=file.size, sha256=file.sha256, shard=shard.id, offset=offset)
    files = {file.name: held[file.sha256] for file in dataset.files}
    return UploadPlan(
        shards=tuple(shards),
        changed=tuple(name for name, item in files.items() if manifest.files.get(name) != item),
        removed=tuple(name for name in manifest.files if name not in files),
        manifest=Manifest(files),
    )
