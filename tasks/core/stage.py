"""What a stage is, and the graph of all stages.

A stage is one folder and one line in `fusemine.tasks.graph`; whatever else has to know of stages
(settings, keys, status, report, results, upkeep) derives it from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core.contract import Column, Contract
from fusemine.tasks.core.errors import StageError
from fusemine.tasks.core.storage.artifact import MAIN

if TYPE_CHECKING:
    from fusemine.tasks.core.settings import Settings

Tables = Mapping[str, Contract]
FOLDERS = ("backfills", "failed", "latest", "models", "names", "store")
"""Folders of a root that hold no stage's artifacts."""


class Scope(StrEnum):
    """What one artifact of a stage is made from."""

    SOURCE = "source"
    """The whole source."""
    PARTITION = "partition"
    """One partition."""
    CHAIN = "chain"
    """A window, and the stage's own artifact of the partition before."""
    WINDOW = "window"
    """The window of a run."""
    SERVING = "serving"
    """What the flow that serves models gives it."""


@dataclass(frozen=True)
class Forget:
    """What a forgotten row costs a stage.

    Args:
        rewrite: The function that takes the row out of an artifact, as `module:function`; without
            one an artifact that the row is in, or that was made of one that it was in, goes.
        purge: The function that takes texts out of what the stage keeps besides artifacts.
        names: The function that finds what else the row goes by.
        texts: The table that holds the texts of its rows as they were embedded.
    """

    rewrite: str | None = None
    purge: str | None = None
    names: str | None = None
    texts: str | None = None


DISCARD = Forget()


@dataclass(frozen=True)
class RowColumns:
    """What a stage adds to each row of the results.

    Args:
        columns: The columns, by name.
        read: The function that makes them, with `row_id`, of the stage's main table and the
            `tables`, as `module:function`; without one the main table has them.
        tables: Further tables that it takes, by their names.
    """

    columns: Mapping[str, Column]
    read: str | None = None
    tables: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """All that the project needs to know of a stage.

    Args:
        name: Its name, which is also that of its folder, its section of the pipeline.yaml, the
            folder of its artifacts, and its column of `status`.
        scope: What one artifact is made from.
        compute: The function that computes, as `module:function`, imported where it runs. What
            its module imports is the code in the key.
        tables: The contract of each table of its artifacts, the main one (`MAIN`) among them.
        reads: The stages whose artifacts it reads. `stage:table` reads one table alone, so that
            only that table counts in the key; `stage?` may be absent.
        gathers: Whether it also reads what all stages before it have made of the run's rows.
        settings: Its section of the pipeline.yaml; None for none.
        uses: Other settings that change the result, by their place in the pipeline.yaml, such as
            `columns` or `partition.timezone`.
        resources: What else it reads, by name: functions that find it, as `module:function`.
        code: Further modules whose code counts in the key.
        package: A package whose files stand for its code instead: quicker, where nearly all of it
            runs.
        libraries: Distributions whose version can change the result; `name?` may be absent.
        device: The setting that names its device, such as `embed.device`; None if it needs none.
        unit: What its progress counts.
        window: `rows` of the one stage whose rows bound windows, `vectors` of the one with a vector
            for each of them.
        size: The count in the summary of what it reads that measures its work, for progress.
        forget: What a forgotten row costs it.
        kept_by_name: Whether its artifacts stay only where somebody asks for them by name, and not
            because something was made of them; as models do.
        row_columns: What it adds to the results; None for nothing.
        section: The function that makes its part of the report, as `module:function`.
        facts: The function that gives what the report's other parts may want to know of each row,
            as `module:function`.
    """

    name: str
    scope: Scope
    compute: str
    tables: Tables
    reads: tuple[str, ...] = ()
    gathers: bool = False
    settings: type[Settings] | None = None
    uses: tuple[str, ...] = ()
    resources: Mapping[str, str] = field(default_factory=dict)
    code: tuple[str, ...] = ()
    package: str | None = None
    libraries: tuple[str, ...] = ()
    device: str | None = None
    window: str | None = None
    unit: str = "steps"
    size: str | None = None
    forget: Forget = DISCARD
    kept_by_name: bool = False
    row_columns: RowColumns | None = None
    section: str | None = None
    facts: str | None = None

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules whose code, with all that they import, counts in the key."""
        return (self.compute.partition(":")[0], *self.code)


@dataclass(frozen=True)
class Read:
    """One thing that a stage reads.

    Args:
        stage: The stage whose artifacts they are.
        table: The one table that it reads of them; None for all.
        optional: Whether it may be absent.
    """

    stage: str
    table: str | None
    optional: bool

    @classmethod
    def of(cls, written: str) -> Read:
        """What is written `stage`, `stage:table` or `stage?`."""
        name, _, table = written.removesuffix("?").partition(":")
        return cls(name, table or None, written.endswith("?"))

    @property
    def place(self) -> str:
        """What is read: `stage`, or `stage:table`."""
        return f"{self.stage}:{self.table}" if self.table else self.stage


class Graph:
    """The stages in their order: each comes after those that it reads.

    Args:
        stages: The stages.

    Raises:
        StageError: Two stages have one name or one column of the results, a stage reads one that
            is not there or comes later, has the name of a folder that is no stage's, has no
            contract for its main table, or adds to a report that is before it.
    """

    def __init__(self, stages: list[Stage]) -> None:
        self._stages: dict[str, Stage] = {}
        modules = {stage.name: stage.modules[0] for stage in stages}
        for stage in stages:
            for got, expected in _mistakes(stage, self._stages, modules):
                raise StageError(got=got, expected=expected, fix="correct fusemine.tasks.graph")
            self._stages[stage.name] = _gathering(stage, self._stages)

    def __iter__(self) -> Iterator[Stage]:
        return iter(self._stages.values())

    def __getitem__(self, name: str) -> Stage:
        return self._stages[name]

    def __contains__(self, name: object) -> bool:
        return name in self._stages

    @property
    def names(self) -> list[str]:
        """The names of all stages, in order."""
        return list(self._stages)

    def of(self, *scopes: Scope) -> list[Stage]:
        """The stages of some scopes, in order."""
        return [stage for stage in self if stage.scope in scopes]

    @property
    def row_columns(self) -> dict[str, Column]:
        """What all stages add to the results, in order."""
        added = [stage.row_columns.columns for stage in self if stage.row_columns]
        return {name: column for columns in added for name, column in columns.items()}

    def place(self, name: str) -> int:
        """The place of a stage in the order; one of another version comes last."""
        return self.names.index(name) if name in self else len(self.names)


def _gathering(stage: Stage, known: Mapping[str, Stage]) -> Stage:
    """The stage with all that it reads; what serves models may be absent."""
    if not stage.gathers:
        return stage
    others = [s for s in known.values() if s.scope is not Scope.SOURCE]
    gathered = [s.name + "?" * (s.scope is Scope.SERVING) for s in others]
    return replace(stage, reads=(*stage.reads, *gathered))


def load(function: str) -> Callable[..., Any]:
    """The function that is written `module:function`."""
    module, _, name = function.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


def _mistakes(
    stage: Stage, known: Mapping[str, Stage], modules: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """What is wrong with a stage, and what would be right.

    Args:
        stage: The stage.
        known: The stages before it.
        modules: The module of each stage in the list.
    """
    here = stage.modules[0]
    if stage.name in known:
        there = known[stage.name].modules[0]
        yield f"stage {stage.name!r} twice, in {there} and in {here}", "one name each"
    if stage.name in FOLDERS:
        yield f"stage {stage.name!r} in {here}, a folder of each root already", "another name"
    if MAIN not in stage.tables:
        yield f"stage {stage.name!r} in {here} without a contract of its main table", "one"
    yield from _mistakes_of_results(stage, known)
    for read in map(Read.of, stage.reads):
        other = known.get(read.stage)
        if other is None:
            there = f"does not come before it, in {modules.get(read.stage, 'no module')}"
            yield f"{here} reads stage {read.stage!r}, which {there}", "a stage before it"
        elif read.table is not None and read.table not in other.tables:
            got = f"{here} reads table {read.table!r} of {other.modules[0]}, which has none"
            yield got, f"one of {', '.join(other.tables)}"


def _mistakes_of_results(stage: Stage, known: Mapping[str, Stage]) -> Iterator[tuple[str, str]]:
    """What is wrong with what a stage adds to the results and to the report."""
    here, gathered = stage.modules[0], next((s for s in known.values() if s.gathers), None)
    if gathered and (stage.row_columns or stage.section or stage.facts):
        there = gathered.modules[0]
        yield f"{here} adds to what {there} writes, and comes behind it", "a place before it"
    added = set(stage.row_columns.columns) if stage.row_columns else set[str]()
    added |= set(stage.tables[MAIN].columns) if stage.gathers and MAIN in stage.tables else set()
    for other in known.values():
        for column in sorted(added & set(other.row_columns.columns if other.row_columns else ())):
            yield f"column {column!r} of {other.modules[0]} and of {here}", "one owner each"
