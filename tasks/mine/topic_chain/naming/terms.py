"""Terms of topics, which their texts have and other texts have not, and names made of them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.text.words import NEGATIONS, same_stem, terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TERMS, IN_NAME = 10, 3
"""Terms that are listed for a topic, and those of them that make up its name."""
READ_PER_TOPIC = 1_000
"""Texts of a topic that are read for its terms; of more, an even sample."""
LEAST_SHARE = 0.05
"""Terms in fewer of a topic's rows do not describe it."""
WEAK = 0.1
"""Terms that score less than this share of the topic's best term stay out of its name."""
COMMON = 0.5
"""A phrase in this share of the topic's rows may be in its name although it is weak."""
ABSORBED = 0.6
"""A word gives way to a pair that holds it in this share of its rows: `fan` to `fan blades`."""


@dataclass(frozen=True)
class Term:
    """A word or a few neighbouring words.

    Attributes:
        text: The words, in lower case.
        score: How well they tell the topic from the others.
        share: The share of the topic's rows that have them.
    """

    text: str
    score: float
    share: float


def topic_terms(
    texts: Sequence[str], weights: NDArray[np.int64], topics: NDArray[np.int32], count: int
) -> list[list[Term]]:
    """The terms of each topic, best first, at most `TERMS`, none of which repeats another.

    Class-based TF-IDF in the manner of BERTopic (Grootendorst 2022, arXiv:2203.05794): a
    topic is one document. A term's frequency is the share of the topic's rows that have it;
    its rarity is log(1 + share / share elsewhere), squared, less what a term has that is as
    frequent elsewhere. So `bird` does not lead every topic of a table on birds.

    >>> texts = ["bent fan blades", "fan blades and bird", "deer on runway", "deer, no bird"]
    >>> topics = topic_terms(texts, np.ones(4, np.int64), np.array([0, 0, 1, 1], np.int32), 2)
    >>> [terms[0].text for terms in topics]
    ['fan blades', 'deer']

    Args:
        texts: n distinct texts.
        weights: (n,) the rows that have each text.
        topics: (n,) the topic of each text, from 0 to `count` - 1.
        count: The number of topics.
    """
    shares = [_shares(texts, weights, np.flatnonzero(topics == t)) for t in range(count)]
    sizes = np.bincount(topics, weights=weights, minlength=count).astype(np.float64)
    return [_best(t, shares, sizes) for t in range(count)]


def _shares(
    texts: Sequence[str], weights: NDArray[np.int64], members: NDArray[np.intp]
) -> dict[str, float]:
    """The share of the members' rows that have each term; of very many, an even sample's."""
    step = max(1, math.ceil(len(members) / READ_PER_TOPIC))
    counts: Counter[str] = Counter()
    for place in members[::step]:
        # Sorted, because the order of a set of strings differs from process to process.
        for term in sorted(set(terms(texts[place]))):
            counts[term] += int(weights[place])
    total = int(weights[members[::step]].sum())
    return {term: rows / total for term, rows in counts.items()}


def _best(topic: int, shares: list[dict[str, float]], sizes: NDArray[np.float64]) -> list[Term]:
    own, size, rest = shares[topic], sizes[topic], sizes.sum() - sizes[topic]
    scores = {}
    for term, share in own.items():
        if share >= LEAST_SHARE:
            rows = sum(theirs.get(term, 0.0) * n for theirs, n in zip(shares, sizes, strict=True))
            # One row is added, so that a term that is nowhere else has a finite rarity.
            elsewhere = (rows - share * size + 1) / (rest + 2)
            scores[term] = _score(share, elsewhere, rows / sizes.sum())
    merged = _absorb(scores, own)
    order = sorted(merged, key=lambda term: (-round(merged[term], 9), term))
    return [Term(term, merged[term], own[term]) for term in _distinct(order, own)[:TERMS]]


def _score(share: float, elsewhere: float, overall: float) -> float:
    rarity = max(0.0, math.log((1 + share / elsewhere) / 2)) * (1 - overall)
    # The last part puts the terms that are no rarer elsewhere in the order of their shares.
    return math.pow(share, 1.5) * rarity**2 + share * 1e-4


def _absorb(scores: dict[str, float], shares: dict[str, float]) -> dict[str, float]:
    """Let longer terms take the place and the score of those that seldom occur without them."""
    merged = dict(scores)
    for term in sorted(scores, key=lambda term: (term.count(" "), term)):
        parts = _parts(term)
        held = [p for p in parts if p in scores and shares[term] >= ABSORBED * shares[p]]
        if term.count(" ") > 1 and " ".join(term.split()[:2]) not in held:
            del merged[term]  # `no damage found` is but a kind of `no damage`
            continue
        for part in held:
            merged[term] = max(merged[term], merged.pop(part, 0.0))
    return merged


def _parts(term: str) -> list[str]:
    words = term.split()
    return [part for part in (*words, *map(" ".join, pairwise(words))) if part != term]


def _distinct(order: list[str], shares: dict[str, float]) -> list[str]:
    """Drop terms all whose words are in better terms that are not much rarer."""
    used: list[tuple[str, float]] = []
    kept = []
    for term in order:
        parts, least = _content(term), ABSORBED * shares[term]
        if not all(any(same_stem(w, o) and s >= least for o, s in used) for w in parts):
            kept.append(term)
            used += [(word, shares[term]) for word in parts]
    return kept


def _content(term: str) -> list[str]:
    return [word for word in term.split() if word not in NEGATIONS]


def topic_names(
    found: list[list[Term]], fallback: list[str], taken: Sequence[str] = ()
) -> list[str]:
    """A short name for each topic, all of them different.

    Args:
        found: The terms of each topic, best first, as `topic_terms` gives them.
        fallback: What to call a topic that has no terms, as one of numbers only.
        taken: Names that must not be given.
    """
    names = list(taken)
    for listed, otherwise in zip(found, fallback, strict=True):
        choices = [short_name(listed, size) for size in range(IN_NAME, TERMS + 1)]
        free = [choice for choice in choices if choice and choice not in names]
        names.append(free[0] if free else unique_name(choices[0] or otherwise, names))
    return names[len(taken) :]


def short_name(found: list[Term], size: int = IN_NAME) -> str:
    """The best terms that share no word, up to `size` of them, with commas between.

    Rare and weak terms are taken only where the name would else be too short to tell it from
    others.
    """
    chosen: list[str] = []
    used: list[str] = []
    for term in found:
        parts = _content(term.text)
        fits = _is_strong(term, found[0].score) or len(chosen) <= size - IN_NAME
        if fits and not any(same_stem(word, other) for word in parts for other in used):
            chosen.append(term.text)
            used += parts
    return ", ".join(chosen[:size])


def _is_strong(term: Term, best: float) -> bool:
    is_phrase = " " in term.text and term.share >= COMMON and term.score >= WEAK / 10 * best
    return is_phrase or term.score >= WEAK * best


def unique_name(name: str, taken: Sequence[str]) -> str:
    """The name, or the name with the first number that makes it one of its own.

    >>> unique_name("deer", ["deer", "gulls"])
    'deer (2)'
    """
    number = 1
    while (free := name if number == 1 else f"{name} ({number})") in taken:
        number += 1
    return free
