"""`fusemine predict`: scoring a file in this process, without a Prefect server."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from fusemine.flows.engine.config import load_pipeline
from fusemine.flows.export.results import check_output
from fusemine.flows.serving.scoring import request_of
from fusemine.tasks.core.artifact import MAIN, Draft, find
from fusemine.tasks.core.errors import SettingsError, SourceError
from fusemine.tasks.core.locks import shared
from fusemine.tasks.serving.predict.predict import predict
from fusemine.tasks.sources.files import find_files

if TYPE_CHECKING:
    from fusemine.flows.engine.config import Loaded
    from fusemine.tasks.core.artifact import ArtifactRef


def predict_file(pipeline: Path, file: Path, output: Path | None) -> ArtifactRef:
    """Score a file with the model in use.

    Args:
        pipeline: The pipeline.yaml.
        file: The new rows, in a form that the pipeline's source could have.
        output: A .csv or .parquet file to write the results to as well.

    Raises:
        SettingsError: There is no model, or the output is named wrongly.
        SourceError: The file cannot be used.
        ModelError: The model or the encoder cannot be used.
    """
    check_output(output)
    loaded = load_pipeline(pipeline)
    if output is not None:
        _spare_rows(loaded, file, output)
    with shared(loaded.root):
        request = request_of(loaded, file)
        job = request.job()
        scored = find(job)
        if scored is None:
            with Draft(job) as draft:
                predict(draft, request, lambda: _api_key(loaded))
            scored = draft.finished()
    if output is not None:
        _write(Path(scored.path) / f"{MAIN}.parquet", output)
    return scored


def _write(results: Path, output: Path) -> None:
    """The results in the form that the output's name tells, without reading them whole."""
    if output.suffix == ".parquet":
        shutil.copyfile(results, output)
    else:
        pl.scan_parquet(results).sink_csv(output)


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


def _api_key(loaded: Loaded) -> str | None:
    """The key of an endpoint, where there is one."""
    endpoint = loaded.pipeline.embed.endpoint
    if endpoint is None:
        return None
    from fusemine.tasks.embed.task import api_key  # which needs Prefect, for its blocks

    return api_key(endpoint)
