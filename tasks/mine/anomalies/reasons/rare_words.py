"""The words of a text that are rare among the known rows and in the texts nearest to it."""

from __future__ import annotations

from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING

from fusemine.tasks.text.words import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fusemine.tasks.mine.anomalies.reasons.baseline import Baseline, ComparedRows
    from fusemine.tasks.mine.anomalies.views.text_neighbours import Neighbours
    from fusemine.tasks.text.distinct import Texts

MAX_WORDS = 3
"""At most this many words are named of a text."""
RARE_WORD, MIN_TEXTS = 0.001, 100
"""A word in at most this share of the texts is rare, if there are at least so many texts."""
ESTABLISHED = 3
"""A word of at least this many rows belongs to the subject: it is neither misspelt nor a name."""
FEW_NEAR = 1
"""A word that more of the nearest texts have is usual for their kind, however rare overall."""
SAME_WORD = 0.85
"""Words spelt so much alike are one, misspelt or inflected (`difflib`'s ratio)."""


def unusual_words(rows: ComparedRows, texts: Texts, neighbours: Neighbours, text: int) -> list[str]:
    """The words of a text that are rare overall and that the texts nearest to it do not have.

    What a neighbour spells a little otherwise is no such word, nor is one that holds a digit.

    Args:
        rows: The rows, and the baseline in which words were counted.
        texts: The m distinct texts.
        neighbours: Their nearest texts.
        text: The text's place among them, or -1 for none.

    Returns:
        At most `MAX_WORDS` words, the rarest of those first that at least `ESTABLISHED` rows have.
    """
    if text < 0:
        return []
    first = int(texts.first[text])
    rare = rare_words(rows.baseline, str(rows.texts[first]), new=not rows.known[first])
    return not_near(rare, (words(texts.texts[place]) for place in neighbours.of(text)))


def not_near(rare: Sequence[str], near: Iterable[Sequence[str]]) -> list[str]:
    """Those of a text's rare words that the texts nearest to it, by their words, do not have.

    Returns:
        The first `MAX_WORDS` of them.
    """
    # Without rare words the words of the neighbours are not read.
    others = [set(its) for its in near] if rare else []
    found = (word for word in rare if sum(_has(word, its) for its in others) <= FEW_NEAR)
    return list(islice(found, MAX_WORDS))


def _has(word: str, others: set[str]) -> bool:
    """Whether a word is among others, or one spelt nearly like it."""
    if word in others:
        return True
    like = [its for its in others if its[0] == word[0] and abs(len(its) - len(word)) <= 2]
    return bool(get_close_matches(word, sorted(like), 1, SAME_WORD))


def rare_words(baseline: Baseline, text: str, *, new: bool) -> list[str]:
    """A text's rare words, rarest first; those below `ESTABLISHED` last, the misspelt and names.

    Args:
        baseline: Where the words were counted.
        text: The text.
        new: Whether no known row has it.
    """
    if baseline.texts_read < MIN_TEXTS:
        return []
    most = max(1, RARE_WORD * baseline.texts_read)
    counts = {word: baseline.rows_with(word) + new for word in words(text) if _has_meaning(word)}
    rare = [word for word, count in counts.items() if count <= most]
    return sorted(
        rare, key=lambda word: (max(0, ESTABLISHED - counts[word]), counts[word], -len(word), word)
    )


def _has_meaning(word: str) -> bool:
    """Whether a word is long enough to mean something, and no number of a flight or a part."""
    return len(word) > 3 and not any(character.isdigit() for character in word)
