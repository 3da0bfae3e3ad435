"""What the embedding store costs: in time, in memory, in texts embedded twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from local import HERE

from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.core.vectors import unit
from fusemine.tasks.embed.embed import Embedded, embed
from fusemine.tasks.embed.encoders.models import find_model, load_encoder
from fusemine.tasks.embed.fill import Engine
from fusemine.tasks.embed.settings import EmbedSettings
from fusemine.tasks.embed.store.store import EmbeddingStore, keys_of

MILLION = 1_000_000
SETTINGS = EmbedSettings(device="cpu")


def opened(folder: Path) -> EmbeddingStore:
    return EmbeddingStore(store_at(folder), "space")


def embedded(texts: list[str], folder: Path) -> Embedded:
    """Embed texts with a store in a folder, as a run does; says so batch by batch on stdout."""
    files = find_model(SETTINGS, Path("/"))
    engine = Engine(
        load=lambda: load_encoder(files, SETTINGS, "float32"),
        vectors=opened(folder),
        settings=SETTINGS,
        precision="float32",
    )
    done = 0

    def advance(texts: int, _tokens: int) -> None:
        nonlocal done
        done += texts
        if __name__ == "__main__":
            print(done, flush=True)

    return embed({"text": pl.Series(texts, dtype=pl.String)}, engine, advance)


def second_run(texts: list[str]) -> None:
    """Texts a second out of the store, of a run that embeds nothing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        filled = stored(texts, folder)
        embedded([], folder)  # writes down what the vectors are, as the run that filled it did
        started = time.perf_counter()
        found = embedded(texts, folder)
        seconds = time.perf_counter() - started
        assert found.computed == 0
        assert (found.matrix == filled).all()
    print(f"\nsecond run: {len(texts):,} texts, {len(texts) / seconds:,.0f} texts/s")


def stored(texts: list[str], folder: Path) -> np.ndarray:
    """A store with random unit vectors of texts, in parts as a run leaves them."""
    store = opened(folder)
    random = np.random.default_rng(0)
    matrix = unit(random.standard_normal((len(texts), 384), dtype=np.float32))
    for start in range(0, len(texts), 2048):
        chosen = texts[start : start + 2048]
        rows = matrix[start : start + 2048]
        store.add(keys_of(chosen), rows, [9] * len(chosen), [""] * len(chosen))
    store.compact()
    return matrix.astype(np.float16)


MEMORY = """
import random, sys, time
from pathlib import Path
from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.embed.store.store import EmbeddingStore, keys_of

def memory():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1e3

random.seed(0)
texts = [f"text {random.randrange(1_000_000)}" for _ in range(10_000)]
EmbeddingStore(store_at(sys.argv[2]), "space").fetch(keys_of(texts[:10]))
before = memory()
started = time.perf_counter()
store = EmbeddingStore(store_at(sys.argv[1]), "space")
opened = time.perf_counter()
assert store.fetch(keys_of(texts)).known.all()
done = time.perf_counter()
print(f"{memory() - before:.0f} MB, open {opened - started:.2f} s, look-up {done - opened:.2f} s")
"""


def million() -> None:
    """Memory that a look-up of 10,000 texts takes among a million, at its peak."""
    with tempfile.TemporaryDirectory() as name:
        folder, small = Path(name) / "million", Path(name) / "small"
        stored([f"text {number}" for number in range(MILLION)], folder)
        stored(["one"], small)
        megabytes = sum(file.stat().st_size for file in files(folder)) / 1e6
        command = [sys.executable, "-c", MEMORY, str(folder), str(small)]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True)
    print(f"10,000 random texts of a million ({megabytes:.0f} MB): {done.stdout.strip()}")


def process(texts: Path, folder: Path) -> subprocess.Popen[str]:
    """Another process that embeds texts."""
    command = [sys.executable, __file__, str(texts), str(folder)]
    return subprocess.Popen(
        command, cwd=HERE, text=True, stdout=subprocess.PIPE, env=_environment()
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(HERE)}


def fill_together(texts: list[str]) -> None:
    """One process, then two at once, on the same texts."""
    print(f"\nfilling a store with {len(texts):,} texts")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "texts.json"
        path.write_text(json.dumps(texts), encoding="utf-8")
        for number in (1, 2):
            folder = Path(name) / str(number)
            started = time.perf_counter()
            running = [process(path, folder) for _ in range(number)]
            counts = [int(p.communicate()[0].split()[-1]) for p in running]
            seconds = time.perf_counter() - started
            assert all(p.returncode == 0 for p in running)
            rows = sum(pl.scan_parquet(f).select(pl.len()).collect().item() for f in files(folder))
            print(
                f"{number} process(es): {seconds:.1f} s, {counts} texts embedded, {rows:,} rows, "
                f"{rows - len(opened(folder))} of them twice",
                flush=True,
            )


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("space/part-*.parquet"))


def kill_half_way(texts: list[str]) -> None:
    """Kill a process that has embedded half of the texts, and embed them all again."""
    with tempfile.TemporaryDirectory() as name:
        path, folder = Path(name) / "texts.json", Path(name) / "store"
        path.write_text(json.dumps(texts), encoding="utf-8")
        running = process(path, folder)
        assert running.stdout is not None
        reached = next(int(line) for line in running.stdout if int(line) >= len(texts) // 2)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        kept = len(opened(folder))
        again = embedded(texts, folder)
        quiet = embedded(texts, Path(name) / "quiet")
    same = bool((again.matrix == quiet.matrix).all())
    print(
        f"\nkilled after {reached:,} of {len(texts):,} texts: {kept:,} were kept, "
        f"{again.computed:,} embedded by the second run, {reached - kept:,} of them twice; "
        f"the same bytes as without the kill: {same}"
    )


if __name__ == "__main__":
    result = embedded(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
    print(result.computed)
