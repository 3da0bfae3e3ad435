"""Nothing that a pipeline reads or keeps is written over, whatever name the output has."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.small_disk import small_files
from support.small_root import ROLES, SmallRoot, row

from fusemine.flows.config.output import check_output, writing, writing_to
from fusemine.flows.export.results import write_table
from fusemine.tasks.core.errors import ArtifactError, SettingsError

CORRECTIONS = {"label": {"column": "kind", "corrections": "labels/c.csv"}}


@pytest.fixture
def small(tmp_path: Path) -> SmallRoot:
    """A pipeline that reads `in/*.csv` and the folder behind the link `in/old`, never run."""
    more = {"source": {"path": "in/**/*.csv"}}
    made = SmallRoot(tmp_path / "p", source="in/t.csv", columns=ROLES | CORRECTIONS, more=more)
    for folder in ("in", "labels", "out", "artifacts/small/model"):
        (made.folder / folder).mkdir(parents=True)
    (tmp_path / "archive").mkdir()
    (made.folder / "in" / "old").symlink_to(tmp_path / "archive")
    made.write(row(1, "2024-01-05", kind="gull"))
    (made.folder / "labels" / "c.csv").write_text("row_id,corrected\n")
    (made.folder / "artifacts" / "small" / "model" / "part.csv").write_text("kept")
    return made


def refused(small: SmallRoot, output: Path, **also: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        check_output(output, True, small.loaded, **also)
    assert str(output) in caught.value.got
    return caught.value.got.removeprefix(f"output {output}, ")


SPARED = [
    ("in/t.csv", "which holds rows of the source"),
    ("labels/c.csv", "which holds the corrections that columns.label.corrections names"),
    ("artifacts/small/model/part.csv", "below the root "),
    ("artifacts/small/new.csv", "below the root "),
    ("in/new.csv", "which source.path (in/**/*.csv) names"),
    ("in/old/new.csv", "which source.path (in/**/*.csv) names"),
    ("../archive/new.csv", "which source.path (in/**/*.csv) names"),
]


@pytest.mark.parametrize(("place", "why"), SPARED)
def test_what_a_pipeline_reads_or_keeps_is_no_output(
    small: SmallRoot, place: str, why: str
) -> None:
    assert refused(small, small.folder / place).startswith(why)
    assert refused(small, small.folder / "out" / ".." / place).startswith(why)
    (small.folder / "out" / "link.csv").symlink_to(small.folder / place)
    assert refused(small, small.folder / "out" / "link.csv").startswith(why)
    (small.folder / "elsewhere").symlink_to((small.folder / place).parent)
    assert refused(small, small.folder / "elsewhere" / Path(place).name).startswith(why)


@pytest.mark.parametrize(("place", "why"), SPARED[:3])
def test_neither_is_a_hard_link_to_it(small: SmallRoot, place: str, why: str) -> None:
    (small.folder / "out" / "hard.csv").hardlink_to(small.folder / place)
    assert refused(small, small.folder / "out" / "hard.csv").startswith(why)


def test_a_file_that_the_command_reads_and_the_pipeline_are_no_outputs(small: SmallRoot) -> None:
    rows = small.folder / "out" / "rows.csv"
    rows.touch()
    reads = {"the rows to score": rows}
    assert refused(small, rows, reads=reads) == "which holds the rows to score"
    assert refused(small, small.pipeline, endings=[".yaml"]) == "which holds the pipeline"


def test_a_name_that_only_a_link_in_the_source_has_is_no_output(small: SmallRoot) -> None:
    """The next run would read the file behind the link as rows."""
    (small.folder / "in" / "today.csv").symlink_to(small.folder / "out" / "today.csv")
    assert "names" in refused(small, small.folder / "in" / "today.csv")


def test_a_source_that_cannot_be_read_leaves_other_outputs_free(small: SmallRoot) -> None:
    (small.folder / "in" / "gone.csv").symlink_to("/nowhere/gone.csv")
    check_output(small.folder / "out" / "new.csv", False, small.loaded)
    assert "rows of the source" in refused(small, small.folder / "in" / "t.csv")


@pytest.mark.parametrize("place", ["out/new.csv", "new.parquet", "in/new.parquet"])
def test_other_files_are_written_and_replaced_by_force_alone(small: SmallRoot, place: str) -> None:
    output = small.folder / place
    check_output(output, False, small.loaded)
    output.touch()
    check_output(output, True, small.loaded)
    with pytest.raises(SettingsError) as caught:
        check_output(output, False, small.loaded)
    assert caught.value.got == f"output {output}, which is there already"
    assert caught.value.fix.endswith("--force")


def test_what_is_no_file_is_no_output(small: SmallRoot) -> None:
    out = small.folder / "out"
    (out / "folder.csv").mkdir()
    os.mkfifo(out / "pipe.csv")
    (out / "circle.csv").symlink_to(out / "circle.csv")
    assert refused(small, out / "folder.csv") == "which is a folder"
    assert refused(small, out / "pipe.csv") == "which is a pipe or a device"
    assert refused(small, Path("/dev/null")) == "which is a pipe or a device"
    assert refused(small, out / "circle.csv").startswith("which cannot be used: ")
    assert refused(small, out / "no" / "new.csv") == "in a folder that is not there"
    assert refused(small, out / "t.csv" / "new.csv") == "in a folder that is not there"
    assert refused(small, out / "new.xlsx") == f"output {out / 'new.xlsx'}"


TABLE = pl.DataFrame({"text": [f"{number * 7919 % 104729:08}" for number in range(20_000)]})


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
@pytest.mark.parametrize("size", [0, 4_096, 8_192])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, name: str, size: int
) -> None:
    output = tmp_path / name
    write_table(TABLE, output, io.BytesIO())
    before = output.read_bytes()
    with small_files(size), pytest.raises(ArtifactError, match="which cannot be written"):
        write_table(TABLE, output, io.BytesIO())
    assert output.read_bytes() == before
    assert list(tmp_path.iterdir()) == [output]


def test_a_full_disk_behind_standard_output_is_a_sentence() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        with pytest.raises(ArtifactError, match="standard output, which cannot be written: No"):
            write_table(TABLE, None, full)
        with pytest.raises(BrokenPipeError), writing_to(full):
            raise BrokenPipeError


def test_a_link_stays_and_what_it_leads_to_is_replaced_with_its_rights(tmp_path: Path) -> None:
    target, link = tmp_path / "secret.csv", tmp_path / "link.csv"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to(target.name)
    with writing(link) as draft:
        draft.write_text("new")
    assert (link.is_symlink(), target.read_text()) == (True, "new")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
