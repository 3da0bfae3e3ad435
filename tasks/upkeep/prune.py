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
from fusemine.tasks.inventory.contracts import INVENTORY
from fusemine.tasks.upkeep.places import (
    ASIDE,
    MODEL,
    STAGES,
    discard,
    drop_empty_partitions,
    folders,
    latest_reports,
    leftovers,
    manifests,
    megabytes,
    name_of,
    size_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime
    from pathlib import Path

    from fusemine.tasks.core.artifact import Manifest

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

    root: Path
    goes: tuple[Gone, ...]
    kept: dict[str, Total]
    removed: dict[str, Total]

    def lines(self) -> list[str]:
        """What people read."""
        stages = [f"  {name}: {_words(total)}" for name, total in self.removed.items()]
        return [f"goes: {_all(self.removed)}", *stages, f"stays: {_all(self.kept)}"]

    def as_json(self) -> dict[str, Any]:
        """The same, JSON-ready."""
        return {**asdict(self), "root": str(self.root)}


def plan_prune(root: Path, keep: timedelta, now: datetime, models: Collection[str] = ()) -> Prune:
    """Find what can go; nothing is changed.

    What a latest report is made of stays, and the newest inventory with the raw rows that it
    lists, and the models that are kept, and what was made within `keep`, and whatever these were
    made of. A model is not kept for what it once scored.

    Args:
        root: Folder of the pipeline's artifacts.
        keep: Artifacts made within this time stay.
        now: The present moment, with its zone.
        models: The models that stay, as `model/partition/key`.

    Raises:
        ArtifactError: A record of a latest run, or its report, cannot be read: what it needs
            is not known.
    """
    found = folders(root)
    whole = manifests(found)
    recent = {name for name, made in whole.items() if now - made.created_at <= keep}
    stays = _needed(
        {*_reports(root, whole), *_newest_inventory(root, whole), *recent, *models}, whole
    )
    old = [name for name in reversed(whole) if name not in stays]  # results before their inputs
    half = [path for name, path in found.items() if name not in whole and _is_old(path, now)]
    left = [path for path in leftovers(root) if ASIDE in path.name or _is_old(path, now)]
    artifacts = [_gone(found[name], root, _why(whole[name])) for name in old]
    rest = [_gone(path, root, "no readable manifest") for path in half]
    rest += [_gone(path, root, "left by a process that was killed") for path in left]
    removed = _by_stage(artifacts) | ({LEFTOVERS: _sum(rest)} if rest else {})
    kept = _by_stage([_gone(found[name], root, "") for name in whole if name in stays])
    return Prune(root, (*artifacts, *rest), kept, removed)


def prune(plan: Prune) -> None:
    """Remove what a plan names; what is gone already is no error.

    Raises:
        ArtifactError: Something cannot be removed.
    """
    for gone in plan.goes:
        path = plan.root / gone.name
        if path.exists():
            discard(path)
    drop_empty_partitions(plan.root)


def _reports(root: Path, whole: dict[str, Manifest]) -> list[str]:
    """The reports that the latest records name, each of them there."""
    reports = latest_reports(root)
    for partition, name in reports.items():
        if name not in whole:
            raise ArtifactError(
                got=f"the latest report of {partition}, {root / name}, has no readable manifest",
                expected="the report that the record names, to know what it is made of",
                fix=f"make it anew: fusemine run --partition {partition}",
            )
    return list(reports.values())


def _newest_inventory(root: Path, whole: dict[str, Manifest]) -> list[str]:
    """It and the raw rows that it lists: without them the next run would read the source again."""
    inventories = [name for name in whole if name.startswith("inventory/")]
    newest = max(inventories, key=lambda name: whole[name].created_at, default=None)
    if newest is None:
        return []
    ref = ref_of(root / newest)
    if ref is None:
        return [newest]  # damaged: the next run reads the source again in any case
    listed = read_frame(ref, INVENTORY).select("partition", "key").rows()
    return [newest, *(f"collect/{partition}/{key}" for partition, key in listed)]


def _needed(start: Iterable[str], whole: dict[str, Manifest]) -> set[str]:
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
            # What a model once scored needs it no more; those that stay are among the first.
            todo += [n for n in map(name_of, made.inputs) if not n.startswith(f"{MODEL}/")]
            todo += twins[made.stage, made.partition, made.sha256]
    return needed


def _is_old(path: Path, now: datetime) -> bool:
    """Whether nothing was written to it lately."""
    newest = max(file.lstat().st_mtime for file in [path, *path.rglob("*")])
    return now.timestamp() - newest > LEFT_AFTER.total_seconds()


def _why(made: Manifest) -> str:
    return f"in no latest report, made {made.created_at:%Y-%m-%d}"


def _gone(path: Path, root: Path, why: str) -> Gone:
    return Gone(path.relative_to(root).as_posix(), size_of(path), why)


def _by_stage(things: list[Gone]) -> dict[str, Total]:
    grouped = {stage: [g for g in things if g.name.startswith(f"{stage}/")] for stage in STAGES}
    return {stage: _sum(group) for stage, group in grouped.items() if group}


def _sum(things: Iterable[Gone]) -> Total:
    sizes = [thing.bytes for thing in things]
    return Total(len(sizes), sum(sizes))


def _all(totals: dict[str, Total]) -> str:
    number = sum(total.number for total in totals.values())
    return _words(Total(number, sum(total.bytes for total in totals.values())))


def _words(total: Total) -> str:
    return f"{total.number:,}, {megabytes(total.bytes)}"
