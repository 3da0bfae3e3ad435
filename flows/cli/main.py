"""The `fusemine` command. Heavy imports happen in the command that needs them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from fusemine.flows.api import load
from fusemine.flows.cli.backfill import backfill
from fusemine.flows.cli.models import models, predict, promote, rollback
from fusemine.flows.cli.terminal import FILE, print_view, shown_on_terminal
from fusemine.tasks.core.errors import FusemineError, ServerError


class _Commands(click.Group):
    """Prints errors as sentences and turns them into exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FusemineError as error:
            click.echo(f"error: {error}", err=True)
            if isinstance(error, ServerError):
                _leave(error.exit_code)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("stopped; what was complete is reused by the next run", err=True)
            ctx.exit(130)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if os.environ.get("FUSEMINE_DEBUG"):
                raise
            click.echo(f"error: unexpected {type(error).__name__}: {error}", err=True)
            click.echo("  this is a fault in fusemine; FUSEMINE_DEBUG=1 shows where", err=True)
            ctx.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fusemine")
def main() -> None:
    """Data mining over tables that hold text.

    Describe a table once in a pipeline.yaml (`fusemine init TABLE` writes one), then run it:
    its rows are collected, cleaned, read by a language model, joined with the numbers beside
    them and mined for classes, topics and anomalies. Every run ends in a report.
    """
    from fusemine.flows.server.temporary import set_defaults

    set_defaults()


@main.command()
@click.argument("pipeline", type=FILE)
@click.option("--partition", default="latest", help="A partition such as 1996-05, or latest.")
@click.option("--retrain", is_flag=True, help="Train a new model, due or not.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def run(pipeline: Path, partition: str, retrain: bool, as_json: bool) -> None:
    """Mine one partition of PIPELINE and the window up to it."""
    table = load(pipeline)  # a mistake in the file should not wait for a server
    if not as_json:
        click.echo("starting Prefect …", err=True)
    from fusemine.flows.server.temporary import begin_server

    begin_server()
    if not as_json:
        from fusemine.flows.coverage.coverage import reuse_summary

        click.echo(reuse_summary(table.loaded, partition), err=True)
    with shown_on_terminal():
        outcome = table.run(partition, retrain)
    click.echo(outcome.as_json() if as_json else outcome.as_text())


@main.command()
@click.argument("pipeline", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def status(pipeline: Path, as_json: bool) -> None:
    """Show which partitions and stages of PIPELINE are complete, stale, failed or missing."""
    loaded = load(pipeline).loaded
    from fusemine.flows.backfills.grids import coverage_json, coverage_summary, coverage_table
    from fusemine.flows.coverage.coverage import coverage_of

    covered = coverage_of(loaded).covered()
    value = coverage_json(loaded.pipeline.name, covered)
    print_view((coverage_table(covered), [coverage_summary(covered)], value), as_json)


@main.command()
@click.argument("pipeline", type=FILE)
def check(pipeline: Path) -> None:
    """Say whether PIPELINE would run, without running it."""
    for line in load(pipeline).check():
        click.echo(line)


@main.command()
@click.argument("pipeline", type=FILE)
@click.argument("stage")
@click.argument("partition")
def explain(pipeline: Path, stage: str, partition: str) -> None:
    """Say why the result of STAGE for PARTITION is stale: what changed since it was made."""
    click.echo("\n".join(load(pipeline).explain(stage, partition)))


@main.command()
@click.argument("path", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def lineage(path: Path, as_json: bool) -> None:
    """Show what a report, or any artifact at PATH, was made of, back to the source's files."""
    from fusemine.tasks.graph import GRAPH
    from fusemine.tasks.upkeep.lineage import lines, trace

    found = trace(path, GRAPH)
    print_view((None, lines(found), found.as_json()), as_json)


@main.command()
@click.argument("pipeline", type=FILE)
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def prune(pipeline: Path, dry_run: bool, as_json: bool) -> None:
    """Remove artifacts that no last complete run of PIPELINE was made of."""
    from fusemine.flows.prune import prune_root

    plan = prune_root(load(pipeline).loaded, dry_run)
    print_view((None, plan.lines(), plan.as_json()), as_json)


@main.command()
@click.argument("pipeline", type=FILE)
@click.option("--prune", "prunes", is_flag=True, help="Remove unused spaces and damaged files.")
@click.option(
    "--unused-for",
    type=click.IntRange(0, 36_500),
    default=30,
    show_default=True,
    metavar="DAYS",
    help="With --prune: what was used within so many days stays.",
)
@click.option("--dry-run", is_flag=True, help="With --prune: only show what would be removed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def store(pipeline: Path, prunes: bool, unused_for: int, dry_run: bool, as_json: bool) -> None:
    """Show the embedding store of PIPELINE: a space for each model and its settings.

    The space that today's settings use always stays. No result needs the store, so pruning it
    can lose none: a vector that is gone is computed again if its text comes again.
    """
    from datetime import timedelta

    from fusemine.flows.cli.store_tables import prune_store, show_store

    if dry_run and not prunes:
        raise click.UsageError("--dry-run says what --prune would remove; name both")
    loaded = load(pipeline).loaded
    if prunes:
        plan = prune_store(loaded, timedelta(days=unused_for), dry_run)
        print_view((None, plan.lines(), plan.as_json()), as_json)
        return
    print_view(show_store(loaded), as_json)


@main.command()
@click.argument("pipeline", type=FILE)
@click.argument("row_id")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def forget(pipeline: Path, row_id: str, as_json: bool) -> None:
    """Remove the row ROW_ID from all artifacts and the store of PIPELINE, for good.

    It stays in the source's own files, but is not collected from them again.
    """
    from fusemine.tasks.core.storage.locks import exclusive
    from fusemine.tasks.graph import GRAPH
    from fusemine.tasks.upkeep.forget import forget as remove

    loaded = load(pipeline).loaded
    with exclusive(loaded.root):
        found = remove(loaded.store, row_id, GRAPH)
    print_view((None, found.lines(), found.as_json()), as_json)
    if found.partitions and not as_json:
        click.echo(f"to make them: fusemine backfill {pipeline} --only missing")


@main.command()
@click.argument("folder", type=FILE, default=Path())
def ui(folder: Path) -> None:
    """Start a local Prefect with the deployments of FOLDER's prefect.yaml and its workers."""
    from fusemine.flows.server.ui import run_ui

    run_ui(folder, click.echo)


def _leave(code: int) -> None:
    """End at once: Prefect would try for seconds to send each of its events to no server."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@main.command()
def schema() -> None:
    """Print the JSON Schema of a pipeline.yaml, for editors."""
    from fusemine.flows.config.pipeline import schema_json

    click.echo(schema_json())


@main.command()
@click.argument("table", type=FILE)
@click.option("--output", "-o", type=FILE, help="Where to write; default: beside TABLE.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def init(table: Path, output: Path | None, force: bool) -> None:
    """Profile TABLE and write a commented pipeline.yaml for it."""
    from fusemine.flows.config.init import write_pipeline

    click.echo("\n".join(write_pipeline(table, output, force)))


@main.command()
@click.argument("pipeline", type=FILE)
@click.option("--partition", default=None, help="Which partition; default: the newest.")
@click.option("--output", "-o", type=FILE, help="A .csv or .parquet file; default: CSV to stdout.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--vectors", is_flag=True, help="Write the texts' vectors, to a .parquet file.")
@click.option("--labels", is_flag=True, help="Write the rows with doubtful labels, to correct.")
def export(
    pipeline: Path,
    partition: str | None,
    output: Path | None,
    force: bool,
    vectors: bool,
    labels: bool,
) -> None:
    """Write the results of PIPELINE's last complete run as a table.

    With --vectors: row_id, partition and embedding (float32, of length 1; all zero without a
    text) of all rows in the window's partitions. Rows that the window left out, as known later
    or with a repeated id, are among them: join with the results by row_id and partition.

    With --labels: the rows whose label is doubtful, the most doubtful first, with an empty column
    `corrected`. Fill in the right label where it is wrong, and name the file in the pipeline.yaml
    as columns.label.corrections: the next run learns from it. In CSV, text that a spreadsheet
    would take for a formula, and ids that it would change, have an apostrophe in front.
    """
    if vectors and labels:
        raise click.UsageError("--vectors and --labels write different tables; name one of them")
    from fusemine.flows.export.labels import export_labels
    from fusemine.flows.export.results import export_results, export_vectors

    loaded = load(pipeline).loaded
    if vectors:
        line = export_vectors(loaded, partition, output, force)
    else:
        export_rows = export_labels if labels else export_results
        line = export_rows(loaded, partition, output, sys.stdout.buffer, force)
    click.echo(line, err=True)


for command in (backfill, predict, models, promote, rollback):
    main.add_command(command)
