"""The results of the last complete run are written as a table for other tools."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.small_root import SmallRoot, row

from fusemine.flows.export.results import export_results, tables_of
from fusemine.tasks.core.errors import ArtifactError, SettingsError
from fusemine.tasks.core.storage.artifact import locate
from fusemine.tasks.report.contracts import RESULTS

REMARK = 'a "quoted", é\ntext'


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory) -> SmallRoot:
    """Finished runs of two partitions."""
    made = SmallRoot(tmp_path_factory.mktemp("mined"))
    days = ("2024-01-05", "2024-02-05")
    made.write(*(row(number, day, remarks=REMARK) for number, day in enumerate(days)))
    made.run("2024-01", "2024-02")
    return made


def to_stdout(small: SmallRoot, partition: str | None = None) -> tuple[str, pl.DataFrame]:
    out = io.BytesIO()
    line = export_results(small.loaded, partition, None, out)
    return line, pl.read_csv(out.getvalue(), infer_schema=False)


def test_the_newest_run_goes_to_standard_output_as_csv(mined: SmallRoot) -> None:
    line, table = to_stdout(mined)
    assert line == "2 rows of the window of 2024-02 to standard output"
    assert table["row_id"].to_list() == ["ID-000", "ID-001"]
    assert table["remarks"][0] == REMARK
    assert set(RESULTS.columns) < set(table.columns)


def test_an_older_run_can_be_named(mined: SmallRoot) -> None:
    line, table = to_stdout(mined, "2024-01")
    assert line == "1 rows of the window of 2024-01 to standard output"
    assert table["partition"].to_list() == ["2024-01"]


def test_the_outputs_name_decides_its_form(mined: SmallRoot, tmp_path: Path) -> None:
    for name in ("out.csv", "out.parquet"):
        path = tmp_path / name
        line = export_results(mined.loaded, None, path, io.BytesIO())
        assert line == f"2 rows of the window of 2024-02 to {path}"
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert found.equals(mined.frame("report/2024-02"))
    assert pl.read_csv(tmp_path / "out.csv", infer_schema=False)["row_id"][0] == "ID-000"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("out.xlsx", "a name that ends in .csv or .parquet"), ("no/out.csv", "a folder that exists")],
)
def test_an_output_of_another_form_or_in_no_folder_is_refused(
    mined: SmallRoot, tmp_path: Path, name: str, expected: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        export_results(mined.loaded, None, tmp_path / name, io.BytesIO())
    assert caught.value.expected == expected


def test_a_partition_without_a_run_is_refused_with_the_nearest(mined: SmallRoot) -> None:
    with pytest.raises(SettingsError) as caught:
        to_stdout(mined, "2024-03")
    assert caught.value.got.startswith("no complete run of 2024-03 below ")
    assert caught.value.expected == "one of 2024-01, 2024-02"
    assert caught.value.fix.startswith("did you mean '2024-0")


def test_a_pipeline_that_never_ran_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        to_stdout(SmallRoot(tmp_path))
    assert caught.value.expected == "a complete run"


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_results_that_are_gone_or_changed_are_not_exported(
    mined: SmallRoot, tmp_path: Path, damage: Any
) -> None:
    small = mined.copy(tmp_path / "small")
    [report] = small.refs("report/2024-02")
    damage(Path(locate(report, "part-00000.parquet")))
    with pytest.raises(ArtifactError) as caught:
        to_stdout(small)
    assert caught.value.got == "the results of 2024-02 are gone or changed"
    assert caught.value.fix.endswith(f"fusemine run {small.pipeline} --partition 2024-02")


def test_rows_whose_file_is_gone_are_exported_with_a_note(mined: SmallRoot, tmp_path: Path) -> None:
    small = mined.copy(tmp_path / "small")
    (small.folder / "t.csv").rename(small.folder / "u.csv")
    line, table = to_stdout(small)
    assert table.height == 2
    assert line.split("\n")[1].startswith("note: rows of t.csv are among them, which the source")


def test_any_table_that_a_run_made_or_read_is_found_by_its_name(mined: SmallRoot) -> None:
    cleaned = tables_of(mined.loaded, "clean", None)
    assert [pl.read_parquet(file)["row_id"].item() for file in cleaned] == ["ID-000", "ID-001"]
    assert len(tables_of(mined.loaded, "clean/rejected", "2024-01")) == 1
    with pytest.raises(SettingsError, match=r"(?s)one of anomalies.*did you mean 'clean'"):
        tables_of(mined.loaded, "cleen", None)
