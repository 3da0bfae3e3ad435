"""What a stage is given, and what it gives back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.core.device import device_lock, resolve_device
from fusemine.tasks.core.errors import StageError
from fusemine.tasks.core.stage import Read, load
from fusemine.tasks.core.storage.artifact import (
    MAIN,
    SUMMARY,
    read_frame,
    read_json,
    scan_table,
    to_json,
)
from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.core.storage.writing import new_artifact
from fusemine.tasks.core.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from fusemine.tasks.core.contract import Contract
    from fusemine.tasks.core.request import Request, Section
    from fusemine.tasks.core.stage import Graph
    from fusemine.tasks.core.storage.artifact import ArtifactRef
    from fusemine.tasks.core.storage.store import Store
    from fusemine.tasks.core.storage.writing import Draft, TableWriter
    from fusemine.tasks.core.window import WindowRules

Log = Callable[[int, str], None]
"""Called with a level of `logging` and a message."""
Progress = Callable[..., None]
"""Called with how much is done, how much there is, and optionally a note on it."""


@dataclass(frozen=True)
class Output:
    """What a stage has computed.

    Args:
        tables: Its tables by name, the main one as `MAIN`; those written piece by piece left out.
        rows_in: Rows that came in.
        rows_kept: Rows that have a result; the others were rejected.
        summary: What the result shows as a whole, JSON-ready. A run shows its `skipped`, why there
            is no result, and its `metrics`, which have a mapping for each view.
        files: Further files by name.
        provisional: Whether it should be made again when there is a chance.
    """

    tables: Mapping[str, pl.DataFrame | pa.Table]
    rows_in: int
    rows_kept: int
    summary: Mapping[str, Any] | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    provisional: bool = False


@dataclass(frozen=True)
class Inputs:
    """What a stage reads.

    Args:
        request: The result that is to be made.
        graph: All stages, whose contracts what is read must meet.
        draft: The result as far as it is written.
        log: Takes what a reader of the run's log should see.
    """

    request: Request
    graph: Graph
    draft: Draft
    log: Log

    @property
    def partition(self) -> str:
        """The partition that the result is for."""
        return self.request.job.partition

    @property
    def root(self) -> str:
        """Where the pipeline keeps its artifacts."""
        return self.request.job.root

    @property
    def store(self) -> Store:
        """The store there, to read and write."""
        return store_at(self.root)

    @property
    def rules(self) -> WindowRules:
        """What bounds the window."""
        assert self.request.rules is not None  # noqa: S101  (only stages over windows ask)
        return self.request.rules

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What else is asked for."""
        return self.request.parameters

    @property
    def previous(self) -> ArtifactRef | None:
        """The stage's own artifact of the partition before; None for the first."""
        return self.request.previous

    def section(self, kind: type[Section]) -> Section:
        """The section of the pipeline.yaml of a kind of settings.

        Raises:
            LookupError: The stage does not name it in `uses`.
        """
        for section in self.request.sections.values():
            if isinstance(section, kind):
                return section
        raise LookupError(f"{kind.__name__}, which the stage does not name in `uses`")

    def resource(self, name: str) -> Any:
        """What else the stage reads, by its name."""
        return self.request.resources[name]

    def refs(self, stage: str, table: str | None = None) -> tuple[ArtifactRef, ...]:
        """The artifacts of a stage, oldest partition first; none of an absent optional one.

        Args:
            stage: Whose.
            table: The one table that is read of them; None if it may be all.

        Raises:
            StageError: The stage does not declare that it reads that, so its key has none of it.
        """
        own = self.graph[self.request.job.stage]
        if not any(stage == r.stage and r.table in (None, table) for r in map(Read.of, own.reads)):
            raise StageError(
                got=f"stage {own.name}, which reads {table or 'all'} of {stage}",
                expected=f"what it declares: {', '.join(own.reads) or 'nothing'}",
                fix="name it in `reads` of the stage",
            )
        return self.request.reads.get(stage, ())

    def ref(self, stage: str) -> ArtifactRef:
        """The one artifact of a stage."""
        (found,) = self.refs(stage)
        return found

    def window(self) -> Window:
        """The rows of the window, and the vectors of their texts."""
        rows, vectors = (
            next(stage for stage in self.graph if stage.window == role)
            for role in ("rows", "vectors")
        )
        cleaned, embedded = self.refs(rows.name, MAIN), self.request.reads.get(vectors.name, ())
        return Window(cleaned, embedded, self.rules, rows.tables[MAIN], vectors.tables[MAIN])

    def scan(
        self, stage: str, columns: Sequence[str] | None = None, table: str = MAIN
    ) -> pl.LazyFrame:
        """A table of a stage, read only where it is used; of rows, those of the window alone.

        Args:
            stage: Whose.
            columns: Names, or prefixes followed by a `*`; all columns by default.
            table: Which of its tables.

        Raises:
            StageError: The stage does not declare that it reads it.
        """
        if self._has_bounds(stage, table):
            return self.window().scan(columns)
        contract, refs = self.graph[stage].tables[table], self.refs(stage, table)
        parts = [scan_table(ref, contract, table, columns) for ref in refs]
        return pl.concat(parts, how="diagonal_relaxed")

    def frame(self, stage: str, table: str = MAIN) -> pl.DataFrame:
        """A table of a stage, read and checked; of rows, those of the window alone.

        Raises:
            ArtifactError: It cannot be read.
            ContractError: It breaks its contract.
            StageError: The stage does not declare that it reads it.
        """
        if self._has_bounds(stage, table):
            return self.window().frame()
        contract, refs = self.graph[stage].tables[table], self.refs(stage, table)
        frames = [read_frame(ref, contract, table) for ref in refs]
        return pl.concat(frames, how="diagonal_relaxed")

    def _has_bounds(self, stage: str, table: str) -> bool:
        """Whether a table has the rows that the window bounds."""
        is_rows = self.graph[stage].window == "rows" and table == MAIN
        return is_rows and self.request.rules is not None

    def summary(self, stage: str, file: str = SUMMARY) -> dict[str, Any]:
        """A JSON file of the one artifact of a stage, by default its summary."""
        return read_json(self.ref(stage), file)

    def writer(self, table: str) -> AbstractContextManager[TableWriter]:
        """Write one of the stage's own tables piece by piece."""
        return self.draft.writer(table, self.graph[self.request.job.stage].tables[table])

    @contextmanager
    def device(self) -> Iterator[str]:
        """Hold the stage's device alone, such as `cuda:1`; its name."""
        section, _, field_name = (self.graph[self.request.job.stage].device or "").partition(".")
        where = resolve_device(getattr(self.request.sections[section], field_name))
        with device_lock(where, partial(self.log, logging.INFO)):
            yield where


def execute(request: Request, graph: Graph, progress: Progress, log: Log) -> ArtifactRef:
    """Compute one result and store it.

    Args:
        request: The result.
        graph: All stages.
        progress: Is called with how far it is.
        log: Takes what a reader of the run's log should see.

    Raises:
        ContractError: A table breaks its contract, or rows are not accounted for.
    """
    stage = graph[request.job.stage]
    with new_artifact(request.job) as draft:
        inputs = Inputs(request, graph, draft, log)
        output: Output = load(stage.compute)(inputs, request.sections.get(stage.name), progress)
        store_output(draft, output, stage.tables)
    return draft.ref


def store_output(draft: Draft, output: Output, contracts: Mapping[str, Contract]) -> None:
    """Write what a stage has computed.

    Raises:
        ContractError: A table breaks its contract.
    """
    for name, table in output.tables.items():
        draft.table(name, table, contracts[name])
    for name, content in output.files.items():
        draft.bytes(name, content)
    if output.summary is not None:
        draft.bytes(SUMMARY, to_json(dict(output.summary)))
    draft.provisional = output.provisional
    draft.count(output.rows_in, output.rows_kept)
