"""The charts as SVG: places, scales and escapes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.report.given import content, model_of

from fusemine.tasks.mine.classify.report.charts import (
    calibration,
    curve,
    forest,
    growth,
    lean,
    scatter,
)
from fusemine.tasks.mine.classify.report.model import Bin, Estimate, Forest
from fusemine.tasks.mine.topics.report.map_chart import static_map
from fusemine.tasks.mine.topics.report.model import TextMap
from fusemine.tasks.report.charts.scale import scale_of
from fusemine.tasks.report.charts.series import bars, lines, means, meter, share_ceiling, spark
from fusemine.tasks.report.charts.svg import ceiling, el
from fusemine.tasks.report.model import Series

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusemine.tasks.report.model import ReportInputs


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
    series = Series("share", values, *bounds)
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


def test_a_burst_is_a_ring_on_its_point() -> None:
    (ring,) = parts(spark([0.1, 0.3, 0.2], 0, [1]), "circle")
    assert (float(ring.get("cx", "0")), float(ring.get("cy", "0"))) == (60, 2)
    series = Series("share", [0.1, None, 0.3], [0.0, None, 0.2], [0.2, None, 0.4], bursts=[1, 2])
    rings = [
        c for c in parts(lines(series, ["a", "b", "c"], 0.5), "circle") if c.get("class") == "burst"
    ]
    # Where no rows are there is no point to mark.
    assert len(rings) == 1


def test_a_small_curve_of_counts_names_rows() -> None:
    assert "at most 3 rows" in spark([1.0, 3.0], 0, counts=True)


def test_a_forest_shows_each_interval_and_what_chance_would_get() -> None:
    estimates = [Estimate("table", 0.4, 0.35, 0.45), Estimate("text", None), Estimate("both", 0.7)]
    svg = forest(Forest("average precision", 0.1, "a random order", estimates))
    kinds = [line.get("class") for line in parts(svg, "line")]
    assert kinds.count("range") == 1
    assert kinds.count("chance") == 1
    assert len(parts(svg, "circle")) == 2


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=3))
def test_a_forest_has_room_for_every_value(values: list[float]) -> None:
    estimates = [Estimate(str(i), v, in_unit=True) for i, v in enumerate(values)]
    svg = forest(Forest("f", None, "", estimates))
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


def test_the_rows_that_are_called_positive_are_a_dot_on_the_curve() -> None:
    points = [(0.0, 1.0), (1.0, 0.2)]
    (dot,) = parts(curve(points, 0.1, (0.5, 0.8)), "circle")
    (title,) = parts(curve(points, 0.1, (0.5, 0.8)), "title")
    assert title.text == "called positive: recall 50.0 %, precision 80.0 %"
    assert float(dot.get("cx", "0")) == pytest.approx(46 + 0.5 * (440 - 46 - 10))
    assert not parts(curve(points, 0.1), "circle")


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


def test_true_and_predicted_numbers_are_to_one_scale_and_meet_on_the_diagonal() -> None:
    svg = scatter([(0.0, 0.0), (100.0, 100.0)])
    dashed, dots = (p.get("d", "") for p in parts(svg, "path"))
    start, end = dashed[1:].split("L")
    assert dots == f"M{start}h0M{end}h0"


def test_growth_is_drawn_to_the_logarithm_of_the_rows() -> None:
    points = [(rows, Estimate("", rows / 1000, 0.0, 1.0)) for rows in (10, 100, 1000)]
    first, middle, last = (float(c.get("cx", "0")) for c in parts(growth(points, "f"), "circle"))
    assert middle - first == pytest.approx(last - middle, abs=0.2)
    assert len([p for p in parts(growth(points, "f"), "path") if p.get("class") == "band"]) == 1


def test_growth_without_intervals_has_no_band() -> None:
    svg = growth([(10, Estimate("", 0.1)), (100, Estimate("", 0.2))], "f")
    assert [p.get("class") for p in parts(svg, "path")] == ["line"]


def test_a_bar_leans_to_the_side_of_its_sign_and_stays_in_its_track() -> None:
    found = [parts(lean(share), "rect")[1] for share in (0.5, -0.5, 7.0)]
    assert [r.get("class") for r in found] == ["for", "against", "for"]
    assert [float(r.get("x", "0")) for r in found] == [50, 25, 50]
    assert [float(r.get("width", "0")) for r in found] == [25, 25, 50]


def test_means_below_zero_have_a_place_and_a_name() -> None:
    series = Series("mean", [-5.0, None, 3.0], [-6.0, None, 2.0], [-4.0, None, 4.0])
    svg = means(series, ["a", "b", "c"])
    assert [t.text for t in parts(svg, "title")] == ["a: −5", "b: no rows", "c: 3"]
    places = [float(c.get("cy", "0")) for c in parts(svg, "circle")]
    assert 8 <= places[1] < places[0] <= 125


@pytest.fixture
def texts(make: Callable[..., ReportInputs]) -> TextMap:
    """The map of a small run."""
    found = content(model_of(make()), "map")
    assert isinstance(found, TextMap)
    return found


def test_the_map_on_paper_has_a_dot_for_every_text_in_its_frame(texts: TextMap) -> None:
    left, top, right, bottom = texts.frame
    inside = sum(
        left <= x <= right and top <= y <= bottom for x, y in zip(texts.x, texts.y, strict=True)
    )
    dots = "".join(p.get("d", "") for p in parts(static_map(texts), "path"))
    assert dots.count("M") == inside > 0


def test_texts_like_no_others_are_rings_on_paper(texts: TextMap) -> None:
    drawn = parts(static_map(replace(texts, outlier=[1] * len(texts.x))), "path")
    assert {p.get("class", "").split()[1] for p in drawn} == {"rings"}
    kinds = {p.get("class", "").split()[1] for p in parts(static_map(texts), "path")}
    assert kinds == {"rings", "dots"}


def test_names_on_the_map_do_not_cross_each_other(texts: TextMap) -> None:
    entry = texts.legend[0]
    crowded = replace(texts, legend=[replace(e, x=entry.x, y=entry.y) for e in texts.legend])
    assert len(parts(static_map(crowded), "text")) == 1
