"""The registry after a partition, from the registry before it and the partition's window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fusemine.tasks.mine.topic_chain.drift import Joined, due, join
from fusemine.tasks.mine.topic_chain.naming.llm_naming import call
from fusemine.tasks.mine.topic_chain.refit import regroup
from fusemine.tasks.text.distinct import Texts

if TYPE_CHECKING:
    from fusemine.tasks.mine.topic_chain.naming.llm_naming import Namer
    from fusemine.tasks.mine.topic_chain.registry import State
    from fusemine.tasks.mine.topics.settings import TopicsSettings


class Rows(Protocol):
    """What came with a partition."""

    @property
    def texts(self) -> Texts:
        """The distinct texts of the rows that are new."""

    @property
    def all_texts(self) -> Texts:
        """The distinct texts of the window."""


def advance(
    before: State,
    rows: Rows,
    partition: str,
    settings: TopicsSettings,
    name: Namer | None = None,
    device: str = "cpu",
) -> State:
    """Let a partition's rows join the known topics, and group all texts anew where that is due.

    Args:
        before: The registry before the partition; an empty one at first.
        rows: What came.
        partition: The partition's key.
        settings: How texts are grouped, and when anew.
        name: Asks a language model for names, where one is set.
        device: Where torch computes.
    """
    state, why = before, ""
    if before.anchors is not None:
        placed = before.anchors.place(rows.texts.vectors)
        state = join(before, Joined.of(rows.texts, placed, before.fitted.bar), partition)
        why = due(state, settings.refit, settings.outliers)
    anew = bool(why) or (before.anchors is None and len(rows.texts) > 0)
    if anew and len(rows.all_texts):
        state = regroup(state, rows.all_texts, partition, settings, why, device)
    if name and state.anchors is not None and (anew or before.trouble):
        state = call(state, rows.all_texts, name)
    return state
