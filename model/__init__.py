"""The training job: torch and torchvision, run by `python -m model.train` on any machine."""

import os
import signal
import sys
from contextlib import suppress


def _leave(number: int, _frame: object) -> None:
    """Leave as `errors.Interrupted` does; with an exception, the imports of others would take it for their own."""
    if os.environ.get("RANK", "0") == "0":  # torchrun's: one process speaks for all
        with suppress(OSError):
            os.write(2, b"Stopped by SIGINT.\n")
    os._exit(128 + number)


# So Python calls a program of `python -m` while it looks for its module. Until the program has an Interruption, which
# takes a while of imports, nothing is half-done. What runs in the background of a shell ignores Ctrl-C, and so does it.
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _leave)
