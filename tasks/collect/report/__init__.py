"""What came in and what was rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.collect.report.columns import ColumnProfile, profiles
from fusemine.tasks.report.markdown import chapter, table
from fusemine.tasks.report.model import Figure, Part, ReportInputs, Section, StageRow, View
from fusemine.tasks.report.words import count, cut, listed, percent, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusemine.tasks.report.settings import ReportSettings

RULES, COLUMNS = 30, 200


@dataclass(frozen=True)
class Rule:
    """Rows that one rule rejected (or could not assign), with the first reasons and rows."""

    stage: str
    rule: str
    rows: int
    reason: str
    examples: list[str]


@dataclass(frozen=True)
class Intake(Section):
    """What came in and what was rejected."""

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
    return Part(
        views=[View("intake", "What came in", "intake.html.j2", intake(inputs, settings))],
        figures=_figures(inputs),
        finding=_finding(inputs),
        summary=chapter("Rows by stage", _stages(inputs.stages)),
    )


def intake(inputs: ReportInputs, settings: ReportSettings) -> Intake:
    """Count what came in, by stage, rule and column."""
    rules = _rules(inputs, settings.examples)
    columns = profiles(inputs.clean)
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


def _totals(inputs: ReportInputs) -> tuple[int, int, int, int]:
    """Rows in, kept, rejected and unassigned, from the first stage to the clean table."""
    prepared = [row for row in inputs.stages if row.stage in ("collect", "clean")]
    kept = inputs.clean.height
    if not prepared:
        return kept, kept, 0, 0
    rejected = sum(row.rows_rejected for row in prepared)
    return prepared[0].rows_in, kept, rejected, sum(row.unassigned for row in prepared)


def _figures(inputs: ReportInputs) -> list[Figure]:
    came, kept, rejected, unassigned = _totals(inputs)
    placed = f"{count(unassigned)} more without a partition" if unassigned else ""
    return [
        Figure("rows in", count(came), plural(len(inputs.partitions), "partition")),
        Figure("rows kept", count(kept), percent(kept / came) if came else ""),
        Figure("rows rejected", count(rejected), placed),
    ]


def _finding(inputs: ReportInputs) -> str:
    came, kept, rejected, unassigned = _totals(inputs)
    said = f"Rows: {count(came)} in, {count(kept)} kept, {count(rejected)} rejected"
    return f"{said}, {count(unassigned)} without a partition." if unassigned else f"{said}."


def _stages(stages: Sequence[StageRow]) -> str:
    header = ("stage", "rows in", "kept", "rejected", "not placed")
    rows = [
        (s.stage, *map(count, (s.rows_in, s.rows_kept, s.rows_rejected, s.unassigned)))
        for s in stages
    ]
    return table(header, rows)


def _lead(inputs: ReportInputs) -> str:
    rows, kept, rejected, unassigned = _totals(inputs)
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
        ("distinct texts", encoded.get("distinct_texts"), "within a partition; embedded once"),
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
