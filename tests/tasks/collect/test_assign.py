"""Every row gets an id and a partition, or is set aside with the reason."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.collect.assign import Collected, assign, stored_name
from fusemine.tasks.collect.contracts import RAW
from fusemine.tasks.core.contract import REJECTED
from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.core.partition import By, PartitionSettings
from fusemine.tasks.inventory.contracts import UNASSIGNED
from fusemine.tasks.sources.source import Batch, Malformed
from fusemine.tasks.table.roles import Columns

MONTHS = PartitionSettings()


def file(name: str = "a.csv", malformed: tuple[Malformed, ...] = (), **columns: Any) -> Batch:
    return Batch(name, pl.DataFrame(columns, strict=False), list(malformed))


def cut(
    *files: Batch, by: PartitionSettings = MONTHS, repeated: str = "first", **roles: Any
) -> Collected:
    """The files' rows by partition; all that comes out keeps the contracts."""
    columns = Columns.model_validate({"text": "t"} | roles)
    found = assign(files, columns, by, repeated)
    for part in found.partitions:
        RAW.check(part.rows.to_arrow())
        REJECTED.check(part.rejected.to_arrow())
        assert part.rows["partition"].unique().to_list() == [part.partition]
    UNASSIGNED.check(found.unassigned.to_arrow())
    return found


def ids(found: Collected, partition: int = 0) -> list[str]:
    return found.partitions[partition].rows["row_id"].to_list()


def removed(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    """The rows of a table of removed rows, each original row as a dictionary."""
    return [(*row[:4], json.loads(row[4])) for row in frame.rows()]


def test_rows_keep_their_columns_behind_id_partition_and_source() -> None:
    found = cut(file(id=["7", "8"], t=["x", "y"]), id="id")
    [part] = found.partitions
    assert part.rows.columns == ["row_id", "partition", "source", "id", "t"]
    assert part.rows.rows() == [("7", "all", "a.csv", "7", "x"), ("8", "all", "a.csv", "8", "y")]
    assert (part.rejected.height, found.unassigned.height) == (0, 0)


def test_without_a_time_column_all_files_are_one_partition() -> None:
    found = cut(file("a", t=["x"]), file("b", t=["y"]))
    assert [part.partition for part in found.partitions] == ["all"]
    assert found.partitions[0].rows["source"].to_list() == ["a", "b"]


def test_rows_go_to_the_partition_of_their_time_in_order() -> None:
    first = file("a", t=["1", "2", "3"], d=["1996-06-01", "1996-05-31", "1996-06-30"])
    found = cut(first, file("b", t=["4"], d=["1996-05-01"]), time="d")
    assert [part.partition for part in found.partitions] == ["1996-05", "1996-06"]
    assert [part.rows["t"].to_list() for part in found.partitions] == [["2", "4"], ["1", "3"]]


def test_partitions_are_cut_in_the_pipelines_zone() -> None:
    zone = PartitionSettings(by=By.DAY, timezone="America/New_York")
    times = ["1996-06-01T03:59:00Z", "1996-06-01T04:00:00Z", "1996-06-01 00:00"]
    found = cut(file(t=["1", "2", "3"], d=times), time="d", by=zone)
    assert [part.partition for part in found.partitions] == ["1996-05-31", "1996-06-01"]
    assert found.partitions[1].rows["t"].to_list() == ["2", "3"]


def test_a_row_without_a_readable_time_is_unassigned_with_the_reason() -> None:
    times = [None, "31.5.96", "1996-02-30", "1996-05-31"]
    found = cut(file(t=["1", "2", "3", "4"], d=times), time="d")
    assert [part.rows["t"].to_list() for part in found.partitions] == [["4"]]
    unreadable = "no format of the time column reads"
    assert removed(found.unassigned) == [
        ("a.csv:0", "collect", "time_missing", "the time column is empty", {"t": "1", "d": None}),
        ("a.csv:1", "collect", "time_unreadable", f"{unreadable} '31.5.96'",
         {"t": "2", "d": "31.5.96"}),
        ("a.csv:2", "collect", "time_unreadable", f"{unreadable} '1996-02-30'",
         {"t": "3", "d": "1996-02-30"}),
    ]  # fmt: skip


def test_a_long_cell_is_not_shown_whole_as_a_time() -> None:
    found = cut(file(t=["1"], d=["x" * 99]), time="d")
    assert found.unassigned["reason"][0].endswith(f" '{'x' * 40}'")


def test_dates_from_parquet_are_cut_as_they_are() -> None:
    found = cut(file(t=["1", "2"], d=[date(1996, 5, 31), date(1996, 6, 1)]), time="d")
    assert [part.partition for part in found.partitions] == ["1996-05", "1996-06"]
    assert found.partitions[0].rows["d"].to_list() == [date(1996, 5, 31)]


def test_malformed_records_are_unassigned_with_their_rule() -> None:
    bad = (Malformed("too_few_fields", "record 3: 1 fields, not 2", "é"),)
    found = cut(file(malformed=bad, t=["x"]))
    assert removed(found.unassigned) == [
        ("a.csv#0", "collect", "too_few_fields", "record 3: 1 fields, not 2", "é")
    ]


def test_of_rows_with_one_id_the_first_stays() -> None:
    found = cut(file(id=["1", "2", "1", "1"], t=["a", "b", "c", "d"]), id="id")
    [part] = found.partitions
    assert part.rows["t"].to_list() == ["a", "b"]
    reason = "the id comes more than once in all; kept the first row"
    assert removed(part.rejected) == [
        ("1", "collect", "repeated_id", reason, {"id": "1", "t": "c"}),
        ("1", "collect", "repeated_id", reason, {"id": "1", "t": "d"}),
    ]


def test_of_rows_with_one_id_the_newest_by_time_stays_if_the_user_wants_that() -> None:
    times = ["1996-05-09", "1996-05-20", "1996-05-10", "1996-05-20"]
    rows = file(id=["1", "1", "2", "1"], t=["a", "b", "c", "d"], d=times)
    [part] = cut(rows, id="id", time="d", repeated="newest").partitions
    assert part.rows["t"].to_list() == ["c", "d"]
    assert [row[4]["t"] for row in removed(part.rejected)] == ["a", "b"]
    assert part.rejected["reason"][0].endswith("kept the newest row")


def test_an_id_repeats_across_files_but_not_across_partitions() -> None:
    first = file("a", id=["1"], t=["x"], d=["1996-05-01"])
    again = file("b", id=["1", "1"], t=["y", "z"], d=["1996-05-02", "1996-06-01"])
    found = cut(first, again, id="id", time="d")
    assert [part.rows["t"].to_list() for part in found.partitions] == [["x"], ["z"]]
    assert [part.rejected.height for part in found.partitions] == [1, 0]


def test_ids_that_are_numbers_become_text() -> None:
    assert ids(cut(file(id=[1, 20], t=["a", "b"]), id="id")) == ["1", "20"]


def test_a_row_without_an_id_gets_a_hash_and_stays() -> None:
    found = cut(file(id=["1", None, None], t=["a", "b", "b"]), id="id")
    first, second, third = ids(found)
    assert first == "1"
    assert (second[:-2], second[-2:], third[-2:]) == (third[:-2], "-0", "-1")
    assert found.partitions[0].rejected.height == 0


def test_without_an_id_column_rows_are_known_by_their_content_and_occurrence() -> None:
    found = cut(file(t=["a", "b", "a"]))
    one, two, three = ids(found)
    assert one.endswith("-0")
    assert three == one[:-1] + "1"
    assert two[:-2] != one[:-2]
    assert found.partitions[0].rejected.height == 0


def test_hashed_ids_do_not_depend_on_what_stands_around_a_row() -> None:
    alone, among = ids(cut(file(t=["b"]))), ids(cut(file("other", t=["a", "b"])))
    assert alone[0] == among[1]


def test_a_hashed_id_does_not_change_when_another_file_has_more_columns() -> None:
    alone = ids(cut(file(t=["a"])))
    assert ids(cut(file(t=["a"]), file("other", t=["b"], more=["x"])))[0] == alone[0]


@pytest.mark.parametrize("name", ["row_id", "partition", "source"])
def test_a_source_column_with_a_name_of_ours_is_kept_under_another(name: str) -> None:
    found = cut(file(**{name: ["mine"], "t": ["x"]}))
    [row] = found.partitions[0].rows.to_dicts()
    assert stored_name(name) == f"{name}_"
    assert row[f"{name}_"] == "mine"
    assert (row["partition"], row["source"]) == ("all", "a.csv")


@pytest.mark.parametrize("name", ["text", "label", "event_time", "text_"])
def test_other_names_of_ours_stay_as_they_are(name: str) -> None:
    assert stored_name(name) == name
    assert cut(file(**{name: ["mine"], "t": ["x"]})).partitions[0].rows[name].to_list() == ["mine"]


def test_columns_with_names_of_ours_can_have_roles() -> None:
    rows = file(row_id=["r"], partition=["p"], source=["1996-05-01"], t=["x"])
    [part] = cut(rows, id="row_id", time="source", category="partition").partitions
    assert (part.partition, part.rows["row_id"].to_list()) == ("1996-05", ["r"])


@pytest.mark.parametrize("names", [("row_id", "row_id_"), ("t", "__event_time", "__row_number")])
def test_no_name_of_the_users_can_collide_with_a_stored_one(names: tuple[str, ...]) -> None:
    found = cut(file(**({name: ["mine"] for name in names} | {"t": ["x"]})), repeated="newest")
    values = found.partitions[0].rows.row(0)
    assert values.count("mine") == len(set(names) - {"t"})


def test_a_missing_column_names_its_place_and_the_file() -> None:
    with pytest.raises(SettingsError) as caught:
        cut(file("in/a.csv", ident=["1"], t=["x"]), id="ident_")
    assert caught.value.got == "columns.id: 'ident_', which is not a column of 'in/a.csv'"
    assert caught.value.fix.startswith("did you mean 'ident'?")


def test_files_with_different_columns_and_types_are_joined() -> None:
    found = cut(file("a", t=["x"], n=[1]), file("b", t=["y"], n=["two"], more=["z"]))
    assert found.partitions[0].rows.select("n", "more").rows() == [("1", None), ("two", "z")]


def test_times_with_and_without_a_zone_in_two_files_are_joined() -> None:
    plain = pl.Series([datetime(1996, 5, 1)])
    zoned = plain.dt.replace_time_zone("UTC")
    assert cut(file("a", t=["x"], n=plain), file("b", t=["y"], n=zoned)).partitions[0].rows.height


def test_no_file_and_no_row_give_no_partition() -> None:
    for found in (cut(), cut(Batch("a", pl.DataFrame(schema={"t": pl.String}), []))):
        assert (found.partitions, found.unassigned.height) == ([], 0)


TIMES = st.none() | st.sampled_from(["1996-05-01", "1996-05-31", "1996-06-01", "never", ""])
ROWS = st.lists(st.tuples(st.none() | st.sampled_from("123"), TIMES, st.text("ab", max_size=2)))


@given(ROWS, ROWS, st.sampled_from(["first", "newest"]))
def test_every_record_is_kept_rejected_or_unassigned(
    one: list[Any], two: list[Any], repeated: str
) -> None:
    bad, schema = [Malformed("invalid_json", "line 1", "{")], dict.fromkeys("idt", pl.String)
    frames = [pl.DataFrame(rows, schema, orient="row") for rows in (one, two)]
    files = [Batch(name, frame, bad) for name, frame in zip("ab", frames, strict=True)]
    found = cut(*files, id="i", time="d", repeated=repeated)
    kept = sum(part.rows.height for part in found.partitions)
    rejected = sum(part.rejected.height for part in found.partitions)
    assert kept + rejected + found.unassigned.height == len(one) + len(two) + 2
    assert all(part.rows["row_id"].is_unique().all() for part in found.partitions)
    timed = [row for row in one + two if row[1] in {"1996-05-01", "1996-05-31", "1996-06-01"}]
    assert kept + rejected == len(timed)
