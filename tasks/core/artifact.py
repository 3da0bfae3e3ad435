"""Artifacts: folders of Parquet files with a manifest, written whole or not at all.

`<root>/<stage>/<partition>/<key>/` holds the files of one result. It is written under a temporary
name and renamed once, manifest included, so that its presence means that it is complete. Tasks
pass references to artifacts, never their tables.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from fusemine.tasks.core.errors import ArtifactError, ContractError
from fusemine.tasks.core.key import digest, file_digest
from fusemine.tasks.core.parquet import Main, Pieces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from fusemine.tasks.core.contract import Contract
    from fusemine.tasks.core.key import Recipe

MAIN = "part-00000"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class ArtifactRef:
    """Where an artifact is and what it must hold; the only thing that travels between tasks.

    Args:
        path: Folder of the artifact.
        sha256: Hash over the content hashes of its files.
        rows: Rows of its main table.
        schema_hash: Hash of the main table's schema.
    """

    path: str
    sha256: str
    rows: int
    schema_hash: str

    @property
    def name(self) -> str:
        """Its place below the root, `stage/partition/key`, which stays when the root moves."""
        return "/".join(Path(self.path).parts[-3:])


class Rows(BaseModel):
    """The row equation of a stage: what came in was kept or rejected."""

    model_config = ConfigDict(frozen=True)

    rows_in: int
    rows_kept: int
    rows_rejected: int


class StoredFile(BaseModel):
    """One file of an artifact."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    size: int


class Manifest(BaseModel):
    """The truth about one artifact, stored beside its files."""

    model_config = ConfigDict(frozen=True)

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
    seconds: float
    created_at: datetime
    runs: dict[str, str]

    @property
    def sha256(self) -> str:
        """Hash over the content hashes of the files: what downstream keys are made of."""
        return digest({name: file.sha256 for name, file in self.files.items()})


@dataclass(frozen=True)
class Job:
    """One result to be made: where it goes and what it is made of.

    Args:
        root: Folder of all artifacts of a pipeline.
        stage: Name of the stage.
        partition: Partition that the result is for.
        recipe: What the key is made of.
        inputs: Names of the artifacts read, for lineage.
        runs: Ids of the runs that make it; not part of the key.
        sources: Files of the source that were read, with the hashes of their content.
    """

    root: Path
    stage: str
    partition: str
    recipe: Recipe
    inputs: tuple[str, ...] = ()
    runs: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the finished artifact is."""
        return self.root / self.stage / self.partition / self.recipe.key


def find(job: Job) -> ArtifactRef | None:
    """The finished artifact of a job, or None if it is missing, damaged or changed."""
    return ref_of(job.folder)


def ref_of(folder: Path) -> ArtifactRef | None:
    """A reference to the artifact in a folder, or None where its files do not agree with it."""
    try:
        manifest = read_manifest(folder)
    except ArtifactError:
        return None
    intact = all(_is_intact(folder / name, file) for name, file in manifest.files.items())
    return _ref(folder, manifest) if intact else None


def read_manifest(folder: Path | str) -> Manifest:
    """The manifest of an artifact.

    Raises:
        ArtifactError: There is none, or it cannot be read.
    """
    path = Path(folder) / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ArtifactError(
            got=f"no readable manifest at {path} ({type(error).__name__})",
            expected="the manifest of a finished artifact",
            fix="run the pipeline again: what is missing is made anew",
        ) from error


def read_table(ref: ArtifactRef, contract: Contract, name: str = MAIN) -> pa.Table:
    """A table of an artifact, checked against its contract.

    Raises:
        ArtifactError: The file is gone or cannot be read.
        ContractError: The table breaks its contract.
    """
    path = Path(ref.path) / f"{name}.parquet"
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise _gone(path) from error
    contract.check(table)
    return table


def read_frame(ref: ArtifactRef, contract: Contract, name: str = MAIN) -> pl.DataFrame:
    """Like `read_table`, as a polars DataFrame."""
    frame = pl.from_arrow(read_table(ref, contract, name))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101  (a Table never makes a Series)
    return frame


def read_json(ref: ArtifactRef, name: str) -> dict[str, Any]:
    """A JSON file of an artifact.

    Raises:
        ArtifactError: The file is gone or cannot be read.
    """
    path = Path(ref.path) / name
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _gone(path) from error
    return value


class Draft:
    """An artifact being written; committed when its `with` block ends without an error."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.ref: ArtifactRef | None = None
        self._rows: Rows | None = None
        self._main: Main | None = None
        self._started = time.monotonic()
        self._folder = _drafted(job.folder.parent)

    def table(self, name: str, frame: pl.DataFrame | pa.Table, contract: Contract) -> None:
        """Write one Parquet file after checking it against its contract."""
        table = frame.to_arrow() if isinstance(frame, pl.DataFrame) else frame
        contract.check(table)
        pq.write_table(table, self._folder / f"{name}.parquet", compression="zstd")
        if name == MAIN:
            self._main = Main(table.schema, table.num_rows)

    @contextmanager
    def piecewise(self, name: str, contract: Contract) -> Iterator[Pieces]:
        """Write one Parquet file piece by piece, none of which stays in memory."""
        with Pieces(self._folder / f"{name}.parquet", contract) as pieces:
            yield pieces
        if name == MAIN:
            self._main = pieces.main

    def text(self, name: str, content: str) -> None:
        """Write one text file."""
        (self._folder / name).write_text(content, encoding="utf-8")

    def bytes(self, name: str, content: bytes) -> None:
        """Write one file of bytes."""
        (self._folder / name).write_bytes(content)

    def json(self, name: str, value: dict[str, Any]) -> None:
        """Write one JSON file; NaN is refused, because JSON has none."""
        self.text(name, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

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
            raise _gone(self.job.folder)
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
                self.ref = self._commit()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
            if self.ref is None:
                with suppress(OSError):  # others' results are in it
                    self.job.folder.parent.rmdir()

    def _commit(self) -> ArtifactRef:
        manifest = self._manifest()
        self.text(MANIFEST, manifest.model_dump_json(indent=1) + "\n")
        # mkdtemp makes a private folder; an artifact is as readable as its root.
        self._folder.chmod(self.job.root.stat().st_mode & 0o777)
        final = self.job.folder
        while True:
            try:
                self._folder.rename(final)
            except OSError:
                if not final.is_dir():
                    raise
            else:
                return _ref(final, manifest)
            # Another run was first: its copy stands, unless it is damaged.
            if (first := ref_of(final)) is not None:
                return first
            _discard(final)

    def _manifest(self) -> Manifest:
        if self._rows is None or self._main is None:
            raise ContractError(
                got=f"stage {self.job.stage!r} without row counts or main table",
                expected="every stage to account for its rows",
                fix="this is a fault in fusemine; please report it",
            )
        files = sorted(self._folder.iterdir())
        return Manifest(
            key=self.job.recipe.key,
            stage=self.job.stage,
            partition=self.job.partition,
            recipe=asdict(self.job.recipe),
            rows=self._rows,
            main_rows=self._main.rows,
            columns={f.name: str(f.type) for f in self._main.schema},
            files={f.name: _stored(f) for f in files},
            inputs=list(self.job.inputs),
            sources=self.job.sources,
            seconds=round(time.monotonic() - self._started, 3),
            created_at=datetime.now(UTC),
            runs=self.job.runs,
        )


def _drafted(partition: Path) -> Path:
    """A new folder in that of a partition, which a draft that failed may take away meanwhile."""
    while True:
        partition.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            return Path(tempfile.mkdtemp(prefix=".draft-", dir=partition))


def _ref(folder: Path, manifest: Manifest) -> ArtifactRef:
    return ArtifactRef(str(folder), manifest.sha256, manifest.main_rows, digest(manifest.columns))


def _stored(path: Path) -> StoredFile:
    return StoredFile(sha256=file_digest(path), size=path.stat().st_size)


def _is_intact(path: Path, file: StoredFile) -> bool:
    try:
        return path.stat().st_size == file.size and file_digest(path) == file.sha256
    except OSError:
        return False


def _discard(folder: Path) -> None:
    """Take a damaged artifact away in one step, so that nobody reads it half removed."""
    aside = Path(tempfile.mkdtemp(prefix=".damaged-", dir=folder.parent))
    os.replace(folder, aside)  # noqa: PTH105  (Path.replace cannot take an empty folder's place)
    shutil.rmtree(aside, ignore_errors=True)


def _gone(path: Path) -> ArtifactError:
    return ArtifactError(
        got=f"no readable file at {path}",
        expected="a file of a finished artifact",
        fix="run the pipeline again: what is missing is made anew",
    )
