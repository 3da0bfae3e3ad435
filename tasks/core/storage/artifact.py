"""Artifacts: the files of one result and their manifest, which says that it is complete.

`stage/partition/key` is an artifact's name below the root. Tasks pass references to artifacts,
never their tables.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.storage.manifest import MANIFEST, Manifest, parse_manifest
from fusemine.tasks.core.storage.store import store_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from fusemine.tasks.core.contract import Contract
    from fusemine.tasks.core.key import Recipe
    from fusemine.tasks.core.storage.store import Store

MAIN = "part-00000"
"""The main table of every artifact."""
REJECTED = "rejected"
"""The table of the rows that a stage rejected, each with its reason."""
SUMMARY = "summary.json"


@dataclass(frozen=True)
class ArtifactRef:
    """Where an artifact is and what it must hold; the only thing that travels between tasks.

    Args:
        root: Where the pipeline keeps its artifacts.
        name: Its name below the root, `stage/partition/key`.
        sha256: Hash over the content hashes of its files.
        rows: Rows of its main table.
    """

    root: str
    name: str
    sha256: str
    rows: int

    @classmethod
    def of(cls, root: str, manifest: Manifest) -> ArtifactRef:
        """A reference to the artifact of a manifest; its files are not looked at."""
        return cls(root, manifest.name, manifest.sha256, manifest.main_rows)

    @property
    def stage(self) -> str:
        """The stage that made it."""
        return self.name.split("/")[0]

    @property
    def partition(self) -> str:
        """The partition that it is for."""
        return self.name.split("/")[1]

    @property
    def key(self) -> str:
        """Its key."""
        return self.name.split("/")[2]

    @property
    def store(self) -> Store:
        """Where it is kept."""
        return store_at(self.root)


@dataclass(frozen=True)
class Job:
    """One result to be made: where it goes and what it is made of.

    Args:
        root: Where the pipeline keeps its artifacts.
        stage: Name of the stage.
        partition: Partition that the result is for.
        recipe: What the key is made of.
        inputs: Names of the artifacts read, for lineage.
        sources: Files of the source that were read, with the hashes of their content.
        runs: Ids of the runs that make it; not part of the key.
    """

    root: str
    stage: str
    partition: str
    recipe: Recipe
    inputs: tuple[str, ...] = ()
    sources: dict[str, str] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The artifact's name below the root."""
        return f"{self.stage}/{self.partition}/{self.recipe.key}"


def find(job: Job) -> ArtifactRef | None:
    """The finished artifact of a job, or None if it is missing, damaged or changed."""
    return ref_of(job.root, job.name)


def ref_of(root: Path | str, name: str) -> ArtifactRef | None:
    """A reference to an artifact, or None where its files are not as its manifest says."""
    manifest = manifest_of(root, name)
    if manifest is None or not is_intact(root, manifest):
        return None
    return ArtifactRef.of(str(root), manifest)


def is_intact(root: Path | str, manifest: Manifest) -> bool:
    """Whether all files of an artifact are there with the content that its manifest says.

    The rows that it counts are those that its tables have.
    """
    store = store_at(root)
    try:
        return all(
            store.sha256(manifest.path(name)) == file.sha256
            for name, file in manifest.files.items()
        ) and all(
            _row_count(store.location(manifest.path(name)), manifest.files[name].sha256) == count
            for name, count in _counts(manifest).items()
        )
    except (OSError, pa.ArrowException):
        return False


def _counts(manifest: Manifest) -> dict[str, int]:
    """The rows that some of the files must have: those of the result, and those rejected."""
    tables = {MAIN: manifest.main_rows, REJECTED: manifest.rows.rows_rejected}
    files = {f"{table}.parquet": rows for table, rows in tables.items()}
    return {name: rows for name, rows in files.items() if name in manifest.files}


@lru_cache(maxsize=100_000)
def _row_count(location: str, _sha256: str) -> int:
    return int(pq.read_metadata(location).num_rows)


def manifest_of(root: Path | str, name: str) -> Manifest | None:
    """The manifest of an artifact, or None if there is none that is as it was written."""
    try:
        return parse_manifest(store_at(root).read(f"{name}/{MANIFEST}"), name)
    except (OSError, ValueError):
        return None


def read_manifest(ref: ArtifactRef) -> Manifest:
    """The manifest of an artifact.

    Raises:
        ArtifactError: There is none, it cannot be read, or it is that of other content.
    """
    path = f"{ref.name}/{MANIFEST}"
    with _reading(ref.root, path):
        manifest = parse_manifest(ref.store.read(path), ref.name)
    # What is made of the reference has its hash in the key, so no other content may stand for it.
    if manifest.sha256 != ref.sha256:
        raise ArtifactError(
            got=f"{ref.name} below {ref.root} with content of hash {manifest.sha256[:12]}",
            expected=f"that of hash {ref.sha256[:12]}, which was there when this run looked",
            fix="run again: another run has replaced it meanwhile",
        )
    return manifest


def read_table(
    ref: ArtifactRef, contract: Contract, table: str = MAIN, columns: Sequence[str] | None = None
) -> pa.Table:
    """A table of an artifact, checked against its contract.

    Args:
        ref: The artifact.
        contract: Of the table.
        table: Which of its tables.
        columns: Read only these; all by default.

    Raises:
        ArtifactError: The file is gone or cannot be read.
        ContractError: The table breaks its contract.
    """
    found = read_unchecked(ref.root, read_manifest(ref), table, columns)
    contract.check(found, columns)
    return found


def read_unchecked(
    root: str, manifest: Manifest, table: str = MAIN, columns: Sequence[str] | None = None
) -> pa.Table:
    """A table of an artifact, perhaps of another version of fusemine, as its manifest names it.

    Columns that it does not have are left out.

    Raises:
        ArtifactError: The file is gone or cannot be read.
    """
    with _reading(root, f"{manifest.name}/{table}.parquet"):
        path = store_at(root).location(manifest.path(f"{table}.parquet"))
        with pq.ParquetFile(path) as file:
            return file.read(columns=columns and list(columns))


def read_frame(
    ref: ArtifactRef, contract: Contract, table: str = MAIN, columns: Sequence[str] | None = None
) -> pl.DataFrame:
    """Like `read_table`, as a polars DataFrame."""
    return pl.DataFrame(read_table(ref, contract, table, columns))


def scan_table(
    ref: ArtifactRef, contract: Contract, table: str = MAIN, columns: Sequence[str] | None = None
) -> pl.LazyFrame:
    """A table of an artifact, read only where it is used; the names of its columns are checked.

    Args:
        ref: The artifact.
        contract: Of the table.
        table: Which of its tables.
        columns: Names, or prefixes followed by a `*`; all columns by default.

    Raises:
        ArtifactError: The file is gone or cannot be read.
        ContractError: A column is missing or unknown.
    """
    names = column_names(ref, table)
    contract.check_names(names)
    scanned = pl.scan_parquet(locate(ref, f"{table}.parquet"))
    return scanned if columns is None else scanned.select(matching(names, columns))


def matching(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The names that are wanted, in their own order; a `*` stands for any ending.

    >>> matching(["row_id", "category.sky", "number.speed"], ["row_id", "category.*"])
    ['row_id', 'category.sky']
    """
    prefixes = tuple(name[:-1] for name in wanted if name.endswith("*"))
    return [name for name in names if name in wanted or (prefixes and name.startswith(prefixes))]


def column_names(ref: ArtifactRef, table: str = MAIN) -> list[str]:
    """The columns of a table, in order.

    Raises:
        ArtifactError: The file is gone or cannot be read.
    """
    name = f"{table}.parquet"
    with _reading(ref.root, f"{ref.name}/{name}"):
        return list(pq.read_schema(locate(ref, name)).names)


def read_json(ref: ArtifactRef, file: str = SUMMARY) -> dict[str, Any]:
    """A JSON file of an artifact, by default its summary.

    Raises:
        ArtifactError: The file is gone or cannot be read.
    """
    with _reading(ref.root, f"{ref.name}/{file}"):
        value: dict[str, Any] = json.loads(read_bytes(ref, file))
    return value


def read_bytes(ref: ArtifactRef, file: str) -> bytes:
    """The content of a file of an artifact.

    Raises:
        ArtifactError: It is gone or cannot be read.
    """
    with _reading(ref.root, f"{ref.name}/{file}"):
        return ref.store.read(read_manifest(ref).path(file))


def locate(ref: ArtifactRef, file: str) -> str:
    """What polars and pyarrow open to read a file of an artifact.

    Raises:
        ArtifactError: It has no such file.
    """
    with _reading(ref.root, f"{ref.name}/{file}"):
        return ref.store.location(read_manifest(ref).path(file))


def has_file(ref: ArtifactRef, file: str) -> bool:
    """Whether an artifact has a file."""
    return file in read_manifest(ref).files


def to_json(value: dict[str, Any]) -> bytes:
    """A JSON file; NaN is refused, because JSON has none."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


@contextmanager
def _reading(root: str, path: str) -> Iterator[None]:
    """Any error within the block means that a file is gone or damaged."""
    try:
        yield
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise ArtifactError(
            got=f"no readable {path} below {root}",
            expected="a file of a finished artifact",
            fix="run the pipeline again: what is missing is made again",
        ) from error
