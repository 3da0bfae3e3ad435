"""The report's section on the rows that were read and rejected, and on the table's columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.report.markdown import chapter, table
from fusemine.tasks.report.model import Figure, Part, ReportInputs, Section, StageRow, View
from fusemine.tasks.report.rates import classes
from fusemine.tasks.report.rows.counts import row_counts
from fusemine.tasks.report.words import count, cut, finite, listed, number, percent, plural
from fusemine.tasks.table.roles import CATEGORY, NUMBER, TEXT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusemine.tasks.report.rows.counts import RowCounts
    from fusemine.tasks.report.settings import ReportSettings

RULES, COLUMNS = 30, 200
_ROLES = {TEXT: "text", CATEGORY: "category", NUMBER: "number"}


@dataclass(frozen=True)
class Rule:
    """Rows that one rule rejected (or could not assign), with the first reason and rows."""

    stage: str
    rule: str
    rows: int
    reason: str
    examples: list[str]


@dataclass(frozen=True)
class ColumnProfile:
    """One column of the clean table; `missing` is a share from 0 to 1."""

    name: str
    role: str
    missing: float
    missing_rows: int
    distinct: int
    values: str


@dataclass(frozen=True)
class RowsSection(Section):
    """The rows by stage and rule, and the columns."""

    stages: list[StageRow]
    facts: list[Figure]
    rules: list[Rule]
    more_rules: int
    columns: list[ColumnProfile]
    more_columns: int
    gaps: str
    left_out: str


def section(inputs: ReportInputs, _: pl.DataFrame, settings: ReportSettings) -> Part:
    """The rows of every stage, also in short."""
    counts, rules, columns = row_counts(inputs), _rules(inputs, settings), _profiles(inputs.clean)
    content = RowsSection(
        lead=_lead(counts),
        stages=list(inputs.stages),
        facts=_facts(inputs),
        rules=rules[:RULES],
        more_rules=len(rules[RULES:]),
        columns=columns[:COLUMNS],
        more_columns=len(columns[COLUMNS:]),
        gaps=listed([cut(gap, 40) for gap in inputs.gaps], limit=12),
        left_out=listed([cut(key, 40) for key in inputs.left_out], limit=12),
    )
    return Part(
        views=[View("intake", "Rows and columns", "intake.html.j2", content)],
        figures=_figures(inputs, counts),
        finding=_finding(counts),
        summary=chapter("Rows by stage", _stages(inputs.stages)),
    )


def _figures(inputs: ReportInputs, counts: RowCounts) -> list[Figure]:
    rows_in, kept, rejected = counts.rows_in, counts.rows_kept, counts.rows_rejected
    return [
        Figure("rows in", count(rows_in), plural(len(inputs.partitions), "partition")),
        Figure("rows kept", count(kept), percent(kept / rows_in) if rows_in else ""),
        Figure("rows rejected", count(rejected), _more(counts)),
    ]


def _more(counts: RowCounts) -> str:
    return f"and {listed(counts.others())}" if counts.others() else ""


def _finding(counts: RowCounts) -> str:
    kept, rejected = f"{count(counts.rows_kept)} kept", f"{count(counts.rows_rejected)} rejected"
    return f"Rows: {', '.join([f'{count(counts.rows_in)} in', kept, rejected, *counts.others()])}."


def _stages(stages: Sequence[StageRow]) -> str:
    header = ("stage", "rows in", "kept", "rejected", "unassigned")
    rows = [
        (s.stage, *map(count, (s.rows_in, s.rows_kept, s.rows_rejected, s.unassigned)))
        for s in stages
    ]
    return table(header, rows)


def _lead(counts: RowCounts) -> str:
    rows, rejected = counts.rows_in, counts.rows_rejected
    lost = [f"{count(rejected)} rejected"] if rejected else []
    lost += counts.others()
    if not lost:
        return f"{plural(rows, 'row was', 'rows were')} read, and all were kept."
    return f"Of {plural(rows, 'row')}, {count(counts.rows_kept)} were kept, {', '.join(lost)}."


def _facts(inputs: ReportInputs) -> list[Figure]:
    clean, rows = inputs.clean, inputs.clean.height or 1
    empty = clean.height - int(clean["has_text"].sum())
    repeats = clean.height - clean["duplicate_of"].null_count()
    unlabelled = clean["label"].null_count()
    encoded = inputs.embeddings or {}
    foreign = encoded.get("foreign_texts") or {}
    found = [
        ("rows without text", empty, percent(empty / rows)),
        ("exact duplicates", repeats, f"{percent(repeats / rows)}, marked and kept"),
        ("rows without label", unlabelled, percent(unlabelled / rows)),
        ("distinct texts", encoded.get("distinct_texts"), "per partition; embedded once"),
        ("long texts", encoded.get("long_texts"), _long_words(inputs)),
        ("texts in other languages", sum(foreign.values()) or None, _foreign_words(foreign)),
        ("partitions", len(inputs.partitions), "with rows in the window"),
        ("gaps", len(inputs.gaps) or None, "partitions of the window without rows"),
        ("left out", len(inputs.left_out) or None, "partitions of the window, not prepared"),
    ]
    return [Figure(name, count(value), words) for name, value, words in found if value is not None]


def _long_words(inputs: ReportInputs) -> str:
    """How texts were embedded that are longer than the encoder's limit."""
    rule = (inputs.settings.get("embed") or {}).get("long_text", "truncate")
    read = "cut" if rule == "truncate" else f"read in pieces ({rule.replace('_', ' and ')})"
    return f"longer than the encoder's limit, {read}"


def _foreign_words(foreign: dict[str, int]) -> str:
    """The most frequent languages that the encoder does not support."""
    most = sorted(foreign.items(), key=lambda item: (-item[1], item[0]))[:5]
    return "not supported by the encoder: " + ", ".join(f"{n} {count(k)}" for n, k in most)


def _rules(inputs: ReportInputs, settings: ReportSettings) -> list[Rule]:
    """The rules that rejected rows, those with most rows first."""
    removed = pl.concat([inputs.rejected, inputs.unassigned], how="vertical_relaxed")
    groups = removed.group_by("stage", "rule").agg(
        pl.len().alias("rows"),
        pl.col("reason").first(),
        pl.col("row").head(settings.examples).alias("examples"),
    )
    order = groups.sort(["rows", "stage", "rule"], descending=[True, False, False])
    return [
        Rule(
            stage=cut(row["stage"], 40),
            rule=cut(row["rule"], 80),
            rows=row["rows"],
            reason=cut(row["reason"], 200),
            examples=[cut(example, 240) for example in row["examples"]],
        )
        for row in order.iter_rows(named=True)
    ]


def _profiles(clean: pl.DataFrame) -> list[ColumnProfile]:
    """A profile of each of the user's columns, those with most missing values first."""
    found = []
    times = clean["event_time"].rename("value")
    if times.count():
        found.append(_profile("event time", "time", times))
    for name in clean.columns:
        prefix = next((p for p in _ROLES if name.startswith(p)), None)
        if prefix is not None:
            values = clean[name].rename("value")
            found.append(_profile(name.removeprefix(prefix), _ROLES[prefix], values))
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
