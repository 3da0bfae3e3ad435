"""What the miners have in common: the window that they read, and how they tell of their work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tasks import progress
from tasks.keys import digest
from tasks.learn.corrections.apply import Corrections

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.artifacts import ArtifactRef, Draft
    from tasks.embed.anew import Embedder
    from tasks.window import WindowRules

SUMMARY = "summary.json"


@dataclass(frozen=True)
class WindowRefs:
    """The artifacts that a window is read from, what bounds it, and what goes with it.

    Args:
        cleaned: Its cleaned partitions.
        embedded: Their vectors.
        rules: What bounds it.
        corrections: Corrected labels.
        embedder: Embeds texts with words left out, to explain rows.
    """

    cleaned: tuple[ArtifactRef, ...]
    embedded: tuple[ArtifactRef, ...]
    rules: WindowRules
    corrections: Corrections = field(default_factory=Corrections)
    embedder: Embedder | None = None

    @property
    def corrections_hash(self) -> str:
        """What the key of a stage that reads labels takes; manifests hold no row id or label."""
        return digest(self.corrections.content())


def teller(what: str) -> Callable[[int, int], None]:
    return lambda done, total: progress.report(what, done, total)


def finish(draft: Draft, rows: int, kept: int, summary: dict[str, Any]) -> None:
    draft.json(SUMMARY, summary)
    draft.count(rows, kept, rows - kept)
