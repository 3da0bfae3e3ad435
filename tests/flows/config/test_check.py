"""`fusemine check` reports whether a pipeline would run, without running it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fusemine.flows.config.check import check_pipeline
from fusemine.flows.config.pipeline import load_pipeline
from fusemine.tasks.core.device import resolve_device
from fusemine.tasks.core.errors import FusemineError, ModelError, SettingsError, SourceError
from fusemine.tasks.embed.encoders.models import ModelFiles
from fusemine.tasks.embed.precision import candidate, machine_type

Write = Callable[[str, str | bytes], Path]
YAML = """\
version: 1
name: birds
source: {path: "in/*.csv"}
columns: {id: nr, time: date, text: remarks, number: height, label: effect}
"""
ROWS = "nr,date,remarks,height,effect\n1,1996-05-01,gull,10,none\n2,1996-05-02,hawk,20,stop\n"


def check(write: Write, yaml: str = YAML) -> list[str]:
    return list(check_pipeline(load_pipeline(write("pipeline.yaml", yaml))))


def refused(write: Write, kind: type[FusemineError], yaml: str = YAML) -> FusemineError:
    with pytest.raises(kind) as caught:
        check(write, yaml)
    assert caught.value.exit_code == 2
    return caught.value


def test_a_pipeline_that_would_run_is_described_line_by_line_and_nothing_is_written(
    write: Write, tmp_path: Path, model_files: ModelFiles
) -> None:
    write("in/a.csv", ROWS)
    assert check(write) == [
        "settings: birds, version 1",
        "source: 1 file(s), in/a.csv to in/a.csv",
        "rows in the first and the last file: 2 usable, 0 rejected, 0 without a partition",
        "texts: 2",
        "label: 2 class(es): none, stop",
        f"encoder: {model_files.folder} (packed)",
        f"device: {resolve_device('auto')}",
        f"precision: {candidate(machine_type('auto'), model_files)}",
        f"root: {tmp_path / 'artifacts' / 'birds'}",
        "it would run",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "pipeline.yaml"]


def test_only_the_first_and_the_last_file_are_read(write: Write) -> None:
    for name in ("a", "c"):
        write(f"in/{name}.csv", ROWS.replace("1,1996", f"{name},1996"))
    write("in/b.csv", b"PAR1")
    assert check(write)[1:3] == [
        "source: 3 file(s), in/a.csv to in/c.csv",
        "rows in the first and the last file: 3 usable, 1 rejected, 0 without a partition",
    ]


def test_rows_that_cannot_be_used_are_counted_with_the_first_reason(write: Write) -> None:
    bad = "3,never,x,1,none\n4,1996-05-03\n5,,x,1,none\n1,1996-05-04,again,1,none\n"
    write("in/a.csv", ROWS + bad)
    assert check(write)[2] == (
        "rows in the first and the last file: 2 usable, 1 rejected, 3 without a partition "
        "(record 5: 2 fields, not 5)"
    )


def test_a_pipeline_without_a_label_needs_none(write: Write) -> None:
    write("in/a.csv", ROWS)
    assert "label:" not in "\n".join(check(write, YAML.replace(", label: effect", "")))


LABEL = "label: {column: effect, corrections: c.csv}"


def test_groups_splits_and_numbers_to_predict_are_counted(write: Write) -> None:
    more = "3,1996-05-03,owl,,holdout\n4,1996-05-04,owl,30,HOLDOUT\n5,1996-05-05,owl,30,\n"
    write("in/a.csv", ROWS + more)
    roles = "label: {column: height, kind: number}, group: remarks, split: effect"
    yaml = YAML.replace("number: height, label: effect", roles)
    assert check(write, yaml)[4:7] == [
        "groups: 3",
        "split: 2 'test', 1 'none', 1 'stop'",
        "label: 4 number(s), 10 to 30",
    ]


def test_corrections_are_counted_with_those_that_miss_their_row(write: Write) -> None:
    write("in/a.csv", ROWS)
    write("c.csv", "row_id,corrected\n1,stop\n2,\n7,none\n")
    assert check(write, YAML.replace("label: effect", LABEL))[5] == (
        "corrections: 2 in c.csv, 1 of them of no row"
    )


def test_of_more_files_than_are_read_corrections_are_only_counted(write: Write) -> None:
    for name in ("a", "b", "c"):
        write(f"in/{name}.csv", ROWS.replace("1,1996", f"{name},1996"))
    write("c.csv", "row_id,corrected\nb,other\n9,none\n")
    assert check(write, YAML.replace("label: effect", LABEL))[5] == "corrections: 2 in c.csv"


@pytest.mark.parametrize(
    ("name", "content", "got"),
    [
        ("d.csv", "row_id,corrected\n1,stop\n", "c.csv, where no file is"),
        ("c.csv", "row_id\n1\n", "file 'c.csv' without a column 'corrected'"),
        ("c.csv", "row_id,corrected\n1,stopp\n", "'stopp' for row '1' in c.csv, which is no class"),
    ],
)
def test_corrections_that_cannot_be_used_are_refused(
    write: Write, name: str, content: str, got: str
) -> None:
    write("in/a.csv", ROWS)
    write(name, content)
    error = refused(write, SettingsError, YAML.replace("label: effect", LABEL))
    assert got in error.got


def test_a_missing_source_is_refused_after_the_settings(write: Write) -> None:
    lines = check_pipeline(load_pipeline(write("pipeline.yaml", YAML)))
    assert next(lines) == "settings: birds, version 1"
    with pytest.raises(SourceError, match="no file at"):
        next(lines)


def test_a_missing_column_is_refused_with_the_nearest_name(write: Write) -> None:
    write("in/a.csv", ROWS)
    error = refused(write, SettingsError, YAML.replace("remarks", "remark"))
    assert error.got == "columns.text[0]: 'remark', which is not a column of file 'in/a.csv'"
    assert error.fix.startswith("did you mean 'remarks'?")


def test_a_missing_required_column_is_refused_too(write: Write) -> None:
    write("in/a.csv", ROWS)
    error = refused(write, SettingsError, YAML + "clean: {required: [remark]}\n")
    assert "clean.required" in error.got


def test_a_source_without_one_usable_row_is_refused(write: Write) -> None:
    write("in/a.csv", ROWS.replace("1996-05-0", "never "))
    error = refused(write, SourceError)
    assert error.got == (
        "no usable row in the first and the last file "
        "(no format of the time column reads 'never 1')"
    )
    write("in/a.csv", ROWS.splitlines()[0] + "\n")
    assert refused(write, SourceError).got == "no usable row in the first and the last file"


def test_a_source_whose_rows_are_all_rejected_is_refused(write: Write) -> None:
    write("in/a.csv", ROWS.replace("gull", "").replace("hawk", ""))
    refused(write, SourceError, YAML + "clean: {required: [remarks]}\n")


def test_an_encoder_that_cannot_be_had_is_refused(write: Write) -> None:
    write("in/a.csv", ROWS)
    error = refused(write, ModelError, YAML + "embed: {model: no-such-model}\n")
    assert error.got.startswith("embed.model 'no-such-model'")


def test_a_root_where_nothing_can_be_written_is_refused(write: Write) -> None:
    if os.access("/proc/1", os.W_OK):
        pytest.skip("this user may write everywhere")
    write("in/a.csv", ROWS)
    error = refused(write, SettingsError, YAML + "root: /proc/1/nowhere\n")
    assert error.got == "root /proc/1/nowhere/birds, where nothing can be written"


def test_a_root_below_a_file_is_refused(write: Write) -> None:
    write("in/a.csv", ROWS)
    refused(write, SettingsError, YAML + "root: in/a.csv\n")
