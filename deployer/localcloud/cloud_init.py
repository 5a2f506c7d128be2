"""The one part of an instance's user data that the local cloud obeys: `power_state`.

Nothing in user data is ever executed on this machine; a real instance runs all of it.
"""

from __future__ import annotations

import base64
import binascii
import email
import gzip
import math
from typing import Any


def shutdown_minutes(user_data: str) -> float | None:
    """Return after how many minutes the user data powers the instance off; None when it does not.

    `user_data` is base64 as the API carries it; plain, gzipped and MIME multi-part #cloud-config are read.
    """
    for text in _cloud_configs(user_data):
        minutes = _power_off_minutes(text)
        if minutes is not None:
            return minutes
    return None


def _cloud_configs(user_data: str) -> list[str]:
    try:
        raw = base64.b64decode(user_data, validate=True)
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        text = raw.decode("utf-8")
    except (binascii.Error, OSError, EOFError, ValueError):
        return []
    if text.startswith("#cloud-config"):
        return [text]
    if not text.lower().startswith(("content-type:", "mime-version:")):
        return []
    parts = [
        part.get_payload(decode=True) for part in email.message_from_string(text).walk() if not part.is_multipart()
    ]
    texts = [part.decode("utf-8", "replace") for part in parts if isinstance(part, bytes)]
    return [part for part in texts if part.startswith("#cloud-config")]


def _power_off_minutes(text: str) -> float | None:
    import yaml

    try:
        document: Any = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    state = document.get("power_state") if isinstance(document, dict) else None
    if not isinstance(state, dict) or state.get("mode") not in {"poweroff", "halt"} or state.get("condition") is False:
        return None
    delay = str(state.get("delay", "now")).strip()
    if delay == "now":
        return 0.0
    try:
        minutes = float(delay.removeprefix("+"))
    except ValueError:
        return None
    return minutes if math.isfinite(minutes) and minutes >= 0 else None
