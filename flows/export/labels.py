"""Writing the rows whose labels are doubtful, for people to correct."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import polars as pl

from fusemine.flows.config.output import check_output
from fusemine.flows.export.results import (
    last_report,
    note_on_source,
    require_inputs,
    write_table,
)
from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.collect.assign import stored_name
from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.core.storage.artifact import read_frame, read_json
from fusemine.tasks.corrections.read import CORRECTED
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.mine.classify.contracts import LABEL_ERRORS
from fusemine.tasks.report.contracts import RESULTS
from fusemine.tasks.table.escaping import escape_cells, escape_ids

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fusemine.flows.config.pipeline import Loaded
    from fusemine.tasks.core.storage.artifact import ArtifactRef

COLUMNS = ("row_id", "kind", "label", "suggested", "confidence", "alike", "text", CORRECTED)
_IDS = ("row_id", "alike")


def export_labels(
    loaded: Loaded,
    partition: str | None,
    output: Path | None,
    stdout: BinaryIO,
    force: bool = False,
) -> str:
    """Write the doubtful labels of the last complete run; a line on what was written.

    The table has a row for each doubtful label, the most doubtful first: `row_id`, `kind`,
    `label`, `suggested`, `confidence`, `alike`, the cleaned `text`, an empty `corrected`, and the
    source's own columns, with an underscore behind names like these. In CSV, text that a
    spreadsheet would take for a formula, and ids that it would change, have an apostrophe in
    front, which reading the corrections takes off again.

    Args:
        loaded: The pipeline.
        partition: Which partition's run; None for the newest.
        output: A `.csv` or `.parquet` file; None for CSV on `stdout`.
        stdout: Standard output, in bytes.
        force: Whether a file that is there may be replaced.

    Raises:
        SettingsError: There is no label or no such run, or nothing may be written there.
        ArtifactError: What the run wrote is gone, or the output cannot be written.
    """
    check_output(output, force, loaded)
    _check_label(loaded)
    report = last_report(loaded, partition)
    (classified,) = require_inputs(loaded, report, "classify", "doubtful labels")
    cleaned = require_inputs(loaded, report, "clean", "doubtful labels")
    results = read_frame(report, RESULTS)
    table = doubtful_rows(read_frame(classified, LABEL_ERRORS, "doubts"), results, cleaned)
    is_csv = output is None or output.suffix == ".csv"
    write_table(for_spreadsheets(table) if is_csv else table, output, stdout, bom=True)
    reason = read_json(classified).get("skipped")
    why = f" (the label was not learnt: {reason})" if reason else ""
    where = output or "standard output"
    line = f"{table.height:,} doubtful labels of {report.partition} to {where}{why}"
    return line + note_on_source(loaded, report)


def doubtful_rows(
    doubts: pl.DataFrame, results: pl.DataFrame, cleaned: Sequence[ArtifactRef]
) -> pl.DataFrame:
    """The doubtful rows in the order of their rank, with their text and the source's columns.

    Args:
        doubts: By the contract `doubts`.
        results: By the contract `results`.
        cleaned: The clean artifacts of the window.
    """
    own = results.select("row_id", "partition", pl.exclude([*RESULTS.columns, *GRAPH.row_columns]))
    taken = frozenset(COLUMNS) - {*RESULTS.columns, *GRAPH.row_columns}
    own = own.rename({name: stored_name(name, taken) for name in own.columns})
    rows = doubts.sort("rank").drop("rank")
    rows = rows.join(own, on="row_id", how="left", maintain_order="left")
    texts = _texts(rows.select("row_id", "partition"), cleaned)
    rows = rows.join(texts, on=["row_id", "partition"], how="left", maintain_order="left")
    rows = rows.with_columns(pl.lit(None, pl.String).alias(CORRECTED))
    return rows.select(*COLUMNS, pl.exclude(*COLUMNS, "partition"))


def for_spreadsheets(table: pl.DataFrame) -> pl.DataFrame:
    """The table as a spreadsheet may open it, its header too."""
    texts = [column for column in table if column.dtype == pl.String]
    safe = [escape_ids(c) if c.name in _IDS else escape_cells(c) for c in texts]
    names = pl.Series(table.columns, dtype=pl.String)
    return table.with_columns(safe).rename(dict(zip(names, escape_cells(names), strict=True)))


def _texts(rows: pl.DataFrame, cleaned: Sequence[ArtifactRef]) -> pl.DataFrame:
    """The texts of some rows, read from the partitions that they are in and from no other."""
    wanted = set(rows["partition"])
    refs = [ref for ref in cleaned if ref.partition in wanted] or cleaned[:1]
    parts = [read_frame(ref, CLEAN).select("row_id", "partition", "text") for ref in refs]
    return pl.concat([part.join(rows, on=["row_id", "partition"], how="semi") for part in parts])


def _check_label(loaded: Loaded) -> None:
    if loaded.pipeline.columns.label is None:
        raise SettingsError(
            got="--labels of a pipeline without a label",
            expected="columns.label in the pipeline.yaml",
            fix="name the column, and run the pipeline",
        )
