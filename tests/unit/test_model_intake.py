"""New rows on their way to a model: the same rows as collecting and cleaning make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import tickets, write_csv

from fusemine.tasks.clean.clean import clean
from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.clean.settings import CleanSettings
from fusemine.tasks.collect.assign import assign
from fusemine.tasks.collect.contracts import RAW
from fusemine.tasks.collect.forgotten import id_hash
from fusemine.tasks.core.contract import REJECTED
from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.core.partition import PartitionSettings
from fusemine.tasks.serving.predict.intake import Batch, Intake, Reading, Seen
from fusemine.tasks.sources.files import Batch, read_batches, read_file
from fusemine.tasks.sources.records import Malformed
from fusemine.tasks.table.roles import Columns

ROLES: dict[str, Any] = {
    "id": "ticket",
    "time": "opened",
    "text": "body",
    "category": "product",
    "number": "minutes",
    "label": "urgent",
}
SOURCE = FilesSettings(path="*.csv")
Frame = dict[str, list[Any]]


def reading(levels: dict[str, list[str]] | None = None, **changes: Any) -> Reading:
    roles = {name: role for name, role in {**ROLES, **changes}.items() if role is not None}
    columns, by = Columns.model_validate(roles), PartitionSettings()
    return Reading(columns, CleanSettings(), by, levels or {}, frozenset([id_hash("gone")]))


def rows(**changes: list[Any]) -> pl.DataFrame:
    made: Frame = {
        "ticket": ["a", "b", "c"],
        "opened": ["2024-01-01", "2024-02-01", "2024-03-01"],
        "body": ["it crashes", "no invoice", "help"],
        "product": ["web", "desk", "web"],
        "minutes": ["1", "2", "3"],
    }
    return pl.DataFrame({**made, **changes}, strict=False)


def take(*frames: pl.DataFrame, how: Reading | None = None) -> list[Batch]:
    intake = Intake(how or reading())
    found = [intake.take(Batch("new.csv", frame, [])) for frame in frames]
    for batch, frame in zip(found, frames, strict=True):
        RAW.check(batch.raw.to_arrow())
        CLEAN.check(batch.clean.to_arrow())
        REJECTED.check(batch.rejected.to_arrow())
        assert batch.raw["row_id"].to_list() == batch.clean["row_id"].to_list()
        assert batch.records == frame.height
    return found


def rules(batch: Batch) -> list[tuple[str, str]]:
    return batch.rejected.select("row_id", "rule").rows()


@pytest.mark.parametrize("id_column", ["ticket", None])
@pytest.mark.parametrize("size", [7, 1000])
def test_rows_are_those_of_collecting_and_cleaning(
    tmp_path: Path, id_column: str | None, size: int
) -> None:
    table = tickets(60)
    table = [*table, {**table[3], "body": ""}, table[5]] if id_column is None else table
    path, how = write_csv(tmp_path / "new.csv", table), reading(id=id_column)
    collected = assign([read_file(path, SOURCE, tmp_path)], how.columns, how.by, "first")
    parts = [clean(p.rows, how.columns, how.cleaning, "UTC").rows for p in collected.partitions]
    expected = pl.concat(parts).drop("duplicate_of").sort("row_id")
    intake = Intake(how)
    batches = [intake.take(file) for file in read_batches(path, SOURCE, tmp_path, size)]
    found = pl.concat([batch.clean for batch in batches])
    assert found.drop("duplicate_of").sort("row_id").equals(expected)
    assert found["text"].to_list() == [row["body"] for row in table]  # in the file's order


def test_a_row_needs_no_label_but_all_that_the_model_reads() -> None:
    (batch,) = take(rows())
    assert batch.clean["label"].null_count() == 3
    for column in ("ticket", "opened", "body", "product", "minutes"):
        with pytest.raises(SourceError, match=f"without column '{column}'"):
            take(rows().drop(column))


def test_an_id_that_came_before_is_rejected_also_in_a_later_batch() -> None:
    first, second = take(rows(ticket=["a", "b", "a"]), rows(ticket=["b", "c", "d"]))
    assert rules(first) == [("a", "repeated_id")]
    assert rules(second) == [("b", "repeated_id")]


def test_equal_rows_without_an_id_are_numbered_through_all_batches() -> None:
    same = rows().select(pl.all().first().repeat_by(3).explode()).drop("ticket")
    first, second = take(same, same, how=reading(id=None))
    ids = [*first.clean["row_id"], *second.clean["row_id"]]
    assert [name.rpartition("-")[2] for name in ids] == list("012345")
    assert len({name.rpartition("-")[0] for name in ids}) == 1


def test_a_row_without_a_readable_time_is_rejected_by_its_id_or_its_place_in_the_file() -> None:
    bad = rows(opened=["2024-01-01", None, "soon"], ticket=["a", "b", None])
    first, second = take(bad, bad.with_columns(ticket=pl.lit("x") + pl.col("ticket")))
    assert rules(first) == [("b", "time_missing"), ("new.csv:2", "time_unreadable")]
    assert rules(second) == [("xb", "time_missing"), ("new.csv:5", "time_unreadable")]


def test_a_row_with_nothing_that_the_model_reads_is_rejected() -> None:
    empty = rows(body=[None, "text", " "], product=[None] * 3, minutes=[None, None, "7"])
    (batch,) = take(empty)
    assert rules(batch) == [("a", "nothing_to_read")]
    assert batch.clean["row_id"].to_list() == ["b", "c"]


def test_a_forgotten_row_is_not_scored_and_leaves_nothing_behind() -> None:
    (batch,) = take(rows(ticket=["a", "gone", "c"]))
    assert batch.clean["row_id"].to_list() == ["a", "c"]
    assert "no invoice" not in str(batch.rejected.rows())


def test_malformed_records_are_rejected_and_counted_on() -> None:
    intake, broken = Intake(reading()), [Malformed("invalid_utf8", "why", "record")] * 2
    for first in (0, 2):
        batch = intake.take(Batch("new.csv", rows().clear(), broken))
        assert batch.rejected["row_id"].to_list() == [f"new.csv#{first + i}" for i in (0, 1)]
    intake.check("new.csv")


def checked(how: Reading, *frames: pl.DataFrame) -> Intake:
    intake = Intake(how)
    for frame in frames:
        intake.take(Batch("new.csv", frame, []))
    intake.check("new.csv")
    return intake


def test_a_file_without_rows_is_refused() -> None:
    with pytest.raises(SourceError, match="has no rows"):
        checked(reading(), rows().clear())


def test_a_column_of_numbers_without_any_number_is_refused_and_a_single_bad_cell_told() -> None:
    with pytest.raises(SourceError, match="'minutes', and none of its 6 values is a number"):
        checked(
            reading(),
            *[rows(minutes=["long", "short", "?!"]), rows(ticket=list("def"), minutes=list("xyz"))],
        )
    mixed = checked(reading(), rows(minutes=["long", "2", None]))
    assert mixed.notes()["unreadable_numbers"] == {"minutes": 1}
    assert checked(reading(), rows(minutes=[None, None, None])).notes() == {
        "unreadable_numbers": {},
        "unseen_levels": {},
    }


def many(level: str, rows_: int = 30) -> pl.DataFrame:
    return pl.concat(
        rows(ticket=[f"{i}{c}" for c in "abc"], product=[level] * 3) for i in range(rows_ // 3)
    )


def test_a_category_of_unseen_levels_alone_is_refused_and_single_ones_told() -> None:
    how = reading({"product": ["desk", "web"]})
    with pytest.raises(SourceError, match="'product', and none of its 30 values was there"):
        checked(how, many("3"))
    assert checked(how, rows(product=["web", "moon", None])).notes()["unseen_levels"] == {
        "product": 1
    }
    assert checked(how, many("moon", 3)).unseen["product"] == 3  # a few new ones may well come


def test_categories_with_too_many_levels_to_remember_are_not_held_against_them() -> None:
    assert checked(reading({}), many("3")).notes()["unseen_levels"] == {}


@given(st.lists(st.lists(st.integers(0, 5), max_size=8), max_size=6))
def test_seen_counts_what_came_before(calls: list[list[int]]) -> None:
    import numpy as np

    seen, before = Seen(), list[int]()
    for keys in calls:
        found = seen.count(np.array(keys, np.uint64))
        for key, count in zip(keys, found.tolist(), strict=True):
            assert count == before.count(key)
            before.append(key)
