"""Scoring a file with the model in use: the request, what was found, and all of it in one call.

`predict_file` needs no Prefect server.
"""

from __future__ import annotations

import logging
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.flows.config.output import check_output, writing
from fusemine.tasks.core import progress
from fusemine.tasks.core.errors import ModelError, SettingsError, quote
from fusemine.tasks.core.inputs import execute
from fusemine.tasks.core.request import Context, make_request
from fusemine.tasks.core.storage.artifact import MAIN, find, locate, read_json, read_manifest
from fusemine.tasks.core.storage.locks import shared
from fusemine.tasks.embed.engine import provide
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.serving.input_contract import input_contract
from fusemine.tasks.serving.predict.compute import FileToScore
from fusemine.tasks.serving.registry import read_registry
from fusemine.tasks.serving.stored import find_model, read_about
from fusemine.tasks.sources.files import FilesSettings, source_name

if TYPE_CHECKING:
    from fusemine.flows.config.pipeline import Loaded
    from fusemine.tasks.core.request import Request
    from fusemine.tasks.core.storage.artifact import ArtifactRef

SHOWN = 8


def request_of(loaded: Loaded, file: Path) -> Request:
    """What scoring a file with the model in use needs.

    Raises:
        SettingsError: There is no model yet.
        SourceError: There is no such file.
        ModelError: The model cannot be used, or was trained with another encoder.
    """
    entry = read_registry(loaded.store).current
    if entry is None:
        raise SettingsError(
            got=f"no model below {loaded.root}",
            expected="one that a run has trained",
            fix=f"train it: fusemine run {loaded.path}",
        )
    ref = find_model(loaded.store.root, entry)
    context = Context(loaded.store.root, loaded.base, loaded.pipeline, GRAPH, running=True)
    encoder = provide(context, ())
    _check_encoder(
        read_about(ref), input_contract(loaded.pipeline)["embed"], encoder.value.fingerprint
    )
    path = file.resolve()
    source = loaded.pipeline.source
    # A file is read as the source's own are; beside a source of another kind, by default.
    how = source if isinstance(source, FilesSettings) else FilesSettings(path=path.as_posix())
    to_score = FileToScore(path, source_name(path, loaded.base), how, loaded.base)
    given = {"file": to_score.resource(loaded.store.root)}
    stage, reads = GRAPH["predict"], {"train": (ref,)}
    return make_request(stage, context, to_score.partition, reads, given=given)


def _check_encoder(about: dict[str, Any], embed: dict[str, Any], encoder: str) -> None:
    trained = about["settings"]["reading"]["embed"]
    changed = [name for name in trained if trained[name] != embed.get(name)]
    if about["encoder"] == encoder and not changed:
        return
    what = f"embed.{changed[0]}" if changed else "the encoder's files"
    raise ModelError(
        got=f"model {about['id']} was trained with other vectors: {what} changed since",
        expected="the encoder, and its settings, that the model was trained with",
        fix="set embed as it was, or train a model with the new one: fusemine run PIPELINE "
        "--retrain; then take it into use: fusemine promote",
    )


def scored_lines(scored: ArtifactRef) -> list[str]:
    """What scoring a file found, for people."""
    summary = read_json(scored)
    lost = summary["rejected"]
    rejected = sum(lost.values())
    why = ", ".join(f"{count:,} {rule}" for rule, count in lost.items())
    what = "row" if summary["rows"] == 1 else "rows"
    lines = [
        f"{summary['rows']:,} {what} of {summary['file']} scored by {summary['model']}, "
        f"{rejected:,} rejected{f' ({why})' if why else ''}"
    ]
    called = sorted(summary["predictions"].items(), key=lambda pair: -pair[1])
    if called:
        more = f" and {len(called) - SHOWN} more" if len(called) > SHOWN else ""
        counts = ", ".join(f"{quote(name)} {count:,}" for name, count in called[:SHOWN])
        lines.append(f"predictions: {counts}{more}")
    if summary["learnt_from"]:
        lines.append(f"rows that the model has learnt the label from: {summary['learnt_from']:,}")
    lines.append(f"unusual rows: {summary['flagged']:,}")
    for name, what in (
        ("unseen_levels", "values that were not there in training, read as rare ones"),
        ("unreadable_numbers", "values that are no numbers, read as missing"),
    ):
        cells = [f"{column} {count:,}" for column, count in summary[name].items()]
        lines += [f"{what}: {', '.join(cells[:SHOWN])}"] if cells else []
    lines.append(f"results: {results_of(scored)}")
    return [*lines, f"rejected rows: {rejected_of(scored)}"] if rejected else lines


def scored_json(scored: ArtifactRef) -> dict[str, Any]:
    """The same, JSON-ready."""
    seconds = read_manifest(scored).seconds
    places = {"results": results_of(scored), "rejected_rows": rejected_of(scored)}
    return {**read_json(scored), **places, "seconds": seconds}


def rejected_of(scored: ArtifactRef) -> str:
    """Where the rows are that could not be scored, each with its reason."""
    return locate(scored, "rejected.parquet")


def results_of(scored: ArtifactRef) -> str:
    """Where the results of scoring a file are."""
    return locate(scored, f"{MAIN}.parquet")


def predict_file(
    loaded: Loaded, file: Path, output: Path | None = None, force: bool = False
) -> ArtifactRef:
    """Score a file with the model in use, in this process.

    Args:
        loaded: The pipeline.
        file: The new rows, in a form that the pipeline's source could have.
        output: A .csv or .parquet file to write the results to as well.
        force: Whether a file that is there may be replaced.

    Raises:
        SettingsError: There is no model, or nothing may be written there.
        SourceError: The file cannot be used.
        ModelError: The model or the encoder cannot be used.
    """
    check_output(output, force, loaded, reads={"the rows to score": file})
    with shared(loaded.root):
        request = request_of(loaded, file)
        scored = find(request.job)
        if scored is None:
            report = partial(progress.report, request.job.stage)
            scored = execute(request, GRAPH, report, logging.getLogger("fusemine").log)
    if output is not None:
        _write(Path(results_of(scored)), output)
    return scored


def _write(results: Path, output: Path) -> None:
    """Write the results in the form of the output's name, without reading them whole."""
    with writing(output) as draft:
        if output.suffix == ".parquet":
            shutil.copyfile(results, draft)
        else:
            pl.scan_parquet(results).sink_csv(draft)
