"""`--quick`, as CI runs it: every row that has a small form, against bench/baseline.json."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.results import read_baseline
from benchmarks.rows import ROWS

pytest.importorskip("torch", reason="the `model` extra is not installed")
ROOT = Path(__file__).resolve().parent.parent.parent


def test_baseline_knows_the_rows_that_have_a_small_form() -> None:
    assert set(read_baseline()) == {row.name for row in ROWS.values() if row.is_quick}


# A minute of one core; where others want the core too, some of them.
@pytest.mark.timeout(1500)
def test_quick_finds_no_ratio_halved() -> None:
    command = [sys.executable, "-m", "benchmarks.bench", "--quick"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
