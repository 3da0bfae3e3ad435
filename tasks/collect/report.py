"""What came in and what was rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.report.facts import classes
from fusemine.tasks.report.model import ColumnProfile, Figure, Intake, ReportInputs, Rule
from fusemine.tasks.report.words import count, cut, listed, number, percent, plural
from fusemine.tasks.table.roles import CATEGORY, NUMBER, TEXT

if TYPE_CHECKING:
    from fusemine.tasks.report.settings import ReportSettings

RULES, COLUMNS = 30, 200
_ROLES = {TEXT: "text", CATEGORY: "category", NUMBER: "number"}


def intake(inputs: ReportInputs, settings: ReportSettings) -> Intake:
    """Count what came in, by stage, rule and column."""
    rules = _rules(inputs, settings.examples)
    columns = sorted(_profiles(inputs.clean), key=lambda c: -c.missing)
    return Intake(
        lead=_lead(inputs),
        stages=list(inputs.stages),
        facts=_facts(inputs),
        rules=rules[:RULES],
        more_rules=len(rules[RULES:]),
        columns=columns[:COLUMNS],
        more_columns=len(columns[COLUMNS:]),
        gaps=listed([cut(gap, 40) for gap in inputs.gaps], limit=12),
        left_out=listed([cut(key, 40) for key in inputs.left_out], limit=12),
    )


def totals(inputs: ReportInputs) -> tuple[int, int, int, int]:
    """Rows in, kept, rejected and unassigned, from the first stage to the clean table."""
    prepared = [row for row in inputs.stages if row.stage in ("collect", "clean")]
    kept = inputs.clean.height
    if not prepared:
        return kept, kept, 0, 0
    rejected = sum(row.rows_rejected for row in prepared)
    return prepared[0].rows_in, kept, rejected, sum(row.unassigned for row in prepared)


def _lead(inputs: ReportInputs) -> str:
    rows, kept, rejected, unassigned = totals(inputs)
    if not rejected and not unassigned:
        return f"{plural(rows, 'row')} came in and all were kept."
    lost = [
        f"{plural(rejected, 'row was', 'rows were')} rejected" if rejected else "",
        f"{count(unassigned)} could not be placed in time" if unassigned else "",
    ]
    return f"Of {plural(rows, 'row')}, {count(kept)} were kept: {listed([x for x in lost if x])}."


def _facts(inputs: ReportInputs) -> list[Figure]:
    clean, rows = inputs.clean, inputs.clean.height or 1
    silent = clean.height - int(clean["has_text"].sum())
    repeats = clean.height - clean["duplicate_of"].null_count()
    unlabelled = clean["label"].null_count()
    encoded = inputs.embeddings or {}
    foreign = encoded.get("foreign_texts") or {}
    found = [
        ("rows without text", silent, percent(silent / rows)),
        ("exact duplicates", repeats, f"{percent(repeats / rows)}, marked and kept"),
        ("rows without label", unlabelled, percent(unlabelled / rows)),
        (
            "distinct texts",
            encoded.get("distinct_texts"),
            "within a partition; embedded once",
        ),
        ("long texts", encoded.get("long_texts"), _long_words(inputs)),
        ("texts in other languages", sum(foreign.values()) or None, _foreign_words(foreign)),
        ("partitions", len(inputs.partitions), "with rows in the window"),
        ("gaps", len(inputs.gaps) or None, "partitions of the window without rows"),
        ("left out", len(inputs.left_out) or None, "partitions of the window, not prepared"),
    ]
    return [Figure(name, count(value), words) for name, value, words in found if value is not None]


def _long_words(inputs: ReportInputs) -> str:
    """What was done with texts that are longer than the encoder reads."""
    rule = (inputs.settings.get("embed") or {}).get("long_text", "truncate")
    read = "cut" if rule == "truncate" else f"read in pieces ({rule.replace('_', ' and ')})"
    return f"longer than the encoder reads, {read}"


def _foreign_words(foreign: dict[str, int]) -> str:
    """The most frequent languages that the encoder does not know."""
    most = sorted(foreign.items(), key=lambda item: (-item[1], item[0]))[:5]
    return "which the encoder does not read: " + ", ".join(f"{n} {count(k)}" for n, k in most)


def _rules(inputs: ReportInputs, examples: int) -> list[Rule]:
    removed = pl.concat([inputs.rejected, inputs.unassigned], how="vertical_relaxed")
    groups = removed.group_by("stage", "rule").agg(
        pl.len().alias("rows"),
        pl.col("reason").first(),
        pl.col("row").head(examples).alias("examples"),
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
    found = []
    for name in clean.columns:
        prefix = next((p for p in _ROLES if name.startswith(p)), None)
        if prefix is not None:
            values = clean[name].rename("value")
            found.append(_profile(name.removeprefix(prefix), _ROLES[prefix], values))
    times = clean["event_time"].rename("value")
    return [_profile("event time", "time", times), *found] if times.count() else found


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
        return f"median {count(_median(lengths))} characters, longest {count(_highest(lengths))}"
    if role == "time":
        days = present.dt.date().sort().cast(pl.String)
        return f"{days[0]} to {days[-1]}"
    if role == "number":
        low, mid, high = (_short(v) for v in (present.min(), present.median(), present.max()))
        return f"{low} to {high}, median {mid}"
    top = classes(present)[:3]
    return " · ".join(f"{cut(name, 40)} {percent(n / present.len())}" for name, n in top)


def _median(values: pl.Series) -> float:
    return float(values.cast(pl.Float64).median() or 0)  # type: ignore[arg-type]


def _highest(values: pl.Series) -> float:
    return float(values.cast(pl.Float64).max() or 0)  # type: ignore[arg-type]


def _short(value: object) -> str:
    figure = float(value)  # type: ignore[arg-type]
    if figure == int(figure) and abs(figure) < 1e15:
        return count(figure).replace("-", "−")
    return number(figure) if 0.001 <= abs(figure) < 1e6 else f"{figure:.3g}"
