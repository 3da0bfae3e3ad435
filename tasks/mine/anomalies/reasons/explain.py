"""Why a row is unusual, in a sentence that a person can check against the row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.errors import quote
from fusemine.tasks.mine.anomalies.evidence import CategoryMismatch, Evidence, NumberMismatch
from fusemine.tasks.mine.anomalies.reasons.baseline import position_of
from fusemine.tasks.stats.intervals import percent
from fusemine.tasks.table.roles import NUMBER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusemine.tasks.mine.anomalies.evidence import Burst
    from fusemine.tasks.mine.anomalies.reasons.baseline import (
        CategoryColumn,
        ComparedRows,
        NumberColumn,
        Position,
    )
    from fusemine.tasks.mine.anomalies.views.bursts import RowBursts
    from fusemine.tasks.mine.anomalies.views.mahalanobis import Covariance
    from fusemine.tasks.mine.anomalies.views.match import Match
    from fusemine.tasks.mine.anomalies.views.view import Floats, Table, View

LONGEST = 360
"""Characters of a reason."""
MAX_CLAUSES = 4
RARE = 0.01
"""A number, a category or an empty value in at most this share of the rows is reported; so is
what a view found of a row that is as rare in it."""
UNLIKE = 0.01
"""A text that is at most so probable is reported as unlike the others."""
ENOUGH = 100
"""Rows that a group needs before a number is compared with it."""
MUCH = 4
"""A number is compared with a group in which it is at least this many times rarer than overall."""
EXPECTED, APART = 10, 10
"""Two categories that chance would bring together in this many rows, and this much more often."""


@dataclass(frozen=True)
class Findings:
    """What the views found of n rows.

    Attributes:
        rows: The rows, and what is usual.
        table: Their columns besides the text.
        views: What each view found.
        shares: By view, the share of the known rows (n,) that are less unusual.
        match: How text and table go together; None where that is not known.
        bursts: The bursts that rows are in.
        covariance: That of the known rows' features; None where no two differ.
    """

    rows: ComparedRows
    table: Table
    views: dict[str, View]
    shares: dict[str, Floats]
    match: Match | None
    bursts: RowBursts | None
    covariance: Covariance | None

    def reason(self, row: int, rare: Sequence[str]) -> str:
        """Why a row is unusual, in a sentence; `rare` are the rare words of its text."""
        text = float(self.shares["text"][row])
        matched = self.match if self.views["match"].p_values[row] <= RARE else None
        evidence = Evidence(
            text=None if math.isnan(text) else text,
            p_value=float(self.views["text"].p_values[row]),
            mismatch=matched.mismatch(row) if matched else None,
            burst=self.bursts.evidence(row) if self.bursts else None,
        )
        return explain(self.rows, row, evidence, rare) or self._as_a_whole(row)

    def _as_a_whole(self, row: int) -> str:
        """For a row none of whose values is rare: the text, or how its features go together."""
        text, table = (self.views[name].p_values[row] for name in ("text", "table"))
        if self.covariance is None or text < table:
            share = float(self.shares["text"][row])
            return f"No value is rare; the text as a whole is {_unlike(share)}."
        named = self.covariance.top_features(self.table.features[row], self.table.names)
        features = ", ".join(self._valued(row, name.partition(".")[2] or name) for name in named)
        return f"No value is rare; unusual is how these go together: {features}."

    def _valued(self, row: int, feature: str) -> str:
        """A feature's name, with the row's number where it is a column of numbers."""
        clean = self.table.clean
        value = clean[NUMBER + feature][row] if NUMBER + feature in clean.columns else None
        return quote(feature) if value is None else f"{quote(feature)} {figure(value)}"


@dataclass(frozen=True)
class _Clause:
    """A part of a reason; `chance` is the share of rows of which as much could be reported."""

    chance: float
    words: str


def explain(rows: ComparedRows, row: int, evidence: Evidence, rare: Sequence[str]) -> str:
    """Name what sets a row apart: rare values, rare combinations, what the views found.

    Args:
        rows: The rows and their baseline; a row that is not known is compared with earlier rows.
        row: Its place in the clean table.
        evidence: What the views found of it.
        rare: The text's `unusual_words`.

    Returns:
        One line of plain text, at most `LONGEST` characters, to be escaped where it is shown;
        empty where nothing about the row is rare by itself.
    """
    clauses = [clause for column in rows.numbers for clause in _number(rows, column, row)]
    clauses += [clause for column in rows.categories for clause in _category(rows, column, row)]
    for column, other in combinations(rows.categories, 2):
        clauses += _pair(rows, column, other, row)
    if evidence.text is not None:
        clauses += _text(evidence.text, evidence.p_value, rare)
    found = _mismatch(evidence.mismatch, _named(rows, row))
    found += [_burst(evidence.burst)] if evidence.burst else []
    # What a view found is always named.
    found += sorted(clauses, key=_chance)[: MAX_CLAUSES - len(found)]
    return _sentence([clause.words for clause in sorted(found, key=_chance)]) if found else ""


def _chance(clause: _Clause) -> float:
    return clause.chance


def _sentence(parts: list[str]) -> str:
    while len(parts) > 1 and len("; ".join(parts)) >= LONGEST:
        parts = parts[:-1]
    return f"{'; '.join(parts)[: LONGEST - 1]}."


def _named(rows: ComparedRows, row: int) -> str:
    """What the others are called."""
    return "rows" if rows.known[row] else "earlier rows"


def _none(rows: ComparedRows, row: int) -> str:
    return "no other row" if rows.known[row] else "no earlier row"


def _number(rows: ComparedRows, column: NumberColumn, row: int) -> Iterator[_Clause]:
    value, history = float(column.values[row]), column.history
    if math.isnan(value) or not len(history.ordered):
        yield from _empty(rows, history.name, len(history.ordered), row)
        return
    others = _named(rows, row)
    places = [(position_of(value, history.ordered), others)]
    # A number may be usual overall and yet not for the row's level of some category.
    for other in rows.categories:
        code = int(other.codes[row])
        if code >= 0 and other.history.count(code) >= ENOUGH:
            among = rows.baseline.among(history, other.history, code)
            if len(among) >= ENOUGH:
                places.append((position_of(value, among), f"{others} with {_level(other, row)}"))
    chances = [place.rest * (MUCH if i else 1) for i, (place, _) in enumerate(places)]
    place, group = places[int(np.argmin(chances))]
    if place.rest <= RARE or _far(value, place):
        yield _Clause(place.rest, _placed(history.name, value, place, group))


def _far(value: float, place: Position) -> bool:
    """Whether a number is one of the two most extreme and far outside the usual range."""
    span = max(place.top - place.low, abs(place.top) * RARE)
    return place.rest * place.size <= 2 and not (place.low - span <= value <= place.top + span)


def _placed(name: str, value: float, place: Position, group: str) -> str:
    side = "above" if place.high else "below"
    span = figure(place.low)
    span += f" to {figure(place.top)}" if place.top > place.low else ""
    return f"{quote(name)} {figure(value)} is {side} {_of(place.share)} {group}, usually {span}"


def _of(share: float) -> str:
    return "all" if share == 1 else f"{percent(share)} of"


def _empty(rows: ComparedRows, name: str, filled: int, row: int) -> Iterator[_Clause]:
    known = rows.baseline.rows
    empty = known - filled
    others = empty - int(rows.known[row])
    if filled and (not others or empty <= RARE * known):
        among = f"{few(empty / known)} of {_named(rows, row)}" if others else _none(rows, row)
        yield _Clause(max(empty, 1) / known, f"{quote(name)} is empty, as in {among}")


def _category(rows: ComparedRows, column: CategoryColumn, row: int) -> Iterator[_Clause]:
    code, history, known = int(column.codes[row]), column.history, rows.baseline.rows
    if code < 0:
        yield from _empty(rows, history.name, history.filled, row)
        return
    others = history.count(code) - int(rows.known[row])
    chance = history.as_rare(others + 1)
    if known and others <= max(0, RARE * known - 1) and chance <= 5 * RARE:
        share = few(history.count(code) / known)
        among = f"{share} of {_named(rows, row)}" if others else _none(rows, row)
        yield _Clause(max(chance, 1 / known), f"{_level(column, row)} occurs in {among}")


def _pair(
    rows: ComparedRows, column: CategoryColumn, other: CategoryColumn, row: int
) -> Iterator[_Clause]:
    """Two levels that are both frequent and yet hardly ever come together."""
    code, other_code = int(column.codes[row]), int(other.codes[row])
    if code < 0 or other_code < 0 or not rows.baseline.rows:
        return
    frequent = column.history.count(code) * other.history.count(other_code)
    expected = frequent / rows.baseline.rows
    if expected < EXPECTED:
        return
    together = rows.baseline.together(column.history, other.history, code, other_code)
    others = together - int(rows.known[row])
    if (others + 1) * APART <= expected:
        both = f"{_level(column, row)} with {_level(other, row)}"
        kind = "other" if rows.known[row] else "earlier"
        among = f"{others or 'no'} {kind} {'row' if others <= 1 else 'rows'}"
        yield _Clause(
            (others + 1) / expected / APART,
            f"{both} occurs in {among} where chance would give {figure(round(expected))}",
        )


def _text(share: float, p_value: float, rare: Sequence[str]) -> Iterator[_Clause]:
    listed = ", ".join(f"'{quote(word)}'" for word in rare)
    named = f"the rare word{'s' * (len(rare) > 1)} {listed}"
    if p_value <= UNLIKE:
        more = f" and has {named}" if rare else ""
        yield _Clause(p_value, f"the text is {_unlike(share)}{more}")
    elif rare:
        yield _Clause(RARE, f"the text has {named}")


def _unlike(share: float) -> str:
    """How a text is described of which this share of the known ones is less unusual."""
    return f"more unlike the rest than {_of(share)} texts"


def _mismatch(found: CategoryMismatch | NumberMismatch | None, others: str) -> list[_Clause]:
    """What the text suggests against the table."""
    if found is None:
        return []
    if isinstance(found, NumberMismatch):
        suggested = figure(float(f"{found.suggested:.2g}"))
        reads = (
            f"the text suggests a '{quote(found.column)}' of about {suggested}, the table says "
            f"{figure(found.value)}; {_of(found.closer)} {others} are closer to what their text "
            "suggests"
        )
        return [_Clause(max(1 - found.closer, 1 / max(found.size, 1)), reads)]
    table = f"the table says '{quote(found.value)}'" if found.value else "the table says nothing"
    reads = f"{quote(found.column)} '{quote(found.suggested)}' ({percent(found.probability)})"
    return [_Clause((1 - found.probability) * RARE, f"the text reads like {reads}, {table}")]


def _burst(burst: Burst) -> _Clause:
    usual = f"about {figure(round(burst.expected))}" if burst.expected >= 1 else "hardly any"
    verb = "is" if round(burst.expected) <= 1 else "are"
    named = f"{quote(burst.column)} '{quote(burst.level)}'"
    return _Clause(
        RARE * min(max(burst.expected, 1) / max(burst.rows, 1), 1),
        f"{named} has {burst.rows:,} rows in {quote(burst.partition)}, where {usual} {verb} usual",
    )


def _level(column: CategoryColumn, row: int) -> str:
    return f"{quote(column.history.name)} '{quote(column.levels[column.codes[row]])}'"


def few(share: float) -> str:
    """A small share in words that show that it is small.

    >>> few(0.004)
    'only 0.4 %'
    """
    return f"{'only ' * (share >= 0.001)}{percent(share)}"


def figure(value: float) -> str:
    """A number as a person writes it.

    >>> figure(18_000), figure(0.25), figure(1.234e9)
    ('18,000', '0.25', '1.234e+09')
    """
    if value == round(value) and abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:,.4g}" if 0.001 <= abs(value) < 1e4 else f"{value:.4g}"
