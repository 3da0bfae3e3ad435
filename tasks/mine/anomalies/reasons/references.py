"""The known texts as they are stored: hashes, vectors and words, but no text."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.anomalies.views.text_detector import copies_by_core
from fusemine.tasks.mine.anomalies.views.text_neighbours import (
    MAX_TEXTS,
    Neighbours,
    nearest_others,
)
from fusemine.tasks.mine.anomalies.views.view import evenly_chosen, texts_of
from fusemine.tasks.text.distinct import take_rows
from fusemine.tasks.text.words import without_noise, words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from fusemine.tasks.mine.anomalies.reasons.baseline import Baseline
    from fusemine.tasks.mine.anomalies.views.view import Flags, Ints, Vectors
    from fusemine.tasks.text.distinct import Texts

_UNKNOWN, _NO_VECTOR = -2, -1


@storable
@dataclass(frozen=True)
class Lookup:
    """Whole numbers by text, of which only a hash of 8 bytes is stored.

    Attributes:
        keys: (k,) the hashes, ascending.
        values: (k,) their numbers.
    """

    keys: NDArray[np.uint64]
    values: Ints

    @classmethod
    def of(cls, texts: Iterable[str], values: Iterable[int]) -> Lookup:
        """Store a number for each of some different texts.

        >>> Lookup.of(["deer", "gull"], [4, 7]).get(["gull", "bat"], default=0).tolist()
        [7, 0]
        """
        keys, numbers = _hashed(texts), np.array(list(values), np.int64)
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], numbers[order])

    def get(self, texts: Iterable[str], default: int) -> Ints:
        """The number of each text, or the default."""
        sought = _hashed(texts)
        if not len(self.keys):
            return np.full(len(sought), default, np.int64)
        place = np.minimum(np.searchsorted(self.keys, sought), len(self.keys) - 1)
        return np.where(self.keys[place] == sought, self.values[place], default)


def _hashed(texts: Iterable[str]) -> NDArray[np.uint64]:
    digests = (hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


@storable
@dataclass(frozen=True)
class References:
    """The known texts that others are compared with.

    Attributes:
        vectors: (r, d) the unit vectors of some of them, in the order of their first rows.
        near: (a,) the places of those that a text's rare words are compared with.
        typical: (b,) the places of those that are typical.
        texts: The place of each known text among the vectors, -1 for one that has none.
        copies: How many known rows have nearly the same text, by what is left of it without case,
            digits and punctuation; only where there are several.
        starts: (a + 1,) where the words of each text of `near` begin.
        codes: Their different words, as places among `Baseline.words`, ascending in each text.
    """

    vectors: Vectors
    near: Ints
    typical: Ints
    texts: Lookup
    copies: Lookup
    starts: Ints
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, texts: Texts, known: Flags, typical: Flags, baseline: Baseline) -> References:
        """Keep what is needed of m distinct texts of n rows.

        Args:
            texts: The texts.
            known: (n,) the rows of history.
            typical: (m,) the known texts that are typical.
            baseline: Where the words of the known texts were counted.
        """
        seen = texts_of(texts, known)
        near, nearby = (evenly_chosen(its, MAX_TEXTS) for its in (seen, typical))
        stored = np.union1d(near, nearby)
        place = np.full(len(texts), _NO_VECTOR, np.int64)
        place[stored] = np.arange(len(stored))
        codes = [_codes(texts.texts[text], baseline) for text in near.tolist()]
        known_texts = np.flatnonzero(seen).tolist()
        copied = {core: n for core, n in copies_by_core(texts, known).items() if n > 1}
        return cls(
            vectors=texts.vectors[stored],
            near=place[near],
            typical=place[nearby],
            texts=Lookup.of((texts.texts[text] for text in known_texts), place[known_texts]),
            copies=Lookup.of(copied.keys(), copied.values()),
            starts=np.append(0, np.cumsum([len(its) for its in codes])).astype(np.int64),
            codes=np.concatenate([np.empty(0, np.int32), *codes]),
        )

    def places(self, texts: list[str]) -> Ints:
        """The place of each text among the vectors; below 0 where it has none."""
        return self.texts.get(texts, _UNKNOWN)

    def copies_of(self, texts: Texts) -> Ints:
        """(n,) for each row the number of known rows with nearly its text, at least 1."""
        found = self.copies.get(map(without_noise, texts.texts), 1)
        return np.append(found, 1)[texts.of_row]

    def typical_near(self, vectors: Vectors, places: Ints) -> Neighbours:
        """The typical texts nearest to each of some texts, which have `places` themselves."""
        own = _within(self.typical, places, len(self.vectors))
        return nearest_others(vectors, self._typical, own)

    def words_near(
        self, vectors: Vectors, places: Ints, baseline: Baseline
    ) -> list[list[list[str]]]:
        """For each text the words of each of the known texts nearest to it."""
        own = _within(self.near, places, len(self.vectors))
        near = nearest_others(vectors, self._near, own)
        return [
            [self._words(place, baseline) for place in near.of(text)]
            for text in range(len(vectors))
        ]

    def _words(self, place: int, baseline: Baseline) -> list[str]:
        codes = self.codes[self.starts[place] : self.starts[place + 1]]
        return [baseline.words[code] for code in codes.tolist()]

    @cached_property
    def _near(self) -> Vectors:
        return take_rows(self.vectors, self.near)

    @cached_property
    def _typical(self) -> Vectors:
        return take_rows(self.vectors, self.typical)


def seen_before(places: Ints) -> Flags:
    """Which texts with these `References.places` are known."""
    return places > _UNKNOWN


def _codes(text: str, baseline: Baseline) -> NDArray[np.int32]:
    codes = sorted(baseline.code(word) for word in set(words(text)))
    return np.array([code for code in codes if code >= 0], np.int32)


def _within(chosen: Ints, places: Ints, size: int) -> Ints:
    """The places among the chosen ones of `size`, -1 for none."""
    found = np.full(size + 1, -1, np.int64)
    found[chosen] = np.arange(len(chosen))
    return found[np.where(places >= 0, places, size)]
