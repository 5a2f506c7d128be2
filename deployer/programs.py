"""The model's programs, run on this machine as subprocesses: deployer itself never imports torch."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Mapping, Sequence

from deployer.errors import MissingDependency

# What looks at pictures alone does not wait for PyTorch, and does not need it.
FOR_NETWORKS = ("torch", "torchvision")
FOR_EXPORTS = ("numpy", "onnxruntime", "PIL")
FOR_PICTURES = ("numpy", "PIL")


def run(module: str, arguments: Sequence[str], *, needs: Sequence[str] = FOR_NETWORKS) -> int:
    """Run `python -m <module>` with this terminal and return its exit code, 128 + N when signal N ended it.

    Ctrl-C is the program's to answer: it is passed on, and its end is waited for. Raises MissingDependency.
    """
    missing = [name for name in needs if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependency(
            f"This needs {' and '.join(missing)}, which this Python lacks.",
            hint=f"pip install {' '.join(dict.fromkeys(map(_name_package, missing)))}",
        )
    # -P: a folder of the user's that is called model must not hide ours.
    with subprocess.Popen([sys.executable, "-P", "-m", module, *arguments]) as program:
        while True:
            try:
                code = program.wait()
            except KeyboardInterrupt:
                program.terminate()  # a terminal's Ctrl-C has reached it already; a signal to us alone has not
            else:
                return code if code >= 0 else 128 - code


def _name_package(module: str) -> str:
    # Not all that a model needs for an export alone: PyTorch is gigabytes.
    return "'deployer[model]'" if module in FOR_NETWORKS else {"PIL": "pillow"}.get(module, module)


def as_options(options: Mapping[str, object]) -> list[str]:
    """Return options as they are typed; what is None, False or empty was not given."""
    words: list[str] = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            words.append(flag)
        elif isinstance(value, tuple):
            words += [f"{flag}={item}" for item in value]
        elif value is not None and value is not False:
            words.append(f"{flag}={value}")
    return words
