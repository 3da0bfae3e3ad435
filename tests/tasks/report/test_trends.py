"""The section on the window over time."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from support.report.given import content, model_of
from support.report.inputs import make

from fusemine.tasks.report.model import Skipped
from fusemine.tasks.report.timeline import Timeline


def test_trends_count_every_row_once() -> None:
    section = content(model_of(make(rows=700, partitions=500)), "trends")
    assert len(section.rows.values) <= 120
    assert sum(v or 0 for v in section.rows.values) == 700


def test_a_gap_in_time_is_a_gap_in_the_chart() -> None:
    section = content(model_of(make(gaps=["1990-03"], rows=80, partitions=2)), "trends")
    assert section.rows.values == [40, 40, 0]
    assert section.rates[0].values[2] is None


def test_one_partition_has_no_trend() -> None:
    section = content(model_of(make(partitions=1)), "trends")
    assert isinstance(section, Skipped)
    assert "only one partition" in section.lead


@given(st.integers(1, 400), st.integers(1, 130))
def test_periods_hold_every_partition_once(partitions: int, most: int) -> None:
    names = [f"{i:04d}" for i in range(partitions)]
    line = Timeline(names, -(-partitions // most))
    assert line.periods == len(line.labels) <= most
    rows = pl.DataFrame({"partition": names})
    assert line.counts(rows).sum() == partitions


def test_a_burst_marks_its_period_in_the_trends() -> None:
    section = content(model_of(make()), "trends")
    shares = [share for group in section.shares.values() for share in group]
    assert {share.name: share.bursts for share in shares if share.bursts} == {"topic number 1": [7]}
    assert "A ring marks a burst" in section.remark
