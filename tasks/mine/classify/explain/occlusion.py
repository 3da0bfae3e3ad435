"""Which words of a text a prediction rests on: each is left out in turn.

The change of the output is the word's weight (Robnik-Šikonja and Kononenko 2008). As in the text
mode of LIME (Ribeiro, Singh and Guestrin 2016), a word is left out wherever it stands; but each by
itself, which needs no random draws and no second model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl

from fusemine.tasks.fuse.transformers import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Floats

Output: TypeAlias = Callable[[Rows, "NDArray[np.intp]"], "Floats"]
"""The explained output (m,) of m altered rows, and of which row (m,) each is an alteration."""
Encode: TypeAlias = Callable[[list[str]], "NDArray[np.float32]"]
"""Vectors (n, d) of n texts, of the same encoder as the rows' own."""

MIN_PIECES, MAX_PIECES = 10, 60
"""Pieces that a text is cut into, at most; the fewer ones for a text of `MAX_READ` characters."""
MAX_READ = 1_000_000
"""Characters that are read for one text, each piece of it being left out in turn."""
SHOWN, PIECE = 600, 120
"""Characters that are kept of all pieces of a text, and of one."""
GAP = "…"


@dataclass(frozen=True)
class Word:
    """A piece of a text: a word, or several in a row of a long text."""

    text: str
    weight: float
    """How much the output falls without it, on the output's scale; below 0 if it rises."""


@dataclass(frozen=True)
class _Pieces:
    """A text in pieces, of which equal ones are left out together."""

    texts: tuple[str, ...]
    groups: tuple[int, ...]
    """Which pieces are equal: a number for each, from 0."""

    def variants(self) -> list[str]:
        """The text, then the text without each group in turn."""
        groups = range(max(self.groups, default=-1) + 1)
        pairs = list(zip(self.texts, self.groups, strict=True))
        rests = (" ".join(text for text, its in pairs if its != group) for group in groups)
        return [" ".join(self.texts), *rests]

    def weighted(self, outputs: Floats) -> tuple[Word, ...]:
        """The words, from the outputs (1 + groups,) of the text and of it without each group."""
        weights = outputs[0] - outputs[1:]
        pairs = zip(self.texts, self.groups, strict=True)
        return tuple(Word(text, float(weights[group])) for text, group in pairs)


def occlude(output: Output, rows: Rows, encode: Encode | None = None) -> list[tuple[Word, ...]]:
    """The words of each row's text in their order, with their weights; none without a text.

    A text of more than `MAX_PIECES` different words is cut into so many pieces of equally many
    words. Words are equal whatever their case and the punctuation around them. Only the joined
    text is altered, which is what models read; its words are joined by single blanks.

    Args:
        output: The explained output.
        rows: The rows to explain.
        encode: Embeds the altered texts; without it all keep the vector of the whole text, and
            the weights show only what the model reads from the text itself.
    """
    pieces = [_pieces(text) for text in rows.texts]
    variants = [piece.variants() for piece in pieces]
    sizes = [len(texts) for texts in variants]
    owners = np.repeat(np.arange(len(rows), dtype=np.intp), sizes)
    altered = _altered(rows.take(owners), [text for texts in variants for text in texts], encode)
    # All variants of all rows go to the model in one call.
    outputs = np.split(output(altered, owners), np.cumsum(sizes)[:-1])
    return [piece.weighted(found) for piece, found in zip(pieces, outputs, strict=True)]


def shorten(words: Sequence[Word], most: int = SHOWN) -> tuple[Word, ...]:
    """The words, or of a long text those of the largest weights, in at most `most` characters.

    One `GAP` of weight 0 replaces what is left out.

    >>> [word.text for word in shorten([Word("a" * 9, 0.1), Word("wing", -1.0)], most=10)]
    ['…', 'wing']
    """
    words = [replace(word, text=_cut(word.text)) for word in words]
    if sum(len(word.text) + 1 for word in words) <= most + 1:
        return tuple(words)
    # Words of the largest weights first, until the space is used up.
    kept: set[int] = set()
    left = most - len(GAP)
    for place in sorted(range(len(words)), key=lambda k: -abs(words[k].weight)):
        left -= len(words[place].text) + len(GAP) + 2  # a blank on either side of the gap
        if left < 0:
            break
        kept.add(place)
    return tuple(_gapped(words, kept))


def _pieces(text: str) -> _Pieces:
    words = text.split()
    most = max(MIN_PIECES, min(MAX_PIECES, MAX_READ // max(len(text), 1)))
    # A long text is cut into spans, or each of its words would cost a prediction.
    if len(set(map(_plain, words))) > most:
        ends = np.linspace(0, len(words), most + 1).round().astype(int)
        spans = pairwise(ends.tolist())
        words = [" ".join(words[start:end]) for start, end in spans]
    numbers: dict[str, int] = {}
    groups = tuple(numbers.setdefault(_plain(word), len(numbers)) for word in words)
    return _Pieces(tuple(words), groups)


def _plain(word: str) -> str:
    """A word without case and punctuation around it; one of nothing else stays as it is."""
    marks = "".join({mark for mark in word if not mark.isalnum()})
    return word.strip(marks).casefold() or word


def _altered(rows: Rows, texts: list[str], encode: Encode | None) -> Rows:
    clean = rows.clean.with_columns(text=pl.Series(texts, dtype=pl.String))
    if encode is None:
        return replace(rows, clean=clean)
    vectors = np.zeros_like(rows.vectors)
    distinct = [text for text in dict.fromkeys(texts) if text]
    if distinct:
        found = dict(zip(distinct, encode(distinct), strict=True))
        vectors[[bool(text) for text in texts]] = [found[text] for text in texts if text]
    return replace(rows, clean=clean, vectors=vectors)


def _cut(text: str) -> str:
    return text if len(text) <= PIECE else text[: PIECE - 1] + GAP


def _gapped(words: Sequence[Word], kept: set[int]) -> list[Word]:
    result: list[Word] = []
    for place, word in enumerate(words):
        if place in kept:
            result.append(word)
        elif not result or result[-1].text != GAP:
            result.append(Word(GAP, 0.0))
    return result
