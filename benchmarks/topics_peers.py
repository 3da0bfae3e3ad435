"""BERTopic in a process of its own, for the benchmark of topics.

It may live in another interpreter, so nothing of fusemine is imported here: texts, vectors and
groups are exchanged as files in a folder (`write`, `ask`), and

    python benchmarks/topics_peers.py FOLDER TOPICS

groups what lies in it into so many topics, 0 for as many as there are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PATIENCE = 3600
"""Seconds after which a peer is given up."""


@dataclass(frozen=True)
class Side:
    """What one side made of the texts, and what that cost.

    Attributes:
        topics: (n,) the topic of each text, -1 for none; None if it failed.
        seconds: For topics with their words.
        drawing: Seconds for the map besides; 0 where they are part of the others.
        peak: The most memory that its process held, MiB.
        failed: Why it has no topics.
        versions: Of its libraries.
    """

    topics: NDArray[np.int64] | None
    seconds: float = 0.0
    drawing: float = 0.0
    peak: float | None = None
    failed: str = ""
    versions: dict[str, str] = field(default_factory=dict)


def write(folder: Path, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
    """Lay texts and their vectors for the peer."""
    (folder / "texts.json").write_text(json.dumps(list(texts)), encoding="utf-8")
    np.save(folder / "vectors.npy", vectors)


def ask(folder: Path, topics: int, python: Path) -> Side:
    """Let BERTopic group the texts in a process of the given interpreter."""
    command: list[str | Path] = [python, __file__, str(folder), str(topics)]
    quiet = {**os.environ, "HF_HUB_OFFLINE": "1"}
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=quiet)
    except subprocess.TimeoutExpired:
        return Side(None, failed=f"not done after {PATIENCE} s")
    if ran.returncode:
        lines = [line for line in ran.stderr.splitlines() if line.strip()]
        return Side(None, failed=lines[-1][:300] if lines else f"ended with {ran.returncode}")
    told = json.loads((folder / "told.json").read_text(encoding="utf-8"))
    return Side(np.load(folder / "topics.npy"), **told)


def peak_memory() -> float | None:
    """The most memory that this process held so far, MiB; None where Linux does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return round(int(found[0]) / 1024, 1) if found else None


def main(folder: Path, topics: int) -> None:
    """Group the texts in a folder as BERTopic does unless told otherwise, and draw its map."""
    from bertopic import BERTopic
    from umap import UMAP

    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    vectors = np.load(folder / "vectors.npy")
    started = time.perf_counter()
    model = BERTopic(embedding_model=None, nr_topics=topics or None)
    found, _ = model.fit_transform(texts, vectors)
    seconds = time.perf_counter() - started
    # The map as its documentation draws one and hands it to visualize_documents.
    UMAP(n_neighbors=10, n_components=2, min_dist=0.0, metric="cosine").fit(vectors)
    told = {
        "seconds": round(seconds, 1),
        "drawing": round(time.perf_counter() - started - seconds, 1),
        "peak": peak_memory(),
        "versions": {name: version(name) for name in ("bertopic", "umap-learn", "hdbscan")},
    }
    np.save(folder / "topics.npy", np.asarray(found, np.int64))
    (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
