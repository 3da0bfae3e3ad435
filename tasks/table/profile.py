"""Guessing the roles of a table's columns from their names and values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from fusemine.tasks.table.cells import as_text, parse_numbers
from fusemine.tasks.table.roles import TimeColumn
from fusemine.tasks.table.times import parse_times

SAMPLE = 20_000
_ID = re.compile(r"(^|[_\W])(id|key|uuid|guid|nr|rownames?|index|ticket|case)([_\W]|$)|id$", re.I)
_TIME = re.compile(r"date|time|day|created|opened|posted|timestamp|_at$|_on$", re.I)
_LABEL = re.compile(
    r"^(label|target|class|outcome|result|rating|sentiment|stars|priority|severity|status|"
    r"churn\w*|fraud\w*|resolution|category|y)$",
    re.I,
)
_UNNAMED = re.compile(r"column_\d+")  # what collecting calls a column without a name
# Tried in order; where either could be the day or the month, the first that reads most wins.
_FORMATS = (
    "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y",
    "%d/%m/%Y", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%B %d, %Y", "%b %d, %Y",
    "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%Y/%m/%d", "%Y%m%d", "%m/%d/%y",
)  # fmt: skip
READABLE = 0.95
_LONGEST_ID, _LEVELS, _CLASSES = 64, 1000, 20


class Role(StrEnum):
    """What a column is for."""

    ID = "id"
    TIME = "time"
    TEXT = "text"
    CATEGORY = "category"
    NUMBER = "number"
    LABEL = "label"
    NONE = "none"


@dataclass(frozen=True)
class Guess:
    """A column's role and the reason for it; `formats` are those of a time column."""

    column: str
    role: Role
    why: str
    formats: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Facts:
    name: str
    values: pl.Series
    filled: int
    distinct: int
    words: float
    longest: int
    numeric: float
    time: float
    formats: tuple[str, ...]

    @property
    def unique(self) -> bool:
        return self.filled == len(self.values) and self.distinct == self.filled

    @property
    def varied(self) -> float:
        return self.distinct / max(1, self.filled)


def guess_roles(table: pl.DataFrame, label: bool = True) -> list[Guess]:
    """A role for every column, from a sample of the first rows.

    At most one id, one time and one label are named; a column that fits none is left out.

    Args:
        table: The rows.
        label: Whether one of the columns may be the label.
    """
    facts = [_facts(column) for column in table.head(SAMPLE).iter_columns()]
    guesses = {fact.name: _guess(fact) for fact in facts}
    _keep_one(guesses, facts, Role.ID)
    _keep_one(guesses, facts, Role.TIME)
    if label:
        _name_label(guesses, facts)
    return list(guesses.values())


def _facts(column: pl.Series) -> _Facts:
    texts = as_text(column).str.strip_chars()
    filled = texts.drop_nulls().filter(texts.drop_nulls() != "")
    count = max(1, len(filled))
    share, formats = _time_share(column, filled)
    words = filled.str.count_matches(r"\S+").mean()
    longest = filled.str.len_chars().max()
    return _Facts(
        name=column.name,
        values=texts,
        filled=len(filled),
        distinct=filled.n_unique(),
        words=float(words) if isinstance(words, int | float) else 0.0,
        longest=int(longest) if isinstance(longest, int) else 0,
        numeric=parse_numbers(filled, ".").drop_nulls().len() / count,
        time=share,
        formats=formats,
    )


def _time_share(column: pl.Series, filled: pl.Series) -> tuple[float, tuple[str, ...]]:
    """The share of cells that are times, and the formats that read them (none: ISO 8601)."""
    if column.dtype in (pl.Date, pl.Datetime):
        return 1.0, ()
    probe = filled.head(2000)
    best: tuple[float, tuple[str, ...]] = (0.0, ())
    for formats in ((), *((pattern,) for pattern in _FORMATS)):
        times = parse_times(probe, TimeColumn(column=column.name, formats=formats), "UTC")
        share = times.drop_nulls().len() / max(1, len(probe))
        if share > best[0]:
            best = (share, formats)
    return best


def _guess(fact: _Facts) -> Guess:
    if fact.filled == 0:
        return Guess(fact.name, Role.NONE, "it is empty")
    if fact.distinct == 1:
        return Guess(fact.name, Role.NONE, "all its values are the same")
    if fact.time >= READABLE and (fact.numeric < READABLE or _TIME.search(fact.name)):
        shown = ", ".join(fact.formats) or "ISO 8601"
        return Guess(fact.name, Role.TIME, f"its values are times ({shown})", fact.formats)
    if fact.unique and fact.longest <= _LONGEST_ID and fact.words < 2 and _ID.search(fact.name):
        return Guess(fact.name, Role.ID, "its name says id and every row has its own")
    return _numeric(fact) if fact.numeric >= READABLE else _worded(fact)


def _worded(fact: _Facts) -> Guess:
    if fact.words >= 3 and (fact.varied > 0.2 or fact.longest > 200):
        return Guess(fact.name, Role.TEXT, f"{fact.words:.0f} words on average, mostly distinct")
    if fact.distinct <= _LEVELS and fact.varied <= 0.5:
        return Guess(fact.name, Role.CATEGORY, f"{fact.distinct} different values")
    if fact.words >= 2:
        return Guess(fact.name, Role.TEXT, f"{fact.words:.0f} words on average")
    return Guess(fact.name, Role.NONE, f"{fact.distinct} different codes, too many to compare")


def _numeric(fact: _Facts) -> Guess:
    if _UNNAMED.fullmatch(fact.name) and fact.unique:
        return Guess(fact.name, Role.NONE, "it has no name and numbers the rows")
    if fact.distinct == 2:
        return Guess(fact.name, Role.CATEGORY, "two different numbers")
    if fact.unique and _consecutive(fact):
        return Guess(fact.name, Role.NONE, "it only counts the rows")
    return Guess(fact.name, Role.NUMBER, f"{fact.numeric:.0%} of its values are numbers")


def _consecutive(fact: _Facts) -> bool:
    numbers = parse_numbers(fact.values, ".").sort()
    return bool((numbers.diff().drop_nulls() == 1).all())


def _keep_one(guesses: dict[str, Guess], facts: list[_Facts], role: Role) -> None:
    """Of several candidates the first one stays; of times, one that is named so."""
    found = [fact.name for fact in facts if guesses[fact.name].role is role]
    found.sort(key=lambda name: role is Role.TIME and not _TIME.search(name))
    for name in found[1:]:
        guesses[name] = Guess(name, Role.NONE, f"{found[0]!r} is the {role} already")


def _name_label(guesses: dict[str, Guess], facts: list[_Facts]) -> None:
    for fact in facts:
        usable = guesses[fact.name].role in {Role.CATEGORY, Role.NUMBER}
        if usable and _LABEL.match(fact.name) and 2 <= fact.distinct <= _CLASSES:
            why = f"its name says label and it has {fact.distinct} classes"
            guesses[fact.name] = Guess(fact.name, Role.LABEL, why)
            return
