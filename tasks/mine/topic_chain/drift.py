"""What a partition's own rows show of the known topics: growth, drift, texts like no others."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fusemine.tasks.core.errors import quote
from fusemine.tasks.mine.topic_chain.registry import Event
from fusemine.tasks.text.sentences import percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from fusemine.tasks.mine.topic_chain.reference_texts import Anchors, Placed
    from fusemine.tasks.mine.topic_chain.registry import State, Topic
    from fusemine.tasks.text.distinct import Texts

FEW = 20
"""Of fewer rows or texts than this neither growth nor drift is said."""
GROWN = 2.0
"""A topic grew if it has this many times the rows that its share so far makes one expect, …"""
CHANCE = 1e-4
"""… which chance would bring about this seldom. Also the chance that drift is told by."""
DRIFTED = 0.03
"""A topic drifts if its new texts are less similar to its centre by this much."""
_STRANGE, _STRANGE_SHARE, _ENOUGH = 30, 3.0, 100


@dataclass(frozen=True)
class Joined:
    """The distinct texts of a partition's own rows among the anchors."""

    texts: Texts
    placed: Placed
    strange: NDArray[np.bool_]
    """(m,) which of them are like no topic's: these neither make a topic grow nor drift."""

    @classmethod
    def of(cls, texts: Texts, placed: Placed, bar: float) -> Joined:
        """The texts, with what is below the bar as strange."""
        return cls(texts, placed, ~placed.known & (placed.closeness < bar))

    def rows(self, topic: int, of: NDArray[np.bool_] | None = None) -> int:
        """Rows that have the topic, all of them or those of some texts."""
        chosen = self.placed.topics == topic
        return int(self.texts.rows[chosen if of is None else chosen & of].sum())


def join(state: State, joined: Joined, partition: str) -> State:
    """The state once a partition's rows have joined the known topics."""
    anchors = state.anchors
    assert anchors is not None  # noqa: S101  (callers group first)
    placed, fitted = joined.placed, state.fitted
    new = ~placed.known
    total = sum(topic.rows for topic in state.alive)
    came = int(joined.texts.rows.sum())
    events = [
        event
        for topic in state.alive
        for event in (
            *_growth(topic, joined.rows(topic.topic, ~joined.strange), total, came, partition),
            *_drift(topic, anchors, joined, partition),
        )
    ]
    topics = [replace(t, rows=t.rows + joined.rows(t.topic)) for t in state.alive]
    counts = replace(
        fitted, new=fitted.new + int(new.sum()), strange=fitted.strange + int(joined.strange.sum())
    )
    return replace(state, fitted=counts).having(topics, events)


def due(state: State, refit: float, outliers: float) -> str:
    """Why all texts should be grouped anew; empty where they need not be.

    Args:
        state: The registry.
        refit: New texts, as a share of those grouped last, from which on they should.
        outliers: The share of the grouped texts that may be like no others.
    """
    fitted = state.fitted
    share = fitted.new / max(fitted.texts, 1)
    if share >= refit:
        return (
            f"{fitted.new:,} texts came since {fitted.partition}, when {fitted.texts:,} were "
            f"grouped ({percent(share)})"
        )
    strange = fitted.strange / max(fitted.new, 1)
    enough = fitted.new >= _ENOUGH and fitted.strange >= _STRANGE
    if enough and strange >= _STRANGE_SHARE * outliers:
        return (
            f"{fitted.strange:,} of the {fitted.new:,} texts since {fitted.partition} "
            f"({percent(strange)}) are like no topic's"
        )
    return ""


def _growth(topic: Topic, rows: int, total: int, came: int, partition: str) -> Iterator[Event]:
    """A topic that has many more of the rows than its share so far makes one expect."""
    from scipy.stats import poisson

    share = topic.rows / max(total, 1)
    expected = share * came
    chance = float(poisson.sf(rows - 1, max(expected, 1e-9)))
    if rows < FEW or rows < GROWN * expected or chance > CHANCE:
        return
    now = rows / came
    yield Event(
        partition,
        "grew",
        topic.topic,
        topic.name,
        rows,
        f"{rows:,} of {came:,} rows ({percent(now)}), where its share so far is {percent(share)}",
        before=round(share, 6),
        now=round(now, 6),
    )


def _drift(topic: Topic, anchors: Anchors, joined: Joined, partition: str) -> Iterator[Event]:
    """A topic whose new texts are further from its centre than its own ones are."""
    mine = (joined.placed.topics == topic.topic) & ~joined.placed.known & ~joined.strange
    count = int(mine.sum())
    if count < FEW:
        return
    similar = joined.texts.vectors[mine] @ anchors.centre(topic.topic)
    now = round(float(similar.mean()), 4)
    gap = topic.closeness - now
    # Three standard errors and more: with CHANCE, for a normal mean.
    if gap < DRIFTED or gap < 3.7 * topic.spread / math.sqrt(count):
        return
    yield Event(
        partition,
        "drifted",
        topic.topic,
        topic.name,
        count,
        f"its {count:,} new texts have a mean similarity of {now:.2f} to its centre, those it was "
        f"made from {topic.closeness:.2f}",
        before=topic.closeness,
        now=now,
    )


def named(topic: Topic) -> str:
    """A topic's name as events cite it."""
    return f"“{quote(topic.name)}”"
