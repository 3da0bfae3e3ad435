"""Scoring a file in this process, without a Prefect server."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from fusemine.flows.export.results import check_output
from fusemine.flows.serving.scoring import request_of, results_of
from fusemine.tasks.core import progress
from fusemine.tasks.core.errors import SettingsError, SourceError
from fusemine.tasks.core.inputs import execute
from fusemine.tasks.core.storage.artifact import find
from fusemine.tasks.core.storage.locks import shared
from fusemine.tasks.core.storage.store import replacing
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.sources.files import find_files

if TYPE_CHECKING:
    from fusemine.flows.config.pipeline import Loaded
    from fusemine.tasks.core.storage.artifact import ArtifactRef


def predict_file(loaded: Loaded, file: Path, output: Path | None = None) -> ArtifactRef:
    """Score a file with the model in use.

    Args:
        loaded: The pipeline.
        file: The new rows, in a form that the pipeline's source could have.
        output: A .csv or .parquet file to write the results to as well.

    Raises:
        SettingsError: There is no model, or the output is named wrongly.
        SourceError: The file cannot be used.
        ModelError: The model or the encoder cannot be used.
    """
    check_output(output)
    if output is not None:
        _spare_rows(loaded, file, output)
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
    with replacing(output) as draft:
        if output.suffix == ".parquet":
            shutil.copyfile(results, draft)
        else:
            pl.scan_parquet(results).sink_csv(draft)


def _spare_rows(loaded: Loaded, file: Path, output: Path) -> None:
    """Refuse to write over the rows that are scored, or those that models are trained with."""
    with suppress(SourceError):  # a source without files
        files = [file, *find_files(loaded.pipeline.source, loaded.base)]
        if output.resolve() in {path.resolve() for path in files}:
            raise SettingsError(
                got=f"--output {output}, which holds rows of yours",
                expected="another file: those rows would be lost",
                fix="name another output",
            )
