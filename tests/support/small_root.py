"""A small root, mined by all stages without a server, and what its files hold."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import yaml

from fusemine.flows.config.pipeline import Loaded, load_pipeline
from fusemine.flows.engine.session import open_session
from fusemine.tasks.core.storage.artifact import MAIN, ArtifactRef, locate, manifest_of, ref_of
from fusemine.tasks.core.storage.store import Store
from support.stage_runs import PlainRunner, letters_model, mine_plainly
from support.tickets import write_csv

HOUR = timedelta(hours=1)
ROLES = {"id": "id", "time": "day", "text": "body"}


def row(number: int, day: str, text: str = "", **cells: str) -> dict[str, str]:
    """A row of the source; its text is its own unless one is given."""
    return {"id": f"ID-{number:03}", "day": day, "body": text or f"story {number}"} | cells


@dataclass
class SmallRoot:
    """A source, its pipeline.yaml, and the root that its runs fill."""

    folder: Path
    source: str = "t.csv"
    required: tuple[str, ...] = ()
    repeated_id: str = "first"
    columns: dict[str, Any] = field(default_factory=lambda: dict(ROLES))
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.folder / "artifacts" / "small"

    @property
    def store(self) -> Store:
        return self.loaded.store

    @property
    def pipeline(self) -> Path:
        """The pipeline.yaml, written again."""
        model = self.folder / "letters"
        if not model.exists():
            letters_model(model)
        settings = {
            "version": 1,
            "name": "small",
            "source": {"path": "*.csv", "repeated_id": self.repeated_id},
            "columns": self.columns,
            "clean": {"required": list(self.required)},
            "embed": {"model": model.name},
            **self.more,
        }
        path = self.folder / "pipeline.yaml"
        path.write_text(yaml.safe_dump(settings))
        return path

    @property
    def loaded(self) -> Loaded:
        return load_pipeline(self.pipeline)

    def copy(self, folder: Path) -> SmallRoot:
        """The same in another folder, because mining takes longer."""
        shutil.copytree(self.folder, folder)
        return replace(self, folder=folder)

    def write(self, *rows: dict[str, str], more: str = "") -> None:
        path = write_csv(self.folder / self.source, list(rows))
        path.write_text(path.read_text() + more)

    def collect(self) -> ArtifactRef:
        """The inventory of what the source holds now."""
        inventory = open_session(self.loaded, PlainRunner()).listing.inventory
        assert inventory is not None
        return inventory

    def refs(self, place: str) -> list[ArtifactRef]:
        """The intact artifacts at a place such as `clean/*` or `clean/2024-01`."""
        found = (ref_of(self.root, name) for name in names(self.root, place))
        return [ref for ref in found if ref is not None]

    def frame(self, place: str, table: str = MAIN) -> pl.DataFrame:
        """A table of the one artifact at a place."""
        (ref,) = self.refs(place)
        return pl.read_parquet(locate(ref, f"{table}.parquet"))

    def run(self, *partitions: str) -> list[ArtifactRef]:
        """Mine some partitions; their reports."""
        pipeline = self.pipeline
        return [mine_plainly(pipeline, partition).shown()["report"][0] for partition in partitions]


def names(root: Path, place: str = "*") -> list[str]:
    """The artifacts below a root, or those at a place such as `clean` or `clean/2024-01`."""
    found = sorted(root.glob(f"{place}{'' if '/' in place else '/*'}/*/manifest.json"))
    return [path.parent.relative_to(root).as_posix() for path in found]


def everything(root: Path) -> dict[str, str]:
    """Hashes of all files, hidden ones too."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {
        f.relative_to(root).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files
    }


def contents(root: Path) -> Iterator[tuple[str, bytes]]:
    """The bytes of all files below a root, and the values in Parquet files."""
    for path in (path for path in sorted(root.rglob("*")) if path.is_file()):
        yield str(path), path.read_bytes()
        if path.suffix == ".parquet":
            with pq.ParquetFile(path) as file:
                yield f"{path} decompressed", repr(file.read().to_pylist()).encode()
                yield f"{path} metadata", repr(file.metadata.to_dict()).encode()


def files_with(root: Path, *words: str) -> list[str]:
    """The files that hold one of some words, in any form."""
    return [name for name, data in contents(root) if any(word.encode() in data for word in words)]


def date_back(root: Path, name: str, days: float) -> None:
    """Let an artifact have been made some days ago."""
    manifest = manifest_of(root, name)
    assert manifest is not None
    made = datetime.now(UTC) - timedelta(days=days)
    changed = manifest.model_copy(update={"created_at": made})
    (root / name / "manifest.json").write_bytes(changed.to_json())


class Killed(BaseException):
    """What stops a process that `killed_at` ends."""


class _Life:
    """Counts what is done to files; from a certain step on nothing is done any more."""

    steps = 0
    limit: int | None = None
    armed = False


_CHANGES = {"os.link", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod"}
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
