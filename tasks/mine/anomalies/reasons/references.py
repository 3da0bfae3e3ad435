"""The known texts as they are kept: hashes, vectors and words, but no text."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.anomalies.stored import Stored
from fusemine.tasks.mine.anomalies.views.text_detector import essences
from fusemine.tasks.mine.anomalies.views.text_neighbours import (
    Neighbours,
    nearest_others,
    referred,
)
from fusemine.tasks.mine.anomalies.views.view import texts_of
from fusemine.tasks.text.words import essence, words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from fusemine.tasks.mine.anomalies.reasons.baseline import Past
    from fusemine.tasks.text.distinct import Texts

_ABSENT, _UNHELD = -2, -1


@storable
@dataclass(frozen=True)
class Lookup:
    """Whole numbers by text, of which only a hash of 8 bytes is kept.

    Attributes:
        keys: (k,) the hashes, ascending.
        values: (k,) their numbers.
    """

    keys: NDArray[np.uint64]
    values: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Iterable[str], values: Iterable[int]) -> Lookup:
        """Keep a number for each of some different texts."""
        keys, numbers = _hashed(texts), np.array(list(values), np.int64)
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], numbers[order])

    def get(self, texts: Iterable[str], default: int) -> NDArray[np.int64]:
        """The number of each text, or the default."""
        asked = _hashed(texts)
        if not len(self.keys):
            return np.full(len(asked), default, np.int64)
        place = np.minimum(np.searchsorted(self.keys, asked), len(self.keys) - 1)
        return np.where(self.keys[place] == asked, self.values[place], default)


def _hashed(texts: Iterable[str]) -> NDArray[np.uint64]:
    digests = (hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


@storable
@dataclass(frozen=True)
class References(Stored):
    """The known texts that others are held against.

    Attributes:
        vectors: (r, d) the unit vectors of some of them, in the order of their first rows.
        near: (a,) the places of those that a text's rare words are held against.
        usual: (b,) the places of those that may be usual neighbours.
        texts: The place of each known text among the vectors, -1 for one that has none.
        essences: How many known rows have nearly the same text, by its essence.
        starts: (a + 1,) where the words of each text of `near` begin.
        codes: Their different words, as places among `Past.words`, ascending in each text.
    """

    vectors: NDArray[np.float32]
    near: NDArray[np.int64]
    usual: NDArray[np.int64]
    texts: Lookup
    essences: Lookup
    starts: NDArray[np.int64]
    codes: NDArray[np.int32]

    @classmethod
    def of(
        cls, texts: Texts, known: NDArray[np.bool_], usual: NDArray[np.bool_], past: Past
    ) -> References:
        """Keep what is needed of m distinct texts of n rows.

        Args:
            texts: The texts.
            known: (n,) the rows of history.
            usual: (m,) the known texts that may be usual neighbours.
            past: Where the words of the known texts were counted.
        """
        seen = texts_of(texts, known)
        near, nearby = referred(seen), referred(usual)
        held = np.union1d(near, nearby)
        place = np.full(len(texts), _UNHELD, np.int64)
        place[held] = np.arange(len(held))
        said = np.flatnonzero(seen).tolist()
        counts = essences(texts, known)
        codes = [_codes(texts.texts[text], past) for text in near.tolist()]
        return cls(
            vectors=texts.vectors[held],
            near=place[near],
            usual=place[nearby],
            texts=Lookup.of((texts.texts[text] for text in said), place[said].tolist()),
            essences=Lookup.of(*_several(counts)),
            starts=np.append(0, np.cumsum([len(its) for its in codes])).astype(np.int64),
            codes=np.concatenate([np.empty(0, np.int32), *codes]),
        )

    def places(self, texts: list[str]) -> NDArray[np.int64]:
        """The place of each text among the vectors; below 0 where it has none."""
        return self.texts.get(texts, _ABSENT)

    def alike(self, texts: Texts) -> NDArray[np.int64]:
        """(n,) for each row the number of known rows with nearly its text, at least 1."""
        found = self.essences.get(map(essence, texts.texts), 1)
        return np.append(found, 1)[texts.of_row]

    def usual_near(self, vectors: NDArray[np.float32], places: NDArray[np.int64]) -> Neighbours:
        """The usual texts nearest to each of some texts, which have `places` themselves."""
        return nearest_others(vectors, self._usual, _within(self.usual, places, len(self.vectors)))

    def words_near(
        self, vectors: NDArray[np.float32], places: NDArray[np.int64], past: Past
    ) -> list[list[list[str]]]:
        """For each text the words of each of the known texts nearest to it."""
        own = _within(self.near, places, len(self.vectors))
        near = nearest_others(vectors, self._near, own)
        return [
            [self._words(place, past) for place in near.of(text)] for text in range(len(vectors))
        ]

    def _words(self, place: int, past: Past) -> list[str]:
        codes = self.codes[self.starts[place] : self.starts[place + 1]]
        return [past.words[code] for code in codes.tolist()]

    @cached_property
    def _near(self) -> NDArray[np.float32]:
        return _chosen(self.vectors, self.near)

    @cached_property
    def _usual(self) -> NDArray[np.float32]:
        return _chosen(self.vectors, self.usual)


def seen(places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which texts with these `References.places` are known."""
    return places > _ABSENT


def _several(counts: dict[str, int]) -> tuple[list[str], list[int]]:
    """Those of the essences that more than one known row has."""
    some = [(core, rows) for core, rows in counts.items() if rows > 1]
    return [core for core, _ in some], [rows for _, rows in some]


def _codes(text: str, past: Past) -> NDArray[np.int32]:
    codes = sorted(past.code(word) for word in set(words(text)))
    return np.array([code for code in codes if code >= 0], np.int32)


def _chosen(vectors: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.float32]:
    return vectors if len(places) == len(vectors) else vectors[places]


def _within(chosen: NDArray[np.int64], places: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """The places among the chosen ones of `size`, -1 for none."""
    found = np.full(size + 1, -1, np.int64)
    found[chosen] = np.arange(len(chosen))
    return found[np.where(places >= 0, places, size)]
