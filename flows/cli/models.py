"""The commands on models in use: scoring a file, listing models, choosing one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fusemine.flows.api import load
from fusemine.flows.cli.terminal import FILE, print_view, shown_on_terminal

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("pipeline", type=FILE)
@click.argument("file", type=FILE)
@click.option("--output", "-o", type=FILE, help="A .csv or .parquet file for the results.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def predict(pipeline: Path, file: Path, output: Path | None, force: bool, as_json: bool) -> None:
    """Score the new rows in FILE with the model of PIPELINE that is in use.

    The results stand below the pipeline's root, with the rejected rows beside them: each row with
    its prediction, probability, topic, anomaly score and reason. Nothing is written unless the
    whole file can be read.
    """
    from fusemine.flows.serving.scoring import predict_file, scored_json, scored_lines

    with shown_on_terminal():
        scored = predict_file(load(pipeline).loaded, file, output, force)
    more = {"output": str(output)} if output else {}
    lines = [f"the scored rows as a table: {output}"] if output else []
    print_view((None, [*scored_lines(scored), *lines], {**scored_json(scored), **more}), as_json)


@click.command()
@click.argument("pipeline", type=FILE)
@click.argument("ids", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def models(pipeline: Path, ids: tuple[str, ...], as_json: bool) -> None:
    """List the models of PIPELINE; with one of IDS show it, with two compare them."""
    from fusemine.flows.cli.model_tables import compare_models, describe_model, list_models

    if len(ids) > 2:
        raise click.UsageError("name one model to show it, or two to compare them")
    loaded = load(pipeline).loaded
    show = (list_models, describe_model, compare_models)[len(ids)]
    print_view(show(loaded, *ids), as_json)


@click.command()
@click.argument("pipeline", type=FILE)
@click.argument("model")
@click.option("--why", default="by hand", help="A sentence for those who look later.")
def promote(pipeline: Path, model: str, why: str) -> None:
    """Take MODEL into use: it scores new rows of PIPELINE from now on."""
    from fusemine.flows.serving.choose import choose_model

    click.echo(choose_model(load(pipeline).loaded, model, why))


@click.command()
@click.argument("pipeline", type=FILE)
@click.option("--why", default="by hand", help="A sentence for those who look later.")
def rollback(pipeline: Path, why: str) -> None:
    """Take the model of PIPELINE that was in use before back into use."""
    from fusemine.flows.serving.choose import choose_model
    from fusemine.tasks.serving.registry import PREVIOUS

    click.echo(choose_model(load(pipeline).loaded, PREVIOUS, why))
