"""Kill a backfill at random moments, resume it, and compare what it leaves with a quiet one.

    python benchmarks/kills.py --kills 15 --worker-kills 15 --months 12

Needs the wildlife data (`make demo` fetches it). Serially, the Parquet files must be those of an
uninterrupted backfill, byte for byte; with two workers, vectors must agree within a cosine of 1e-5
and everything discrete exactly. No process may be left after a kill.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from local import BIN, MARK, environment, pipeline, server, start, start_worker

from fusemine.tasks.core import vectors

WINDOW = 3
UNSAVED_SECONDS = 15
"""How old a vector may be that a kill has lost: the time of one shard on a slow machine."""

# The command, with a line in a file for each text that goes through the model.
RECORDING = """
import hashlib, sys, time
from fusemine.tasks.embed.encoders.transformer.packed import PackedEncoder

run = PackedEncoder._run

def recorded(self, texts):
    vectors = run(self, texts)
    keys = [hashlib.sha256(repr(ids).encode()).hexdigest() for ids in texts]
    with open(sys.argv[1], "a") as file:
        file.writelines(f"{key} {time.time()}\\n" for key in keys)
    return vectors

PackedEncoder._run = recorded
from fusemine.flows.cli.main import main
main(sys.argv[2:])
"""


def main() -> None:
    options = arguments()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="fusemine-kills-") as name:
        folder = Path(name)
        quiet = pipeline(folder / "quiet", options.months, window=WINDOW)
        started = time.monotonic()
        assert start(recorded(quiet), folder, {}).wait() == 0
        print(f"uninterrupted: {time.monotonic() - started:.0f} s", flush=True)
        if options.kills:
            serial = pipeline(folder / "serial", options.months, window=WINDOW)
            kill_serial(serial, folder, options.kills, chance, embedded(texts_of(quiet)))
            compare_bytes(quiet.parent, serial.parent)
        if options.worker_kills:
            parallel = pipeline(folder / "parallel", options.months, window=WINDOW)
            kill_workers(parallel, folder, options.worker_kills, chance)
            compare_values(quiet.parent, parallel.parent)
            count_texts(parallel.parent)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=15, help="kills of the flow's own process")
    parser.add_argument("--worker-kills", type=int, default=15, help="of flow runs and workers")
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def recorded(path: Path) -> list[str | Path]:
    """The command that goes on with the backfill of a pipeline."""
    return [
        *(sys.executable, "-c", RECORDING, str(texts_of(path))),
        *("backfill", str(path), *resume(path)),
    ]


def texts_of(path: Path) -> Path:
    return path.with_name("texts")


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    call = [BIN / "fusemine", *command]
    return subprocess.run(call, env=environment(folder, {}), capture_output=True, text=True)


def kill_serial(
    path: Path, folder: Path, kills: int, chance: random.Random, usual: dict[str, list[float]]
) -> None:
    """Kill the process of a backfill in its own process, until it has been killed often enough."""
    done = early = 0
    killed: list[float] = []
    texts = texts_of(path)
    while done < kills:
        mark = {MARK: uuid4().hex}
        process = start(recorded(path), folder, mark)
        try:
            process.wait(chance.uniform(2, 45))
            early += 1
            if early > 2:  # it ends before it can be killed: begin again with some of it gone
                count_again(texts, killed, usual)
                forget_some(path, chance)
                early = 0
            continue
        except subprocess.TimeoutExpired:
            process.kill()
            killed.append(time.time())
            process.wait()
            done += 1
        left = orphans(mark[MARK], patience=10)
        print(f"kill {done}: {progress(path)}, {len(left)} process(es) left", flush=True)
        assert not left, left
    last = run(["backfill", str(path), *resume(path)], folder)
    assert last.returncode == 0, last.stderr[-2000:]
    count_again(texts, killed, usual)


def count_again(texts: Path, killed: list[float], usual: dict[str, list[float]]) -> None:
    """What is embedded oftener than without kills must be what a kill took before a checkpoint."""
    again = early = 0
    for key, moments in embedded(texts).items():
        more = max(0, len(moments) - len(usual[key]))
        lost = sum(any(0 <= kill - m <= UNSAVED_SECONDS for kill in killed) for m in moments)
        again += more
        early += max(0, more - lost)
    print(f"texts: {len(usual)}, {again} embedded again, {early} of them without need", flush=True)
    assert not early
    texts.unlink(missing_ok=True)


def embedded(texts: Path) -> dict[str, list[float]]:
    """When each text went through the model."""
    found: dict[str, list[float]] = {}
    for line in texts.read_text(encoding="utf-8").splitlines() if texts.exists() else ():
        key, moment = line.split()
        found.setdefault(key, []).append(float(moment))
    return found


def forget_some(path: Path, chance: random.Random) -> None:
    """Take a stage's artifacts away, so that there is work left to be killed in."""
    root = next((path.parent / "artifacts").iterdir())
    stage = chance.choice(["embed", "classify", "topics", "report"])
    shutil.rmtree(root / stage, ignore_errors=True)
    if stage == "embed":
        shutil.rmtree(root / "store", ignore_errors=True)


def kill_workers(path: Path, folder: Path, kills: int, chance: random.Random) -> None:
    """Kill flow runs, workers and the backfill itself while two workers do the work."""
    with server(folder) as extra:
        worker = start_worker(folder, extra)
        done = early = 0
        while True:
            parent = start_backfill(path, folder, extra)
            while done < kills and parent.poll() is None:
                time.sleep(chance.uniform(3, 20))
                victim = chance.choice(["run", "worker", "backfill"])
                if victim == "run" and not kill_run(extra[MARK]):
                    continue
                if victim == "worker":
                    worker.kill()
                    worker.wait()
                    worker = start_worker(folder, extra)
                if victim == "backfill":
                    parent.kill()
                    parent.wait()
                done += 1
                print(f"kill {done} ({victim}): {progress(path)}", flush=True)
            parent.wait()
            if parent.returncode == 0:
                if done >= kills:
                    break
                early += 1
                forget_some(path, chance)
        worker.send_signal(signal.SIGTERM)
        worker.wait()
    left = orphans(extra[MARK], patience=15)
    print(f"{len(left)} process(es) left", flush=True)
    assert not left, left


def start_backfill(path: Path, folder: Path, extra: dict[str, str]) -> subprocess.Popen[bytes]:
    options = ["--max-parallel", "2", "--max-failures", "99", *resume(path)]
    return start([BIN / "fusemine", "backfill", str(path), *options], folder, extra)


def kill_run(mark: str) -> bool:
    """Kill one process of a flow run, if there is one."""
    for pid in orphans(mark):
        if "prefect.engine" in command_of(pid) or "prefect.flow_engine" in command_of(pid):
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def resume(path: Path) -> list[str]:
    """How to go on with the newest backfill of a pipeline, if it has one that is not done."""
    records = sorted(path.parent.glob("artifacts/*/backfills/*.json"))
    if not records:
        return []
    rows = json.loads(records[-1].read_text(encoding="utf-8"))["rows"]
    done = {"complete", "complete before", "no rows"}
    return [] if {row["state"] for row in rows} <= done else ["--resume", records[-1].stem]


def progress(path: Path) -> str:
    return f"{len(list(path.parent.glob('artifacts/*/latest/*.json')))} months are complete"


def orphans(mark: str, patience: float = 0) -> list[int]:
    """Processes that carry a mark in their environment, after some time to end."""
    until = time.monotonic() + patience
    while True:
        found = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and has(p, mark)]
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.5)


def has(process: Path, mark: str) -> bool:
    try:
        return mark.encode() in (process / "environ").read_bytes()
    except OSError:
        return False


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def tables(folder: Path) -> dict[str, Path]:
    """All Parquet files of the newest keys, by stage, partition and name."""
    root = next((folder / "artifacts").iterdir())
    found = sorted(p for p in root.rglob("*.parquet") if "store" not in p.parts)
    return {str(p.relative_to(root)): p for p in found}


def compare_bytes(quiet: Path, killed: Path) -> None:
    first, second = tables(quiet), tables(killed)
    assert first.keys() == second.keys(), first.keys() ^ second.keys()
    differ = [name for name in first if digest(first[name]) != digest(second[name])]
    print(f"serial: {len(first)} Parquet files, {len(differ)} differ: {differ[:3]}", flush=True)
    assert not differ


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def compare_values(quiet: Path, killed: Path) -> None:
    """Vectors within the tolerance of the design, results equal in everything discrete."""
    worst, discrete, compared = 0.0, 0, 0
    for stage in ("clean", "embed", "topics", "report"):
        first, second = by_partition(quiet, stage), by_partition(killed, stage)
        assert first.keys() == second.keys()
        for partition, path in first.items():
            compared += 1
            if stage == "embed":
                worst = max(worst, distance(path, second[partition]))
            else:
                discrete += unequal(path, second[partition])
    words = f"cosine within {worst:.1e}, {discrete} discrete cells differ"
    print(f"parallel: {compared} tables, {words}", flush=True)
    assert worst < 1e-5


def by_partition(folder: Path, stage: str) -> dict[str, Path]:
    """The main table of each partition's newest artifact of a stage."""
    root = next((folder / "artifacts").iterdir())
    found = sorted(root.glob(f"{stage}/*/*/part-00000.*.parquet"), key=lambda p: p.stat().st_mtime)
    return {path.parent.parent.name: path for path in found}


def distance(first: Path, second: Path) -> float:
    a, b = (matrix(path) for path in (first, second))
    filled = np.linalg.norm(a, axis=1) > 0
    return float((1 - (a[filled] * b[filled]).sum(1)).max(initial=0.0))


def matrix(path: Path) -> np.ndarray:
    return vectors.read_embeddings(pq.read_table(path))


def unequal(first: Path, second: Path) -> int:
    """Cells that differ, of text, whole numbers and truth values."""
    a, b = pl.read_parquet(first), pl.read_parquet(second)
    names = [n for n, t in a.schema.items() if t in (pl.String, pl.Int64, pl.Boolean)]
    return sum(int((~a[name].eq_missing(b[name])).sum()) for name in names)


def count_texts(folder: Path) -> None:
    """Vectors in the store against distinct texts: a text that was kept was not kept again."""
    root = next((folder / "artifacts").iterdir())
    parts = root.glob("store/*/part-*.parquet")
    keys = pl.concat(pl.read_parquet(part, columns=["text_hash"]) for part in parts)
    twice = keys.height - keys.n_unique()
    print(f"store: {keys.height} vectors, {twice} of them kept twice", flush=True)


if __name__ == "__main__":
    main()
