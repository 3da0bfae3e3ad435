"""The columns of the clean table: how full they are, and what they hold."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from fusemine.tasks.report.rates import classes
from fusemine.tasks.report.words import count, cut, finite, number, percent
from fusemine.tasks.table.roles import CATEGORY, NUMBER, TEXT

_ROLES = {TEXT: "text", CATEGORY: "category", NUMBER: "number"}


@dataclass(frozen=True)
class ColumnProfile:
    """One column of the clean table; `missing` is a share from 0 to 1."""

    name: str
    role: str
    missing: float
    missing_rows: int
    distinct: int
    values: str


def profiles(clean: pl.DataFrame) -> list[ColumnProfile]:
    """A profile of each of the user's columns, those with most missing values first."""
    found = []
    for name in clean.columns:
        prefix = next((p for p in _ROLES if name.startswith(p)), None)
        if prefix is not None:
            values = clean[name].rename("value")
            found.append(_profile(name.removeprefix(prefix), _ROLES[prefix], values))
    times = clean["event_time"].rename("value")
    if times.count():
        found.insert(0, _profile("event time", "time", times))
    return sorted(found, key=lambda column: -column.missing)


def _profile(name: str, role: str, values: pl.Series) -> ColumnProfile:
    present = values.drop_nulls()
    if role == "text":
        present = present.filter(present != "")
    elif role == "number":
        present = present.filter(present.is_finite())
    missing = values.len() - present.len()
    return ColumnProfile(
        name=cut(name, 80),
        role=role,
        missing=missing / (values.len() or 1),
        missing_rows=missing,
        distinct=present.n_unique(),
        values=_describe(role, present) if present.len() else "",
    )


def _describe(role: str, present: pl.Series) -> str:
    if role == "text":
        lengths = present.str.len_chars()
        middle, longest = (count(finite(v) or 0) for v in (lengths.median(), lengths.max()))
        return f"median {middle} characters, longest {longest}"
    if role == "time":
        days = present.dt.date().sort().cast(pl.String)
        return f"{days[0]} to {days[-1]}"
    if role == "number":
        low, mid, high = (_short(v) for v in (present.min(), present.median(), present.max()))
        return f"{low} to {high}, median {mid}"
    top = classes(present)[:3]
    return " · ".join(f"{cut(name, 40)} {percent(n / present.len())}" for name, n in top)


def _short(value: object) -> str:
    figure = float(value)  # type: ignore[arg-type]
    if figure == int(figure) and abs(figure) < 1e15:
        return count(figure).replace("-", "−")
    return number(figure) if 0.001 <= abs(figure) < 1e6 else f"{figure:.3g}"
