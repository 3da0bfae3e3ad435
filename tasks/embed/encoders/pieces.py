"""Long texts: cut into pieces that a model can read, and their vectors put together again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusemine.tasks.embed.settings import EmbedSettings

Span = tuple[int, int]
"""A range of characters: the first, and the one after the last."""

# Texts of more characters per token are no language; what is beyond is not read.
CHARACTERS_PER_TOKEN = 64
# A sentence has to end within this last share of a piece for the piece to end there.
_LOOK_BACK = 0.3
_SENTENCE_ENDS = ".!?…。！？\n"


def readable(text: str, max_tokens: int, settings: EmbedSettings) -> str:
    """As much of a text as can matter, so that a huge one costs no more than a long one.

    Args:
        text: The text.
        max_tokens: Tokens that the encoder reads at once.
        settings: How long texts are read.
    """
    pieces = 1 if settings.long_text == "truncate" else settings.max_pieces
    return text[: CHARACTERS_PER_TOKEN * max_tokens * pieces]


def cut(text: str, tokens: Sequence[Span], size: int, settings: EmbedSettings) -> list[str]:
    """The pieces of a long text.

    Each ends at a sentence's end where one is near and begins some tokens before the last one's
    end.

    Args:
        text: The text.
        tokens: The characters of each of its tokens.
        size: Tokens in a piece.
        settings: How to cut.

    >>> from fusemine.tasks.embed.settings import EmbedSettings
    >>> spans = [(0, 3), (4, 7), (7, 8), (9, 14), (15, 19), (20, 24)]
    >>> settings = EmbedSettings(long_text="mean", overlap_tokens=0)
    >>> cut("one two. three four five", spans, 4, settings)
    ['one two.', 'three four five']
    """
    if settings.long_text == "truncate":
        return [text]
    windows = _windows(text, tokens, size, min(settings.overlap_tokens, size // 2))
    if settings.long_text == "first_last":
        windows = [windows[0], (max(0, len(tokens) - size), len(tokens))]
    return [
        text[tokens[first][0] : tokens[last - 1][1]]
        for first, last in windows[: settings.max_pieces]
    ]


def _windows(text: str, tokens: Sequence[Span], size: int, overlap: int) -> list[tuple[int, int]]:
    """Ranges of tokens; only the last one ends where the text does."""
    windows = []
    first = 0
    while first + size < len(tokens):
        last = _sentence_end(text, tokens, first, first + size)
        windows.append((first, last))
        first = max(last - overlap, first + 1)
    return [*windows, (first, len(tokens))]


def _sentence_end(text: str, tokens: Sequence[Span], first: int, last: int) -> int:
    """The end of the last sentence that ends near `last`, or `last` itself."""
    nearest = last - int((last - first) * _LOOK_BACK)
    for end in range(last, nearest - 1, -1):
        between = text[tokens[end - 1][1] - 1 : tokens[end][0] + 1]
        if between[0] in _SENTENCE_ENDS and (len(between) > 2 or between[0] in "。！？\n"):
            return end
        if "\n" in between:
            return end
    return last


def pool(
    vectors: np.ndarray, owners: Sequence[int], sizes: Sequence[int], settings: EmbedSettings
) -> np.ndarray:
    """Unit vectors of texts from those of their pieces.

    Args:
        vectors: Of the pieces, float32 of shape (pieces, dimension).
        owners: For each piece the number of its text, ascending and without a gap.
        sizes: For each piece its tokens, by which a mean weighs it.
        settings: How long texts are read.

    Returns:
        float32 of shape (texts, dimension).
    """
    units = unit(vectors)
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    if len(starts) == len(units):
        return units
    if settings.long_text == "max":
        return unit(np.maximum.reduceat(units, starts, axis=0))
    weights = np.asarray(sizes, np.float32)[:, None]
    return unit(np.add.reduceat(units * weights, starts, axis=0))
