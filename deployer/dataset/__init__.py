"""The images: what is here, what the bucket already has, and the way to the host.

They travel once. New and changed files go to the bucket as tar shards (`shards`), then the manifest that says which
file stands where (`manifest`, `upload`); a host reads both with its own role (`host`). The old manifest stays valid
until the new one is written whole, so an upload may be cut at any moment. Images that are on S3 already do not travel
through here at all (`bucket`).
"""

from __future__ import annotations

from deployer.dataset.bucket import BucketImages, locate
from deployer.dataset.folder import Dataset, scan
from deployer.dataset.host import DataResult, fetch_on_host, look_on_host, mirror_on_host
from deployer.dataset.manifest import Manifest, UploadPlan, plan
from deployer.dataset.push import PushResult, push
from deployer.dataset.sets import ImageSet, describe_manifest, find_sets
from deployer.dataset.upload import UploadResult, read_manifest, upload

# The images of a job, wherever they are: the tables and folders that they name are relative to the same root.
Images = Dataset | BucketImages

__all__ = [
    "BucketImages",
    "DataResult",
    "Dataset",
    "ImageSet",
    "Images",
    "Manifest",
    "PushResult",
    "UploadPlan",
    "UploadResult",
    "describe_manifest",
    "fetch_on_host",
    "find_sets",
    "locate",
    "look_on_host",
    "mirror_on_host",
    "plan",
    "push",
    "read_manifest",
    "scan",
    "upload",
]
