"""Why a row is unusual, in a sentence that a person can check against the row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from tasks.anomalies.usual import tail
from tasks.quoting import percent, quote
from tasks.texts.words import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.anomalies.usual import Categories, Numbers, Tail, Usual

LONGEST = 360
"""Characters of a reason."""
MOST_CLAUSES, MOST_WORDS = 4, 3
RARE = 0.01
"""A number, a category or an empty value in at most this share of the rows is worth telling."""
RARE_WORD, TEXTS = 0.001, 100
"""A word in at most this share of the texts is rare, if there are at least so many texts."""
UNLIKE = 0.99
"""A text is called unlike the others from this share on."""
ENOUGH = 100
"""Rows that a group needs before a number is held against it."""
MUCH = 4
"""A number is held against a group in which it is at least this many times rarer than overall."""
EXPECTED, APART = 10, 10
"""Two categories that chance would bring together in this many rows, and this much oftener."""


@dataclass(frozen=True)
class _Clause:
    """A part of a reason; `chance` is the share of rows of which as much could be said."""

    chance: float
    words: str


def explain(usual: Usual, row: int, text_score: float | None) -> str:
    """Say what sets a row apart: rare values, rare combinations, a text unlike the others.

    Args:
        usual: What the row is held against.
        row: Its place in the clean table.
        text_score: The share of the rows whose text is less unusual; None without a text.

    Returns:
        One line of plain text, at most `LONGEST` characters, to be escaped where it is shown;
        empty where nothing about the row is rare by itself.
    """
    clauses = [clause for column in usual.numbers for clause in _number(usual, column, row)]
    clauses += [clause for column in usual.categories for clause in _category(usual, column, row)]
    for column, other in combinations(usual.categories, 2):
        clauses += _pair(usual, column, other, row)
    if text_score is not None:
        clauses += _text(usual, row, text_score)
    chosen = sorted(clauses, key=lambda clause: clause.chance)[:MOST_CLAUSES]
    return _sentence([clause.words for clause in chosen]) if chosen else ""


def _sentence(parts: list[str]) -> str:
    while len(parts) > 1 and len("; ".join(parts)) >= LONGEST:
        parts = parts[:-1]
    said = "; ".join(parts)[: LONGEST - 1]
    return f"{said}."


def _number(usual: Usual, column: Numbers, row: int) -> Iterator[_Clause]:
    value = float(column.values[row])
    if math.isnan(value):
        yield from _empty(column.name, len(column.ordered), usual.rows)
        return
    places = [(tail(value, column.ordered), "rows")]
    for other in usual.categories:
        among = usual.among(column, other, int(other.codes[row]))
        if other.codes[row] >= 0 and len(among) >= ENOUGH:
            places.append((tail(value, among), f"rows with {_told(other, row)}"))
    chances = [place.rest * (1 if group == "rows" else MUCH) for place, group in places]
    place, group = places[int(np.argmin(chances))]
    if place.rest <= RARE or _far(value, place):
        yield _Clause(place.rest, _placed(column.name, value, place, group))


def _far(value: float, place: Tail) -> bool:
    """Whether a number is one of the two most extreme and far outside the usual range."""
    span = max(place.top - place.low, abs(place.top) * RARE)
    return place.rest * place.size <= 2 and not (place.low - span <= value <= place.top + span)


def _placed(name: str, value: float, place: Tail, group: str) -> str:
    side = "above" if place.high else "below"
    span = figure(place.low)
    span += f" to {figure(place.top)}" if place.top > place.low else ""
    what = f"{quote(name)} {figure(value)} is {side} {percent(place.share)} of {group}"
    return f"{what}, usually {span}"


def _empty(name: str, known: int, rows: int) -> Iterator[_Clause]:
    share = 1 - known / rows
    if share <= max(RARE, 1 / rows):
        yield _Clause(share, f"{quote(name)} is empty, as in {few(share)} of rows")


def _category(usual: Usual, column: Categories, row: int) -> Iterator[_Clause]:
    code = int(column.codes[row])
    if code < 0:
        yield from _empty(column.name, int(column.counts.sum()), usual.rows)
        return
    count, chance = int(column.counts[code]), float(column.as_rare[code])
    if count <= max(1, RARE * usual.rows) and chance <= 5 * RARE:
        told = "no other row" if count == 1 else f"{few(count / usual.rows)} of rows"
        yield _Clause(chance, f"{_told(column, row)} occurs in {told}")


def _pair(usual: Usual, column: Categories, other: Categories, row: int) -> Iterator[_Clause]:
    """Two values that are both frequent and yet hardly ever come together."""
    code, its = int(column.codes[row]), int(other.codes[row])
    if code < 0 or its < 0:
        return
    expected = int(column.counts[code]) * int(other.counts[its]) / usual.rows
    if expected < EXPECTED:
        return
    found = usual.together(column, other, code, its)
    if found * APART <= expected:
        together = f"{_told(column, row)} with {_told(other, row)}"
        rows = "no other row" if found == 1 else f"{found} rows"
        yield _Clause(
            found / expected / APART,
            f"{together} occurs in {rows} where chance would give {figure(round(expected))}",
        )


def _text(usual: Usual, row: int, score: float) -> Iterator[_Clause]:
    rare = _rare_words(usual, row)
    listed = ", ".join(f"'{quote(word)}'" for word in rare)
    if score >= UNLIKE:
        named = f" and has the rare word{'s' * (len(rare) > 1)} {listed}" if rare else ""
        yield _Clause(1 - score, f"the text is unlike {percent(score)} of the others{named}")
    elif rare:
        yield _Clause(RARE, f"the text has the rare word{'s' * (len(rare) > 1)} {listed}")


def _rare_words(usual: Usual, row: int) -> list[str]:
    """The rarest words of a text; those of one text only come last, being often misspelt."""
    if usual.texts_read < TEXTS:
        return []
    most = max(1, RARE_WORD * usual.texts_read)
    counts = {word: usual.word_rows[word] for word in words(str(usual.texts[row]))}
    rare = [word for word, count in counts.items() if count <= most and len(word) > 3]
    return sorted(rare, key=lambda word: (counts[word] < 2, counts[word], -len(word), word))[
        :MOST_WORDS
    ]


def _told(column: Categories, row: int) -> str:
    return f"{quote(column.name)} '{quote(column.values[column.codes[row]])}'"


def few(share: float) -> str:
    """A small share in words that say that it is small."""
    return f"{'only ' * (share >= 0.001)}{percent(share)}"


def figure(value: float) -> str:
    """A number as a person writes it: 18,000, 0.25, 1.2e+09."""
    if value == round(value) and abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:,.4g}" if 0.001 <= abs(value) < 1e4 else f"{value:.4g}"
