"""The spaces of the embedding store: what they hold, how they were used, and which can go.

No artifact needs the store: a vector that is removed from it is only computed anew if its text
comes again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from stat import S_ISDIR
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from fusemine.tasks.embed.store.space import FACTS, USES, Facts, Use, read_facts, read_uses
from fusemine.tasks.upkeep.places import STORE, discard, leftovers, megabytes, size_of, stats_of
from fusemine.tasks.upkeep.prune import Gone, Total

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta
    from pathlib import Path

_PARTS, _DAMAGED = "part-*.parquet", ".damaged-part-*"
_OURS = (FACTS, USES, _PARTS, _DAMAGED)


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
        looked_up: Texts that were looked for in it.
        hits: Those of them that were there.
        last_used: When one was last looked for; None where no use was noted.
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
        """The share of the texts looked for that were there; None where none was looked for."""
        return self.hits / self.looked_up if self.looked_up else None

    @property
    def idle_since(self) -> datetime:
        """The last use; where none was noted, the last change."""
        return self.last_used or self.written

    def as_json(self) -> dict[str, Any]:
        """The same, JSON-ready."""
        return {
            **asdict(self),
            "facts": self.facts.model_dump(mode="json") if self.facts else None,
            "hit_rate": self.hit_rate,
            "last_used": self.last_used.isoformat() if self.last_used else None,
            "written": self.written.isoformat(),
        }


@dataclass(frozen=True)
class StorePrune:
    """What goes from the store, and what stays.

    Args:
        root: Folder of the pipeline's artifacts.
        goes: Spaces and leftovers that go.
        kept: The spaces that stay.
    """

    root: Path
    goes: tuple[Gone, ...]
    kept: Total

    def lines(self) -> list[str]:
        """What people read."""
        if not self.goes and not self.kept.number:
            return [nothing(self.root)]
        size = sum(gone.bytes for gone in self.goes)
        shown = [f"  {gone.name}: {megabytes(gone.bytes)}, {gone.why}" for gone in self.goes]
        stays = f"stays: {self.kept.number:,} in the store, {megabytes(self.kept.bytes)}"
        return [f"goes: {len(self.goes):,}, {megabytes(size)}", *shown, stays]

    def as_json(self) -> dict[str, Any]:
        """The same, JSON-ready."""
        return {**asdict(self), "root": str(self.root)}


def nothing(root: Path) -> str:
    """What people read where there is no store, or nothing in it."""
    return f"nothing in the embedding store below {root}: the next run fills it"


def read_spaces(root: Path, used: Path) -> list[Space]:
    """The spaces below a root, the one in use first, then those used last.

    Only the metadata of their files is read, and nothing is changed.

    Args:
        root: Folder of the pipeline's artifacts.
        used: Folder of the space that today's settings use.
    """
    folders = filter(_is_space, sorted((root / STORE).glob("*/")))
    found = [_space(folder, folder == used) for folder in folders]
    return sorted(found, key=lambda space: (space.in_use, space.idle_since), reverse=True)


def plan_removal(
    root: Path, spaces: Sequence[Space], unused_for: timedelta, now: datetime
) -> StorePrune:
    """Find what can go; nothing is changed.

    Spaces go that today's settings do not use and that nobody used lately, and all that was set
    aside as damaged or that killed processes left.

    Args:
        root: Folder of the pipeline's artifacts.
        spaces: All of its spaces.
        unused_for: A space that was used within this time stays.
        now: The present moment, with its zone.
    """
    stays = [s for s in spaces if s.in_use or now - s.idle_since < unused_for]
    gone = [_gone(root, root / STORE / s.name, _why(s)) for s in spaces if s not in stays]
    left = [_left(root, path) for path in _leftovers(root, {root / thing.name for thing in gone})]
    kept = {root / STORE / space.name for space in stays}
    inside = sum(thing.bytes for thing in left if (root / thing.name).parent in kept)
    total = Total(len(stays), sum(space.bytes for space in stays) - inside)
    return StorePrune(root, (*gone, *left), total)


def remove(plan: StorePrune) -> None:
    """Remove what a plan names; what is gone already is no error.

    The caller holds the root alone (`fusemine.tasks.core.locks.exclusive`).

    Raises:
        ArtifactError: Something cannot be removed.
    """
    for path in (plan.root / gone.name for gone in plan.goes):
        if path.exists():
            discard(path)


def _is_space(folder: Path) -> bool:
    """Whether a folder holds a file of ours; one that a user keeps here is not ours to remove."""
    ours = (match for pattern in _OURS for match in folder.glob(pattern))
    return not folder.name.startswith(".") and any(ours)


def _space(folder: Path, in_use: bool) -> Space:
    uses, parts = _uses(folder), list(folder.glob(_PARTS))
    return Space(
        name=folder.name,
        facts=read_facts(folder),
        texts=_texts(parts),
        bytes=size_of(folder),
        parts=len(parts),
        damaged=len(list(folder.glob(_DAMAGED))),
        looked_up=sum(use.texts for use in uses),
        hits=sum(use.hits for use in uses),
        last_used=max((use.at for use in uses), default=None),
        written=_written(folder),
        in_use=in_use,
    )


def _uses(folder: Path) -> list[Use]:
    try:
        return list(read_uses(folder))
    except UnicodeDecodeError:  # a disk's damage, not a kill's
        return []


def _texts(parts: list[Path]) -> int | None:
    total = 0
    for path in parts:
        try:
            total += pq.read_metadata(path).num_rows
        except FileNotFoundError:  # a run that goes on has compacted it
            continue
        except (OSError, pa.ArrowException):
            return None
    return total


def _written(folder: Path) -> datetime:
    files = [stat.st_mtime for stat in stats_of(folder) if not S_ISDIR(stat.st_mode)]
    return datetime.fromtimestamp(max(files, default=folder.stat().st_mtime), UTC)


def _leftovers(root: Path, gone: set[Path]) -> list[Path]:
    """What was set aside or left in the store, but for what is in spaces that go whole."""
    found = [path for path in leftovers(root) if path.is_relative_to(root / STORE)]
    return [path for path in found if path.parent not in gone]


def _left(root: Path, path: Path) -> Gone:
    damaged = path.match(_DAMAGED)
    return _gone(root, path, "damaged" if damaged else "left by a process that was killed")


def _gone(root: Path, path: Path, why: str) -> Gone:
    return Gone(path.relative_to(root).as_posix(), size_of(path), why)


def _why(space: Space) -> str:
    model = space.facts.model if space.facts else "an unknown model"
    how = "used" if space.last_used else "written"
    return f"{model}, last {how} {space.idle_since:%Y-%m-%d}"
