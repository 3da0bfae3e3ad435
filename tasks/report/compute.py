"""The stage that writes the report on a run and the table of results."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.key import code_of, digest
from fusemine.tasks.core.request import Resource
from fusemine.tasks.core.stage import Scope, load
from fusemine.tasks.core.storage.artifact import (
    MAIN,
    SUMMARY,
    has_file,
    read_json,
    read_manifest,
    to_json,
)
from fusemine.tasks.corrections.apply import correct_labels
from fusemine.tasks.report.assemble import assemble
from fusemine.tasks.report.markdown import render_markdown
from fusemine.tasks.report.model import ReportInputs, StageRow, Summary, Tables
from fusemine.tasks.report.render import render_html, template_folders, templates_digest
from fusemine.tasks.report.results import results
from fusemine.tasks.report.rows.counts import row_counts

if TYPE_CHECKING:
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.core.request import Context, Reads
    from fusemine.tasks.core.stage import RowColumns
    from fusemine.tasks.core.storage.artifact import ArtifactRef
    from fusemine.tasks.report.settings import ReportSettings

HTML, MARKDOWN, LINES = "report.html", "report.md", "lines.json"
COUNTED, SHOWN = (Scope.PARTITION, Scope.WINDOW), (Scope.WINDOW, Scope.SERVING)
"""Scopes of the stages whose rows the report counts, and of those whose tables it shows."""
_COLUMNS = [
    "row_id", "partition", "event_time", "known_at", "text", "has_text", "label", "duplicate_of",
    "text.*", "category.*", "number.*", "group", "split",
]  # fmt: skip


def run(inputs: Inputs, settings: ReportSettings, _: Progress) -> Output:
    """Join the results with the source's columns and write the report."""
    graph = inputs.graph
    clean = inputs.scan("clean", _COLUMNS).collect()
    found = _report_inputs(inputs, clean)
    model = assemble(found, settings, graph)
    parts = [_row_columns(inputs, s.name, s.row_columns) for s in graph if s.row_columns]
    table = results(inputs.frame("collect"), found.clean, parts, graph.row_columns)
    return Output(
        tables={MAIN: table},
        rows_in=clean.height,
        rows_kept=table.height,
        files={
            HTML: render_html(model, template_folders(graph)).encode(),
            MARKDOWN: render_markdown(model).encode(),
            LINES: to_json({"lines": model.findings, "rows": asdict(row_counts(found))}),
        },
    )


def provide_sections(context: Context, _: tuple[str, ...]) -> Resource:
    """What shapes the report like its own code: what the stages declare, code and templates."""
    graph = context.graph
    added = [stage.row_columns.read for stage in graph if stage.row_columns]
    functions = [*added, *(f for stage in graph for f in (stage.section, stage.facts))]
    modules = sorted({function.partition(":")[0] for function in functions if function})
    shapes = [(s.name, s.section, s.facts, s.row_columns and list(s.row_columns.columns.items()))
              for s in graph]  # fmt: skip
    templates = templates_digest(template_folders(graph))
    return Resource(None, [code_of(tuple(modules)), templates, digest(repr(shapes))])


def _report_inputs(inputs: Inputs, clean: pl.DataFrame) -> ReportInputs:
    graph, reads = inputs.graph, inputs.request.reads
    removed = [inputs.frame(s, "rejected") for s in reads if "rejected" in graph[s].tables]
    unassigned = inputs.frame("inventory", "unassigned")
    counted = {s.name: reads[s.name] for s in graph.of(*COUNTED) if reads.get(s.name)}
    tables, summaries = stage_results(inputs)
    return ReportInputs(
        **inputs.parameters,
        stages=_stage_rows(counted, unassigned.height),
        rejected=pl.concat(removed),
        unassigned=unassigned,
        clean=correct_labels(clean, inputs.resource("corrections")).rows,
        tables=tables,
        summaries=summaries,
        embeddings=_embeddings(reads["embed"]),
        versions=_versions(reads),
        keys={name: stage_key(refs) for name, refs in counted.items()},
    )


def _versions(reads: Reads) -> dict[str, str]:
    """The libraries that computed, those of the encoder among them."""
    recipes = [read_manifest(ref).recipe for refs in reads.values() for ref in refs]
    parts = [part for recipe in recipes for part in (recipe, *recipe["resources"].values())]
    found = [part.get("versions", {}) for part in parts if isinstance(part, dict)]
    return {name: version for versions in found for name, version in versions.items()}


def stage_results(inputs: Inputs) -> tuple[Tables, dict[str, Summary]]:
    """What reads the tables, each once, of each stage with a summary of the window; and that."""
    reads, stages = inputs.request.reads, [stage.name for stage in inputs.graph.of(*SHOWN)]
    summaries = {name: found for name in stages if (found := _summary(reads.get(name, ())))}
    there = {name: read_manifest(inputs.ref(name)).tables for name in summaries}
    tables = {n: {t: cache(partial(inputs.frame, n, t)) for t in there[n]} for n in summaries}
    return tables, summaries


def _summary(refs: tuple[ArtifactRef, ...]) -> Summary:
    """The summary of a stage's one artifact; empty for several artifacts, or without a summary."""
    return read_json(refs[0]) if len(refs) == 1 and has_file(refs[0], SUMMARY) else {}


def _row_columns(inputs: Inputs, stage: str, added: RowColumns) -> pl.DataFrame:
    """What a stage adds to the results."""
    main = inputs.frame(stage)
    if added.read is None:
        return main.select("row_id", *added.columns)
    tables = {name: inputs.frame(stage, name) for name in added.tables}
    frame: pl.DataFrame = load(added.read)(main, **tables)
    return frame


def _stage_rows(counted: Reads, unassigned: int) -> list[StageRow]:
    """The row equation of each stage over the window; unassigned rows belong to collecting."""
    rows = []
    for place, (name, refs) in enumerate(counted.items()):
        counts = [read_manifest(ref).rows for ref in refs]
        lost = unassigned if place == 0 else 0
        rows_in = sum(count.rows_in for count in counts) + lost
        kept = sum(count.rows_kept for count in counts)
        note = str(_summary(refs).get("skipped") or "")
        rows.append(StageRow(name, rows_in, kept, rows_in - kept - lost, lost, note))
    return rows


def stage_key(refs: tuple[ArtifactRef, ...]) -> str:
    """The key of a stage's result, or one for all of its partitions."""
    keys = [ref.key for ref in refs]
    return keys[0] if len(keys) == 1 else digest(keys)[: len(keys[0])]


def _embeddings(refs: tuple[ArtifactRef, ...]) -> dict[str, Any]:
    """The partitions' summaries as one; texts are distinct within their partition."""
    summaries, foreign = [read_json(ref) for ref in refs], Counter[str]()
    for summary in summaries:
        foreign.update(summary["foreign_texts"])
    counts = ("distinct_texts", "tokens", "long_texts")
    sums = {name: sum(summary[name] for summary in summaries) for name in counts}
    return {**summaries[0], **sums, "foreign_texts": dict(sorted(foreign.items()))}
