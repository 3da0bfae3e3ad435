"""Removing artifacts that no latest report is made of, and what killed runs left.

The caller holds the root alone (`fusemine.tasks.core.storage.locks.exclusive`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.stage import Scope
from fusemine.tasks.core.storage.artifact import read_frame, ref_of
from fusemine.tasks.core.storage.places import DAMAGED
from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.inventory.compute import COLLECT
from fusemine.tasks.inventory.contracts import INVENTORY
from fusemine.tasks.upkeep.contents import Contents, Total
from fusemine.tasks.upkeep.latest import Latest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from fusemine.tasks.core.stage import Graph
    from fusemine.tasks.core.storage.manifest import Manifest
    from fusemine.tasks.core.storage.store import Store

LEFTOVERS = "leftovers"
SHOWN = 10
"""Names of what somebody else put below the root that a line has."""
LEFT_AFTER = timedelta(hours=1)
"""A draft that nothing was written to for this long belongs to no run."""


@dataclass(frozen=True)
class Removal:
    """One thing to remove.

    Args:
        name: Its path below the root.
        bytes: Size of what goes of it.
        why: Why it goes.
        files: The files that go, in their order; what else is in its folder stays.
    """

    name: str
    bytes: int
    why: str
    files: tuple[str, ...]

    @classmethod
    def of(cls, contents: Contents, name: str, why: str) -> Removal:
        """The removal of an artifact, or of something that was left."""
        return cls(name, contents.size(name), why, tuple(contents.files_of(name)))


@dataclass(frozen=True)
class Removals:
    """What is to be removed.

    Args:
        root: Where the pipeline keeps its artifacts.
        goes: What goes, in the order in which it does.
    """

    root: str
    goes: tuple[Removal, ...]

    def as_json(self) -> dict[str, Any]:
        """The plan, JSON-ready, without the single files of what goes."""
        goes = [{"name": one.name, "bytes": one.bytes, "why": one.why} for one in self.goes]
        return {**asdict(self), "goes": goes}


@dataclass(frozen=True)
class PrunePlan(Removals):
    """What a prune removes and keeps.

    Args:
        root: Where the pipeline keeps its artifacts.
        goes: What goes, in the order in which it does.
        kept: What stays, by stage.
        removed: What goes, by stage; leftovers are one more.
        foreign: What somebody else put beside the files that go; it stays.
    """

    kept: dict[str, Total]
    removed: dict[str, Total]
    foreign: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The plan for people."""
        stages = [f"  {name}: {total}" for name, total in self.removed.items()]
        sums = [f"goes: {_sum(self.removed)}", *stages, f"stays: {_sum(self.kept)}"]
        return [*sums, *foreign_lines(self.foreign)]


def plan_prune(
    store: Store, graph: Graph, keep: timedelta, now: datetime, models: Collection[str] = ()
) -> PrunePlan:
    """Find what can go; nothing is changed.

    What a latest report is made of stays, and the newest inventory with the raw rows that it
    lists, and the models that are kept, and what was made within `keep`, and whatever these were
    made of. A model is not kept for what it once scored.

    Args:
        store: Where the pipeline keeps its artifacts.
        graph: All stages.
        keep: Artifacts made within this time stay.
        now: The present moment, with its zone.
        models: Names of the models that stay.

    Raises:
        ArtifactError: A record of a latest run, or its report, cannot be read: what it needs
            is not known.
        SettingsError: There is a link in a folder of fusemine's, or in the place of one.
    """
    contents = Contents(store, graph)
    whole = contents.manifests
    recent = {name for name, made in whole.items() if now - made.created_at <= keep}
    first = {*_reports(store, whole), *_newest_inventory(store, graph, whole), *recent, *models}
    stays = _needed(first, whole, graph)
    old = [name for name in reversed(whole) if name not in stays]  # results before their inputs
    left = dict.fromkeys(contents.unreadable, "no readable manifest")
    left |= dict.fromkeys(contents.leftovers, "left by a process that was killed")
    artifacts = [Removal.of(contents, name, _why(whole[name])) for name in old]
    goes = {file for removal in artifacts for file in removal.files}
    aged = {n: why for n, why in left.items() if n not in goes and _is_old(contents, n, now)}
    rest = [Removal.of(contents, name, why) for name, why in aged.items()]
    leftovers = {LEFTOVERS: Total.of(removal.bytes for removal in rest)} if rest else {}
    return PrunePlan(
        store.root,
        (*artifacts, *rest),
        contents.totals(stays),
        contents.totals(old) | leftovers,
        tuple(found for name in (*old, *aged) for found in contents.beside(name)),
    )


def prune(plan: Removals) -> None:
    """Remove what a plan names; what is gone already is no error.

    Raises:
        ArtifactError: Something cannot be removed.
    """
    for removal in plan.goes:
        store_at(plan.root).delete_all(removal.name, removal.files)


def foreign_lines(names: Sequence[str]) -> list[str]:
    """What stays because somebody else put it there, for people: a line, or none."""
    if not names:
        return []
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return [f"not fusemine's, and left as it is: {', '.join(names[:SHOWN])}{more}"]


def _reports(store: Store, whole: dict[str, Manifest]) -> list[str]:
    """The reports that the latest records name, each of them there."""
    reports = Latest(store).reports()
    for partition, name in reports.items():
        if name not in whole:
            raise ArtifactError(
                got=f"the latest report of {partition}, {name} below {store.root}, has no readable "
                "manifest",
                expected="the report that the record names, to know what it is made of",
                fix=f"make it again: fusemine run --partition {partition}",
            )
    return list(reports.values())


def _newest_inventory(store: Store, graph: Graph, whole: dict[str, Manifest]) -> list[str]:
    """It and the raw rows that it lists: without them the next run would read the source again."""
    sources = {stage.name for stage in graph.of(Scope.SOURCE)}
    inventories = [name for name, made in whole.items() if made.stage in sources]
    newest = max(inventories, key=lambda name: whole[name].created_at, default=None)
    if newest is None:
        return []
    ref = ref_of(store.root, newest)
    if ref is None:
        return [newest]  # damaged: the next run reads the source again in any case
    listed = read_frame(ref, INVENTORY).select("partition", "key").rows()
    return [newest, *(f"{COLLECT}/{partition}/{key}" for partition, key in listed)]


def _needed(start: Iterable[str], whole: dict[str, Manifest], graph: Graph) -> set[str]:
    """Artifacts and all that they were made of.

    Keys are made of content, so a result may name one artifact and be found by another with the
    same content: such twins are needed as well.
    """
    twins: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for name, made in whole.items():
        twins[made.stage, made.partition, made.sha256].append(name)
    needed: set[str] = set()
    todo = list(start)
    while todo:
        name = todo.pop()
        if name in whole and name not in needed:
            needed.add(name)
            made = whole[name]
            todo += [n for n in made.input_names if not _is_model(n, graph)]
            todo += twins[made.stage, made.partition, made.sha256]
    return needed


def _is_model(name: str, graph: Graph) -> bool:
    """Whether an artifact is a model; what it once scored does not need it any more."""
    stage = name.split("/")[0]
    return stage in graph and graph[stage].kept_by_name


def _is_old(contents: Contents, name: str, now: datetime) -> bool:
    """Whether nothing was written to it lately; what was set aside counts as old."""
    aside = name.rpartition("/")[2].startswith(DAMAGED)
    return aside or now.timestamp() - contents.modified(name) > LEFT_AFTER.total_seconds()


def _why(made: Manifest) -> str:
    return f"in no latest report, made {made.created_at:%Y-%m-%d}"


def _sum(totals: dict[str, Total]) -> Total:
    found = totals.values()
    return Total(sum(total.number for total in found), sum(total.bytes for total in found))
