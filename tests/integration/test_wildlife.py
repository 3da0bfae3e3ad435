"""The example at full size: minutes, so it runs by name (`pytest -m slow`)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WILDLIFE = Path(__file__).parents[2] / "data" / "wildlife"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_table_and_text_predict_effects_on_the_flight(
    tmp_path: Path, mine: Callable[..., Any]
) -> None:
    shutil.copy(WILDLIFE / "pipeline.yaml", tmp_path)
    fetch = [sys.executable, WILDLIFE / "fetch.py", tmp_path / "inbox"]
    subprocess.run(fetch, check=True, capture_output=True)
    outcome = mine(tmp_path / "pipeline.yaml")
    both = outcome.metrics["classify"]["both"]
    assert both["average_precision"] >= 0.77
    assert both["roc_auc"] >= 0.943
    assert outcome.stages["report"].rows_kept == 19_302
    assert outcome.report.stat().st_size < 5_000_000
