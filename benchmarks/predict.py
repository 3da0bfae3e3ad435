"""Scoring new rows with a model in use: one row from a cold start, and a large file.

    python benchmarks/predict.py data/wildlife/pipeline.yaml             # one row and 100,000
    python benchmarks/predict.py data/wildlife/pipeline.yaml --rows 1000000

The pipeline must have a model (`fusemine run`). The large file is drawn from the source's own rows,
each with a new id and, where there is a time, as it is: their texts are in the store, so what is
measured is scoring beyond embedding. Each side is a process of its own; memory is its peak.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fusemine.flows.config.pipeline import Loaded, load_pipeline
from fusemine.tasks.sources.files import find_files, read_file

PIECE = 50_000
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pipeline", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    loaded = load_pipeline(options.pipeline)
    rows = own_rows(loaded)
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder) / "one.csv"
        colds = []
        for number in range(ROUNDS):  # another row each time: what was scored is found again
            drawn(rows, 1, loaded, number).write_csv(one)
            colds.append(scored(options.pipeline, one))
        large = Path(folder) / "large.csv"
        write(large, rows, options.rows, loaded)
        found = scored(options.pipeline, large)
    cold = sorted(colds, key=lambda told: told["wall"])[ROUNDS // 2]
    print(f"{os.cpu_count()} cores, {large_words(found)}\n")
    print("| file | wall | of it scoring | rows/s | peak |\n|---|---|---|---|---|")
    for name, told in (("one row", cold), (f"{options.rows:,} rows", found)):
        speed = told["rows"] / told["wall"]
        memory = f"{told['peak']:,.0f} MiB"
        print(
            f"| {name} | {told['wall']:.2f} s | {told['seconds']:.2f} s | {speed:,.0f} | {memory} |"
        )


def large_words(found: dict[str, Any]) -> str:
    return f"model {found['model']}, {sum(found['rejected'].values()):,} rows rejected"


def own_rows(loaded: Loaded) -> pl.DataFrame:
    """All rows of the pipeline's source."""
    settings = loaded.pipeline.source
    files = find_files(settings, loaded.base)
    return pl.concat([read_file(f, settings, loaded.base).frame for f in files], how="diagonal")


def drawn(rows: pl.DataFrame, count: int, loaded: Loaded, seed: int) -> pl.DataFrame:
    """So many rows, drawn with replacement, each with an id of its own."""
    chosen = rows[np.random.default_rng(seed).integers(0, rows.height, count)]
    column = loaded.pipeline.columns.id
    if column is None:
        return chosen
    return chosen.with_columns(pl.Series(column, [f"new-{seed}-{i}" for i in range(count)]))


def write(path: Path, rows: pl.DataFrame, count: int, loaded: Loaded) -> None:
    with path.open("wb") as file:
        for start in range(0, count, PIECE):
            part = drawn(rows, min(PIECE, count - start), loaded, start + 1000)
            part.write_csv(file, include_header=start == 0)


def scored(pipeline: Path, file: Path) -> dict[str, Any]:
    """What `fusemine predict` says in a process of its own, with its time and memory."""
    command = [sys.executable, "-c", "from fusemine.flows.cli.main import main; main()"]
    began = time.monotonic()
    done = subprocess.run(
        [*command, "predict", str(pipeline), str(file), "--json"],
        stdout=subprocess.PIPE,
        check=True,
    )
    wall = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "wall": wall, "peak": peak}


if __name__ == "__main__":
    main()
