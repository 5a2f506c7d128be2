"""The images: what is here, what the bucket already has, and the way to the host.

They travel once. New and changed files go to the bucket as tar shards (`shards`), then the manifest that says which
file stands where (`manifest`, `upload`); a host reads both with its own role (`host`). The old manifest stays valid
until the new one is written whole, so an upload may be cut at any moment.
"""

from __future__ import annotations

from deployer.dataset.folder import Dataset, scan
from deployer.dataset.host import DataResult, fetch_on_host
from deployer.dataset.manifest import Manifest, UploadPlan, plan
from deployer.dataset.upload import UploadResult, read_manifest, upload

__all__ = [
    "DataResult",
    "Dataset",
    "Manifest",
    "UploadPlan",
    "UploadResult",
    "fetch_on_host",
    "plan",
    "read_manifest",
    "scan",
    "upload",
]
