"""A row is forgotten wherever it is, and nothing else is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from support.small_root import SmallRoot, at_every_step, everything, files_with, names, row

from fusemine.flows.backfills.state import Backfill, Row, RowState, load_backfill, new_id
from fusemine.flows.engine.failures import read_failures, record_failure
from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.collect.contracts import RAW
from fusemine.tasks.collect.forgotten import (
    add_forgotten,
    id_hash,
    read_forgotten,
)
from fusemine.tasks.core.errors import ArtifactError, SettingsError
from fusemine.tasks.core.storage.artifact import MAIN, locate, read_manifest, ref_of
from fusemine.tasks.core.storage.manifest import Rows
from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.embed.contracts import EMBEDDINGS
from fusemine.tasks.embed.store.store import EmbeddingStore, keys_of, text_hash
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.inventory.compute import read_listing
from fusemine.tasks.upkeep.forget import Forgotten, forget

JANUARY, FEBRUARY, MARCH = "2024-01-05", "2024-02-05", "2024-03-05"
MINED = ("topic_chain", "fuse", "classify", "topics", "anomalies", "report")
"""The stages whose results may quote a row."""


def mine(
    folder: Path, *rows: dict[str, str], partitions: Sequence[str] = ("2024-01",), **settings: Any
) -> SmallRoot:
    """A root of these rows, with the reports on some partitions."""
    made = SmallRoot(folder, **settings)
    made.write(*rows)
    made.run(*partitions)
    return made


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory) -> SmallRoot:
    """Three partitions of two rows, and reports on the last two."""
    days = [JANUARY, JANUARY, FEBRUARY, FEBRUARY, MARCH, MARCH]
    rows = (row(number, day) for number, day in enumerate(days, start=1))
    return mine(tmp_path_factory.mktemp("mined"), *rows, partitions=("2024-02", "2024-03"))


@pytest.fixture
def small(mined: SmallRoot, tmp_path: Path) -> SmallRoot:
    return mined.copy(tmp_path / "small")


def forget_row(small: SmallRoot, row_id: str) -> Forgotten:
    return forget(small.store, row_id, GRAPH)


def rows_of(small: SmallRoot, place: str) -> tuple[int, int, int]:
    [ref] = small.refs(place)
    rows = read_manifest(ref).rows
    return rows.rows_in, rows.rows_kept, rows.rows_rejected


def all_intact(small: SmallRoot) -> bool:
    return all(ref_of(small.root, name) is not None for name in names(small.root))


def stored(small: SmallRoot) -> set[bytes]:
    parts = [pl.read_parquet(path) for path in small.root.glob("store/*/part-*")]
    return {key for part in parts for key in part["text_hash"]}


def test_a_row_is_nowhere_once_it_is_forgotten(small: SmallRoot) -> None:
    record_failure(small.store, "2024-02", ValueError("unreadable cell 'story 3'"), None)
    (small.root / "names").mkdir()
    (small.root / "names" / f"{'a' * 64}.json").write_text('{"name": "story 3"}')
    row = Row(partition="2024-02", state=RowState.FAILED, error="no number in 'story 3'")
    backfill = Backfill(
        id=new_id(), pipeline=small.pipeline, only="all", order="oldest", max_parallel=1,
        max_failures=1, pool="here", created_at=datetime.now(UTC), rows=[row],
    )  # fmt: skip
    backfill.save(small.store)
    assert len(files_with(small.root, "ID-003", "story 3")) > 8
    found = forget_row(small, "ID-003")
    assert files_with(small.root, "ID-003", "story 3") == []
    assert text_hash("story 3") not in stored(small)
    assert len(stored(small)) == 5
    assert all_intact(small)
    assert found == Forgotten(
        rewritten=dict.fromkeys(
            ["inventory", "collect", "clean", "embed", "backfills", "failed"], 1
        ),
        removed=dict.fromkeys(MINED, 2),
        partitions=("2024-02", "2024-03"),
        purged={"embed": 1, "topic_chain": 1},
        leftovers=0,
    )
    assert found.lines() == [
        "rewritten: 1 of inventory, 1 of collect, 1 of clean, 1 of embed, "
        "1 of backfills, 1 of failed",
        "removed: " + ", ".join(f"2 of {stage}" for stage in MINED),
        "removed besides artifacts: 1 of embed, 1 of topic_chain",
        "reports to make again: 2024-02, 2024-03",
    ]
    assert json.loads(json.dumps(found.as_json()))["purged"]["embed"] == 1
    assert read_failures(small.store)["2024-02"].attempts == 1
    again = load_backfill(small.store, backfill.id)
    assert again.failed() == ["2024-02"]
    again.reset_unfinished()
    assert again.waiting()[0].error is None


def test_every_stage_still_accounts_for_its_rows(small: SmallRoot) -> None:
    forget_row(small, "ID-003")
    assert rows_of(small, "inventory/*") == (6, 5, 1)
    assert rows_of(small, "collect/2024-02") == (2, 1, 1)
    assert rows_of(small, "clean/2024-02") == (1, 1, 0)
    assert rows_of(small, "embed/2024-02") == (1, 1, 0)
    listing = small.frame("inventory/*")
    assert listing.select("rows", "rejected").rows() == [(2, 0), (1, 1), (2, 0)]
    [record] = small.frame("collect/2024-02", "rejected").rows()
    assert record[1:] == ("collect", "forgotten", "forgotten on request", "{}")


def test_other_partitions_and_the_reports_that_never_saw_the_row_stay(small: SmallRoot) -> None:
    before = everything(small.root)
    found = forget_row(small, "ID-005")
    after = everything(small.root)
    same = {name for name, content in before.items() if after.get(name) == content}
    assert {name for name in before if "2024-01" in name or "2024-02" in name} <= same
    assert found.partitions == ("2024-03",)
    assert not (small.root / "latest/2024-03.json").exists()
    assert not (small.root / "report/latest.html").exists()


def test_the_newest_report_stays_if_it_never_saw_the_row(small: SmallRoot) -> None:
    small.write(*(row(n, MARCH) for n in (5, 6)))
    small.run("2024-03")
    newest = everything(small.root)["report/latest.html"]
    found = forget_row(small, "ID-003")
    assert found.partitions == ("2024-02",)
    assert everything(small.root)["report/latest.html"] == newest
    assert files_with(small.root, "ID-003", "story 3") == []


def test_the_rewritten_raw_rows_are_those_of_a_fresh_collect(small: SmallRoot) -> None:
    more = row(3, FEBRUARY, "came twice")
    small.write(*(row(n, FEBRUARY) for n in (3, 9, 4, 7, 8)), more, row(7, FEBRUARY, "again"))
    shutil.rmtree(small.root)
    small.run("2024-02")
    for number in (7, 3, 4):
        forget_row(small, f"ID-{number:03}")
    [rewritten] = map(read_manifest, small.refs("collect/*"))
    shutil.rmtree(small.root / "collect")
    shutil.rmtree(small.root / "inventory")
    small.collect()
    [fresh] = map(read_manifest, small.refs("collect/*"))
    assert rewritten.files == fresh.files
    assert rewritten.rows == fresh.rows == Rows(rows_in=7, rows_kept=2, rows_rejected=5)


def test_a_fresh_collect_keeps_the_row_out(small: SmallRoot) -> None:
    forget_row(small, "ID-003")
    small.run("2024-03")
    assert files_with(small.root, "ID-003", "story 3") == []
    inventories = [read_manifest(ref).rows for ref in small.refs("inventory/*")]
    assert inventories == [Rows(rows_in=6, rows_kept=5, rows_rejected=1)] * 2


def test_older_versions_of_a_partition_lose_the_row_too(small: SmallRoot) -> None:
    small.write(*(row(n, FEBRUARY) for n in (3, 4, 5)))
    small.run("2024-02")
    found = forget_row(small, "ID-003")
    assert found.rewritten == {"inventory": 2, "collect": 2, "clean": 2, "embed": 2}
    assert files_with(small.root, "ID-003", "story 3") == []
    assert all_intact(small)


def test_a_second_call_finds_nothing(small: SmallRoot) -> None:
    forget_row(small, "ID-003")
    before = everything(small.root)
    again = forget_row(small, "ID-003")
    assert again == Forgotten({}, {}, (), {}, 0)
    assert again.lines() == ["nothing of it was left"]
    assert everything(small.root) == before


def test_an_id_that_is_nowhere_is_an_error_and_changes_nothing(small: SmallRoot) -> None:
    before = everything(small.root)
    with pytest.raises(SettingsError, match="no row with id 'ID-03' below") as error:
        forget_row(small, "ID-03")
    assert "ID-003" not in str(error.value)
    assert everything(small.root) == before


def test_a_kill_at_any_step_and_a_second_call_end_as_one_call_does(tmp_path: Path) -> None:
    small = mine(tmp_path, row(3, FEBRUARY), row(4, FEBRUARY), partitions=["2024-02"])
    for stage in MINED[:-1]:  # one kind of result is enough
        shutil.rmtree(small.root / stage)
    for folder in ("collect/2024-02/.draft-k3x_09ab", "clean/2024-02/.damaged-k3x_09ab"):
        (small.root / folder).mkdir()
        (small.root / folder / "half.json").write_text("ID-003 story 3")
    whole = small.root.with_name("whole")
    shutil.copytree(small.root, whole)
    forget(store_at(whole), "ID-003", GRAPH)
    expected = everything(whole)
    kills = 0
    for step in at_every_step(small.root, lambda: forget_row(small, "ID-003")):
        if step == 0:
            assert read_forgotten(small.store) == frozenset()
        forget_row(small, "ID-003")
        assert everything(small.root) == expected, f"killed at step {step}"
        kills += 1
    assert kills > 60
    assert files_with(small.root, "ID-003", "story 3") == []


@pytest.mark.parametrize("kept", ["first", "newest"])
def test_an_id_that_came_twice_is_forgotten_twice(tmp_path: Path, kept: str) -> None:
    rows = row(1, JANUARY), row(2, JANUARY), row(1, "2024-01-09", "another version")
    small = mine(tmp_path, *rows, repeated_id=kept)
    assert rows_of(small, "collect/*") == (3, 2, 1)
    forget_row(small, "ID-001")
    assert files_with(small.root, "ID-001", "story 1", "another version") == []
    assert rows_of(small, "collect/*") == (3, 1, 2)
    assert small.frame("collect/*", "rejected")["rule"].to_list() == ["forgotten"] * 2
    assert rows_of(small, "clean/*") == (1, 1, 0)


def test_an_id_in_two_partitions_is_forgotten_in_both(tmp_path: Path) -> None:
    rows = row(1, JANUARY), row(2, JANUARY), row(1, FEBRUARY), row(4, FEBRUARY)
    small = mine(tmp_path, *rows, partitions=["2024-01", "2024-02"])
    found = forget_row(small, "ID-001")
    assert found.rewritten["collect"] == 2
    assert files_with(small.root, "ID-001", "story 1") == []


@pytest.mark.parametrize("name", ["ID-002", "t.csv:1"])
def test_a_row_without_a_partition_is_blanked_by_its_own_id_or_the_records(
    tmp_path: Path, name: str
) -> None:
    small = mine(tmp_path, row(1, JANUARY), row(2, "some day"), row(3, "never"))
    found = forget_row(small, name)
    assert files_with(small.root, "ID-002", "story 2", "some day") == []
    unassigned = small.frame("inventory/*", "unassigned")
    assert unassigned["rule"].to_list() == ["forgotten", "time_unreadable"]
    assert rows_of(small, "inventory/*") == (3, 1, 2)
    assert found.rewritten == {"inventory": 1}
    assert found.partitions == ("2024-01",)
    assert forget_row(small, name) == Forgotten({}, {}, (), {}, 0)


def test_a_malformed_record_is_blanked_if_one_of_its_fields_is_the_id(tmp_path: Path) -> None:
    small = SmallRoot(tmp_path)
    small.write(row(1, JANUARY), row(3, JANUARY), more="ID-002,2024-01-05,story 2,extra\n")
    small.run("2024-01")
    forget_row(small, "ID-002")
    assert files_with(small.root, "ID-002", "story 2") == []
    assert rows_of(small, "inventory/*") == (3, 2, 1)
    assert len(names(small.root, "report")) == 0


def test_a_row_that_cleaning_rejected_is_forgotten(tmp_path: Path) -> None:
    rows = (row(number, JANUARY, mail=mail) for number, mail in enumerate(["a@b", "", "c"], 1))
    small = mine(tmp_path, *rows, required=("mail",))
    assert rows_of(small, "clean/*") == (3, 2, 1)
    found = forget_row(small, "ID-002")
    assert files_with(small.root, "ID-002", "story 2") == []
    assert rows_of(small, "clean/*") == (2, 2, 0)
    assert found.removed == dict.fromkeys(MINED, 1)
    assert "embed" not in found.rewritten


def test_a_text_that_another_row_has_too_keeps_its_vector(tmp_path: Path) -> None:
    rows = row(1, JANUARY, "the same"), row(2, JANUARY), row(3, FEBRUARY, "the same")
    small = mine(tmp_path, *rows, partitions=["2024-02"])
    assert forget_row(small, "ID-001").purged == {}
    assert text_hash("the same") in stored(small)
    assert forget_row(small, "ID-003").purged == {"embed": 1}
    assert stored(small) == {text_hash("story 2")}


def test_duplicates_of_the_row_become_those_of_the_next_one(tmp_path: Path) -> None:
    same = [row(n, JANUARY, "the same") for n in (1, 2, 3)]
    small = mine(tmp_path, *same, row(4, JANUARY), row(5, JANUARY, "story 4"))
    forget_row(small, "ID-001")
    assert files_with(small.root, "ID-001") == []
    rows = small.frame("clean/*").select("row_id", "duplicate_of").rows()
    assert rows == [
        ("ID-002", None), ("ID-003", "ID-002"), ("ID-004", None), ("ID-005", "ID-004")
    ]  # fmt: skip
    [rewritten] = map(read_manifest, small.refs("clean/*"))
    shutil.rmtree(small.root / "clean")
    small.run("2024-01")
    [fresh] = map(read_manifest, small.refs("clean/*"))
    assert fresh.files["part-00000.parquet"] == rewritten.files["part-00000.parquet"]


def test_the_only_row_of_a_partition_leaves_empty_tables(small: SmallRoot) -> None:
    forget_row(small, "ID-003")
    forget_row(small, "ID-004")
    for stage, contract in [("collect", RAW), ("clean", CLEAN), ("embed", EMBEDDINGS)]:
        frame = small.frame(f"{stage}/2024-02")
        assert frame.height == 0
        assert set(contract.columns) <= set(frame.columns)
    assert all_intact(small)
    [inventory] = small.refs("inventory/*")
    assert None not in read_listing(inventory).raw.values()
    assert stored(small).isdisjoint({text_hash("story 3"), text_hash("story 4")})


def test_the_store_reads_its_shorter_parts(small: SmallRoot) -> None:
    [space] = small.store.folders("store")
    before = EmbeddingStore(small.store, f"store/{space}")
    vectors = before.fetch(keys_of(["story 4"])).matrix
    forget_row(small, "ID-003")
    before.refresh()
    assert before.has(keys_of(["story 3", "story 4"])).tolist() == [False, True]
    assert before.fetch(keys_of(["story 4"])).matrix.tolist() == vectors.tolist()


def test_an_artifact_keeps_all_that_the_row_has_no_part_in(small: SmallRoot) -> None:
    [ref] = small.refs("embed/2024-02")
    old, metadata = read_manifest(ref), pq.read_schema(locate(ref, f"{MAIN}.parquet")).metadata
    forget_row(small, "ID-003")
    [ref] = small.refs("embed/2024-02")
    new = read_manifest(ref)
    changed = {"rows", "main_rows", "files"}
    assert new.model_dump(exclude=changed) == old.model_dump(exclude=changed)
    assert new.main_rows == 1
    assert pq.read_schema(locate(ref, f"{MAIN}.parquet")).metadata == metadata
    assert metadata[b"dtype"] == b"float16"


def test_what_cannot_be_read_is_removed_because_it_may_hold_the_row(small: SmallRoot) -> None:
    [clean] = small.refs("clean/2024-01")
    Path(locate(clean, f"{MAIN}.parquet")).write_bytes(b"story 3")
    [raw] = names(small.root, "collect/2024-01")
    (small.root / raw / "manifest.json").unlink()
    found = forget_row(small, "ID-003")
    assert (found.removed["clean"], found.removed["collect"]) == (1, 1)
    assert files_with(small.root, "ID-003", "story 3") == []


def test_a_record_that_cannot_be_read_stops_it_before_anything_changes(small: SmallRoot) -> None:
    (small.root / "latest/2024-02.json").write_text('{"report": ')
    before = everything(small.root)
    with pytest.raises(ArtifactError, match="damaged"):
        forget_row(small, "ID-003")
    assert everything(small.root) == before


def test_other_files_below_the_root_stay(small: SmallRoot) -> None:
    names = ("failed/2024-02.json", "backfills/a.json", ".lock", "notes.txt")
    for name in names:
        (small.root / name).parent.mkdir(exist_ok=True)
        (small.root / name).write_text("{}")
    forget_row(small, "ID-003")
    assert [(small.root / name).read_text() for name in names] == ["{}"] * 4


def test_the_tombstones_hold_hashes_alone_and_each_once(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    add_forgotten(store, "b", "a")
    add_forgotten(store, "a")
    content = json.loads((tmp_path / "forgotten.json").read_text())
    assert content["row_ids"] == sorted([id_hash("a"), id_hash("b")])
    assert content == json.loads((tmp_path / "forgotten-copy.json").read_text())
    assert read_forgotten(store) == {id_hash("a"), id_hash("b")}
    assert [file.name for file in store.files() if file.size] == [
        "forgotten-copy.json",
        "forgotten.json",
    ]
