#!/usr/bin/env bash
# Make .venv with everything in it, and a Terraform that is new enough. Quick when there is nothing to do.
#
#   tools/install.sh          PYTHON=/path/to/python3.12 tools/install.sh
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/.installed # names the folder it was made in: an editable install does not survive a move
inputs=(setup.cfg pyproject.toml tools/install.sh tools/fetch_terraform.py)

main() {
  mkdir -p .cache/terraform-plugins # Terraform refuses a plugin cache that does not exist
  is_current && return
  [[ -e .venv/bin/python ]] && .venv/bin/python -c '' 2>/dev/null || make_venv "$(find_python)"
  .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip --upgrade >/dev/null
  echo "Installing into .venv (a few minutes the first time: PyTorch is large) ..." >&2
  local quiet=--quiet
  [[ -t 1 ]] && quiet= # somebody is watching
  # setuptools warns of folders that could hide the packages; `python -P` keeps them from doing so.
  PYTHONWARNINGS=ignore .venv/bin/python -m pip install $quiet --disable-pip-version-check --editable '.[model,export,tune,local,dev]'
  .venv/bin/python tools/fetch_terraform.py --cache .cache/terraform --link .venv/bin >/dev/null
  pwd >"$stamp"
}

is_current() {
  [[ -f $stamp && $(<"$stamp") == "$PWD" ]] || return 1
  for input in "${inputs[@]}"; do
    [[ $input -nt $stamp ]] && return 1
  done
  command -v terraform >/dev/null || [[ -x .venv/bin/terraform ]]
}

make_venv() {
  echo "Making .venv with $1 ..." >&2
  rm -rf .venv
  if ! "$1" -m venv .venv; then
    rm -rf .venv
    echo "Error: $1 cannot make a virtual environment." >&2
    echo "Hint: on Debian and Ubuntu: sudo apt install python3-venv; then run this again." >&2
    exit 2
  fi
}

find_python() {
  # A version manager's shim exists for versions that are not there: only running it tells.
  local candidate
  for candidate in ${PYTHON:-} python3.12 python3.13 python3.11 python3.14 python3 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      command -v "$candidate"
      return
    fi
  done
  echo "Error: no Python 3.11 or newer was found on the PATH (python3 is $(python3 --version 2>&1 || true))." >&2
  echo "Hint: install one (apt install python3.11 python3.11-venv, brew install python@3.12, or python.org)," >&2
  echo "      or name it: make install PYTHON=/path/to/python3.12" >&2
  exit 2
}

main
