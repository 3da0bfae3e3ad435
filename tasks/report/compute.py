"""Writing the report on a run, as a stage."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.core.artifact import MAIN, SUMMARY, has_file, read_json, read_manifest, to_json
from fusemine.tasks.core.inputs import Output
from fusemine.tasks.core.key import code_of, digest
from fusemine.tasks.core.request import Resource
from fusemine.tasks.core.stage import Scope, load
from fusemine.tasks.mine.classify.corrections.apply import correct_labels
from fusemine.tasks.report.assemble import assemble
from fusemine.tasks.report.markdown import render_markdown
from fusemine.tasks.report.model import ReportInputs, StageRow, Summary
from fusemine.tasks.report.render import render_html, template_folders, templates_digest
from fusemine.tasks.report.results import results

if TYPE_CHECKING:
    from fusemine.tasks.core.artifact import ArtifactRef
    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.core.request import Context, Reads
    from fusemine.tasks.core.stage import Graph, RowColumns
    from fusemine.tasks.report.settings import ReportSettings

HTML, MARKDOWN, LINES = "report.html", "report.md", "lines.json"
SHOWN, SAYING = (Scope.PARTITION, Scope.WINDOW), (Scope.WINDOW, Scope.SERVING)
"""Scopes of the stages whose rows the report accounts for, and of those that it takes tables of."""
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
            LINES: to_json({"lines": model.findings}),
        },
    )


def provide_sections(context: Context, _: tuple[str, ...]) -> Resource:
    """The code and the templates of the stages' parts, which shape the report as its own do."""
    graph = context.graph
    written = [f for stage in graph for f in (stage.section, stage.facts) if f]
    modules = sorted({function.partition(":")[0] for function in written})
    return Resource(None, [code_of(tuple(modules)), templates_digest(template_folders(graph))])


def _report_inputs(inputs: Inputs, clean: pl.DataFrame) -> ReportInputs:
    graph, reads = inputs.graph, inputs.request.reads
    removed = [inputs.frame(s, "rejected") for s in reads if "rejected" in graph[s].tables]
    tables, summaries = said(inputs)
    return ReportInputs(
        **inputs.parameters,
        stages=stage_rows(graph, reads, unassigned := inputs.frame("inventory", "unassigned")),
        rejected=pl.concat(removed),
        unassigned=unassigned,
        clean=correct_labels(clean, inputs.resource("corrections")).rows,
        tables=tables,
        summaries=summaries,
        embeddings=embeddings(reads["embed"]),
        versions=_versions(reads),
        keys={name: stage_key(refs) for name, refs in _accounted(graph, reads).items()},
    )


def said(inputs: Inputs) -> tuple[dict[str, dict[str, pl.DataFrame]], dict[str, Summary]]:
    """The tables and the summary of each stage that says something of the whole window."""
    reads, contracts = inputs.request.reads, {s.name: s.tables for s in inputs.graph.of(*SAYING)}
    summaries = {name: found for name in contracts if (found := _summary(reads.get(name, ())))}
    tables = {
        name: {
            t: inputs.frame(name, t) for t in contracts[name] if inputs.has(name, f"{t}.parquet")
        }
        for name in summaries
    }
    return tables, summaries


def _summary(refs: tuple[ArtifactRef, ...]) -> Summary:
    """What a stage says of its one artifact; nothing of several, or where it says nothing."""
    return read_json(refs[0]) if len(refs) == 1 and has_file(refs[0], SUMMARY) else {}


def _row_columns(inputs: Inputs, stage: str, added: RowColumns) -> pl.DataFrame:
    """What a stage adds to the results."""
    main = inputs.frame(stage)
    if added.read is None:
        return main.select("row_id", *added.columns)
    tables = {name: inputs.frame(stage, name) for name in added.tables}
    frame: pl.DataFrame = load(added.read)(main, **tables)
    return frame


def _accounted(graph: Graph, reads: Reads) -> Reads:
    """The artifacts of the stages whose rows are accounted for, in order."""
    return {s.name: reads[s.name] for s in graph.of(*SHOWN) if reads.get(s.name)}


def stage_rows(graph: Graph, reads: Reads, unassigned: pl.DataFrame) -> list[StageRow]:
    """The row equation of each stage over the window; unassigned rows belong to collecting."""
    rows = []
    for place, (name, refs) in enumerate(_accounted(graph, reads).items()):
        counts = [read_manifest(ref).rows for ref in refs]
        lost = unassigned.height if place == 0 else 0
        rows_in = sum(count.rows_in for count in counts) + lost
        kept = sum(count.rows_kept for count in counts)
        note = str(_summary(refs).get("skipped") or "")
        rows.append(StageRow(name, rows_in, kept, rows_in - kept - lost, lost, note))
    return rows


def stage_key(refs: tuple[ArtifactRef, ...]) -> str:
    """The key of a stage's result, or one for all of its partitions."""
    keys = [ref.key for ref in refs]
    return keys[0] if len(keys) == 1 else digest(keys)[: len(keys[0])]


def embeddings(refs: tuple[ArtifactRef, ...]) -> dict[str, Any]:
    """The partitions' summaries as one; texts are distinct within their partition."""
    summaries = [read_json(ref) for ref in refs]
    counts = ("distinct_texts", "tokens", "long_texts")
    sums = {name: sum(summary[name] for summary in summaries) for name in counts}
    foreign = Counter[str]()
    for summary in summaries:
        foreign.update(summary["foreign_texts"])
    return {**summaries[0], **sums, "foreign_texts": dict(sorted(foreign.items()))}


def _versions(reads: Reads) -> dict[str, str]:
    versions: dict[str, str] = {}
    for ref in (ref for refs in reads.values() for ref in refs):
        versions |= read_manifest(ref).recipe["versions"]
    return versions
