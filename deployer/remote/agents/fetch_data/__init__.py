"""Bring the images from the bucket to this host: `fetch_data BUCKET REGION DESTINATION`.

Runs on the host with the host's own role; needs boto3 and nothing of deployer (Python 3.8 or newer). Without more it
reads the manifest that deployer wrote, downloads only the bytes that are not here, and checks every file's SHA-256.
With `--prefix` it mirrors the objects below it. Either way each file is written whole or not at all, and those that it
brought earlier and that the bucket no longer names are removed. Run again after a cut, it goes on where it was.

Speaks in JSON lines: {"event": "progress", "files", "total_files", "bytes", "total_bytes"}, and last {"event": "done",
"files", "fetched", "fetched_bytes", "removed"} or {"event": "error", "kind", "message"}. Exit code 0; 1 for an error; 3
where this Python has no boto3.
"""
