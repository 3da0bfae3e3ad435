"""Levels for which the model is worse, and rows whose label is doubtful."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
from support.present import present
from support.report.given import TWO, label_of, label_section, table_of
from support.report.summaries import full_summary

from fusemine.tasks.mine.classify.report.model import Groups
from fusemine.tasks.report.model import ReportInputs

Make = Callable[..., ReportInputs]


def groups_of(make: Make, **changed: Any) -> Groups:
    """The levels that were compared."""
    return present(label_section(make, **changed).groups)


def test_levels_that_stand_out_come_first_with_their_reason(make: Make) -> None:
    groups = groups_of(make)
    assert groups.lead.startswith("1 level of 2 stands out")
    assert groups.flags == ["column, “low”: column"]
    first, second = groups.columns
    assert [level.name for level in first.levels] == ["low", "column"]
    assert first.levels[0].cells == ["–", "20.0 %", "–", "–", "–"]
    assert first.left_out == "2 levels with too few rows to compare (9 test rows)."
    assert (second.skipped, second.levels) == ("column.", [])


def test_no_columns_are_no_section_on_groups(make: Make) -> None:
    assert label_section(make, groups=[]).groups is None


def test_doubtful_labels_are_listed_with_some_copies_among_them(make: Make) -> None:
    doubts = present(label_section(make).label_errors)
    assert doubts.lead == (
        "By estimate 8 of 80 labels (10.0 %) may be wrong, counting rows that are merely hard to "
        "tell; rather too many than too few. 2 rows have the text of a row with another label and "
        "1 row is nearly a copy of one."
    )
    kinds = [doubt.kind for doubt in doubts.rows]
    assert kinds == ["likely error"] * 6 + ["copy with another label"] * 2
    assert doubts.rows[0].text.endswith(", rather “another”")
    assert doubts.rows[7].text.endswith("% like row r0, which is labelled “another”")
    assert doubts.more == 4


def test_a_row_that_is_doubted_twice_is_shown_once(make: Make) -> None:
    table = table_of(make(), "doubts")
    twice = pl.concat([table, table.with_columns(kind=pl.lit("copy with another label"))])
    doubts = present(label_of(make(classification=full_summary(TWO), doubts=twice)).label_errors)
    ids = [doubt.quote.row_id for doubt in doubts.rows]
    assert len(ids) == len(set(ids)) == 8


def test_so_many_doubts_are_laid_to_the_classes(make: Make) -> None:
    figures = {"estimated": 50, "same_text": 0, "near_copies": 0}
    doubts = present(label_section(make, doubts=figures).label_errors)
    assert doubts.lead.endswith("more than that labels are wrong.")


def test_no_table_of_doubts_leaves_the_figures(make: Make) -> None:
    doubts = present(label_of(make(classification=full_summary(TWO), doubts=None)).label_errors)
    assert (doubts.rows, doubts.more) == ([], 0)
