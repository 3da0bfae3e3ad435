"""The spaces of the embedding store: what they hold, how they were used, and which can go.

No artifact needs the store: a vector that is removed from it is only computed again if its text
comes again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from fusemine.tasks.core.storage.places import is_left
from fusemine.tasks.embed.store.parts import PART_NAME
from fusemine.tasks.embed.store.space import STORE, Facts, read_facts, read_use, spaces
from fusemine.tasks.upkeep.contents import Total, megabytes
from fusemine.tasks.upkeep.own import is_aside, is_of_space
from fusemine.tasks.upkeep.prune import Removal, Removals

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from fusemine.tasks.core.storage.store import FileInfo, Store


@dataclass(frozen=True)
class Space:
    """One space.

    Args:
        name: Its folder below the store.
        facts: What its vectors are; None where that cannot be read.
        texts: Rows of its parts: the distinct texts, but for the few that two processes computed
            at once; None where a part cannot be read.
        bytes: Size of all its files.
        parts: Its part files.
        damaged: Parts that were set aside.
        looked_up: Texts that were looked up in it.
        hits: Those of them that were there.
        last_used: When one was last looked up; None where no use was recorded.
        written: When one of its files was last written.
        in_use: Whether a run with today's settings would use it.
    """

    name: str
    facts: Facts | None
    texts: int | None
    bytes: int
    parts: int
    damaged: int
    looked_up: int
    hits: int
    last_used: datetime | None
    written: datetime
    in_use: bool

    @property
    def hit_rate(self) -> float | None:
        """The share of the texts looked up that were there; None where none was looked up."""
        return self.hits / self.looked_up if self.looked_up else None

    @property
    def idle_since(self) -> datetime:
        """The last use; where none was recorded, the last change."""
        return self.last_used or self.written

    def as_json(self) -> dict[str, Any]:
        """The space, JSON-ready."""
        return {
            **asdict(self),
            "facts": self.facts.model_dump(mode="json") if self.facts else None,
            "hit_rate": self.hit_rate,
            "last_used": self.last_used.isoformat() if self.last_used else None,
            "written": self.written.isoformat(),
        }


@dataclass(frozen=True)
class StorePrunePlan(Removals):
    """What goes from the store, and what stays.

    Args:
        root: Where the pipeline keeps its artifacts.
        goes: Spaces and leftovers that go.
        kept: The spaces that stay.
    """

    kept: Total

    def lines(self) -> list[str]:
        """The plan for people."""
        if not self.goes and not self.kept.number:
            return [empty_message(self.root)]
        shown = [f"  {gone.name}: {megabytes(gone.bytes)}, {gone.why}" for gone in self.goes]
        stays = f"stays: {self.kept.number:,} in the store, {megabytes(self.kept.bytes)}"
        return [f"goes: {Total.of(gone.bytes for gone in self.goes)}", *shown, stays]


def empty_message(root: str) -> str:
    """The message where there is no store, or nothing in it."""
    return f"nothing in the embedding store below {root}: the next run fills it"


def read_spaces(store: Store, used: str) -> list[Space]:
    """The spaces below a root, the one in use first, then those used last.

    Only the metadata of their files is read, and nothing is changed.

    Args:
        store: Where the pipeline keeps its artifacts.
        used: Name of the space that today's settings use.
    """
    found = []
    for name in spaces(store):
        files = own_files(store, name)
        if any(file.base[0] != "." or is_aside(file.base) for file in files):
            found.append(_space(store, name, files, name == used))
    return sorted(found, key=lambda space: (space.in_use, space.idle_since), reverse=True)


def plan_removal(
    store: Store, spaces: Sequence[Space], unused_for: timedelta, now: datetime
) -> StorePrunePlan:
    """Find what can go; nothing is changed.

    Spaces go that today's settings do not use and that nobody used lately, and all that was set
    aside as damaged or that killed processes left.

    Args:
        store: Where the pipeline keeps its artifacts.
        spaces: All of its spaces.
        unused_for: A space that was used within this time stays.
        now: The present moment, with its zone.
    """
    stays = [s for s in spaces if s.in_use or now - s.idle_since < unused_for]
    gone = [_removal(store, space) for space in spaces if space not in stays]
    kept = [f"{STORE}/{space.name}" for space in stays]
    inside = [removal for folder in kept for removal in _leftovers(store, folder)]
    total = sum(space.bytes for space in stays) - sum(removal.bytes for removal in inside)
    goes = (*gone, *_leftovers(store, STORE), *inside)
    return StorePrunePlan(store.root, goes, Total(len(stays), total))


def own_files(store: Store, folder: str) -> list[FileInfo]:
    """The files of a space that are fusemine's; a folder without any is the user's own."""
    found = (file for file in store.files(folder) if file.folder == folder)
    return [file for file in found if is_of_space(file.base)]


def _removal(store: Store, space: Space) -> Removal:
    """All of a space, its facts last, so that it still is a space if a kill stops that."""
    name = f"{STORE}/{space.name}"
    files = [file.name for file in own_files(store, name)]
    return Removal(name, space.bytes, _why(space), tuple(files))


def _leftovers(store: Store, folder: str) -> list[Removal]:
    """What was set aside in a folder, or left by processes that were killed."""
    left = []
    for file in own_files(store, folder):
        if is_aside(file.base) or is_left(file.base):
            why = "damaged" if is_aside(file.base) else "left by a process that was killed"
            left.append(Removal(file.name, file.size, why, (file.name,)))
    return left


def _space(store: Store, place: str, files: list[FileInfo], in_use: bool) -> Space:
    use, parts = read_use(store, place), [f for f in files if PART_NAME.fullmatch(f.base)]
    return Space(
        name=place.removeprefix(f"{STORE}/"),
        facts=read_facts(store, place),
        texts=_texts(store, parts),
        bytes=sum(file.size for file in files),
        parts=len(parts),
        damaged=sum(is_aside(file.base) for file in files),
        looked_up=use.texts,
        hits=use.hits,
        last_used=use.at,
        written=datetime.fromtimestamp(max(file.modified for file in files), UTC),
        in_use=in_use,
    )


def _texts(store: Store, parts: list[FileInfo]) -> int | None:
    total = 0
    for part in parts:
        try:
            total += pq.read_metadata(store.location(part.name)).num_rows
        except FileNotFoundError:  # a run that goes on has compacted it
            continue
        except (OSError, pa.ArrowException):
            return None
    return total


def _why(space: Space) -> str:
    model = space.facts.model if space.facts else "an unknown model"
    how = "used" if space.last_used else "written"
    return f"{model}, last {how} {space.idle_since:%Y-%m-%d}"
