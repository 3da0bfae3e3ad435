"""The results of the last complete run are written as a table for other tools."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fusemine.flows.export.results import export_results
from fusemine.tasks.core.errors import ArtifactError, SettingsError
from fusemine.tasks.core.storage.artifact import MAIN, Draft, Job
from fusemine.tasks.report.contracts import RESULTS

Write = Callable[[str, str | bytes], Path]
MakeJob = Callable[..., Job]
YAML = "version: 1\nname: birds\nsource: {path: a.csv}\ncolumns: {text: remarks}\n"


def results(partition: str) -> pl.DataFrame:
    empty = {name: None for name in RESULTS.columns if name not in {"row_id", "partition"}}
    texts = ("label", "prediction", "split", "topic", "anomaly_reason")
    others = {"anomaly_flagged": pl.Boolean, **dict.fromkeys(texts, pl.String)}
    return pl.DataFrame(
        [{"row_id": f"{partition}-{i}", "partition": partition, **empty} for i in range(2)],
        schema_overrides={name: others.get(name, pl.Float64) for name in empty},
    ).with_columns(remarks=pl.lit('a "quoted", é\ntext'))


@pytest.fixture
def pipeline(write: Write, tmp_path: Path, make_job: MakeJob) -> Path:
    """A pipeline with finished runs of two partitions."""
    root = tmp_path / "artifacts" / "birds"
    for partition in ("1996-04", "1996-05"):
        with Draft(replace(make_job("report", partition), root=root)) as draft:
            draft.table(MAIN, results(partition), RESULTS)
            draft.text("report.html", "<html>")
            draft.count(2, 2, 0)
        report = Path(draft.finished().path).relative_to(root) / "report.html"
        record = json.dumps({"report": str(report)})
        write(f"artifacts/birds/latest/{partition}.json", record)
    return write("pipeline.yaml", YAML)


def to_stdout(pipeline: Path, partition: str | None = None) -> tuple[str, pl.DataFrame]:
    out = io.BytesIO()
    line = export_results(pipeline, partition, None, out)
    return line, pl.read_csv(out.getvalue(), infer_schema=False)


def test_the_newest_run_goes_to_standard_output_as_csv(pipeline: Path) -> None:
    line, table = to_stdout(pipeline)
    assert line == "2 rows of 1996-05 to standard output"
    assert table["row_id"].to_list() == ["1996-05-0", "1996-05-1"]
    assert table["remarks"][0] == 'a "quoted", é\ntext'
    assert set(RESULTS.columns) < set(table.columns)


def test_an_older_run_can_be_named(pipeline: Path) -> None:
    line, table = to_stdout(pipeline, "1996-04")
    assert line == "2 rows of 1996-04 to standard output"
    assert table["partition"].to_list() == ["1996-04", "1996-04"]


def test_the_outputs_name_tells_its_form(pipeline: Path, tmp_path: Path) -> None:
    expected = results("1996-05")
    for name in ("out.csv", "out.parquet"):
        path = tmp_path / name
        line = export_results(pipeline, None, path, io.BytesIO())
        assert line == f"2 rows of 1996-05 to {path}"
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert found.equals(expected.select(found.columns))
    assert pl.read_csv(tmp_path / "out.csv", infer_schema=False)["row_id"][0] == "1996-05-0"


def test_an_output_of_another_form_is_refused(pipeline: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        export_results(pipeline, None, tmp_path / "out.xlsx", io.BytesIO())
    assert caught.value.expected == "a name that ends in .csv or .parquet"


def test_an_output_in_a_folder_that_is_not_there_is_refused(pipeline: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        export_results(pipeline, None, tmp_path / "no" / "out.csv", io.BytesIO())


def test_a_partition_without_a_run_is_refused_with_the_nearest(pipeline: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        to_stdout(pipeline, "1996-06")
    assert caught.value.got.startswith("no complete run of 1996-06 below ")
    assert caught.value.expected == "one of 1996-04, 1996-05"
    assert caught.value.fix.startswith("did you mean '1996-0")


def test_a_pipeline_that_never_ran_is_refused(write: Write) -> None:
    with pytest.raises(SettingsError) as caught:
        to_stdout(write("pipeline.yaml", YAML))
    assert caught.value.expected == "a complete run"


def first_results(pipeline: Path) -> Path:
    return next(pipeline.parent.glob("artifacts/birds/report/1996-05/*/part-00000.parquet"))


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")])
def test_results_that_are_gone_or_changed_are_not_exported(pipeline: Path, damage: Any) -> None:
    damage(first_results(pipeline))
    with pytest.raises(ArtifactError) as caught:
        to_stdout(pipeline)
    assert caught.value.got == "the results of 1996-05 are gone or changed"
    assert caught.value.fix.endswith(f"fusemine run {pipeline} --partition 1996-05")
