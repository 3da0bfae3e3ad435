"""Vectors that no embedding model gives, though their form is right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from fusemine.tasks.core.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_TEXTS = 3
"""So many texts have to be alike in their vectors before a server is refused for it."""
# Of longer texts a server may read only the beginning, and case and marks may not count for it.
_BEGINNING = 100
_ALIKE = 1e-10
"""What cosines of the same vector differ by from 1, by rounding. One word of a long text changes
more than that, also in a model that takes the mean of its words."""
_WORDS = re.compile(r"\w+")
_LETTERS = re.compile(r"[^\W\d_]+")
_FIX = "see that the server has loaded an embedding model, and one that reads such texts"


def refuse_empty(vectors: np.ndarray, texts: Sequence[str]) -> None:
    """Refuse zeros, or one number all over, as the vector of a text.

    Args:
        vectors: Shape (texts, dimension).
        texts: The texts.

    Raises:
        ModelError: There is one.
    """
    filled = np.array([bool(text.strip()) for text in texts])
    for what, found in (
        ("zeros alone", ~vectors.any(axis=1)),
        ("the same number all over", (vectors == vectors[:, :1]).all(axis=1)),
    ):
        count = int((found & filled).sum()) if vectors.shape[1] > 1 else 0
        if count:
            _refuse(f"an answer whose vectors of {count} of {len(texts)} texts are {what}")


def refuse_alike(vectors: np.ndarray, texts: Sequence[str]) -> None:
    """Refuse the same vector for texts that have nothing in common.

    Half of the texts, or more, have to have it, because models do give the same vector to a few
    texts: to those of words that they do not know, and to those that begin alike and are cut. And
    some of these must share few words: a coarse model may read a form letter as one text, whatever
    numbers and names it holds.

    Args:
        vectors: Shape (texts, dimension), none of them zero but of blank texts.
        texts: The texts.

    Raises:
        ModelError: They have.

    >>> refuse_alike(np.eye(3), ["late parcel", "wrong invoice", "no signal"])
    >>> refuse_alike(np.ones((3, 3)), ["late parcel", "late parcel", "Late parcel!"])
    """
    different = {" ".join(_WORDS.findall(text[:_BEGINNING].casefold())): n for n, text in
                 enumerate(texts)}  # fmt: skip
    numbers = [number for words, number in different.items() if words]
    if len(numbers) < LEAST_TEXTS:
        return
    lengths = np.linalg.norm(vectors[numbers].astype(np.float64), axis=1, keepdims=True)
    units = vectors[numbers] / np.maximum(lengths, np.finfo(np.float64).tiny)
    # One that half of them share is the median in every component.
    alike = np.flatnonzero(units @ _unit(np.median(units, axis=0)) > 1 - _ALIKE)
    if len(alike) >= max(LEAST_TEXTS, len(numbers) / 2) and _differ(
        [texts[numbers[place]] for place in alike]
    ):
        _refuse(f"the same vector for {len(alike)} of {len(numbers)} different texts")


def _differ(texts: Sequence[str]) -> bool:
    """Whether `LEAST_TEXTS` of the texts share less than half of their words with each other."""
    found: list[set[str]] = []
    for text in texts:
        words = set(_LETTERS.findall(text[:_BEGINNING].casefold()))
        if words and all(2 * len(words & other) < len(words | other) for other in found):
            found.append(words)
        if len(found) == LEAST_TEXTS:
            return True
    return False


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / (np.linalg.norm(vector) or 1.0))


def _refuse(got: str) -> NoReturn:
    raise ModelError(got=got, expected="a vector that depends on its text", fix=_FIX)
