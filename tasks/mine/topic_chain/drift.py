"""What a partition's new texts show of the known topics: growth, drift, outliers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fusemine.tasks.stats.intervals import percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from fusemine.tasks.mine.topic_chain.reference_texts import Assignments, ReferenceTexts
    from fusemine.tasks.mine.topic_chain.registry import Event, State, Topic
    from fusemine.tasks.text.distinct import Texts

FEW = 20
"""Of fewer rows or texts than this neither growth nor drift is reported."""
GROWN, P_VALUE = 2.0, 1e-4
"""A topic grew if it has this many times the rows that its share so far makes one expect, and if
so many come by chance with at most this probability."""
DRIFTED, ERRORS = 0.03, 3.7
"""A topic drifts if its new texts are less similar to its centre by this much, and by so many
standard errors: for a normal mean, with the same probability."""
_OUTLIERS, _TIMES, _ENOUGH = 30, 3.0, 100


@dataclass(frozen=True)
class _NewTexts:
    """The m distinct texts of a partition's own rows, and their topics.

    `outliers` (m,) are those that are like no topic's: these neither make a topic grow nor drift.
    """

    texts: Texts
    assigned: Assignments
    outliers: NDArray[np.bool_]

    def rows(self, topic: int, outliers: bool = True) -> int:
        """Rows that have the topic, with those of outliers or without."""
        chosen = self.assigned.topics == topic
        return int(self.texts.rows[chosen if outliers else chosen & ~self.outliers].sum())


def add_texts(state: State, references: ReferenceTexts, texts: Texts, partition: str) -> State:
    """The state once the texts of a partition's own rows have joined the known topics.

    Args:
        state: The registry before.
        references: Its reference texts.
        texts: The distinct texts of the new rows.
        partition: The partition's key.
    """
    assigned, fitted = references.assign(texts.vectors), state.fitted
    new = _NewTexts(texts, assigned, ~assigned.known & (assigned.closeness < fitted.bar))
    # Growth is measured against the topics' shares before these rows.
    total = sum(topic.rows for topic in state.alive)
    events = [
        event
        for topic in state.alive
        for event in (
            *_growth(topic, new, total, partition),
            *_drift(topic, references, new, partition),
        )
    ]
    topics = [replace(t, rows=t.rows + new.rows(t.topic)) for t in state.alive]
    # The counts decide when all texts are grouped again.
    counts = replace(
        fitted,
        new=fitted.new + int((~assigned.known).sum()),
        strange=fitted.strange + int(new.outliers.sum()),
    )
    return replace(state, fitted=counts).updated(topics, events)


def refit_reason(state: State, refit: float, outliers: float) -> str:
    """Why all texts should be grouped again; empty where they need not be.

    Args:
        state: The registry.
        refit: New texts, as a share of those grouped last, from which on they should.
        outliers: The share of the grouped texts that may be outliers.
    """
    fitted = state.fitted
    share = fitted.new / max(fitted.texts, 1)
    if share >= refit:
        return (
            f"{fitted.new:,} texts came since {fitted.partition}, when {fitted.texts:,} were "
            f"grouped ({percent(share)})"
        )
    strange = fitted.strange / max(fitted.new, 1)
    enough = fitted.new >= _ENOUGH and fitted.strange >= _OUTLIERS
    if enough and strange >= _TIMES * outliers:
        return (
            f"{fitted.strange:,} of the {fitted.new:,} texts since {fitted.partition} "
            f"({percent(strange)}) are like no topic's"
        )
    return ""


def _growth(topic: Topic, new: _NewTexts, total: int, partition: str) -> Iterator[Event]:
    """A topic that has many more of the rows than its share so far makes one expect."""
    from scipy.stats import poisson

    rows, every = new.rows(topic.topic, outliers=False), int(new.texts.rows.sum())
    share = topic.rows / max(total, 1)
    expected = share * every
    # Rows come independently at the topic's share so far: a Poisson count.
    p_value = float(poisson.sf(rows - 1, max(expected, 1e-9)))
    if rows < FEW or rows < GROWN * expected or p_value > P_VALUE:
        return
    now = rows / every
    evidence = (
        f"{rows:,} of {every:,} rows ({percent(now)}), where its share so far is {percent(share)}"
    )
    yield topic.event(partition, "grew", rows, evidence, before=round(share, 6), now=round(now, 6))


def _drift(
    topic: Topic, references: ReferenceTexts, new: _NewTexts, partition: str
) -> Iterator[Event]:
    """A topic whose new texts are further from its centre than its own ones are."""
    chosen = (new.assigned.topics == topic.topic) & ~new.assigned.known & ~new.outliers
    count = int(chosen.sum())
    if count < FEW:
        return
    # Reference texts are left out: they are the ones that the centre is made of.
    similar = new.texts.vectors[chosen] @ references.centre(topic.topic)
    now = round(float(similar.mean()), 4)
    gap = topic.closeness - now
    if gap < DRIFTED or gap < ERRORS * topic.spread / math.sqrt(count):
        return
    evidence = (
        f"its {count:,} new texts have a mean similarity of {now:.2f} to its centre, those it was "
        f"made from {topic.closeness:.2f}"
    )
    yield topic.event(partition, "drifted", count, evidence, before=topic.closeness, now=now)
