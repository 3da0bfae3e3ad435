"""Artifacts: the files of one result and their manifest, which is written last.

`stage/partition/key` is an artifact's name below the root. Its files are named after their content
and come first; its manifest, created if there is none, says that it is complete. Tasks pass
references to artifacts, never their tables.
"""

from __future__ import annotations

import json
import shutil
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from fusemine.tasks.core.errors import ArtifactError, ContractError
from fusemine.tasks.core.key import digest, file_digest
from fusemine.tasks.core.parquet import Main, Pieces
from fusemine.tasks.core.store import store_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from fusemine.tasks.core.contract import Contract
    from fusemine.tasks.core.key import Recipe
    from fusemine.tasks.core.store import Store

MAIN = "part-00000"
"""The main table of every artifact."""
MANIFEST = "manifest.json"
SUMMARY = "summary.json"
FORM = 2
"""Version of the manifest; 1 named files as they are called, and hashed the inputs in one list."""
SHORT = 12
"""Characters of a file's hash that are part of its name."""


@dataclass(frozen=True)
class ArtifactRef:
    """Where an artifact is and what it must hold; the only thing that travels between tasks.

    Args:
        root: Where the pipeline keeps its artifacts.
        name: Its name below the root, `stage/partition/key`.
        sha256: Hash over the content hashes of its files.
        rows: Rows of its main table.
        schema_hash: Hash of the main table's schema.
    """

    root: str
    name: str
    sha256: str
    rows: int
    schema_hash: str

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


class Rows(BaseModel):
    """The row equation of a stage: what came in was kept or rejected."""

    model_config = ConfigDict(frozen=True)

    rows_in: int
    rows_kept: int
    rows_rejected: int


class StoredFile(BaseModel):
    """One file of an artifact; without a name it is stored under the one that it goes by."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    size: int
    name: str | None = None


class Manifest(BaseModel):
    """The truth about one artifact, stored beside its files."""

    model_config = ConfigDict(frozen=True)

    form: int = 1
    key: str
    stage: str
    partition: str
    recipe: dict[str, Any]
    rows: Rows
    main_rows: int
    columns: dict[str, str]
    files: dict[str, StoredFile]
    inputs: list[str]
    sources: dict[str, str] = {}
    provisional: bool = False
    seconds: float
    created_at: datetime
    runs: dict[str, str]

    @property
    def name(self) -> str:
        """The artifact's name below the root."""
        return f"{self.stage}/{self.partition}/{self.key}"

    @property
    def sha256(self) -> str:
        """Hash over the content hashes of the files: what downstream keys are made of."""
        return digest({name: file.sha256 for name, file in self.files.items()})

    def place(self, file: str) -> str:
        """The name below the root of one of its files."""
        return f"{self.name}/{self.files[file].name or file}"

    def places(self) -> list[str]:
        """The names below the root of all its files, its own among them."""
        return [*map(self.place, self.files), f"{self.name}/{MANIFEST}"]

    def to_json(self) -> bytes:
        """How it is stored."""
        return self.model_dump_json(indent=1).encode() + b"\n"


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
    return _ref(str(root), manifest)


def is_intact(root: Path | str, manifest: Manifest) -> bool:
    """Whether all files of an artifact are there with the content that its manifest says."""
    store = store_at(root)
    try:
        return all(
            store.sha256(manifest.place(name)) == file.sha256
            for name, file in manifest.files.items()
        )
    except OSError:
        return False


def manifest_of(root: Path | str, name: str) -> Manifest | None:
    """The manifest of an artifact, or None if there is no readable one."""
    try:
        return Manifest.model_validate_json(store_at(root).read(f"{name}/{MANIFEST}"))
    except (OSError, ValidationError):
        return None


def read_manifest(ref: ArtifactRef) -> Manifest:
    """The manifest of an artifact.

    Raises:
        ArtifactError: There is none, or it cannot be read.
    """
    manifest = manifest_of(ref.root, ref.name)
    if manifest is None:
        raise gone(ref, MANIFEST)
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
    try:
        with pq.ParquetFile(locate(ref, f"{table}.parquet")) as file:
            found = file.read(columns=None if columns is None else list(columns))
    except (OSError, pa.ArrowException) as error:
        raise gone(ref, table) from error
    contract.check(found, columns)
    return found


def read_frame(
    ref: ArtifactRef, contract: Contract, table: str = MAIN, columns: Sequence[str] | None = None
) -> pl.DataFrame:
    """Like `read_table`, as a polars DataFrame."""
    frame = pl.from_arrow(read_table(ref, contract, table, columns))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101  (a Table never makes a Series)
    return frame


def column_names(ref: ArtifactRef, table: str = MAIN) -> list[str]:
    """The columns of a table, in order.

    Raises:
        ArtifactError: The file is gone or cannot be read.
    """
    try:
        return list(pq.read_schema(locate(ref, f"{table}.parquet")).names)
    except (OSError, pa.ArrowException) as error:
        raise gone(ref, table) from error


def read_json(ref: ArtifactRef, file: str = SUMMARY) -> dict[str, Any]:
    """A JSON file of an artifact, by default its summary.

    Raises:
        ArtifactError: The file is gone or cannot be read.
    """
    try:
        value: dict[str, Any] = json.loads(read_bytes(ref, file))
    except ValueError as error:
        raise gone(ref, file) from error
    return value


def read_bytes(ref: ArtifactRef, file: str) -> bytes:
    """The content of a file of an artifact.

    Raises:
        ArtifactError: It is gone or cannot be read.
    """
    manifest = read_manifest(ref)
    try:
        return ref.store.read(manifest.place(file))
    except (OSError, KeyError) as error:
        raise gone(ref, file) from error


def locate(ref: ArtifactRef, file: str) -> str:
    """What polars and pyarrow open to read a file of an artifact.

    Raises:
        ArtifactError: It has no such file.
    """
    manifest = read_manifest(ref)
    if file not in manifest.files:
        raise gone(ref, file)
    return ref.store.location(manifest.place(file))


def has_file(ref: ArtifactRef, file: str) -> bool:
    """Whether an artifact has a file."""
    return file in read_manifest(ref).files


def to_json(value: dict[str, Any]) -> bytes:
    """A JSON file; NaN is refused, because JSON has none."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


class Draft:
    """An artifact being written; it is committed when its `with` block ends without an error."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.ref: ArtifactRef | None = None
        self.provisional = False
        """Whether it should be made again when there is a chance, as where a server was away."""
        self._store = store_at(job.root)
        self._rows: Rows | None = None
        self._main: Main | None = None
        self._started = time.monotonic()
        self._folder = self._store.draft()

    def table(self, name: str, frame: pl.DataFrame | pa.Table, contract: Contract) -> None:
        """Write one Parquet file after checking it against its contract."""
        table = frame.to_arrow() if isinstance(frame, pl.DataFrame) else frame
        contract.check(table)
        pq.write_table(table, self._folder / f"{name}.parquet", compression="zstd")
        if name == MAIN:
            self._main = Main(table.schema, table.num_rows)

    @contextmanager
    def pieces(self, name: str, contract: Contract) -> Iterator[Pieces]:
        """Write one Parquet file piece by piece, none of which stays in memory."""
        with Pieces(self._folder / f"{name}.parquet", contract) as pieces:
            yield pieces
        if name == MAIN:
            self._main = pieces.main

    def bytes(self, name: str, content: bytes) -> None:
        """Write one file."""
        (self._folder / name).write_bytes(content)

    def count(self, rows_in: int, kept: int, rejected: int) -> None:
        """State the row equation.

        Raises:
            ContractError: The equation does not hold.
        """
        if rows_in != kept + rejected:
            raise ContractError(
                got=f"{self.job.stage}: {rows_in} rows in, {kept} kept, {rejected} rejected",
                expected="rows in = rows kept + rows rejected",
                fix="this is a fault in fusemine; please report it with the pipeline.yaml",
            )
        self._rows = Rows(rows_in=rows_in, rows_kept=kept, rows_rejected=rejected)

    def finished(self) -> ArtifactRef:
        """The reference, once the `with` block has ended.

        Raises:
            ArtifactError: The draft was not committed.
        """
        if self.ref is None:
            raise gone(self.job, MANIFEST)
        return self.ref

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.ref = _ref(self.job.root, self._commit())
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _commit(self) -> Manifest:
        """Keep the files, then create the manifest; the one that stands."""
        manifest = self._manifest()
        for name, file in manifest.files.items():
            self._store.keep(self._folder / name, manifest.place(name), file.sha256)
        place, content = f"{manifest.name}/{MANIFEST}", manifest.to_json()
        if self._store.create(place, content):
            return manifest
        # Another run was first: its result stands, unless it is damaged or provisional.
        first = manifest_of(self.job.root, manifest.name)
        if first is None or first.provisional or not is_intact(self.job.root, first):
            self._store.replace(place, content)
            first, manifest = manifest, first or manifest
        for extra in set(manifest.places()) - set(first.places()):
            self._store.delete(extra)
        return first

    def _manifest(self) -> Manifest:
        if self._rows is None or self._main is None:
            raise ContractError(
                got=f"stage {self.job.stage!r} without row counts or main table",
                expected="every stage to account for its rows",
                fix="this is a fault in fusemine; please report it",
            )
        files = sorted(self._folder.iterdir())
        return Manifest(
            form=FORM,
            key=self.job.recipe.key,
            stage=self.job.stage,
            partition=self.job.partition,
            recipe=asdict(self.job.recipe),
            rows=self._rows,
            main_rows=self._main.rows,
            columns={f.name: str(f.type) for f in self._main.schema},
            files={f.name: stored_file(f) for f in files},
            inputs=list(self.job.inputs),
            sources=self.job.sources,
            provisional=self.provisional,
            seconds=round(time.monotonic() - self._started, 3),
            created_at=datetime.now(UTC),
            runs=self.job.runs,
        )


def stored_file(path: Path) -> StoredFile:
    """A file as a manifest names it: its hash is part of its name."""
    sha256, name = file_digest(path), PurePosixPath(path.name)
    return StoredFile(
        sha256=sha256,
        size=path.stat().st_size,
        name=f"{name.stem}.{sha256[:SHORT]}{name.suffix}",
    )


def _ref(root: str, manifest: Manifest) -> ArtifactRef:
    return ArtifactRef(
        root, manifest.name, manifest.sha256, manifest.main_rows, digest(manifest.columns)
    )


def gone(artifact: ArtifactRef | Job, file: str) -> ArtifactError:
    """The error of a file that is not there, or cannot be read."""
    return ArtifactError(
        got=f"no readable {file} of {artifact.name} below {artifact.root}",
        expected="a file of a finished artifact",
        fix="run the pipeline again: what is missing is made anew",
    )
