"""Removing artifacts that no latest report is made of, and what killed runs left.

The caller holds the root alone (`fusemine.tasks.core.locks.exclusive`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core.artifact import read_frame, ref_of
from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.stage import Scope
from fusemine.tasks.core.store import DAMAGED, store_at
from fusemine.tasks.inventory.compute import COLLECT
from fusemine.tasks.inventory.contracts import INVENTORY
from fusemine.tasks.upkeep.contents import Contents, megabytes
from fusemine.tasks.upkeep.latest import Latest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from fusemine.tasks.core.artifact import Manifest
    from fusemine.tasks.core.stage import Graph
    from fusemine.tasks.core.store import Store

LEFTOVERS = "leftovers"
LEFT_AFTER = timedelta(hours=1)
"""A draft that nothing was written to for this long belongs to no run."""


@dataclass(frozen=True)
class Gone:
    """One thing that goes: its path below the root, its size in bytes, and why."""

    name: str
    bytes: int
    why: str


@dataclass(frozen=True)
class Total:
    """How many artifacts, or leftovers, and their bytes."""

    number: int
    bytes: int


@dataclass(frozen=True)
class Prune:
    """What a prune removes and keeps.

    Args:
        root: Folder of the pipeline's artifacts.
        goes: What goes, in the order in which it does.
        kept: What stays, by stage.
        removed: What goes, by stage; leftovers are one more.
    """

    root: str
    goes: tuple[Gone, ...]
    kept: dict[str, Total]
    removed: dict[str, Total]

    def lines(self) -> list[str]:
        """What people read."""
        stages = [f"  {name}: {_words(total)}" for name, total in self.removed.items()]
        return [f"goes: {_all(self.removed)}", *stages, f"stays: {_all(self.kept)}"]

    def as_json(self) -> dict[str, Any]:
        """The same, JSON-ready."""
        return asdict(self)


def plan_prune(
    store: Store, graph: Graph, keep: timedelta, now: datetime, models: Collection[str] = ()
) -> Prune:
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
    """
    contents = Contents(store, graph)
    whole = contents.manifests
    recent = {name for name, made in whole.items() if now - made.created_at <= keep}
    first = {*_reports(store, whole), *_newest_inventory(store, graph, whole), *recent, *models}
    stays = _needed(first, whole, graph)
    old = [name for name in reversed(whole) if name not in stays]  # results before their inputs
    left = [(name, "no readable manifest") for name in contents.unreadable]
    left += [(name, "left by a process that was killed") for name in contents.leftovers]
    artifacts = [Gone(name, contents.size(name), _why(whole[name])) for name in old]
    rest = [Gone(n, contents.size(n), why) for n, why in left if _is_old(contents, n, now)]
    kept = [Gone(name, contents.size(name), "") for name in whole if name in stays]
    removed = _by_stage(artifacts, graph) | ({LEFTOVERS: _sum(rest)} if rest else {})
    return Prune(store.root, (*artifacts, *rest), _by_stage(kept, graph), removed)


def prune(plan: Prune) -> None:
    """Remove what a plan names; what is gone already is no error.

    Raises:
        ArtifactError: Something cannot be removed.
    """
    for gone in plan.goes:
        store_at(plan.root).delete(gone.name)


def _reports(store: Store, whole: dict[str, Manifest]) -> list[str]:
    """The reports that the latest records name, each of them there."""
    reports = Latest(store).reports()
    for partition, name in reports.items():
        if name not in whole:
            raise ArtifactError(
                got=f"the latest report of {partition}, {name} below {store.root}, has no readable "
                "manifest",
                expected="the report that the record names, to know what it is made of",
                fix=f"make it anew: fusemine run --partition {partition}",
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
            todo += [n for n in _inputs(made) if not _is_model(n, graph)]
            todo += twins[made.stage, made.partition, made.sha256]
    return needed


def _inputs(made: Manifest) -> list[str]:
    return ["/".join(name.split("/")[-3:]) for name in made.inputs]


def _is_model(name: str, graph: Graph) -> bool:
    """Whether an artifact serves: what a model once scored needs it no more, and those that stay
    are among the first."""
    stage = name.split("/")[0]
    return stage in graph and graph[stage].kept_by_name


def _is_old(contents: Contents, name: str, now: datetime) -> bool:
    """Whether nothing was written to it lately; what was set aside is."""
    aside = name.rpartition("/")[2].startswith(DAMAGED)
    return aside or now.timestamp() - contents.modified(name) > LEFT_AFTER.total_seconds()


def _why(made: Manifest) -> str:
    return f"in no latest report, made {made.created_at:%Y-%m-%d}"


def _by_stage(things: list[Gone], graph: Graph) -> dict[str, Total]:
    stages = sorted({gone.name.split("/")[0] for gone in things}, key=lambda s: (graph.place(s), s))
    return {
        stage: _sum(gone for gone in things if gone.name.startswith(f"{stage}/"))
        for stage in stages
    }


def _sum(things: Iterable[Gone]) -> Total:
    sizes = [thing.bytes for thing in things]
    return Total(len(sizes), sum(sizes))


def _all(totals: dict[str, Total]) -> str:
    number = sum(total.number for total in totals.values())
    return _words(Total(number, sum(total.bytes for total in totals.values())))


def _words(total: Total) -> str:
    return f"{total.number:,}, {megabytes(total.bytes)}"
