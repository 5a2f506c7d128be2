"""Every error a user of the model can act on; `console.run` alone turns them into a message and an exit code.

ModelError (exit code 1)
├── UsageError (exit code 2)
│   ├── DataError          images or targets that cannot be used
│   │   └── SourceGone     where they are does not answer any more (exit code 1)
│   ├── NetworkError       an architecture or an image size that cannot be built
│   └── CheckpointError    a file that holds no model
└── SaveError              a result that cannot be written: disk full, folder read-only

KeyboardInterrupt
└── Interrupted            SIGINT (exit code 130) or SIGTERM (143); no `except Exception` takes it for its own
"""

from __future__ import annotations

import signal


class ModelError(Exception):
    """Something the user can act on: what happened with the facts, then what to type. Shown without a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ModelError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class DataError(UsageError):
    """The images or the targets file cannot be used."""


class SourceGone(DataError):
    """What holds the images does not answer any more; what was computed from them so far is kept."""

    exit_code = 1


class NetworkError(UsageError):
    """There is no such architecture, or it cannot take images of this size."""


class CheckpointError(UsageError):
    """The file is missing, damaged, or holds no model."""


class SaveError(ModelError):
    """A result cannot be written."""


class Interrupted(KeyboardInterrupt):
    """A signal ended the work; the exit code is the shell's for that signal."""

    def __init__(self, signal_number: int) -> None:
        self.message = f"Stopped by {signal.Signals(signal_number).name}."
        super().__init__(self.message)
        self.exit_code = 128 + signal_number


def name_reason(error: OSError) -> str:
    """Return why the system refused something, as a sentence goes on: `no space left on device`."""
    return (error.strerror or str(error)).lower()
