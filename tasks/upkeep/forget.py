"""Removing a person's row from everything below a root, and keeping it from coming back.

The caller holds the root alone (`fusemine.tasks.core.storage.locks.exclusive`). A kill at any
moment and a second call end as one call does: the row's text is needed to find its vector, so what
holds the text is rewritten last.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.collect.forgotten import add_forgotten, id_hash, read_forgotten
from fusemine.tasks.core.errors import ArtifactError, ContractError, SettingsError
from fusemine.tasks.core.stage import DISCARD, Forget, Scope, load
from fusemine.tasks.core.storage.artifact import is_intact, manifest_of, read_unchecked
from fusemine.tasks.core.storage.records import sealed, unsealed
from fusemine.tasks.core.storage.writing import Stored, store_rewritten
from fusemine.tasks.table.roles import TEXT
from fusemine.tasks.upkeep.contents import Contents
from fusemine.tasks.upkeep.latest import NEWEST, Latest
from fusemine.tasks.upkeep.own import BACKFILLS, FAILED, is_record
from fusemine.tasks.upkeep.prune import foreign_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusemine.tasks.core.stage import Graph
    from fusemine.tasks.core.storage.manifest import Manifest
    from fusemine.tasks.core.storage.store import Store

_FAILURES = (FAILED, BACKFILLS)
"""Folders of records, JSON files, in which each `error` is a message."""
_BLANK = "not kept, because a row was forgotten"


@dataclass(frozen=True)
class Forgotten:
    """What forgetting touched; nothing of what the row held.

    Args:
        rewritten: Artifacts that lost the row, or count it otherwise, by stage; and records of
            failed runs that lost the messages of their errors, which may quote it, by folder.
        removed: Artifacts that were removed, by stage: results, which may quote the row, and
            damaged artifacts, which may hold it.
        partitions: Partitions whose report has to be made again.
        purged: What was removed of what stages keep besides artifacts, such as vectors, by stage.
        leftovers: Drafts of killed processes that were removed.
        foreign: What somebody else put below the root; it was not looked into, and stays.
    """

    rewritten: dict[str, int]
    removed: dict[str, int]
    partitions: tuple[str, ...]
    purged: dict[str, int]
    leftovers: int
    foreign: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The result for people."""
        shown = {
            "rewritten": _counts(self.rewritten),
            "removed": _counts(self.removed),
            "removed besides artifacts": _counts(self.purged),
            "leftovers removed": f"{self.leftovers:,}" if self.leftovers else "",
            "reports to make again": ", ".join(self.partitions),
        }
        lines = [f"{what}: {text}" for what, text in shown.items() if text]
        return [*(lines or ["nothing of it was left"]), *foreign_lines(self.foreign)]

    def as_json(self) -> dict[str, Any]:
        """The result, JSON-ready."""
        return asdict(self)


def forget(store: Store, row_id: str, graph: Graph) -> Forgotten:
    """Remove a row from every artifact and from the embedding store, and never collect it again.

    Results over windows that held it are removed, because their topics, summaries and reports
    may quote it; they can be made again.

    Args:
        store: Where the pipeline keeps its artifacts.
        row_id: The row's id, or the `row_id` of a record in `unassigned`.
        graph: All stages.

    Raises:
        SettingsError: No row has this id, and none was forgotten; or there is a link in a folder
            of fusemine's, or in the place of one.
        ArtifactError: A record of a latest run cannot be read, or something cannot be written.
    """
    work = _Forgetting(store, row_id, graph)
    records = Latest(store).reports()
    if not work.holds and id_hash(row_id) not in read_forgotten(store):
        raise SettingsError(
            got=f"no row with id {row_id!r} below {store.root}",
            expected="the id of a row that was collected",
            fix="look at the id once more, or at the pipeline that it belongs to",
        )
    try:
        add_forgotten(store, *work.names)
        return work.run(records)
    except OSError as error:
        raise ArtifactError(
            got=f"forgetting stopped below {store.root}: {error.strerror or error}",
            expected="room on the disk, and the right to write there",
            fix="correct that and forget the row again: what is done stays done",
        ) from error


class _Forgetting:
    """One row that is being removed.

    Attributes:
        names: What the row goes by: its id, and ids of records that belong to no partition.
        holds: Names of the artifacts that hold it.
    """

    def __init__(self, store: Store, row_id: str, graph: Graph) -> None:
        self._store, self._row_id, self._graph = store, row_id, graph
        self._contents = Contents(store, graph)
        found = self._contents.manifests
        # What is rewritten must be as it was written; of a result its manifest is enough.
        self._whole = {
            name: made
            for name, made in found.items()
            if self._rule(made).rewrite is None or is_intact(store.root, made)
        }
        damaged = [name for name in found if name not in self._whole]
        self._damaged = [*self._contents.unreadable, *damaged]
        self._hashes = frozenset([id_hash(row_id)])
        self.names = frozenset([row_id]).union(*map(self._named, self._whole.values()))
        self._hashes = frozenset(map(id_hash, self.names))
        self.holds = frozenset(n for n, made in self._whole.items() if self._is_in(made))

    def run(self, records: dict[str, str]) -> Forgotten:
        """Remove it everywhere."""
        leftovers = self._contents.leftovers
        self._delete(leftovers)
        gone = [*self._damaged, *reversed(self._results())]  # a report before what it was made of
        purged = self._purge(self._texts(frozenset(gone)))
        self._delete(gone)
        partitions = self._remove_records(records)
        blanked = self._blank_errors()
        rewritten, unusable = self._rewrite()
        lost, removed = self._count([*rewritten, *blanked]), self._count([*gone, *unusable])
        foreign = tuple(self._contents.foreign)
        return Forgotten(lost, removed, partitions, purged, len(leftovers), foreign)

    def _rule(self, made: Manifest) -> Forget:
        """What a row costs the stage of an artifact; results of other versions go."""
        return self._graph[made.stage].forget if made.stage in self._graph else DISCARD

    def _is_source(self, made: Manifest) -> bool:
        return made.stage in self._graph and self._graph[made.stage].scope is Scope.SOURCE

    def _stored(self, made: Manifest) -> Stored:
        return Stored(self._store.root, made, self._row_id, self._hashes)

    def _named(self, made: Manifest) -> list[str]:
        function = self._rule(made).names
        return list(load(function)(self._stored(made))) if function else []

    def _is_in(self, made: Manifest) -> bool:
        """Whether an artifact holds the row; one that cannot be read may do so."""
        rule = self._rule(made)
        if rule.rewrite and self._is_source(made):
            return load(rule.rewrite)(self._stored(made)) is not None
        try:
            return any(self._row_id in self._row_ids(made, table) for table in made.tables)
        except ArtifactError:
            return True

    def _row_ids(self, made: Manifest, table: str) -> list[str]:
        ids = read_unchecked(self._store.root, made, table, ["row_id"])
        return ids.column(0).to_pylist() if ids.num_columns else []

    def _results(self) -> list[str]:
        """Results that the row is in, or that were made of what held it or cannot be read."""
        free = set(self._whole) - self.holds
        mined = [name for name, made in self._whole.items() if self._rule(made).rewrite is None]
        while True:  # stages of other versions are in no order
            made_of = {
                name
                for name in mined
                if name in free and not free.issuperset(self._whole[name].input_names)
            }
            if not made_of:
                return [name for name in mined if name not in free]
            free -= made_of

    def _texts(self, gone: frozenset[str]) -> set[str]:
        """The texts that only the row has.

        Of an artifact that goes, such as a scored file, all texts count as the row's: no other row
        of it can be found later.
        """
        own: set[str] = set()
        others: set[str] = set()
        for name, made in self._whole.items():
            table = self._rule(made).texts
            if table is None:
                continue
            frame = self._stored(made).frame(table)
            mine = pl.col("row_id") == self._row_id if name not in gone else pl.lit(value=True)
            own |= _texts_in(frame.filter(mine))
            others |= _texts_in(frame.filter(~mine))
        return own - others

    def _purge(self, texts: set[str]) -> dict[str, int]:
        """Remove texts from what stages keep besides artifacts; what that was, by stage."""
        rules = ((stage.name, stage.forget.purge) for stage in self._graph)
        counts = {name: load(purge)(self._store, texts) for name, purge in rules if purge}
        return {name: count for name, count in counts.items() if count}

    def _blank_errors(self) -> list[str]:
        """Blank the errors in the records of failed runs; those that had any."""
        found = (file.name for folder in _FAILURES for file in self._store.files(folder))
        files = [name for name in found if is_record(name)]
        blank = {n: new for n in files if (new := _without_errors(self._store.read(n)))}
        for name, content in blank.items():
            self._store.replace(name, content)
        return list(blank)

    def _remove_records(self, records: dict[str, str]) -> tuple[str, ...]:
        """Remove the newest report, if it is a copy of none that stays, and records of none."""
        latest = Latest(self._store)
        gone = [p for p, name in records.items() if manifest_of(self._store.root, name) is None]
        if latest.newest_report() is None:
            self._store.delete(NEWEST)
        for partition in gone:
            latest.remove(partition)
        return tuple(gone)

    def _rewrite(self) -> tuple[list[str], list[str]]:
        """Rewrite what holds the row, the last stages first; what cannot be is removed."""
        rewritten, unusable = [], []
        for name, made in reversed(self._whole.items()):
            rule = self._rule(made)
            # An inventory counts what the raw rows hold, so it may change without holding the row.
            if rule.rewrite is None or not (name in self.holds or self._is_source(made)):
                continue
            stored = self._stored(made)
            try:
                version = load(rule.rewrite)(stored)
                if version is not None:
                    store_rewritten(stored, version, self._graph[made.stage].tables)
                    rewritten.append(name)
            except ContractError:  # of another version
                self._delete([name])
                unusable.append(name)
        return rewritten, unusable

    def _delete(self, names: Iterable[str]) -> None:
        for name in names:
            self._store.delete_all(name, self._contents.files_of(name))

    def _count(self, names: Iterable[str]) -> dict[str, int]:
        return {stage: total.number for stage, total in self._contents.totals(names).items()}


def _without_errors(content: bytes) -> bytes | None:
    """A record without what its errors quote; None where it has none."""

    def blanked(part: dict[str, Any]) -> dict[str, Any]:
        return {**part, "error": _BLANK} if part.get("error") else part

    try:
        record, blank = unsealed(content), json.loads(content, object_hook=blanked)
    except ValueError:  # it may hold anything
        record, blank = None, {}
    return None if blank == record else sealed(blank)


def _texts_in(frame: pl.DataFrame) -> set[str]:
    """All texts that may have been embedded: joined, or each column's."""
    names = [name for name in frame.columns if name == "text" or name.startswith(TEXT)]
    return {text for name in names for text in frame.get_column(name) if text}


def _counts(stages: dict[str, int]) -> str:
    return ", ".join(f"{number:,} of {stage}" for stage, number in stages.items())
