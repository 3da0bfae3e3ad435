"""New rows are read for a model as collecting and cleaning read training rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tickets import SETTINGS, tickets, write_csv

from fusemine.tasks.clean.compute import clean
from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.clean.settings import CleanSettings
from fusemine.tasks.collect.assign import assign
from fusemine.tasks.collect.contracts import RAW
from fusemine.tasks.collect.forgotten import id_hash
from fusemine.tasks.core.contract import REJECTED
from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.core.partition import PartitionSettings
from fusemine.tasks.serving.input_contract import InputContract
from fusemine.tasks.serving.predict.reader import CleanBatch, KeyCounter, RowReader
from fusemine.tasks.sources.files import FilesSettings, read_batches, read_file
from fusemine.tasks.sources.source import Batch, Malformed
from fusemine.tasks.table.roles import Columns

ROLES: dict[str, Any] = SETTINGS["columns"] | {"label": "urgent"}
SOURCE = FilesSettings(path="*.csv")
Frame = dict[str, list[Any]]


def contract(levels: dict[str, list[str]] | None = None, **changes: Any) -> InputContract:
    roles = {name: role for name, role in {**ROLES, **changes}.items() if role is not None}
    columns, by = Columns.model_validate(roles), PartitionSettings()
    return InputContract(columns, CleanSettings(), by, levels or {}, frozenset([id_hash("gone")]))


def rows(**changes: list[Any]) -> pl.DataFrame:
    made: Frame = {
        "ticket": ["a", "b", "c"],
        "opened": ["2024-01-01", "2024-02-01", "2024-03-01"],
        "body": ["it crashes", "no invoice", "help"],
        "product": ["web", "desk", "web"],
        "minutes": ["1", "2", "3"],
    }
    return pl.DataFrame({**made, **changes}, strict=False)


def batches(frames: Sequence[pl.DataFrame]) -> list[Batch]:
    before = accumulate((frame.height for frame in frames), initial=0)
    return [Batch("new.csv", frame, first=n) for frame, n in zip(frames, before, strict=False)]


def checked(how: InputContract, *frames: pl.DataFrame) -> RowReader:
    reader = RowReader(how)
    for batch in batches(frames):
        reader.read(batch)
    reader.check("new.csv")
    return reader


def read(*frames: pl.DataFrame, how: InputContract | None = None) -> list[CleanBatch]:
    reader = RowReader(how or contract())
    found = [reader.read(batch) for batch in batches(frames)]
    for batch, frame in zip(found, frames, strict=True):
        RAW.check(batch.raw.to_arrow())
        CLEAN.check(batch.clean.to_arrow())
        REJECTED.check(batch.rejected.to_arrow())
        assert batch.raw["row_id"].to_list() == batch.clean["row_id"].to_list()
        assert batch.clean.height + batch.rejected.height == frame.height
    return found


def rules(batch: CleanBatch) -> list[tuple[str, str]]:
    return batch.rejected.select("row_id", "rule").rows()


@pytest.mark.parametrize("id_column", ["ticket", None])
@pytest.mark.parametrize("size", [7, 1000])
def test_rows_are_those_of_collecting_and_cleaning(
    tmp_path: Path, id_column: str | None, size: int
) -> None:
    table = tickets(60)
    table = [*table, {**table[3], "body": ""}, table[5]] if id_column is None else table
    path, how = write_csv(tmp_path / "new.csv", table), contract(id=id_column)
    collected = assign([read_file(path, SOURCE, tmp_path)], how.columns, how.by, "first")
    parts = [clean(p.rows, how.columns, how.cleaning, "UTC").rows for p in collected.partitions]
    expected = pl.concat(parts).drop("duplicate_of").sort("row_id")
    reader = RowReader(how)
    found = [reader.read(file) for file in read_batches(path, SOURCE, tmp_path, size)]
    rows = pl.concat([batch.clean for batch in found])
    assert rows.drop("duplicate_of").sort("row_id").equals(expected)
    assert rows["text"].to_list() == [row["body"] for row in table]  # in the file's order


def test_a_row_needs_no_label_but_all_columns_that_the_model_reads() -> None:
    (batch,) = read(rows())
    assert batch.clean["label"].null_count() == 3
    for column in ("ticket", "opened", "body", "product", "minutes"):
        with pytest.raises(SourceError, match=f"without column '{column}'"):
            read(rows().drop(column))


def test_an_id_that_came_before_is_rejected_also_in_a_later_batch() -> None:
    first, second = read(rows(ticket=["a", "b", "a"]), rows(ticket=["b", "c", "d"]))
    assert rules(first) == [("a", "repeated_id")]
    assert rules(second) == [("b", "repeated_id")]


def test_equal_rows_without_an_id_are_numbered_through_all_batches() -> None:
    same = rows().select(pl.all().first().repeat_by(3).explode()).drop("ticket")
    first, second = read(same, same, how=contract(id=None))
    ids = [*first.clean["row_id"], *second.clean["row_id"]]
    assert [name.rpartition("-")[2] for name in ids] == list("012345")
    assert len({name.rpartition("-")[0] for name in ids}) == 1


def test_a_row_without_a_readable_time_is_rejected_by_its_id_or_its_place_in_the_file() -> None:
    bad = rows(opened=["2024-01-01", None, "soon"], ticket=["a", "b", None])
    first, second = read(bad, bad.with_columns(ticket=pl.lit("x") + pl.col("ticket")))
    assert rules(first) == [("b", "time_missing"), ("new.csv:2", "time_unreadable")]
    assert rules(second) == [("xb", "time_missing"), ("new.csv:5", "time_unreadable")]


def test_a_row_with_nothing_that_the_model_reads_is_rejected() -> None:
    empty = rows(body=[None, "text", " "], product=[None] * 3, minutes=[None, None, "7"])
    (batch,) = read(empty)
    assert rules(batch) == [("a", "nothing_to_read")]
    assert batch.clean["row_id"].to_list() == ["b", "c"]


def test_a_forgotten_row_is_not_scored_and_leaves_nothing_behind() -> None:
    (batch,) = read(rows(ticket=["a", "gone", "c"]))
    assert batch.clean["row_id"].to_list() == ["a", "c"]
    assert "no invoice" not in str(batch.rejected.rows())


def test_malformed_records_are_rejected_and_counted_on() -> None:
    reader, broken = RowReader(contract()), [Malformed("invalid_utf8", "why", "record")] * 2
    for first in (0, 2):
        batch = reader.read(Batch("new.csv", rows().clear(), broken, first_malformed=first))
        assert batch.rejected["row_id"].to_list() == [f"new.csv#{first + i}" for i in (0, 1)]
    reader.check("new.csv")


def test_a_column_of_numbers_without_any_number_is_refused_and_bad_cells_are_counted() -> None:
    bad = rows(minutes=["long", "short", "?!"])
    with pytest.raises(SourceError, match="'minutes', and none of its 6 values is a number"):
        checked(contract(), bad, rows(ticket=list("def"), minutes=list("xyz")))
    mixed = checked(contract(), rows(minutes=["long", "2", None]))
    assert mixed.notes()["unreadable_numbers"] == {"minutes": 1}
    empty = checked(contract(), rows(minutes=[None, None, None]))
    assert empty.notes() == {"unreadable_numbers": {}, "unseen_levels": {}}


def many(level: str, threes: int = 10) -> pl.DataFrame:
    ids = ([f"{i}{c}" for c in "abc"] for i in range(threes))
    return pl.concat(rows(ticket=three, product=[level] * 3) for three in ids)


def test_a_category_of_unseen_levels_alone_is_refused_and_single_ones_are_counted() -> None:
    how = contract({"product": ["desk", "web"]})
    with pytest.raises(SourceError, match="'product', and none of its 30 values was there"):
        checked(how, many("3"))
    mixed = checked(how, rows(product=["web", "moon", None]))
    assert mixed.notes()["unseen_levels"] == {"product": 1}
    assert checked(how, many("moon", 1)).unseen["product"] == 3  # a few new ones are normal


def test_categories_with_too_many_levels_to_remember_are_not_checked() -> None:
    assert checked(contract({}), many("3")).notes()["unseen_levels"] == {}


@given(st.lists(st.lists(st.integers(0, 5), max_size=8), max_size=6))
def test_a_counter_counts_how_often_a_key_came_before(calls: list[list[int]]) -> None:
    counter, before = KeyCounter(), list[int]()
    for keys in calls:
        found = counter.count(np.array(keys, np.uint64))
        for key, count in zip(keys, found.tolist(), strict=True):
            assert count == before.count(key)
            before.append(key)
