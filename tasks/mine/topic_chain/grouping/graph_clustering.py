"""Topics as communities of the graph of nearest neighbours, and how fine they are cut."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.mine.topic_chain.grouping.communities import (
    consensus,
    leiden,
    mean_rand_index,
    searches,
)
from fusemine.tasks.mine.topic_chain.grouping.graph import (
    Floats,
    Graph,
    Labels,
    Neighbours,
    graph_of,
)
from fusemine.tasks.mine.topic_chain.grouping.merging import merge_closest, merge_small
from fusemine.tasks.mine.topic_chain.grouping.methods import (
    Grouping,
    by_ward,
    count_bounds,
    fixed_count,
    min_topic_size,
)

if TYPE_CHECKING:
    from fusemine.tasks.mine.topic_chain.settings import TopicsSettings

RESOLUTIONS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
SEARCHES = 5
"""Searches at each resolution, from the same seeds whatever is set, so that another seed gives
topics as fine."""
ALIKE, CLEAR = 0.85, 0.97
"""Resolutions whose searches agree as well as this share of the best may be chosen; from this
agreement on the texts themselves say how many topics there are."""
SMALL = 500
"""Among fewer texts there may be fewer topics than else, if searches agree on these fully."""
SLACK = 1.25
"""A kept resolution may give so many times the topics allowed; the closest are merged."""
WEAKER = 4.0
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
class _Trial:
    """The outcome of searches at one resolution; `topics` leaves small ones out."""

    resolution: float
    topics: int
    agreement: float


def by_graph(
    vectors: Floats,
    neighbours: Neighbours,
    settings: TopicsSettings,
    known: Labels | None = None,
    resolution: float | None = None,
) -> Grouping:
    """Group vectors by the communities of their graph.

    Args:
        vectors: (n, d) unit vectors.
        neighbours: Their nearest others.
        settings: How many topics there are.
        known: (n,) the known topic of each vector, -1 for none.
        resolution: That of the known topics, which stays while searches agree well enough.
    """
    graph, size = graph_of(neighbours), len(vectors)
    favoured, seeds = _keeping_borders(graph, known), _seeds(settings.seed, size)
    if settings.topics != "auto":
        return _as_many(favoured, vectors, neighbours, settings, settings.topics)
    least, most = count_bounds(size, settings.max_topics)
    # The resolution is chosen on the plain graph; known topics only hold their borders.
    trials = _trials(graph, most, resolution)
    chosen = _choose(trials, least, most, resolution, size)
    labels = _bounded(favoured, vectors, chosen, seeds, most)
    criterion = _criterion(trials, least, most, resolution is not None)
    criterion |= {"resolution": chosen, "chosen": int(labels.max()) + 1}
    regroup = partial(_regroup, resolution=chosen, most=most)
    return Grouping(labels, criterion, METHOD.format(chosen), regroup)


def _keeping_borders(graph: Graph, known: Labels | None) -> Graph:
    """The graph with weaker links between different known topics, so that their borders stay."""
    if known is None or (known < 0).all():
        return graph
    # The known topics at both ends of each link, in the order of the graph's data.
    here, there = np.repeat(known, np.diff(graph.indptr)), known[graph.indices]
    across = (here != there) & (here >= 0) & (there >= 0)
    result = graph.copy()
    result.data = np.where(across, graph.data / WEAKER, graph.data)
    return result


def _criterion(trials: list[_Trial], least: int, most: int, known: bool) -> dict[str, Any]:
    which = "that of the known topics, or else the finest" if known else "the finest"
    return {
        "rule": f"of the resolutions with {least} to {most} topics at which searches agree "
        f"(adjusted Rand index) at least {ALIKE:.0%} as well as where they agree best, {which}; "
        f"where searches agree fully ({CLEAR} or more), the finest at which they do",
        "tried": {
            f"{one.resolution:g}": {"topics": one.topics, "agreement": round(one.agreement, 4)}
            for one in trials
        },
    }


def _trials(graph: Graph, most: int, kept: float | None) -> list[_Trial]:
    """Ever finer resolutions, the kept one among them, until there are more than `most` topics."""
    least, trials = min_topic_size(graph.shape[0]), []
    for resolution in sorted({*RESOLUTIONS, kept or RESOLUTIONS[0]}):
        found = searches(graph, resolution, range(SEARCHES))
        topics = int(np.median([(np.bincount(one) >= least).sum() for one in found]))
        trials.append(_Trial(resolution, topics, mean_rand_index(found)))
        if topics > most:
            break
    return trials


def _choose(trials: list[_Trial], least: int, most: int, kept: float | None, size: int) -> float:
    limit = most if kept is None else most * SLACK
    fitting = [one for one in trials if least <= one.topics <= limit]
    # Searches that find other communities each time show a resolution that the texts do not have.
    best = max((one.agreement for one in fitting), default=0.0)
    alike = [one.resolution for one in fitting if one.agreement >= ALIKE * best]
    if kept in alike:
        return kept
    fewest = 2 if size < SMALL else least
    several = [one for one in trials if fewest <= one.topics <= most]
    # Where searches agree fully the texts are plainly divided, however few topics that gives.
    clear = [one.resolution for one in several if one.agreement >= CLEAR]
    coarse = [one.resolution for one in trials if one.topics < least]
    return max(clear or alike or coarse, default=trials[0].resolution)


def _bounded(graph: Graph, vectors: Floats, resolution: float, seeds: range, most: int) -> Labels:
    """A consensus without small communities and with at most so many."""
    found = consensus(graph, resolution, seeds)
    labels = merge_small(graph, vectors, found, min_topic_size(len(vectors)))
    return merge_closest(vectors, labels, most)


def _seeds(seed: int, size: int) -> range:
    """The seeds of the searches for a consensus: more of fewer texts, where they are quick."""
    return range(seed * _MOST, seed * _MOST + int(np.clip(_WORK // size, _FEWEST, _MOST)))


def _regroup(
    vectors: Floats, neighbours: Neighbours, known: Labels | None, resolution: float, most: int
) -> Labels:
    graph = _keeping_borders(graph_of(neighbours), known)
    return _bounded(graph, vectors, resolution, range(_SAMPLED), most)


def _as_many(
    graph: Graph, vectors: Floats, neighbours: Neighbours, settings: TopicsSettings, asked: int
) -> Grouping:
    """Exactly as many topics as asked for: of a few more, the closest are merged."""
    count, seeds = min(asked, len(vectors)), _seeds(settings.seed, len(vectors))
    resolution = RESOLUTIONS[0]
    for _ in range(_TRIES):
        resolution = _fine_enough(graph, count, resolution)
        labels = _bounded(graph, vectors, resolution, seeds, count)
        if labels.max() + 1 == count:
            regroup = partial(_regroup, resolution=resolution, most=count)
            method = METHOD.format(round(resolution, 2))
            return Grouping(labels, fixed_count(asked, count), method, regroup)
        resolution *= _STEP
    # There are so many only with small ones.
    return by_ward(vectors, neighbours, settings)


def _fine_enough(graph: Graph, count: int, resolution: float) -> float:
    """The first resolution from one on, in steps of a fifth, with so many topics."""
    least = min_topic_size(graph.shape[0])
    for _ in range(_STEPS):
        sizes = np.bincount(leiden(graph, resolution, 0))
        if (sizes >= least).sum() >= count or len(sizes) == graph.shape[0]:
            break
        resolution *= _STEP
    return resolution
