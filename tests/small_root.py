"""A small root made by the real pure functions, with results that quote its rows, and no server."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from support import write_csv

from fusemine.tasks.clean.clean import clean
from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.clean.settings import CleanSettings
from fusemine.tasks.clean.task import clean_job
from fusemine.tasks.collect.contracts import RAW
from fusemine.tasks.core import vectors
from fusemine.tasks.core.artifact import MAIN, ArtifactRef, Draft, Job, read_frame, read_manifest
from fusemine.tasks.core.contract import REJECTED
from fusemine.tasks.core.key import Recipe
from fusemine.tasks.core.partition import PartitionSettings
from fusemine.tasks.embed.contracts import EMBEDDINGS
from fusemine.tasks.embed.store.store import EmbeddingStore, keys_of
from fusemine.tasks.fuse.contracts import FEATURES
from fusemine.tasks.inventory.source import Source, read_listing, state_of
from fusemine.tasks.inventory.task import _scan
from fusemine.tasks.report.contracts import RESULTS
from fusemine.tasks.table.roles import Columns

HOUR = timedelta(hours=1)
DIMENSION = 4


def row(number: int, day: str, text: str = "", **cells: str) -> dict[str, str]:
    """A row of the source; its text is its own unless one is given."""
    return {"id": f"ID-{number:03}", "day": day, "body": text or f"story {number}"} | cells


@dataclass
class SmallRoot:
    """A source, its pipeline's root, and what would be made by a run."""

    folder: Path
    source: str = "t.csv"
    required: tuple[str, ...] = ()
    repeated_id: Any = "first"
    columns: Columns = field(
        default_factory=lambda: Columns.model_validate({"id": "id", "time": "day", "text": "body"})
    )

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def write(self, *rows: dict[str, str], more: str = "") -> None:
        path = write_csv(self.folder / self.source, list(rows))
        path.write_text(path.read_text() + more)

    def collect(self) -> ArtifactRef:
        """The inventory, made as the task makes it."""
        settings = FilesSettings(path="*.csv", repeated_id=self.repeated_id)
        source = Source(self.root, self.folder, settings, self.columns, PartitionSettings())
        state = state_of(source)
        self.root.mkdir(exist_ok=True)
        with Draft(state.job) as draft:
            _scan(draft, source, state)
        return draft.finished()

    def prepare(self, inventory: ArtifactRef) -> list[ArtifactRef]:
        """Clean and embed every partition; all artifacts that a report names."""
        refs = [inventory]
        for partition, raw in read_listing(self.root, inventory).raw.items():
            assert raw is not None
            cleaned = self.clean(partition, raw)
            refs += [raw, cleaned, self.embed(partition, cleaned)]
        return refs

    def clean(self, partition: str, raw: ArtifactRef) -> ArtifactRef:
        settings = CleanSettings(required=self.required)
        rows = read_frame(raw, RAW)
        made = clean(rows, self.columns, settings, "UTC")
        with Draft(clean_job(self.root, partition, raw, self.columns, settings, "UTC")) as draft:
            draft.table(MAIN, made.rows, CLEAN)
            draft.table("rejected", made.rejected, REJECTED)
            draft.json("summary.json", {})
            draft.count(rows.height, made.rows.height, made.rejected.height)
        return draft.finished()

    def embed(self, partition: str, cleaned: ArtifactRef) -> ArtifactRef:
        """Vectors that depend on the text alone; they also go to the store."""
        rows = read_frame(cleaned, CLEAN)
        texts = rows["text"].to_list()
        matrix = np.array([vector(text) for text in texts], np.float32).reshape(-1, DIMENSION)
        store = EmbeddingStore(self.root / "store" / "space", "float32")
        store.add(keys_of(texts), matrix, [1] * len(texts), [""] * len(texts))
        table = pa.table(
            {"row_id": pa.array(rows["row_id"].to_list()), "embedding": vectors.to_arrow(matrix)}
        ).replace_schema_metadata({"dtype": "float32"})
        return self.made("embed", partition, (cleaned,), table, EMBEDDINGS)

    def made(
        self, stage: str, partition: str, refs: Any, table: Any, contract: Any, html: str = ""
    ) -> ArtifactRef:
        recipe = Recipe(tuple(ref.sha256 for ref in refs), {}, {}, "source")
        job = Job(self.root, stage, partition, recipe, tuple(ref.name for ref in refs))
        with Draft(job) as draft:
            draft.table(MAIN, table, contract)
            if html:
                draft.text("report.html", html)
            height = table.num_rows if isinstance(table, pa.Table) else table.height
            draft.count(height, height, 0)
        return draft.finished()

    def report(self, partition: str, refs: list[ArtifactRef]) -> ArtifactRef:
        """Results up to a partition that quote every row, and the record of them."""
        upto = [r for r in refs if r.name.startswith("inv") or r.name.split("/")[1] <= partition]
        cleaned = [read_frame(r, CLEAN) for r in upto if r.name.startswith("clean/")]
        rows = pl.concat(cleaned)
        fused = self.made("fuse", partition, upto[1:], rows.select("row_id"), FEATURES)
        none = [pl.lit(None, t).alias(n) for n, t in _RESULTS.items()]
        results = rows.select("row_id", "partition", "text", *none)
        html = f"<p>{' '.join(rows['text'])}</p>"
        made = self.made("report", partition, [*upto, fused], results, RESULTS, html)
        record = {"report": f"{made.name}/report.html"}
        for name, content in [
            (f"latest/{partition}.json", json.dumps(record)),
            ("report/latest.html", html),
        ]:
            (self.root / name).parent.mkdir(exist_ok=True)
            (self.root / name).write_text(content)
        return made

    def run(self, *partitions: str) -> list[ArtifactRef]:
        refs = self.prepare(self.collect())
        return [self.report(partition, refs) for partition in partitions]


_RESULTS: dict[str, Any] = {
    "label": pl.String,
    "prediction": pl.String,
    "probability": pl.Float64,
    "split": pl.String,
    "topic": pl.String,
    "anomaly_score": pl.Float64,
    "anomaly_flagged": pl.Boolean,
    "anomaly_reason": pl.String,
}


def vector(text: str) -> list[float]:
    return [byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:DIMENSION]]


def names(root: Path, stage: str = "*") -> list[str]:
    """The artifacts below a root."""
    found = sorted(root.glob(f"{stage}/*/*/manifest.json"))
    return [path.parent.relative_to(root).as_posix() for path in found]


def everything(root: Path) -> dict[str, str]:
    """Hashes of all files, hidden ones too."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {
        f.relative_to(root).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files
    }


def told(root: Path) -> Iterator[tuple[str, bytes]]:
    """The bytes of all files below a root, and the values in Parquet files."""
    for path in (path for path in sorted(root.rglob("*")) if path.is_file()):
        yield str(path), path.read_bytes()
        if path.suffix == ".parquet":
            with pq.ParquetFile(path) as file:
                yield f"{path} decompressed", repr(file.read().to_pylist()).encode()
                yield f"{path} metadata", repr(file.metadata.to_dict()).encode()


def where(root: Path, *words: str) -> list[str]:
    """The files that hold one of some words, in any form."""
    return [name for name, data in told(root) if any(word.encode() in data for word in words)]


def date_back(root: Path, name: str, days: int) -> None:
    """Let an artifact have been made some days ago."""
    path = root / name / "manifest.json"
    manifest = read_manifest(path.parent)
    made = datetime.now(UTC) - timedelta(days=days)
    path.write_text(manifest.model_copy(update={"created_at": made}).model_dump_json())


class Killed(BaseException):
    """What stops a process that `killed_at` ends."""


class _Life:
    """Counts what is done to files; from a certain step on nothing is done any more."""

    steps = 0
    limit: int | None = None
    armed = False


_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod"}
_WRITES = 0o3


def _hook(event: str, args: tuple[Any, ...]) -> None:
    writes = event == "open" and isinstance(args[2], int) and args[2] & _WRITES
    if _Life.armed and (event in _CHANGES or writes) and "/dev/" not in str(args[0]):
        _Life.steps += 1
        if _Life.limit is not None and _Life.steps > _Life.limit:
            raise Killed


sys.addaudithook(_hook)


@contextmanager
def killed_at(limit: int | None) -> Iterator[_Life]:
    """After so many changes to files no more can be made, as if the process had been killed."""
    _Life.steps, _Life.limit, _Life.armed = 0, limit, True
    try:
        yield _Life()
    except Killed:
        pass
    finally:
        _Life.armed = False


def at_every_step(root: Path, work: Callable[[], object]) -> Iterator[int]:
    """Kill some work at each step, from the same root each time; yields after each kill."""
    before = root.with_name("before")
    shutil.copytree(root, before)
    with killed_at(None) as life:
        work()
    for limit in range(life.steps):
        shutil.rmtree(root)
        shutil.copytree(before, root)
        with killed_at(limit):
            work()
        yield limit
