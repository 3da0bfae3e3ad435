"""The Python API, as a notebook uses it."""

from __future__ import annotations

import doctest
import tempfile
from pathlib import Path

import polars as pl
import pytest
from support.tickets import Table, tickets

import fusemine
from fusemine.flows import api

COLUMNS = ("ticket", "body", "urgent", "product", "minutes")


@pytest.fixture(scope="module")
def report(server: str, tmp_path_factory: pytest.TempPathFactory) -> fusemine.Report:
    """A frame without times, mined in a few lines."""
    frame = pl.DataFrame(tickets(120)).select(COLUMNS)
    frame = frame.with_columns(pl.col("minutes").cast(pl.Int64))
    return fusemine.mine(
        frame,
        text="body",
        label={"column": "urgent", "positive": ["yes"]},
        folder=tmp_path_factory.mktemp("mined"),
        classify={"strategy": "early", "explain": 0},
    )


def test_a_frame_becomes_a_report_that_a_notebook_shows(report: fusemine.Report) -> None:
    shown = report._repr_html_()
    assert shown.startswith("<iframe")
    assert "&lt;!doctype html&gt;" in shown.lower()
    assert report.path.read_text(encoding="utf-8") == report.html()
    assert report.markdown().startswith("# table")
    assert len(report.lines) >= 3


def test_the_other_columns_get_roles(report: fusemine.Report) -> None:
    columns = report.pipeline.loaded.pipeline.columns
    assert (columns.id, columns.text, columns.category) == ("ticket", ("body",), ("product",))
    assert columns.number == ("minutes",)


def test_results_tables_and_vectors_are_frames(report: fusemine.Report) -> None:
    pipeline = report.pipeline
    results = pipeline.results().collect()
    assert results.height == 120
    assert {"ticket", "topic", "prediction", "anomaly_score"} <= set(results.columns)
    topics = pipeline.table("topics").collect()
    assert topics["row_id"].to_list() == results["row_id"].to_list()
    assert pipeline.table("topics/themes").collect().height >= 1
    vectors = pipeline.vectors()
    assert (vectors.height, vectors.columns) == (120, ["row_id", "partition", "embedding"])


def test_new_rows_of_a_frame_or_a_file_are_predicted(
    report: fusemine.Report, tmp_path: Path
) -> None:
    frame = pl.DataFrame(tickets(9)).select(COLUMNS)
    found = report.pipeline.predict(frame)
    assert found["row_id"].to_list() == frame["ticket"].to_list()
    frame.write_csv(tmp_path / "new.csv")
    from_file = report.pipeline.predict(tmp_path / "new.csv")
    assert from_file.select("row_id", "prediction").equals(found.select("row_id", "prediction"))


def test_status_check_and_explain_say_where_it_stands(report: fusemine.Report) -> None:
    pipeline = report.pipeline
    status = pipeline.status()
    assert status.select("partition", "state").rows() == [("all", "complete")]
    assert list(pipeline.check())[-1] == "it would run"
    assert pipeline.explain("topics", "all")[0] == "topics of all: complete"


def test_a_pipeline_is_loaded_run_and_backfilled(server: str, table: Table) -> None:
    pipeline = fusemine.load(table.pipeline)
    outcome = pipeline.run("2024-02")
    assert outcome.partition == "2024-02"
    plan = pipeline.backfill("2024-01", "2024-02")
    assert [str(row.state) for row in plan.rows] == ["complete", "complete before"]
    assert pipeline.report("2024-01").partition == "2024-01"
    assert pipeline.report().partition == "2024-02"


def test_a_table_that_there_is_not_is_named_with_those_that_there_are(
    report: fusemine.Report,
) -> None:
    with pytest.raises(fusemine.FusemineError) as refused:
        report.pipeline.table("topics/theme")
    assert "did you mean 'topics/themes'?" in refused.value.fix


def test_a_pandas_frame_is_taken_too(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    from fusemine.flows.config.frame import as_frame

    assert as_frame(pandas.DataFrame({"a": [1, 2]})).rows() == [(1,), (2,)]
    with pytest.raises(fusemine.FusemineError, match="no table"):
        as_frame(pandas.DataFrame({"a": [1, {"b"}]}))
    with pytest.raises(fusemine.FusemineError, match="no table"):
        as_frame("rows.csv")


@pytest.mark.parametrize(
    ("roles", "match"), [({"text": "bodi"}, "did you mean 'body'"), ({"text": ()}, "name at least")]
)
def test_a_role_of_a_column_that_is_not_there_is_refused(roles: dict[str, str], match: str) -> None:
    frame = pl.DataFrame({"body": ["a", "b"]})
    with pytest.raises(fusemine.FusemineError, match=match):
        fusemine.mine(frame, **roles)


@pytest.mark.parametrize("name", ["pipeline.yaml", "table.parquet"])
def test_a_file_that_somebody_else_wrote_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("version: 1\n")
    with pytest.raises(fusemine.FusemineError, match="did not write"):
        fusemine.mine(pl.DataFrame({"body": ["a"]}), text="body", folder=tmp_path)
    assert (tmp_path / name).read_text() == "version: 1\n"


def test_rows_of_the_future_alone_are_nothing_to_mine(server: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"body": ["a", "b"], "day": ["2100-01-01", "2100-01-02"]})
    with pytest.raises(fusemine.FusemineError, match="a partition that is over"):
        fusemine.mine(frame, text="body", columns={"time": "day"}, folder=tmp_path)


@pytest.mark.slow
def test_the_examples_run(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    done = doctest.testmod(api, optionflags=doctest.ELLIPSIS)
    assert (done.failed, done.attempted) == (0, 6)
