"""A window holds its partitions' rows as they were known at its end, each id once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemine.tasks.clean.clean import clean
from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.clean.settings import CleanSettings
from fusemine.tasks.core import vectors
from fusemine.tasks.core.artifact import MAIN, ArtifactRef, Draft, Job
from fusemine.tasks.core.contract import REJECTED
from fusemine.tasks.core.errors import ContractError
from fusemine.tasks.core.key import Recipe
from fusemine.tasks.core.window import Window, WindowRules, read_new, read_window
from fusemine.tasks.embed.contracts import EMBEDDINGS
from fusemine.tasks.table.roles import Columns

END = datetime(1996, 6, 1, tzinfo=UTC)
FIRST, NEWEST = WindowRules(END, "first"), WindowRules(END, "newest")
ROLES = Columns(id="id", time="d", known_at="k", text="t", category="c")  # type: ignore[arg-type]
Rows = list[tuple[str, str | None, str]]
"""Rows of (id, day on which it became known, text)."""


def cleaned_rows(partition: str, rows: Rows) -> pl.DataFrame:
    """The clean rows of a partition, made by cleaning raw ones."""
    schema = dict.fromkeys(("row_id", "k", "t"), pl.String)
    raw = pl.DataFrame(rows, schema, orient="row").with_columns(
        partition=pl.lit(partition), source=pl.lit("a"), d=pl.lit(f"{partition}-01"), c=pl.lit("x")
    )
    return clean(raw, ROLES, CleanSettings(), "UTC").rows


def write(job: Job, table: Any, contract: Any) -> ArtifactRef:
    with Draft(job) as draft:
        draft.table(MAIN, table, contract)
        draft.count(len(table), len(table), 0)
    return draft.finished()


def written(folder: Path, **partitions: Rows) -> tuple[list[ArtifactRef], list[ArtifactRef]]:
    """Partitions named like `p1996_05`, cleaned and embedded, each row's place as its vector."""
    cleaned, embedded, place = [], [], 0
    for name, rows in partitions.items():
        partition = name[1:].replace("_", "-")
        frame = cleaned_rows(partition, rows)
        matrix = np.arange(place, place + len(rows), dtype=np.float32)[:, None].repeat(2, axis=1)
        place += len(rows)
        job = Job(folder, "clean", partition, Recipe((), {}, {}, ""))
        columns = {
            "row_id": pa.array(frame["row_id"], pa.string()),
            "embedding": vectors.to_arrow(matrix),
        }
        cleaned.append(write(job, frame, CLEAN))
        embedded.append(write(replace(job, stage="embed"), pa.table(columns), EMBEDDINGS))
    return cleaned, embedded


def window(folder: Path, rules: WindowRules, **partitions: Rows) -> Window:
    """The window of the partitions."""
    found = read_window(*written(folder, **partitions), rules)
    CLEAN.check(found.clean.to_arrow())
    REJECTED.check(found.rejected.to_arrow())
    assert found.clean.height == len(found.matrix)
    assert found.clean.height + found.rejected.height == sum(map(len, partitions.values()))
    return found


def texts(found: Window) -> list[str]:
    return found.clean["text"].to_list()


def places(found: Window) -> list[float]:
    return found.matrix[:, 0].tolist()


def test_partitions_are_joined_oldest_first_with_their_vectors(tmp_path: Path) -> None:
    rows: Rows = [("1", None, "a"), ("2", None, "b")]
    found = window(tmp_path, FIRST, p1996_04=rows, p1996_05=[("3", None, "c")])
    assert texts(found) == ["a", "b", "c"]
    assert found.clean["partition"].to_list() == ["1996-04", "1996-04", "1996-05"]
    assert (places(found), found.matrix.dtype) == ([0, 1, 2], np.float32)
    assert found.rejected.height == 0


def test_a_row_that_became_known_at_the_end_or_later_is_left_out(tmp_path: Path) -> None:
    rows: Rows = [
        ("1", "1996-05-31T23:59:59Z", "a"),
        ("2", "1996-06-01T00:00:00Z", "b"),
        ("3", "1999-01-01", "c"),
        ("4", None, "d"),
    ]
    found = window(tmp_path, FIRST, p1996_05=rows)
    assert texts(found) == ["a", "d"]
    assert places(found) == [0, 3]
    assert found.rejected.select("row_id", "stage", "rule", "reason").rows() == [
        ("2", "fuse", "known_later", "not known yet at the end of the window"),
        ("3", "fuse", "known_later", "not known yet at the end of the window"),
    ]
    shown = json.loads(found.rejected["row"][0])
    assert (shown["text"], shown["row_id"], shown["known_at"][:10]) == ("b", "2", "1996-06-01")


def test_without_an_end_all_rows_are_known(tmp_path: Path) -> None:
    rows: Rows = [("1", "2999-01-01", "a")]
    assert texts(window(tmp_path, WindowRules(None, "first"), p1996_05=rows)) == ["a"]


TWICE: dict[str, Rows] = {
    "p1996_04": [("1", None, "old"), ("2", None, "b")],
    "p1996_05": [("1", None, "new"), ("3", None, "c")],
}


def test_of_an_id_in_several_partitions_the_first_row_stays(tmp_path: Path) -> None:
    found = window(tmp_path, FIRST, **TWICE)
    assert texts(found) == ["old", "b", "c"]
    assert places(found) == [0, 1, 3]
    assert found.rejected.select("row_id", "rule", "reason").rows() == [
        ("1", "repeated_id", "kept the first row of this id")
    ]
    assert json.loads(found.rejected["row"][0])["text"] == "new"


def test_of_an_id_in_several_partitions_the_newest_stays_if_the_user_says_so(
    tmp_path: Path,
) -> None:
    found = window(tmp_path, NEWEST, **TWICE)
    assert texts(found) == ["b", "new", "c"]
    assert places(found) == [1, 2, 3]
    assert found.rejected["reason"].to_list() == ["kept the newest row of this id"]


def test_a_row_that_is_not_known_yet_takes_no_ids_place(tmp_path: Path) -> None:
    partitions: dict[str, Rows] = {
        "p1996_04": [("1", "1999-01-01", "later")],
        "p1996_05": [("1", None, "known")],
    }
    found = window(tmp_path / "first", FIRST, **partitions)
    assert texts(found) == ["known"]
    assert found.rejected["rule"].to_list() == ["known_later"]
    turned: dict[str, Rows] = {
        "p1996_04": [("1", None, "known")],
        "p1996_05": [("1", "1999-01-01", "later")],
    }
    assert texts(window(tmp_path / "newest", NEWEST, **turned)) == ["known"]


def test_partitions_with_different_columns_are_joined(tmp_path: Path) -> None:
    refs: list[list[ArtifactRef]] = [[], []]
    for partition in ("1996-04", "1996-05"):
        frame = cleaned_rows(partition, [(partition, None, "a")])
        frame = frame.rename({"category.c": f"category.{partition}"})
        columns = {
            "row_id": pa.array(frame["row_id"], pa.string()),
            "embedding": vectors.to_arrow(np.ones((1, 2))),
        }
        job = Job(tmp_path, "clean", partition, Recipe((), {}, {}, ""))
        refs[0].append(write(job, frame, CLEAN))
        refs[1].append(write(replace(job, stage="embed"), pa.table(columns), EMBEDDINGS))
    found = read_window(*refs, FIRST)
    assert found.clean.select("category.1996-04", "category.1996-05").rows() == [
        ("x", None),
        (None, "x"),
    ]


@pytest.mark.parametrize("ids", [["2", "1"], ["1"], ["1", "2", "3"], ["1", "x"]])
def test_vectors_of_other_rows_are_refused(tmp_path: Path, ids: list[str]) -> None:
    job = Job(tmp_path, "clean", "1996-05", Recipe((), {}, {}, ""))
    frame = cleaned_rows("1996-05", [("1", None, "a"), ("2", None, "b")])
    matrix = vectors.to_arrow(np.ones((len(ids), 2)))
    table = pa.table({"row_id": pa.array(ids), "embedding": matrix})
    cleaned = write(job, frame, CLEAN)
    embedded = write(replace(job, stage="embed"), table, EMBEDDINGS)
    with pytest.raises(ContractError, match="row ids are not those of the cleaned rows"):
        read_window([cleaned], [embedded], FIRST)


DAYS = st.none() | st.integers(-40, 40).map(lambda day: (END + timedelta(days=day)).isoformat())
PARTITION = st.lists(
    st.tuples(st.sampled_from("12345"), DAYS), max_size=4, unique_by=lambda r: r[0]
)


@settings(max_examples=25)
@given(first=PARTITION, second=PARTITION, keep=st.sampled_from(["first", "newest"]))
def test_every_row_is_kept_or_rejected_once_and_its_vector_with_it(
    folders: Callable[[], Path], first: Any, second: Any, keep: Any
) -> None:
    old = [(row_id, day, f"old {row_id}") for row_id, day in first]
    new = [(row_id, day, f"new {row_id}") for row_id, day in second]
    found = window(folders(), WindowRules(END, keep), p1996_04=old, p1996_05=new)
    known = {
        text: place
        for place, (_, day, text) in enumerate([*old, *new])
        if day is None or day < END.isoformat()
    }
    assert found.clean["row_id"].is_unique().all()
    assert set(found.clean["row_id"]) == {text[4:] for text in known}
    assert places(found) == [known[text] for text in texts(found)]
    wanted = "old" if keep == "first" else "new"
    for text in texts(found):
        assert text.startswith(wanted) or f"{wanted} {text[4:]}" not in known


MAY = datetime(1996, 5, 1, tzinfo=UTC)


def test_new_are_the_rows_of_the_last_partition_and_those_that_are_known_only_now(
    tmp_path: Path,
) -> None:
    april: Rows = [("1", "1996-04-02", "a"), ("2", "1996-05-09", "late"), ("3", None, "c")]
    may: Rows = [("4", "1996-05-02", "d"), ("5", "1996-06-01", "not yet")]
    found = read_new(*written(tmp_path, p1996_04=april, p1996_05=may), FIRST, MAY)
    assert texts(found) == ["late", "d"]
    assert places(found) == [1, 3]


def test_a_row_whose_id_an_earlier_one_has_taken_is_not_new(tmp_path: Path) -> None:
    april: Rows = [("1", None, "a"), ("2", None, "b")]
    may: Rows = [("2", None, "again"), ("3", None, "c")]
    refs = written(tmp_path, p1996_04=april, p1996_05=may)
    assert texts(read_new(*refs, FIRST, MAY)) == ["c"]
    assert texts(read_new(*refs, NEWEST, MAY)) == ["again", "c"]


def test_at_first_all_rows_of_the_last_partition_are_new(tmp_path: Path) -> None:
    refs = written(tmp_path, p1996_05=[("1", None, "a"), ("2", "1996-05-02", "b")])
    assert texts(read_new(*refs, FIRST, None)) == ["a", "b"]


def test_a_partition_none_of_whose_rows_is_known_brings_nothing_new(tmp_path: Path) -> None:
    refs = written(tmp_path, p1996_04=[("1", None, "a")], p1996_05=[("2", "1996-07-01", "b")])
    assert texts(read_new(*refs, FIRST, MAY)) == []
