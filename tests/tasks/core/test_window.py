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

from fusemine.tasks.clean.compute import clean
from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.clean.settings import CleanSettings
from fusemine.tasks.core import vectors
from fusemine.tasks.core.contract import REJECTED
from fusemine.tasks.core.errors import ContractError
from fusemine.tasks.core.key import Recipe
from fusemine.tasks.core.storage.artifact import MAIN, ArtifactRef, Job
from fusemine.tasks.core.storage.writing import new_artifact
from fusemine.tasks.core.window import Rows, Window, WindowRules
from fusemine.tasks.embed.contracts import EMBEDDINGS
from fusemine.tasks.table.roles import Columns

END = datetime(1996, 6, 1, tzinfo=UTC)
FIRST, NEWEST = WindowRules(END, "first"), WindowRules(END, "newest")
ROLES = Columns(id="id", time="d", known_at="k", text="t", category="c")  # type: ignore[arg-type]
Refs = tuple[ArtifactRef, ArtifactRef]
Table = list[tuple[str, str | None, str]]
"""Rows of (id, day on which it became known, text)."""


def cleaned_rows(partition: str, rows: Table) -> pl.DataFrame:
    """The clean rows of a partition, made by cleaning raw ones."""
    schema = dict.fromkeys(("row_id", "k", "t"), pl.String)
    raw = pl.DataFrame(rows, schema, orient="row").with_columns(
        partition=pl.lit(partition), source=pl.lit("a"), d=pl.lit(f"{partition}-01"), c=pl.lit("x")
    )
    return clean(raw, ROLES, CleanSettings(), "UTC").rows


def write(job: Job, table: Any, contract: Any) -> ArtifactRef:
    with new_artifact(job) as draft:
        draft.table(MAIN, table, contract)
        draft.count(len(table), len(table))
    return draft.ref


def stored(folder: Path, partition: str, frame: pl.DataFrame, matrix: Any, ids: Any = None) -> Refs:
    """Clean rows and the vectors of their texts, or of the rows with other ids."""
    job = Job(str(folder), "clean", partition, Recipe())
    names = pa.array(frame["row_id"] if ids is None else ids, pa.string())
    embedded = pa.table({"row_id": names, "embedding": vectors.to_arrow(matrix)})
    return write(job, frame, CLEAN), write(replace(job, stage="embed"), embedded, EMBEDDINGS)


def window_over(refs: list[Refs], rules: WindowRules) -> Window:
    cleaned, embedded = zip(*refs, strict=True)
    return Window(cleaned, embedded, rules, CLEAN, EMBEDDINGS)


def written(folder: Path, rules: WindowRules, **partitions: Table) -> Window:
    """Partitions named like `p1996_05`, cleaned and embedded, each row's place as its vector."""
    refs, place = [], 0
    for name, rows in partitions.items():
        partition = name[1:].replace("_", "-")
        matrix = np.arange(place, place + len(rows), dtype=np.float32)[:, None].repeat(2, axis=1)
        place += len(rows)
        refs.append(stored(folder, partition, cleaned_rows(partition, rows), matrix))
    return window_over(refs, rules)


def window(folder: Path, rules: WindowRules, **partitions: Table) -> tuple[Rows, pl.DataFrame]:
    """The rows of the partitions' window, and those that it leaves out."""
    found = written(folder, rules, **partitions)
    rows, rejected = found.rows(), found.rejected()
    CLEAN.check(rows.clean.to_arrow())
    REJECTED.check(rejected.to_arrow())
    assert rows.clean.height == len(rows.matrix)
    assert rows.clean.height + rejected.height == sum(map(len, partitions.values()))
    return rows, rejected


def texts(found: Rows) -> list[str]:
    return found.clean["text"].to_list()


def places(found: Rows) -> list[float]:
    return found.matrix[:, 0].tolist()


def test_partitions_are_joined_oldest_first_with_their_vectors(tmp_path: Path) -> None:
    rows: Table = [("1", None, "a"), ("2", None, "b")]
    found, rejected = window(tmp_path, FIRST, p1996_04=rows, p1996_05=[("3", None, "c")])
    assert texts(found) == ["a", "b", "c"]
    assert found.clean["partition"].to_list() == ["1996-04", "1996-04", "1996-05"]
    assert (places(found), found.matrix.dtype) == ([0, 1, 2], np.float32)
    assert rejected.height == 0


def test_a_row_that_became_known_at_the_end_or_later_is_left_out(tmp_path: Path) -> None:
    rows: Table = [
        ("1", "1996-05-31T23:59:59Z", "a"), ("2", "1996-06-01T00:00:00Z", "b"),
        ("3", "1999-01-01", "c"), ("4", None, "d"),
    ]  # fmt: skip
    found, rejected = window(tmp_path, FIRST, p1996_05=rows)
    assert texts(found) == ["a", "d"]
    assert places(found) == [0, 3]
    why = ("fuse", "known_later", "not known yet at the end of the window")
    found = rejected.select("row_id", "stage", "rule", "reason")
    assert found.rows() == [("2", *why), ("3", *why)]
    shown = json.loads(rejected["row"][0])
    assert (shown["text"], shown["row_id"], shown["known_at"][:10]) == ("b", "2", "1996-06-01")


def test_without_an_end_all_rows_are_known(tmp_path: Path) -> None:
    rows: Table = [("1", "2999-01-01", "a")]
    assert texts(window(tmp_path, WindowRules(None, "first"), p1996_05=rows)[0]) == ["a"]


@pytest.mark.parametrize(
    ("rules", "kept", "place", "lost"),
    [(FIRST, ["old", "b", "c"], [0, 1, 3], "new"), (NEWEST, ["b", "new", "c"], [1, 2, 3], "old")],
)
def test_of_an_id_in_several_partitions_the_first_or_the_newest_row_stays(
    tmp_path: Path, rules: WindowRules, kept: list[str], place: list[int], lost: str
) -> None:
    april: Table = [("1", None, "old"), ("2", None, "b")]
    may: Table = [("1", None, "new"), ("3", None, "c")]
    found, rejected = window(tmp_path, rules, p1996_04=april, p1996_05=may)
    assert (texts(found), places(found)) == (kept, place)
    [(*removed, shown)] = rejected.rows()
    reason = f"kept the {rules.repeated_id} row of this id"
    assert removed == ["1", "fuse", "repeated_id", reason]
    assert json.loads(shown)["text"] == lost


def test_partitions_with_different_columns_are_joined(tmp_path: Path) -> None:
    refs = []
    for partition in ("1996-04", "1996-05"):
        frame = cleaned_rows(partition, [(partition, None, "a")])
        frame = frame.rename({"category.c": f"category.{partition}"})
        refs.append(stored(tmp_path, partition, frame, np.ones((1, 2))))
    found = window_over(refs, FIRST).frame(["category.*"])
    assert found.select("category.1996-04", "category.1996-05").rows() == [("x", None), (None, "x")]


@pytest.mark.parametrize("ids", [["2", "1"], ["1"], ["1", "2", "3"], ["1", "x"]])
def test_vectors_of_other_rows_are_refused(tmp_path: Path, ids: list[str]) -> None:
    frame = cleaned_rows("1996-05", [("1", None, "a"), ("2", None, "b")])
    refs = stored(tmp_path, "1996-05", frame, np.ones((len(ids), 2)), ids)
    with pytest.raises(ContractError, match="row ids are not those of the cleaned rows"):
        window_over([refs], FIRST).rows()


DAYS = st.none() | st.integers(-40, 40).map(lambda day: (END + timedelta(days=day)).isoformat())
ENTRIES = st.tuples(st.sampled_from("12345"), DAYS)
PARTITION = st.lists(ENTRIES, max_size=4, unique_by=lambda row: row[0])


@settings(max_examples=25)
@given(first=PARTITION, second=PARTITION, keep=st.sampled_from(["first", "newest"]))
def test_every_row_is_kept_or_rejected_once_and_its_vector_with_it(
    folders: Callable[[], Path], first: Any, second: Any, keep: Any
) -> None:
    old = [(row_id, day, f"old {row_id}") for row_id, day in first]
    new = [(row_id, day, f"new {row_id}") for row_id, day in second]
    found, _ = window(folders(), WindowRules(END, keep), p1996_04=old, p1996_05=new)
    rows = enumerate([*old, *new])
    known = {text: place for place, (_, day, text) in rows if (day or "") < END.isoformat()}
    assert found.clean["row_id"].is_unique().all()
    assert set(found.clean["row_id"]) == {text[4:] for text in known}
    assert places(found) == [known[text] for text in texts(found)]
    wanted = "old" if keep == "first" else "new"
    for text in texts(found):
        assert text.startswith(wanted) or f"{wanted} {text[4:]}" not in known


MAY = datetime(1996, 5, 1, tzinfo=UTC)


def new_since_may(rules: WindowRules, folder: Path, **partitions: Table) -> Rows:
    return written(folder, replace(rules, since=MAY), **partitions).new()


def test_new_are_the_rows_of_the_last_partition_and_those_that_are_known_only_now(
    tmp_path: Path,
) -> None:
    april: Table = [("1", "1996-04-02", "a"), ("2", "1996-05-09", "late"), ("3", None, "c")]
    may: Table = [("4", "1996-05-02", "d"), ("5", "1996-06-01", "not yet")]
    found = new_since_may(FIRST, tmp_path, p1996_04=april, p1996_05=may)
    assert texts(found) == ["late", "d"]
    assert places(found) == [1, 3]


def test_a_row_whose_id_an_earlier_one_has_taken_is_not_new(tmp_path: Path) -> None:
    april: Table = [("1", None, "a"), ("2", None, "b")]
    may: Table = [("2", None, "again"), ("3", None, "c")]
    for rules, new in ((FIRST, ["c"]), (NEWEST, ["again", "c"])):
        assert texts(new_since_may(rules, tmp_path, p1996_04=april, p1996_05=may)) == new


def test_at_first_all_rows_of_the_last_partition_are_new(tmp_path: Path) -> None:
    rows: Table = [("1", None, "a"), ("2", "1996-05-02", "b")]
    assert texts(written(tmp_path, FIRST, p1996_05=rows).new()) == ["a", "b"]


def test_a_partition_none_of_whose_rows_is_known_brings_nothing_new(tmp_path: Path) -> None:
    april: Table = [("1", None, "a")]
    may: Table = [("2", "1996-07-01", "b")]
    assert texts(new_since_may(FIRST, tmp_path, p1996_04=april, p1996_05=may)) == []
