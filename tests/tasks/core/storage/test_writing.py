"""Artifacts are written whole or not at all, and found only while they are intact."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from support.small_root import at_every_step

from fusemine.tasks.core.contract import Contract, integer
from fusemine.tasks.core.errors import ArtifactError, ContractError
from fusemine.tasks.core.key import digest, file_digest
from fusemine.tasks.core.storage.artifact import (
    MAIN,
    ArtifactRef,
    Job,
    column_names,
    find,
    has_file,
    locate,
    read_bytes,
    read_frame,
    read_json,
    read_manifest,
    read_table,
    ref_of,
    scan_table,
    to_json,
)
from fusemine.tasks.core.storage.writing import Draft, TableWriter, new_artifact
from fusemine.tasks.embed.contracts import EMBEDDINGS
from fusemine.tasks.inventory.contracts import INVENTORY

MakeJob = Callable[..., Job]
Damage = Callable[[ArtifactRef], object]
COLUMNS = {"partition": ["p", "q"], "key": ["k", "l"], "rows": [1, 2], "rejected": [0, 1]}
ROWS = pl.DataFrame(COLUMNS)
SUMMARY = {"mean": 1.5, "name": "é"}


def fill(draft: Draft, frame: pl.DataFrame = ROWS) -> None:
    """A main table, a second table and a JSON file."""
    draft.table(MAIN, frame, INVENTORY)
    draft.table("more", frame.head(1), INVENTORY)
    draft.bytes("summary.json", to_json(SUMMARY))
    draft.count(frame.height + 1, frame.height)


def make(job: Job, frame: pl.DataFrame = ROWS) -> ArtifactRef:
    with new_artifact(job) as draft:
        fill(draft, frame)
    return draft.ref


def folder(job: Job) -> Path:
    return Path(job.root) / job.name


def left_in(folder: Path) -> list[str]:
    """Whatever lies in a folder, hidden names included."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_files_are_named_with_a_part_of_their_hash_and_the_manifest_holds_size_and_hash(
    make_job: MakeJob,
) -> None:
    job = make_job("clean", "1996-05")
    ref = make(job)
    assert (ref.stage, ref.partition, ref.key) == ("clean", "1996-05", job.recipe.key)
    files = read_manifest(ref).files
    assert sorted(files) == ["more.parquet", "part-00000.parquet", "summary.json"]
    paths = [Path(locate(ref, name)) for name in files]
    for (name, file), path in zip(files.items(), paths, strict=True):
        assert (file.sha256, file.size) == (file_digest(path), path.stat().st_size)
        assert path.name == f"{Path(name).stem}.{file.sha256[:12]}{path.suffix}"
    assert ref.sha256 == digest({name: file.sha256 for name, file in files.items()})
    assert left_in(folder(job)) == sorted(["manifest.json", *(path.name for path in paths)])
    assert left_in(Path(job.root)) == ["clean"]


def test_the_manifest_states_what_was_made_of_what(make_job: MakeJob) -> None:
    before = datetime.now(UTC)
    job = make_job("clean", "1996-05")
    manifest = read_manifest(make(job))
    assert (manifest.name, manifest.recipe) == (job.name, asdict(job.recipe))
    assert manifest.rows.model_dump() == {"rows_in": 3, "rows_kept": 2, "rows_rejected": 1}
    assert (manifest.main_rows, manifest.tables) == (2, ["more", MAIN])
    assert list(manifest.columns) == list(COLUMNS)
    assert manifest.columns["rows"] == "int64"
    assert (manifest.inputs, manifest.runs) == (list(job.inputs), job.runs)
    assert before <= manifest.created_at <= datetime.now(UTC)
    assert 0 <= manifest.seconds < 60
    text = (folder(job) / "manifest.json").read_text()
    assert json.loads(text)["stage"] == "clean"
    assert text.endswith("}\n")


def test_inputs_that_an_older_version_named_by_their_path_have_the_same_names(
    make_job: MakeJob,
) -> None:
    manifest = read_manifest(make(make_job()))
    older = manifest.model_copy(update={"inputs": ["/elsewhere/root/raw/all/before"]})
    assert older.input_names == manifest.input_names == ["raw/all/before"]


def test_the_same_content_gives_the_same_bytes_under_another_key(make_job: MakeJob) -> None:
    one, two = make(make_job(content="a")), make(make_job(content="b"))
    assert one.name != two.name
    assert one.sha256 == two.sha256


def test_what_was_written_is_read_back(make_job: MakeJob) -> None:
    ref = make(make_job())
    assert read_frame(ref, INVENTORY).equals(ROWS)
    assert read_table(ref, INVENTORY, "more").num_rows == 1
    assert read_frame(ref, INVENTORY, columns=["rows"]).equals(ROWS.select("rows"))
    assert scan_table(ref, INVENTORY, columns=["r*"]).collect().columns == ["rows", "rejected"]
    assert column_names(ref) == ROWS.columns
    assert read_json(ref) == SUMMARY
    assert (has_file(ref, "summary.json"), has_file(ref, "other.json")) == (True, False)


def test_a_table_of_many_pieces_is_the_same_as_of_one(make_job: MakeJob) -> None:
    pieces = [ROWS.head(1), ROWS.tail(1).select(reversed(ROWS.columns))]
    with new_artifact(make_job()) as draft:
        with draft.writer(MAIN, INVENTORY) as writer:
            for piece in pieces:
                writer.write(piece)
        draft.count(2, 2)
    assert (draft.ref.rows, read_frame(draft.ref, INVENTORY).equals(ROWS)) == (2, True)


def test_a_finished_artifact_is_found_by_its_job_alone(make_job: MakeJob) -> None:
    job = make_job()
    assert find(job) is None
    ref = make(job)
    assert find(replace(job, runs={}, inputs=())) == ref == ref_of(job.root, job.name)
    assert find(make_job(content="b")) is None
    assert find(make_job(partition="other")) is None


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), SystemExit(1)])
def test_nothing_is_left_when_the_body_raises(make_job: MakeJob, error: BaseException) -> None:
    job = make_job()
    with pytest.raises(type(error)), new_artifact(job) as draft:  # noqa: PT012
        fill(draft)
        raise error
    assert left_in(Path(job.root)) == []
    assert find(job) is None


BROKEN = [
    ("rows_kept=3", MAIN, INVENTORY, (2, 3)),
    ("rows_kept=-1", MAIN, INVENTORY, (2, -1)),
    ("no column row_id", MAIN, EMBEDDINGS, (2, 2)),
    ("no row counts, a main", MAIN, INVENTORY, ()),
    ("no main table", "more", INVENTORY, (0, 0)),
]


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_a_piece_with_other_columns_than_the_first_is_refused(tmp_path: Path, names: str) -> None:
    pieces = {"a": pl.DataFrame({"a": [1]}), "b": pl.DataFrame({"a": [1], "b": [2]})}
    contract = Contract("pieces", {}, optional={"a": integer(), "b": integer()})
    with closing(TableWriter(tmp_path / "table.parquet", contract)) as writer:
        writer.write(pieces[names[0]])
        with pytest.raises(ContractError, match=r"column '?b"):
            writer.write(pieces[names[1]])


@pytest.mark.parametrize(("error", "table", "contract", "counts"), BROKEN)
def test_an_artifact_with_a_wrong_table_or_wrong_counts_is_refused_and_not_written(
    make_job: MakeJob, error: str, table: str, contract: Contract, counts: tuple[int, ...]
) -> None:
    job = make_job()
    with pytest.raises(ContractError, match=error), new_artifact(job) as draft:  # noqa: PT012
        draft.table(table, ROWS, contract)
        if counts:
            draft.count(*counts)
    assert left_in(Path(job.root)) == []


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_json_file_cannot_hold_what_json_has_not(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"mean": value})


def damage_content(ref: ArtifactRef) -> None:
    path = Path(locate(ref, "part-00000.parquet"))
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)


def manifest(ref: ArtifactRef) -> Path:
    return Path(ref.root) / ref.name / "manifest.json"


DAMAGES: dict[str, Damage] = {
    "a changed bit": damage_content,
    "a longer file": lambda ref: Path(locate(ref, "more.parquet")).write_bytes(b"x" * 9_999),
    "a file that is gone": lambda ref: Path(locate(ref, "summary.json")).unlink(),
    "no manifest": lambda ref: manifest(ref).unlink(),
    "half a manifest": lambda ref: manifest(ref).write_text('{"key": "'),
    "a manifest of another form": lambda ref: manifest(ref).write_text("{}"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_artifact_is_not_found_and_a_new_one_takes_its_place(
    make_job: MakeJob, damage: Damage
) -> None:
    job = make_job()
    ref = make(job)
    files = left_in(folder(job))
    damage(ref)
    assert find(job) is None
    assert make(job) == ref == find(job)
    assert read_frame(ref, INVENTORY).equals(ROWS)
    assert left_in(folder(job)) == files


def test_the_first_of_two_that_make_one_artifact_wins(make_job: MakeJob) -> None:
    job = make_job()
    with new_artifact(job) as slow:
        fill(slow, ROWS.reverse())
        first = make(job)
        files = left_in(folder(job))
    assert slow.ref == first
    assert read_frame(first, INVENTORY).equals(ROWS)
    assert left_in(folder(job)) == files


def test_a_provisional_artifact_is_replaced(make_job: MakeJob) -> None:
    job = make_job()
    with new_artifact(job) as draft:
        fill(draft, ROWS.reverse())
        draft.provisional = True
    assert make(job) == find(job) != draft.ref
    assert len(left_in(folder(job))) == 4
    for read in (read_manifest, read_json, lambda ref: read_table(ref, INVENTORY)):
        with pytest.raises(ArtifactError, match="another run has replaced it"):
            read(draft.ref)


@pytest.mark.parametrize("earlier", ["nothing", "a damaged one"])
def test_a_commit_that_is_killed_leaves_nothing_or_a_complete_artifact(
    make_job: MakeJob, earlier: str
) -> None:
    job = make_job()
    Path(job.root).mkdir()
    if earlier != "nothing":
        damage_content(make(job, ROWS.reverse()))
    outcomes = set()
    for _ in at_every_step(Path(job.root), lambda: make(job)):
        found = find(job)
        outcomes.add(found is not None)
        assert found is None or read_frame(found, INVENTORY).equals(ROWS)
        ref = make(job)
        assert find(job) == ref
        assert read_frame(ref, INVENTORY).equals(ROWS)
    assert outcomes == {True, False}


def test_a_file_that_goes_away_is_an_error_that_names_the_next_step(make_job: MakeJob) -> None:
    ref = make(make_job())
    Path(locate(ref, "part-00000.parquet")).unlink()
    Path(locate(ref, "summary.json")).unlink()
    with pytest.raises(ArtifactError, match=r"part-00000\.parquet"):
        read_table(ref, INVENTORY)
    for name in ("summary.json", "other.json"):
        with pytest.raises(ArtifactError, match=name):
            read_bytes(ref, name)
    manifest(ref).unlink()
    with pytest.raises(ArtifactError, match="run the pipeline again"):
        read_manifest(ref)


def test_a_file_that_is_no_table_is_an_error_and_not_a_traceback(make_job: MakeJob) -> None:
    ref = make(make_job())
    Path(locate(ref, "part-00000.parquet")).write_bytes(b"not parquet")
    Path(locate(ref, "summary.json")).write_text("{")
    for read in (lambda ref: read_table(ref, INVENTORY), column_names, read_json):
        with pytest.raises(ArtifactError):
            read(ref)


def test_a_table_is_checked_when_it_is_read(make_job: MakeJob) -> None:
    ref = make(make_job())
    for read in (read_table, scan_table):
        with pytest.raises(ContractError, match="a table for 'embeddings'"):
            read(ref, EMBEDDINGS)
