"""Why a row is unusual, in a sentence that a person can check against the row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.errors import quote
from fusemine.tasks.mine.anomalies.reasons.baseline import tail
from fusemine.tasks.mine.anomalies.reasons.evidence import Astray, Mismatch
from fusemine.tasks.mine.anomalies.reasons.rare_words import not_near, rare_words
from fusemine.tasks.text.sentences import percent
from fusemine.tasks.text.words import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusemine.tasks.mine.anomalies.reasons.baseline import Categories, Numbers, Tail, Usual
    from fusemine.tasks.mine.anomalies.reasons.evidence import Burst, Evidence
    from fusemine.tasks.mine.anomalies.views.text_neighbours import Neighbours
    from fusemine.tasks.text.distinct import Texts

LONGEST = 360
"""Characters of a reason."""
MOST_CLAUSES = 4
RARE = 0.01
"""A number, a category or an empty value in at most this share of the rows is worth telling."""
UNLIKE = 0.01
"""A text is called unlike the others that is at most so probable."""
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


def explain(usual: Usual, row: int, evidence: Evidence, rare: Sequence[str]) -> str:
    """Say what sets a row apart: rare values, rare combinations, what the views found.

    Args:
        usual: What the row is held against; a row that is not known, against earlier rows.
        row: Its place in the clean table.
        evidence: What the views found of it.
        rare: The text's `unusual_words`.

    Returns:
        One line of plain text, at most `LONGEST` characters, to be escaped where it is shown;
        empty where nothing about the row is rare by itself.
    """
    clauses = [clause for column in usual.numbers for clause in _number(usual, column, row)]
    clauses += [clause for column in usual.categories for clause in _category(usual, column, row)]
    for column, other in combinations(usual.categories, 2):
        clauses += _pair(usual, column, other, row)
    if evidence.text is not None:
        clauses += _text(evidence.text, evidence.chance, rare)
    found = _against(usual, row, evidence.match)
    found += [_burst(evidence.burst)] if evidence.burst else []
    # What a view found is always told.
    found += sorted(clauses, key=_chance)[: MOST_CLAUSES - len(found)]
    return _sentence([clause.words for clause in sorted(found, key=_chance)]) if found else ""


def _chance(clause: _Clause) -> float:
    return clause.chance


def _sentence(parts: list[str]) -> str:
    while len(parts) > 1 and len("; ".join(parts)) >= LONGEST:
        parts = parts[:-1]
    said = "; ".join(parts)[: LONGEST - 1]
    return f"{said}."


def _rows(usual: Usual, row: int) -> str:
    return "rows" if usual.known[row] else "earlier rows"


def _none(usual: Usual, row: int) -> str:
    return "no other row" if usual.known[row] else "no earlier row"


def _number(usual: Usual, column: Numbers, row: int) -> Iterator[_Clause]:
    value, past = float(column.values[row]), column.past
    if math.isnan(value) or not len(past.ordered):
        yield from _empty(usual, past.name, len(past.ordered), row)
        return
    rows = _rows(usual, row)
    places = [(tail(value, past.ordered), rows)]
    for other in usual.categories:
        code = int(other.codes[row])
        if code >= 0 and other.past.count(code) >= ENOUGH:
            among = usual.past.among(past, other.past, code)
            if len(among) >= ENOUGH:
                places.append((tail(value, among), f"{rows} with {_told(other, row)}"))
    chances = [place.rest * (MUCH if i else 1) for i, (place, _) in enumerate(places)]
    place, group = places[int(np.argmin(chances))]
    if place.rest <= RARE or _far(value, place):
        yield _Clause(place.rest, _placed(past.name, value, place, group))


def _far(value: float, place: Tail) -> bool:
    """Whether a number is one of the two most extreme and far outside the usual range."""
    span = max(place.top - place.low, abs(place.top) * RARE)
    return place.rest * place.size <= 2 and not (place.low - span <= value <= place.top + span)


def _placed(name: str, value: float, place: Tail, group: str) -> str:
    side = "above" if place.high else "below"
    span = figure(place.low)
    span += f" to {figure(place.top)}" if place.top > place.low else ""
    share = "all" if place.share == 1 else f"{percent(place.share)} of"
    return f"{quote(name)} {figure(value)} is {side} {share} {group}, usually {span}"


def _empty(usual: Usual, name: str, filled: int, row: int) -> Iterator[_Clause]:
    rows = usual.past.rows
    empty = rows - filled
    others = empty - int(usual.known[row])
    if filled and (not others or empty <= RARE * rows):
        among = f"{few(empty / rows)} of {_rows(usual, row)}"
        told = among if others else _none(usual, row)
        yield _Clause(max(empty, 1) / rows, f"{quote(name)} is empty, as in {told}")


def _category(usual: Usual, column: Categories, row: int) -> Iterator[_Clause]:
    code, past, rows = int(column.codes[row]), column.past, usual.past.rows
    if code < 0:
        yield from _empty(usual, past.name, past.filled, row)
        return
    others = past.count(code) - int(usual.known[row])
    chance = past.as_rare(others + 1)
    if rows and others <= max(0, RARE * rows - 1) and chance <= 5 * RARE:
        among = f"{few(past.count(code) / rows)} of {_rows(usual, row)}"
        told = among if others else _none(usual, row)
        yield _Clause(max(chance, 1 / rows), f"{_told(column, row)} occurs in {told}")


def _pair(usual: Usual, column: Categories, other: Categories, row: int) -> Iterator[_Clause]:
    """Two values that are both frequent and yet hardly ever come together."""
    code, its = int(column.codes[row]), int(other.codes[row])
    if code < 0 or its < 0 or not usual.past.rows:
        return
    expected = column.past.count(code) * other.past.count(its) / usual.past.rows
    if expected < EXPECTED:
        return
    together = usual.past.together(column.past, other.past, code, its)
    others = together - int(usual.known[row])
    if (others + 1) * APART <= expected:
        both = f"{_told(column, row)} with {_told(other, row)}"
        rows = f"{others} other {'row' if others == 1 else 'rows'}" if others else "no other row"
        rows = rows if usual.known[row] else rows.replace("other", "earlier")
        yield _Clause(
            (others + 1) / expected / APART,
            f"{both} occurs in {rows} where chance would give {figure(round(expected))}",
        )


def _text(share: float, chance: float, rare: Sequence[str]) -> Iterator[_Clause]:
    listed = ", ".join(f"'{quote(word)}'" for word in rare)
    named = f"the rare word{'s' * (len(rare) > 1)} {listed}"
    if chance <= UNLIKE:
        more = f" and has {named}" if rare else ""
        yield _Clause(chance, f"the text is {unlike(share)}{more}")
    elif rare:
        yield _Clause(RARE, f"the text has {named}")


def unlike(share: float) -> str:
    """How a text is said to be of which this share of the known ones is less unusual."""
    return f"more unlike the rest than {'all' if share == 1 else f'{percent(share)} of'} texts"


def _against(usual: Usual, row: int, match: Mismatch | Astray | None) -> list[_Clause]:
    """What the text says against the table."""
    if isinstance(match, Astray):
        return [_astray(match, _rows(usual, row))]
    return [] if match is None else [_mismatch(match)]


def _astray(match: Astray, rows: str) -> _Clause:
    suggested = figure(float(f"{match.suggested:.2g}"))
    closer = "all" if match.closer == 1 else f"{percent(match.closer)} of"
    return _Clause(
        max(1 - match.closer, 1 / max(match.size, 1)),
        f"the text suggests a '{quote(match.column)}' of about {suggested}, the table says "
        f"{figure(match.value)}; {closer} {rows} are closer to what their text suggests",
    )


def _mismatch(match: Mismatch) -> _Clause:
    table = f"the table says '{quote(match.value)}'" if match.value else "the table says nothing"
    reads = f"{quote(match.column)} '{quote(match.suggested)}' ({percent(match.probability)})"
    return _Clause((1 - match.probability) * RARE, f"the text reads like {reads}, {table}")


def _burst(burst: Burst) -> _Clause:
    usual = f"about {figure(round(burst.expected))}" if burst.expected >= 1 else "hardly any"
    verb = "is" if round(burst.expected) <= 1 else "are"
    named = f"{quote(burst.column)} '{quote(burst.level)}'"
    return _Clause(
        RARE * min(max(burst.expected, 1) / max(burst.rows, 1), 1),
        f"{named} has {burst.rows:,} rows in {quote(burst.partition)}, where {usual} {verb} usual",
    )


def unusual_words(usual: Usual, texts: Texts, neighbours: Neighbours, text: int) -> list[str]:
    """The words of a text that are rare overall and that the texts nearest to it do not have.

    What a neighbour spells a little otherwise is no such word, nor is one that holds a digit.

    Args:
        usual: Where the words were counted.
        texts: The m distinct texts.
        neighbours: Their nearest texts.
        text: The text's place among them, or -1 for none.

    Returns:
        At most `MOST_WORDS` words, the rarest of those first that at least `ESTABLISHED` rows have.
    """
    if text < 0:
        return []
    first = int(texts.first[text])
    rare = rare_words(usual.past, str(usual.texts[first]), new=not usual.known[first])
    return not_near(rare, (words(texts.texts[place]) for place in neighbours.of(text)))


def _told(column: Categories, row: int) -> str:
    return f"{quote(column.past.name)} '{quote(column.levels[column.codes[row]])}'"


def few(share: float) -> str:
    """A small share in words that say that it is small."""
    return f"{'only ' * (share >= 0.001)}{percent(share)}"


def figure(value: float) -> str:
    """A number as a person writes it: 18,000, 0.25, 1.2e+09."""
    if value == round(value) and abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:,.4g}" if 0.001 <= abs(value) < 1e4 else f"{value:.4g}"
