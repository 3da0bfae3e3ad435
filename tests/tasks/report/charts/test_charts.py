"""The charts as SVG: places, scales and escapes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.report.page import elements

from fusemine.tasks.report.charts.scale import scale_of
from fusemine.tasks.report.charts.series import bars, lines, means, meter, share_ceiling, spark
from fusemine.tasks.report.charts.svg import ceiling, el
from fusemine.tasks.report.model import Series


def test_text_and_values_in_an_element_are_escaped() -> None:
    made = el("text", "<b>", 'a"b', x='"><script>', stroke_width=1.26)
    assert made == ('<text x="&#34;&gt;&lt;script&gt;" stroke-width="1.3">&lt;b&gt;a&#34;b</text>')


@given(st.floats(1e-6, 1e9))
def test_the_round_end_of_an_axis_is_above_the_value_but_not_far(value: float) -> None:
    assert value <= ceiling(value) * (1 + 1e-9)
    assert ceiling(value) <= 2.5 * value or ceiling(value) == 1.0


def test_bars_are_as_tall_as_their_values() -> None:
    svg = bars(Series("rows", [5, 10, 0]), ["1990", "1991", "1992"])
    heights = [float(r.get("height", "0")) for r in elements(svg, "rect")[:3]]
    assert heights[0] * 2 == pytest.approx(heights[1])
    assert heights[2] == 0
    assert [t.text for t in elements(svg, "title")] == ["1990: 5", "1991: 10", "1992: 0"]


def test_a_line_breaks_where_there_are_no_rows() -> None:
    values = [0.1, 0.2, None, 0.3]
    bounds = [v and v / 2 for v in values], [v and v * 2 for v in values]
    series = Series("share", values, *bounds)
    svg = lines(series, ["a", "b", "c", "d"], high=0.5)
    assert len(elements(svg, "path", "line")) == 2
    assert elements(svg, "title")[2].text == "c: no rows"


def test_shares_of_a_group_have_one_axis_which_ends_at_all() -> None:
    assert share_ceiling([Series("a", [0.1, 0.3]), Series("b", [None, 0.05])]) == 0.4
    assert share_ceiling([Series("a", [0.99])]) == 1.0
    assert share_ceiling([]) == 1.0


def test_small_bars_stay_within_their_track() -> None:
    drawn = [bar for share in (-1, 0.5, 7) for bar in elements(meter(share), "rect")]
    assert [float(bar.get("width", "0")) for bar in drawn] == [100, 0, 100, 50, 100, 100]
    assert len(elements(meter(0.5, mark=0.1), "rect")) == 3


def test_a_curve_of_one_point_is_not_drawn() -> None:
    assert spark([0.1], 0) == ""
    assert "at most 30.0 %" in spark([0.1, 0.3], 0)


def test_a_burst_is_a_ring_on_its_point() -> None:
    (ring,) = elements(spark([0.1, 0.3, 0.2], 0, [1]), "circle")
    assert (float(ring.get("cx", "0")), float(ring.get("cy", "0"))) == (60, 2)
    series = Series("share", [0.1, None, 0.3], [0.0, None, 0.2], [0.2, None, 0.4], bursts=[1, 2])
    # Where there are no rows there is no point to mark.
    assert len(elements(lines(series, ["a", "b", "c"], 0.5), "circle", "burst")) == 1


def test_a_small_curve_of_counts_names_rows() -> None:
    assert "at most 3 rows" in spark([1.0, 3.0], 0, counts=True)


@given(st.lists(st.floats(-1e150, 1e150), min_size=1, max_size=6))
def test_an_axis_holds_every_value_that_can_be_drawn_with_few_ticks(values: list[float]) -> None:
    scale = scale_of(values)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 8
    assert len({name for _, name in ticks}) == len(ticks)
    slack = (scale.high - scale.low) * 1e-6
    drawn = [value for value in values if abs(value) < 1e100]
    assert all(scale.low - slack <= value <= scale.high + slack for value in drawn)
    assert all(0 <= scale.share(value) <= 1 for value in values)


def test_means_below_zero_have_a_place_and_a_name() -> None:
    series = Series("mean", [-5.0, None, 3.0], [-6.0, None, 2.0], [-4.0, None, 4.0])
    svg = means(series, ["a", "b", "c"])
    assert [t.text for t in elements(svg, "title")] == ["a: −5", "b: no rows", "c: 3"]
    places = [float(c.get("cy", "0")) for c in elements(svg, "circle")]
    assert 8 <= places[1] < places[0] <= 125
