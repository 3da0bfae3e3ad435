"""The row equation: every row that came in is in exactly one count, wherever it is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.report.inputs import make
from support.small_root import SmallRoot, row
from support.stage_runs import mine_plainly

from fusemine.flows.engine.outcome import Outcome, describe
from fusemine.tasks.collect.forgotten import add_forgotten
from fusemine.tasks.report.rows.counts import RowCounts, row_counts

MONTHS = ("2024-01", "2024-02", "2024-03")


def mined(small: SmallRoot) -> Outcome:
    walk = mine_plainly(small.pipeline)
    (report,) = walk.shown()["report"]
    return describe(walk, report)


def day_of(number: int) -> str:
    return f"{MONTHS[number % 3]}-{number % 28 + 1:02}"


@pytest.mark.parametrize("stays", ["first", "newest"])
def test_rows_of_every_kind_are_each_in_one_count(tmp_path: Path, stays: str) -> None:
    roles = {"id": "id", "time": "day", "known_at": "known", "text": "body"}
    small = SmallRoot(tmp_path, required=("body",), repeated_id=stays, columns=roles)
    early, late = {"known": "2024-01-01"}, {"known": "2024-07-01"}
    rows = [row(number, day_of(number), **early) for number in range(30)]
    rows += [row(number, "2024-03-09", f"again {number}", **early) for number in (0, 1, 2, 3)]
    rows += [row(number, "2024-02-02", **late) for number in (40, 41, 42)]
    rows += [row(50, "no day", **early), row(51, "", **early)]
    rows += [{**row(60, "2024-02-03", **early), "body": ""}]
    rows += [row(70, "2024-03-03", **early), row(5, day_of(5), "story 5", **late)]
    small.write(*rows)
    add_forgotten(small.store, "ID-070")
    outcome = mined(small)
    counts = RowCounts(**outcome.rows)
    assert counts.rows_in == len(rows)
    assert counts.unaccounted == 0
    later = 3 + (stays == "newest")  # of ID-005 the row stays that was known later
    assert (counts.rows_repeated, counts.rows_unassigned) == (3, 2)
    assert counts.rows_known_later == later
    # One without text, one forgotten, and of an id that came twice in one partition one row.
    assert counts.rows_rejected == 4
    shown = json.loads(outcome.as_json())["rows"]
    assert shown["rows_in"] == sum(number for name, number in shown.items() if name != "rows_in")
    assert outcome.lines[0] == (
        f"Rows: {len(rows)} in, {counts.rows_kept} kept, 4 rejected, 2 without a partition, 3 with "
        f"an id of another partition, {later} not known yet at the end of the window."
    )


def test_a_row_in_no_count_would_be_shown() -> None:
    assert row_counts(make()).unaccounted == 0
    assert RowCounts(10, 7, 1).others() == ["2 not accounted for"]
