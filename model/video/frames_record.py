"""Which frames were made of which videos, so that those sorted or thrown away since do not come back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.atomic import write_json
from model.errors import UsageError

RECORD = ".frames.json"


class FramesRecord:
    """The record in a folder of frames: for each video its fingerprint, and the names by each choice of frames."""

    def __init__(self, path: Path) -> None:
        """Read the record; one that is damaged counts as none, for the images themselves are looked at, too."""
        self._folder = path.parent
        self._path = path
        try:
            told = json.loads(path.read_text("utf-8"))
            self._videos = {
                str(name): {
                    "fingerprint": str(known["fingerprint"]),
                    "done": [{"choice": dict(done["choice"]), "names": list(done["names"])} for done in known["done"]],
                }
                for name, known in told.items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self._videos = {}

    def refuse_other(self, video: Path, fingerprint: str) -> None:
        """Raise UsageError when the folder holds frames of another video of this name."""
        known: Any = self._videos.get(video.name)
        if known and known["fingerprint"] != fingerprint:
            raise UsageError(
                f"{self._folder} holds frames of another video called {video.name}.",
                hint="Rename this one, or choose another --output folder.",
            )

    def find(self, video: Path, choice: dict[str, Any]) -> list[str] | None:
        """Return the names of a video's frames by this choice; None when they were not made, or not to the end."""
        return next((done["names"] for done in self._list_done(video) if done["choice"] == choice), None)

    def list_names(self, video: Path) -> set[str]:
        """Return the names of all frames that were ever made of a video."""
        return {name for done in self._list_done(video) for name in done["names"]}

    def add(self, video: Path, fingerprint: str, choice: dict[str, Any], names: Sequence[str]) -> None:
        """Note that a video's frames by this choice were all made; raises SaveError."""
        known = self._videos.setdefault(video.name, {"fingerprint": fingerprint, "done": []})
        known["done"] = [*self._list_done(video), {"choice": choice, "names": list(names)}]
        write_json(self._path, self._videos)

    def _list_done(self, video: Path) -> list[dict[str, Any]]:
        known: Any = self._videos.get(video.name, {"done": []})
        return list(known["done"])
