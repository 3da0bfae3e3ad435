"""The words of a text that are rare, by what history says and by the texts nearest to it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from fusemine.tasks.text.words import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fusemine.tasks.mine.anomalies.reasons.baseline import Past

MOST_WORDS = 3
"""Words that are told of a text."""
RARE_WORD, TEXTS = 0.001, 100
"""A word in at most this share of the texts is rare, if there are at least so many texts."""
ESTABLISHED = 3
"""Rows from which on a word is one of the subject's rather than misspelt or a name."""
FEW_NEAR = 1
"""A word that more of the nearest texts have is usual for their kind, however rare overall."""
SAME_WORD = 0.85
"""Words spelt so much alike are one, misspelt or inflected (`difflib`'s ratio)."""


def not_near(rare: Sequence[str], near: Iterable[Sequence[str]]) -> list[str]:
    """Those of a text's rare words that the texts nearest to it, by their words, do not have.

    Returns:
        The first `MOST_WORDS` of them.
    """
    if not rare:
        return []
    found: list[str] = []
    others = [set(its) for its in near]
    for word in rare:
        if sum(_has(word, its) for its in others) <= FEW_NEAR:
            found.append(word)
        if len(found) == MOST_WORDS:
            break
    return found


def _has(word: str, others: set[str]) -> bool:
    """Whether a word is among others, or one spelt nearly like it."""
    if word in others:
        return True
    like = [its for its in others if its[0] == word[0] and abs(len(its) - len(word)) <= 2]
    return bool(get_close_matches(word, sorted(like), 1, SAME_WORD))


def rare_words(past: Past, text: str, *, new: bool) -> list[str]:
    """A text's rare words, rarest first; those below `ESTABLISHED` last, the misspelt and names.

    Args:
        past: Where the words were counted.
        text: The text.
        new: Whether no known row has it.
    """
    if past.texts_read < TEXTS:
        return []
    most = max(1, RARE_WORD * past.texts_read)
    counts = {word: past.rows_with(word) + new for word in words(text) if _telling(word)}
    rare = [word for word, count in counts.items() if count <= most]
    return sorted(
        rare, key=lambda word: (max(0, ESTABLISHED - counts[word]), counts[word], -len(word), word)
    )


def _telling(word: str) -> bool:
    """Whether a word is long enough to say something, and no number of a flight or a part."""
    return len(word) > 3 and not any(character.isdigit() for character in word)
