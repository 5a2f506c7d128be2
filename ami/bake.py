"""What is done to a machine before an image is made of it: dependencies go in, what is the machine's own goes out."""

from __future__ import annotations

import shlex
from importlib import resources

# In the home, so that nothing of the image's own Python is replaced; "~" is the login's home folder.
ENVIRONMENT = "~/.deployer/venv"
PYTHON = f"{ENVIRONMENT}/bin/python"

# The environment sees what the image's own interpreter has, PyTorch above all, also where that is one itself: run by
# the parent, and by the environment.
_TELL_PATHS = "import sysconfig; print(*{sysconfig.get_path(kind) for kind in ('purelib', 'platlib')}, sep='\\n')"
_TAKE_PATHS = (
    "import pathlib, sys, sysconfig; "
    "pathlib.Path(sysconfig.get_path('purelib'), 'parent.pth').write_text(sys.stdin.read())"
)


def install_command(python: str) -> str:
    """Return the shell command that makes the environment on top of `python` and installs the requirements on stdin."""
    parent, folder = shlex.quote(python), '"$HOME"/' + ENVIRONMENT.removeprefix("~/")
    own = f"{folder}/bin/python"
    steps = [
        f"{parent} -m venv --without-pip --clear {folder}",
        f"{parent} -c {shlex.quote(_TELL_PATHS)} | {own} -c {shlex.quote(_TAKE_PATHS)}",
    ]
    if python.endswith(PYTHON.removeprefix("~")):  # a machine from a baked image: the environment is there
        steps = []
    steps += [
        f"cat > {folder}/requirements.txt",
        f"{own} -m pip install --no-input --disable-pip-version-check -r {folder}/requirements.txt",
    ]
    # The requirements come on the standard input: only `cat` may read it.
    return " && ".join(step if step.startswith("cat") or "|" in step else f"{step} < /dev/null" for step in steps)


def clean_script(instance_id: str) -> str:
    """Return the script that takes out what must not travel; it prints "system" or "home", for how far it went.

    Everything of the user's and of the deployment goes from the home folder. What is the machine's own - its identity,
    its keys, its deadline, its logs - goes only where cloud-init says that it is `instance_id`: nowhere else may a
    command of ours, with the rights of root, be at work. Its last acts lock the door: until the next boot nobody logs
    in any more. `undo_script` opens it again.
    """
    return _template("clean.sh", instance_id)


def undo_script(instance_id: str) -> str:
    """Return the script that gives a cleaned machine its keys and its deadline back, until the boot that it awaits."""
    return _template("unclean.sh", instance_id)


def _template(name: str, instance_id: str) -> str:
    text = resources.files("ami").joinpath("templates", name).read_text(encoding="utf-8")
    return f"instance={shlex.quote(instance_id)}\n{text}"
