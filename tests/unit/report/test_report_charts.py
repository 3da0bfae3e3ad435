"""The charts as SVG: places, scales and escapes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.report.assemble import assemble
from tasks.report.charts import bars, lines, meter, share_ceiling, spark, static_map
from tasks.report.model import Bin, Estimate, Series, TextMap
from tasks.report.quality_charts import calibration, curve, forest
from tasks.report.settings import ReportSettings
from tasks.report.svg import ceiling, el

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.report.model import ReportInputs


def parts(svg: str, tag: str) -> list[ElementTree.Element]:
    """The elements of a kind, which only well-formed markup has."""
    return list(ElementTree.fromstring(svg).iter(tag))


def test_text_and_values_in_an_element_are_escaped() -> None:
    made = el("text", "<b>", 'a"b', x='"><script>', stroke_width=1.26)
    assert made == ('<text x="&#34;&gt;&lt;script&gt;" stroke-width="1.3">&lt;b&gt;a&#34;b</text>')


@given(st.floats(1e-6, 1e9))
def test_the_round_end_of_an_axis_is_above_the_value_but_not_far(value: float) -> None:
    assert value <= ceiling(value) * (1 + 1e-9)
    assert ceiling(value) <= 2.5 * value or ceiling(value) == 1.0


def test_the_tallest_bar_fills_the_height_that_its_value_asks_for() -> None:
    svg = bars(Series("rows", [5, 10, 0]), ["1990", "1991", "1992"])
    heights = [float(r.get("height", "0")) for r in parts(svg, "rect")[:3]]
    assert heights[0] * 2 == pytest.approx(heights[1])
    assert heights[2] == 0
    assert [t.text for t in parts(svg, "title")] == ["1990: 5", "1991: 10", "1992: 0"]


def test_a_line_breaks_where_there_are_no_rows() -> None:
    values = [0.1, 0.2, None, 0.3]
    bounds = [v and v / 2 for v in values], [v and v * 2 for v in values]
    series = Series("share", values, *bounds, percent=True)
    svg = lines(series, ["a", "b", "c", "d"], high=0.5)
    drawn = [p for p in parts(svg, "path") if p.get("class") == "line"]
    assert len(drawn) == 2
    assert parts(svg, "title")[2].text == "c: no rows"


def test_shares_of_a_group_have_one_axis_which_ends_at_all() -> None:
    assert share_ceiling([Series("a", [0.1, 0.3]), Series("b", [None, 0.05])]) == 0.4
    assert share_ceiling([Series("a", [0.99])]) == 1.0
    assert share_ceiling([]) == 1.0


def test_small_bars_stay_within_their_track() -> None:
    widths = [
        float(r.get("width", "0")) for share in (-1, 0.5, 7) for r in parts(meter(share), "rect")
    ]
    assert widths == [100, 0, 100, 50, 100, 100]
    assert len(parts(meter(0.5, mark=0.1), "rect")) == 3


def test_a_curve_of_one_point_is_not_drawn() -> None:
    assert spark([0.1], 0) == ""
    assert "at most 30.0 %" in spark([0.1, 0.3], 0)


def test_a_forest_shows_each_interval_and_what_chance_would_get() -> None:
    estimates = [Estimate("table", 0.4, 0.35, 0.45), Estimate("text", None), Estimate("both", 0.7)]
    svg = forest("average precision", 0.1, estimates)
    kinds = [line.get("class") for line in parts(svg, "line")]
    assert kinds.count("range") == 1
    assert kinds.count("chance") == 1
    assert len(parts(svg, "circle")) == 2


@given(st.lists(st.floats(0, 1), min_size=1, max_size=3))
def test_a_forest_has_room_for_every_value(values: list[float]) -> None:
    svg = forest("f", None, [Estimate(str(i), v) for i, v in enumerate(values)])
    places = [float(c.get("cx", "nan")) for c in parts(svg, "circle")]
    assert all(40 <= place <= 440 for place in places)


def test_precision_falls_on_the_curve_from_left_to_right() -> None:
    svg = curve([(0, 1), (0.5, 0.8), (1, 0.2)], 0.1)
    line = next(p for p in parts(svg, "path") if p.get("class") == "line")
    points = [tuple(map(float, p.split())) for p in line.get("d", "")[1:].split("L")]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted(y for _, y in points)


def test_dots_of_the_calibration_grow_with_their_rows() -> None:
    svg = calibration([Bin(0.1, 0.1, 10), Bin(0.9, 0.8, 1000)])
    small, large = (float(c.get("r", "0")) for c in parts(svg, "circle"))
    assert small < large


@pytest.fixture
def texts(make: Callable[..., ReportInputs]) -> TextMap:
    """The map of a small run."""
    found = assemble(make(), ReportSettings()).map
    assert isinstance(found, TextMap)
    return found


def test_the_map_on_paper_has_a_dot_for_every_text_in_its_frame(texts: TextMap) -> None:
    left, top, right, bottom = texts.frame
    inside = sum(
        left <= x <= right and top <= y <= bottom for x, y in zip(texts.x, texts.y, strict=True)
    )
    dots = "".join(p.get("d", "") for p in parts(static_map(texts), "path"))
    assert dots.count("M") == inside > 0


def test_names_on_the_map_do_not_cross_each_other(texts: TextMap) -> None:
    entry = texts.legend[0]
    crowded = replace(texts, legend=[replace(e, x=entry.x, y=entry.y) for e in texts.legend])
    assert len(parts(static_map(crowded), "text")) == 1
