"""Artifacts are written whole or not at all, and found only while they are intact."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from fusemine.tasks.core.artifact import (
    MAIN,
    ArtifactRef,
    Draft,
    Job,
    find,
    read_frame,
    read_json,
    read_manifest,
    read_table,
    ref_of,
)
from fusemine.tasks.core.errors import ArtifactError, ContractError
from fusemine.tasks.core.key import digest, file_digest
from fusemine.tasks.embed.contracts import EMBEDDINGS
from fusemine.tasks.inventory.contracts import INVENTORY

MakeJob = Callable[..., Job]
Damage = Callable[[Path], object]
ROWS = pl.DataFrame(
    {"partition": ["p", "q"], "key": ["k", "l"], "rows": [1, 2], "rejected": [0, 1]}
)


def make(job: Job, frame: pl.DataFrame = ROWS) -> ArtifactRef:
    """The artifact of a job with a main table, a second table and a JSON file."""
    with Draft(job) as draft:
        draft.table(MAIN, frame, INVENTORY)
        draft.table("more", frame.head(1), INVENTORY)
        draft.json("summary.json", {"mean": 1.5, "name": "é"})
        draft.count(frame.height + 1, frame.height, 1)
    return draft.finished()


def left_in(folder: Path) -> list[str]:
    """Whatever lies in a folder, hidden names included."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_an_artifact_lies_under_stage_partition_and_key(make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job("clean", "1996-05")
    ref = make(job)
    assert Path(ref.path) == tmp_path / "root" / "clean" / "1996-05" / job.recipe.key
    assert left_in(Path(ref.path)) == [
        "manifest.json", "more.parquet", "part-00000.parquet", "summary.json"
    ]  # fmt: skip
    assert left_in(job.folder.parent) == [job.recipe.key]


def test_the_manifest_says_what_was_made_of_what(make_job: MakeJob) -> None:
    before = datetime.now(UTC)
    job = make_job("clean", "1996-05")
    folder = Path(make(job).path)
    manifest = read_manifest(folder)
    assert (manifest.key, manifest.stage, manifest.partition) == (
        job.recipe.key, "clean", "1996-05"
    )  # fmt: skip
    assert manifest.recipe == {
        "inputs": ["a"],
        "settings": {"x": 1},
        "versions": {"polars": "2"},
        "source": "source",
        "model": None,
        "key": job.recipe.key,
    }
    assert manifest.rows.model_dump() == {"rows_in": 3, "rows_kept": 2, "rows_rejected": 1}
    assert manifest.main_rows == 2
    assert list(manifest.columns) == ["partition", "key", "rows", "rejected"]
    assert manifest.columns["rows"] == "int64"
    assert (manifest.inputs, manifest.runs) == (["before"], {"flow_run_id": "f"})
    assert before <= manifest.created_at <= datetime.now(UTC)
    assert 0 <= manifest.seconds < 60


def test_the_manifest_holds_size_and_hash_of_every_file_but_itself(make_job: MakeJob) -> None:
    folder = Path(make(make_job()).path)
    files = read_manifest(folder).files
    assert sorted(files) == ["more.parquet", "part-00000.parquet", "summary.json"]
    for name, file in files.items():
        assert file.sha256 == file_digest(folder / name)
        assert file.size == (folder / name).stat().st_size


def test_the_reference_is_the_hash_of_the_content_and_of_the_schema(make_job: MakeJob) -> None:
    ref = make(make_job())
    manifest = read_manifest(ref.path)
    assert ref.sha256 == digest({name: file.sha256 for name, file in manifest.files.items()})
    assert (ref.rows, ref.schema_hash) == (2, digest(manifest.columns))


def test_the_same_content_gives_the_same_bytes_under_another_key(make_job: MakeJob) -> None:
    one, two = make(make_job(content="a")), make(make_job(content="b"))
    assert one.path != two.path
    assert one.sha256 == two.sha256


def test_what_was_written_is_read_back(make_job: MakeJob) -> None:
    ref = make(make_job())
    assert read_frame(ref, INVENTORY).equals(ROWS)
    assert read_table(ref, INVENTORY, "more").num_rows == 1
    assert read_json(ref, "summary.json") == {"mean": 1.5, "name": "é"}


def test_a_finished_artifact_is_found_by_its_job_alone(make_job: MakeJob) -> None:
    assert find(make_job()) is None
    ref = make(make_job())
    assert find(make_job()) == ref == ref_of(Path(ref.path))
    assert find(make_job(content="b")) is None
    assert find(make_job(partition="other")) is None


def test_the_runs_that_make_an_artifact_are_not_part_of_its_key(make_job: MakeJob) -> None:
    ref = make(make_job())
    assert find(replace(make_job(), runs={}, inputs=())) == ref


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), SystemExit(1)])
def test_nothing_is_left_when_the_body_raises(make_job: MakeJob, error: BaseException) -> None:
    job = make_job()
    with pytest.raises(type(error)), Draft(job) as draft:  # noqa: PT012
        draft.table(MAIN, ROWS, INVENTORY)
        draft.count(2, 2, 0)
        raise error
    assert left_in(job.folder.parent) == []
    assert find(job) is None
    with pytest.raises(ArtifactError, match="no readable file at"):
        draft.finished()


@pytest.mark.parametrize("counts", [(3, 2, 0), (2, 2, 1), (0, 0, 1)])
def test_a_wrong_row_equation_is_refused(make_job: MakeJob, counts: tuple[int, int, int]) -> None:
    job = make_job()
    told = "{} rows in, {} kept, {} rejected".format(*counts)
    with pytest.raises(ContractError, match=told), Draft(job) as draft:  # noqa: PT012
        draft.table(MAIN, ROWS, INVENTORY)
        draft.count(*counts)
    assert left_in(job.folder.parent) == []


def test_a_table_that_breaks_its_contract_is_not_written(make_job: MakeJob) -> None:
    job = make_job()
    with (
        pytest.raises(ContractError, match="no column row_id, embedding"),
        Draft(job) as draft,
    ):
        draft.table(MAIN, ROWS, EMBEDDINGS)
    assert left_in(job.folder.parent) == []


def test_an_artifact_needs_its_counts_and_its_main_table(make_job: MakeJob) -> None:
    job = make_job()
    with (
        pytest.raises(ContractError, match="without row counts"),
        Draft(job) as draft,
    ):
        draft.table(MAIN, ROWS, INVENTORY)
    with (
        pytest.raises(ContractError, match="without row counts"),
        Draft(job) as draft,
    ):
        draft.count(0, 0, 0)
    assert left_in(job.folder.parent) == []


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_json_file_cannot_hold_what_json_has_not(make_job: MakeJob, value: float) -> None:
    job = make_job()
    with pytest.raises(ValueError, match="not JSON compliant"), Draft(job) as draft:
        draft.json("summary.json", {"mean": value})
    assert left_in(job.folder.parent) == []


def test_an_artifact_is_not_there_before_its_block_ends(make_job: MakeJob) -> None:
    job = make_job()
    with Draft(job) as draft:
        draft.table(MAIN, ROWS, INVENTORY)
        draft.count(2, 2, 0)
        assert find(job) is None
        assert not job.folder.exists()
    assert find(job) == draft.finished()


def damage_content(folder: Path) -> None:
    path = folder / "part-00000.parquet"
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)


def damage_size(folder: Path) -> None:
    with (folder / "more.parquet").open("ab") as file:
        file.write(b"x")


DAMAGES = {
    "a changed bit": damage_content,
    "a longer file": damage_size,
    "a file that is gone": lambda folder: (folder / "summary.json").unlink(),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "half a manifest": lambda folder: (folder / "manifest.json").write_text('{"key": "'),
    "a manifest of another form": lambda folder: (folder / "manifest.json").write_text("{}"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_artifact_is_not_found_and_a_new_one_takes_its_place(
    make_job: MakeJob, damage: Damage
) -> None:
    job = make_job()
    ref = make(job)
    damage(Path(ref.path))
    assert find(job) is None
    assert make(job) == ref
    assert find(job) == ref
    assert read_frame(ref, INVENTORY).equals(ROWS)
    assert left_in(job.folder.parent) == [job.recipe.key]


def test_the_loser_of_a_race_discards_its_copy(make_job: MakeJob) -> None:
    job = make_job()
    with Draft(job) as slow:
        slow.table(MAIN, ROWS.reverse(), INVENTORY)
        slow.count(2, 2, 0)
        first = make(job)
    assert slow.finished() == first
    assert read_frame(first, INVENTORY).equals(ROWS)
    assert left_in(job.folder.parent) == [job.recipe.key]


def test_a_file_that_goes_away_is_an_error_that_says_what_to_do(make_job: MakeJob) -> None:
    ref = make(make_job())
    for name in ("part-00000.parquet", "summary.json", "manifest.json"):
        (Path(ref.path) / name).unlink()
    with pytest.raises(ArtifactError, match=r"part-00000\.parquet"):
        read_table(ref, INVENTORY)
    with pytest.raises(ArtifactError, match=r"summary\.json"):
        read_json(ref, "summary.json")
    with pytest.raises(ArtifactError, match="run the pipeline again"):
        read_manifest(ref.path)


def test_a_file_that_is_no_table_is_an_error_and_not_a_traceback(make_job: MakeJob) -> None:
    ref = make(make_job())
    (Path(ref.path) / "part-00000.parquet").write_bytes(b"not parquet")
    (Path(ref.path) / "summary.json").write_text("{")
    with pytest.raises(ArtifactError):
        read_table(ref, INVENTORY)
    with pytest.raises(ArtifactError):
        read_json(ref, "summary.json")


def test_a_table_is_checked_when_it_is_read(make_job: MakeJob) -> None:
    ref = make(make_job())
    with pytest.raises(ContractError, match="a table for 'embeddings'"):
        read_table(ref, EMBEDDINGS)


def test_an_artifact_is_as_readable_as_its_root(make_job: MakeJob, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir(mode=0o750)
    (tmp_path / "root").chmod(0o750)
    assert Path(make(make_job()).path).stat().st_mode & 0o777 == 0o750


def test_the_manifest_is_plain_json(make_job: MakeJob) -> None:
    text = (Path(make(make_job()).path) / "manifest.json").read_text()
    assert json.loads(text)["stage"] == "clean"
    assert text.endswith("}\n")
