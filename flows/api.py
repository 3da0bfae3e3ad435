"""The Python API: a pipeline as an object. Heavy imports happen in the method that needs them."""

from __future__ import annotations

import html
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

    from fusemine.flows.backfills.state import Backfill, Only, Order, Pool
    from fusemine.flows.config.pipeline import Loaded
    from fusemine.flows.engine.outcome import Outcome
    from fusemine.tasks.core.storage.artifact import ArtifactRef

Column = str | list[str] | None
HEIGHT = 800
"""Pixels of a report in a notebook."""


class Pipeline:
    """A table with text and what to mine in it, as a pipeline.yaml describes it.

    Args:
        loaded: The file, read and checked; `load` makes it of a path.
    """

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded

    def __repr__(self) -> str:
        return f"Pipeline({str(self.loaded.path)!r})"

    @property
    def name(self) -> str:
        """Its name."""
        return self.loaded.pipeline.name

    @property
    def root(self) -> Path:
        """Folder of its artifacts."""
        return self.loaded.root

    def check(self) -> Iterator[str]:
        """Say whether it would run, without running it: a line for each thing that is in order.

        Raises:
            FusemineError: Something is not.
        """
        from fusemine.flows.config.check import check_pipeline

        return check_pipeline(self.loaded)

    def run(self, partition: str = "latest", retrain: bool = False) -> Outcome:
        """Mine one partition and the window up to it; what is complete is reused.

        Args:
            partition: A partition such as `1996-05`, or `latest`.
            retrain: Train a new model, due or not.

        Returns:
            What each stage did, the metrics, the model in use and the place of the report.

        Raises:
            FusemineError: Something is wrong with settings, source, encoder or disk.
        """
        from fusemine.flows.server.temporary import ensure_server

        started = time.monotonic()
        ensure_server()
        from fusemine.flows.pipeline import mine
        from fusemine.flows.server.errors import server_errors

        with server_errors():
            outcome: Outcome = mine(self.loaded.path, partition, "now" if retrain else "due")
        return outcome.model_copy(update={"seconds": round(time.monotonic() - started, 1)})

    def backfill(
        self,
        first: str | None = None,
        last: str | None = None,
        only: Only = "missing",
        order: Order = "oldest",
        max_parallel: int = 1,
        max_failures: int = 3,
        pool: Pool = "auto",
        resume: str | None = None,
    ) -> Backfill:
        """Mine a range of partitions, or what is missing in it.

        Args:
            first: The first partition; by default the first with rows.
            last: The last one; by default the newest with rows.
            only: `missing` includes what is stale or failed, `all` what is complete.
            order: `oldest` or `newest` first.
            max_parallel: Partitions at a time, where the workers of a pool do the work.
            max_failures: Begin no further partition after so many have failed.
            pool: `auto`, `here`, `cpu` or `gpu`.
            resume: The id of an earlier backfill to go on with.

        Returns:
            The record of it, with the state of each partition.

        Raises:
            RunError: A partition failed.
        """
        from fusemine.flows.backfills.selection import Options, planned

        options = Options(only, order, max_parallel, max_failures, pool)
        return run_backfill(self.loaded, planned(self.loaded, first, last, options, resume))

    def status(self) -> pl.DataFrame:
        """Each partition, with the state of the whole and of each stage."""
        import polars as pl

        from fusemine.flows.backfills.grids import coverage_rows
        from fusemine.flows.coverage.coverage import coverage_of

        rows = coverage_rows(coverage_of(self.loaded).covered())
        return pl.DataFrame(rows, infer_schema_length=None)

    def explain(self, stage: str, partition: str) -> list[str]:
        """What differs between a stage's last complete result for a partition and today's key.

        Raises:
            SettingsError: There is no such stage, or the source has no such partition.
        """
        from fusemine.flows.coverage.explain import explain

        return explain(self.loaded, stage, partition)

    def predict(self, rows: Any) -> pl.DataFrame:
        """Score new rows with the model in use.

        Args:
            rows: A polars or pandas frame, or the path of a file.

        Returns:
            The rows with prediction, probability, topic, anomaly score and reason. What cannot be
            scored is left out; `fusemine predict` keeps it with the reasons.

        Raises:
            SettingsError: There is no model yet.
            SourceError: The rows lack a column that the model reads.
        """
        import polars as pl

        from fusemine.flows.config.frame import as_frame
        from fusemine.flows.serving.scoring import predict_file, results_of

        if isinstance(rows, str | Path):
            return pl.read_parquet(results_of(predict_file(self.loaded, Path(rows))))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "rows.parquet"
            as_frame(rows).write_parquet(file)
            return pl.read_parquet(results_of(predict_file(self.loaded, file)))

    def results(self, partition: str | None = None) -> pl.LazyFrame:
        """Your columns beside what was mined of each row.

        Args:
            partition: Of which run; the newest by default.

        Raises:
            SettingsError: There is no such run.
        """
        return self.table("report", partition)

    def table(self, name: str, partition: str | None = None) -> pl.LazyFrame:
        """A table of the last complete run.

        Args:
            name: A stage, such as `topics`, for its main table, or `topics/themes` for another.
            partition: Of which run; the newest by default.

        Raises:
            SettingsError: There is no such run or table.
        """
        import polars as pl

        from fusemine.flows.export.results import tables_of

        files = tables_of(self.loaded, name, partition)
        return pl.concat(map(pl.scan_parquet, files), how="diagonal_relaxed")

    def vectors(self, partition: str | None = None) -> pl.DataFrame:
        """The vectors of the texts of a run's window: `row_id`, `partition` and `embedding`.

        Vectors are float32 of length 1, or all zero without a text.

        Raises:
            SettingsError: There is no such run.
        """
        import polars as pl

        from fusemine.flows.export.results import export_vectors

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "vectors.parquet"
            export_vectors(self.loaded, partition, file)
            return pl.read_parquet(file)

    def report(self, partition: str | None = None) -> Report:
        """The report of the last complete run; a notebook shows it.

        Raises:
            SettingsError: There is no such run.
        """
        from fusemine.flows.export.results import last_report

        return Report(self, last_report(self.loaded, partition))


def run_backfill(loaded: Loaded, plan: Backfill) -> Backfill:
    """Do what a backfill is planned to do; its record, as it stands at the end.

    Raises:
        RunError: A partition failed.
    """
    from fusemine.flows.backfills.state import RowState, load_backfill
    from fusemine.flows.server.errors import server_errors
    from fusemine.flows.server.temporary import ensure_server

    if not plan.count(RowState.WAITING):
        return plan
    plan.save(loaded.store)
    with server_errors(f"go on with: {plan.resume_command()}"):
        ensure_server()
        from fusemine.flows.backfill import backfill

        backfill(loaded.path, resume=plan.id)
    return load_backfill(loaded.store, plan.id)


class Report:
    """A report; a notebook shows it.

    Attributes:
        pipeline: The pipeline that it is of.
        partition: The partition that was mined.
        path: Its HTML file, which is complete in itself.
    """

    def __init__(self, pipeline: Pipeline, ref: ArtifactRef) -> None:
        from fusemine.tasks.upkeep.latest import html_of

        self.pipeline, self.partition, self.path = pipeline, ref.partition, Path(html_of(ref))
        self._ref = ref

    def __repr__(self) -> str:
        return "\n".join([f"Report({str(self.path)!r})", *self.lines])

    @property
    def lines(self) -> list[str]:
        """What was found, in a few lines."""
        from fusemine.tasks.core.storage.artifact import read_json
        from fusemine.tasks.report.compute import LINES

        return list(read_json(self._ref, LINES)["lines"])

    def html(self) -> str:
        """The page."""
        return self.path.read_text(encoding="utf-8")

    def markdown(self) -> str:
        """The summary."""
        from fusemine.tasks.core.storage.artifact import read_bytes
        from fusemine.tasks.report.compute import MARKDOWN

        return read_bytes(self._ref, MARKDOWN).decode()

    def _repr_html_(self) -> str:
        page = html.escape(self.html(), quote=True)
        style = f"width:100%;height:{HEIGHT}px;border:0"
        return f'<iframe sandbox="allow-scripts" style="{style}" srcdoc="{page}"></iframe>'


def load(path: str | Path) -> Pipeline:
    """The pipeline that a pipeline.yaml describes.

    Raises:
        SettingsError: The file is not there, not YAML, or says something that cannot be.

    >>> load("no-such.yaml")
    Traceback (most recent call last):
    ...
    fusemine.tasks.core.errors.SettingsError: ...
    """
    from fusemine.flows.server.temporary import set_defaults

    set_defaults()  # before anything imports Prefect
    from fusemine.flows.config.pipeline import load_pipeline

    return Pipeline(load_pipeline(Path(path)))


def mine(
    frame: Any,
    *,
    text: str | Sequence[str],
    label: str | dict[str, Any] | None = None,
    folder: str | Path | None = None,
    name: str = "table",
    columns: dict[str, Any] | None = None,
    **settings: Any,
) -> Report:
    """Mine a table without writing a pipeline.yaml.

    The roles of columns that are not named are guessed, as `fusemine init` does.

    Args:
        frame: A polars or pandas frame.
        text: The columns with text.
        label: The column to learn, or `{"column": …, "positive": […]}`.
        folder: Where rows, pipeline.yaml and artifacts are kept; by default a new temporary folder.
        name: Name of the pipeline.
        columns: Roles of further columns, as in a pipeline.yaml, such as `{"time": "opened"}`.
        **settings: Other sections of a pipeline.yaml, such as `partition={"by": "day"}`.

    Returns:
        The report, with the pipeline as its attribute.

    Raises:
        FusemineError: Something is wrong with table or settings, or no row is of the past.

    >>> import polars as pl
    >>> texts = ["the invoice is wrong", "cannot log in", "the app crashes on start"]
    >>> frame = pl.DataFrame(
    ...     {
    ...         "body": [f"{texts[i % 3]}, case {i % 7}" for i in range(60)],
    ...         "urgent": ["yes" if i % 3 == 2 else "no" for i in range(60)],
    ...     }
    ... )
    >>> report = mine(frame, text="body", label="urgent")
    >>> report.pipeline.results().collect().height
    60
    """
    from fusemine.flows.config.frame import as_frame, write_frame

    place = Path(folder) if folder else Path(tempfile.mkdtemp(prefix="fusemine-"))
    given = {**(columns or {}), "text": text, **({"label": label} if label else {})}
    pipeline = load(write_frame(as_frame(frame), place, name, given, settings))
    outcome = pipeline.run()
    if outcome.report is None:
        raise RunError(
            got="a frame without a row in a partition that is over",
            expected="rows with a readable time that has passed",
            fix="correct the times, or give the frame without that column",
        )
    return pipeline.report(outcome.partition)
