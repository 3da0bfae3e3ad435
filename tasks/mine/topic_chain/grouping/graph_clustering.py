"""Topics as communities of the graph of nearest neighbours, and how fine they are cut."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.mine.topic_chain.grouping.communities import (
    agreement,
    communities,
    consensus,
    searches,
)
from fusemine.tasks.mine.topic_chain.grouping.graph import Floats, Graph, Labels, Near, graph_of
from fusemine.tasks.mine.topic_chain.grouping.merging import closest_merged, without_small
from fusemine.tasks.mine.topic_chain.grouping.methods import (
    Division,
    as_set,
    bounds,
    by_ward,
    least_texts,
)

if TYPE_CHECKING:
    from fusemine.tasks.mine.topics.settings import TopicsSettings

RESOLUTIONS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
SEARCHES = 5
"""Searches at each resolution, from the same seeds whatever is set, so that another seed gives
topics as fine."""
ALIKE, CLEAR = 0.85, 0.97
"""Resolutions whose searches agree as well as this share of the best may be chosen; from this
agreement on the texts themselves say how many topics there are."""
SMALL = 500
"""Among fewer texts there may be fewer topics than usual, if searches agree on these fully."""
STILL = 1.25
"""A kept resolution may give so many times the topics allowed; the closest are merged."""
FAVOUR = 4.0
"""Links between different known topics are weaker by so many times."""
_WORK, _FEWEST, _MOST, _SAMPLED = 400_000, 30, 200, 10
_STEP, _STEPS, _TRIES = 1.2, 60, 4
"""How a resolution is sought for a set number of topics, and how often it is raised because
the consensus has fewer topics than a search."""
METHOD = (
    "consensus of Leiden communities of the graph of nearest neighbours, "
    "with modularity at resolution {:g}"
)


@dataclass(frozen=True)
class _Tried:
    """What came out at one resolution.

    Attributes:
        resolution: The resolution.
        topics: How many topics there were, small ones left out.
        agreement: How well searches agree with each other.
    """

    resolution: float
    topics: int
    agreement: float


def by_graph(
    vectors: Floats,
    near: Near,
    settings: TopicsSettings,
    before: Labels | None = None,
    kept: float | None = None,
) -> Division:
    """Group vectors by the communities of their graph.

    Args:
        vectors: (n, d) unit vectors.
        near: Their nearest others.
        settings: How many topics there are.
        before: (n,) the known topic of each vector, -1 for none.
        kept: The resolution of the known topics, which stays while searches agree well enough.
    """
    if before is not None and (before < 0).all():
        before = None
    graph = graph_of(near)
    if settings.topics != "auto":
        return _as_many(favoured(graph, before), vectors, near, settings, settings.topics)
    least, most = bounds(len(vectors), settings.max_topics)
    tried = _try(graph, most, kept)
    chosen = _choose(tried, (least, most), kept, len(vectors))
    seeds = _seeds(settings.seed, len(vectors))
    labels = _bounded(favoured(graph, before), vectors, chosen, seeds, most)
    again = partial(_again, resolution=chosen, most=most)
    criterion = _criterion(tried, (least, most), kept is not None)
    criterion |= {"resolution": chosen, "chosen": int(labels.max()) + 1}
    return Division(labels, criterion, METHOD.format(chosen), again)


def favoured(graph: Graph, before: Labels | None) -> Graph:
    """The graph with weaker links between different known topics, so that their borders stay."""
    if before is None:
        return graph
    here, there = np.repeat(before, np.diff(graph.indptr)), before[graph.indices]
    across = (here != there) & (here >= 0) & (there >= 0)
    result = graph.copy()
    result.data = np.where(across, graph.data / FAVOUR, graph.data)
    return result


def _criterion(tried: list[_Tried], bound: tuple[int, int], known: bool) -> dict[str, Any]:
    which = "that of the known topics, or else the finest" if known else "the finest"
    return {
        "rule": f"of the resolutions with {bound[0]} to {bound[1]} topics at which searches agree "
        f"(adjusted Rand index) at least {ALIKE:.0%} as well as where they agree best, {which}; "
        f"where searches agree fully ({CLEAR} or more), the finest at which they do",
        "tried": {
            f"{one.resolution:g}": {"topics": one.topics, "agreement": round(one.agreement, 4)}
            for one in tried
        },
    }


def _try(graph: Graph, most: int, kept: float | None) -> list[_Tried]:
    """Ever finer resolutions, the kept one among them, until there are more than `most` topics."""
    least, tried = least_texts(graph.shape[0]), []
    for resolution in sorted({*RESOLUTIONS, kept or RESOLUTIONS[0]}):
        found = searches(graph, resolution, range(SEARCHES))
        topics = int(np.median([(np.bincount(one) >= least).sum() for one in found]))
        tried.append(_Tried(resolution, topics, agreement(found)))
        if topics > most:
            break
    return tried


def _choose(tried: list[_Tried], bound: tuple[int, int], kept: float | None, size: int) -> float:
    least, most = bound
    limit = most if kept is None else most * STILL
    fitting = [one for one in tried if least <= one.topics <= limit]
    best = max((one.agreement for one in fitting), default=0.0)
    alike = [one.resolution for one in fitting if one.agreement >= ALIKE * best]
    if kept in alike:
        return kept
    fewest = 2 if size < SMALL else least
    several = [one for one in tried if fewest <= one.topics <= most]
    clear = [one.resolution for one in several if one.agreement >= CLEAR]
    coarse = [one.resolution for one in tried if one.topics < least]
    return max(clear or alike or coarse, default=tried[0].resolution)


def _bounded(graph: Graph, vectors: Floats, resolution: float, seeds: range, most: int) -> Labels:
    """A consensus without small communities and with at most so many."""
    found = consensus(graph, resolution, seeds)
    labels = without_small(graph, vectors, found, least_texts(len(vectors)))
    return closest_merged(vectors, labels, most)


def _seeds(seed: int, size: int) -> range:
    """The seeds of the searches for a consensus: more of fewer texts, where they are quick."""
    return range(seed * _MOST, seed * _MOST + int(np.clip(_WORK // size, _FEWEST, _MOST)))


def _again(
    vectors: Floats, near: Near, before: Labels | None, resolution: float, most: int
) -> Labels:
    graph = favoured(graph_of(near), before)
    return _bounded(graph, vectors, resolution, range(_SAMPLED), most)


def _as_many(
    graph: Graph, vectors: Floats, near: Near, settings: TopicsSettings, asked: int
) -> Division:
    """Exactly as many topics as asked for: of a few more, the closest are merged."""
    count, seeds = min(asked, len(vectors)), _seeds(settings.seed, len(vectors))
    resolution = RESOLUTIONS[0]
    for _ in range(_TRIES):
        resolution = _fine_enough(graph, count, resolution)
        labels = _bounded(graph, vectors, resolution, seeds, count)
        if labels.max() + 1 == count:
            again = partial(_again, resolution=resolution, most=count)
            return Division(
                labels, as_set(asked, count), METHOD.format(round(resolution, 2)), again
            )
        resolution *= _STEP
    # There are so many only with small ones.
    return by_ward(vectors, near, settings)


def _fine_enough(graph: Graph, count: int, resolution: float) -> float:
    """The first resolution from one on, in steps of a fifth, with so many topics."""
    least = least_texts(graph.shape[0])
    for _ in range(_STEPS):
        sizes = np.bincount(communities(graph, resolution, 0))
        if (sizes >= least).sum() >= count or len(sizes) == graph.shape[0]:
            break
        resolution *= _STEP
    return resolution
