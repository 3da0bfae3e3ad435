"""PyOD's detectors, which may live in another interpreter: nothing of fusemine is imported here.

    python benchmarks/anomalies_peers.py FOLDER

scores every `<set>.npy` (n, k) in a folder; a peer leaves `<set>.<peer>.scores.npy` (n,) there.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

PEERS = ("ECOD", "IForest", "KNN")
PATIENCE = 3600


def ask(folder: Path, python: Path) -> str:
    """Let the peers score the sets of a folder; gives why they could not, or nothing."""
    ran = subprocess.run(
        [python, __file__, folder], capture_output=True, text=True, timeout=PATIENCE
    )
    lines = [line for line in ran.stderr.splitlines() if line.strip()]
    return lines[-1][:200] if ran.returncode and lines else ""


def _makers() -> dict[str, Callable[[], Any]]:
    from pyod.models.ecod import ECOD
    from pyod.models.iforest import IForest
    from pyod.models.knn import KNN

    return {"ECOD": ECOD, "IForest": lambda: IForest(random_state=0), "KNN": KNN}


def main(folder: Path) -> None:
    makers = _makers()
    for file in sorted(folder.glob("*.npy")):
        rows = np.load(file).astype(np.float64)
        for name in PEERS:
            scores = makers[name]().fit(rows).decision_scores_
            np.save(folder / f"{file.stem}.{name}.scores.npy", scores)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
