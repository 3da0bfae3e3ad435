"""The charts of the label's section as SVG: places and scales."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.report.page import elements

from fusemine.tasks.mine.classify.report.charts import (
    calibration,
    curve,
    forest,
    growth,
    lean,
    scatter,
)
from fusemine.tasks.mine.classify.report.metrics import value_format
from fusemine.tasks.mine.classify.report.model import Bin, Estimate, Forest


def test_a_forest_shows_each_interval_and_what_chance_would_get() -> None:
    whole = Estimate(0.4, 0.35, 0.45, name="table")
    estimates = [whole, Estimate(name="text"), Estimate(0.7, name="both")]
    svg = forest(Forest("average precision", 0.1, "a random order", estimates))
    kinds = [line.get("class") for line in elements(svg, "line")]
    assert kinds.count("range") == 1
    assert kinds.count("chance") == 1
    assert len(elements(svg, "circle")) == 2


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=3))
def test_a_forest_has_room_for_every_value(values: list[float]) -> None:
    estimates = [Estimate(v, form=value_format("rmse"), name=str(i)) for i, v in enumerate(values)]
    svg = forest(Forest("f", None, "", estimates))
    places = [float(c.get("cx", "nan")) for c in elements(svg, "circle")]
    assert all(40 <= place <= 440 for place in places)


def test_precision_falls_on_the_curve_from_left_to_right() -> None:
    svg = curve([(0, 1), (0.5, 0.8), (1, 0.2)], 0.1)
    (line,) = elements(svg, "path", "line")
    points = [tuple(map(float, p.split())) for p in line.get("d", "")[1:].split("L")]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted(y for _, y in points)


def test_dots_of_the_calibration_grow_with_their_rows() -> None:
    svg = calibration([Bin(0.1, 0.1, 10), Bin(0.9, 0.8, 1000)])
    small, large = (float(c.get("r", "0")) for c in elements(svg, "circle"))
    assert small < large


def test_the_rows_that_are_called_positive_are_a_dot_on_the_curve() -> None:
    points = [(0.0, 1.0), (1.0, 0.2)]
    (dot,) = elements(curve(points, 0.1, (0.5, 0.8)), "circle")
    (title,) = elements(curve(points, 0.1, (0.5, 0.8)), "title")
    assert title.text == "called positive: recall 50.0 %, precision 80.0 %"
    assert float(dot.get("cx", "0")) == pytest.approx(46 + 0.5 * (440 - 46 - 10))
    assert not elements(curve(points, 0.1), "circle")


def test_true_and_predicted_numbers_are_to_one_scale_and_meet_on_the_diagonal() -> None:
    svg = scatter([(0.0, 0.0), (100.0, 100.0)])
    dashed, dots = (p.get("d", "") for p in elements(svg, "path"))
    start, end = dashed[1:].split("L")
    assert dots == f"M{start}h0M{end}h0"


def test_growth_is_drawn_to_the_logarithm_of_the_rows() -> None:
    points = [(rows, Estimate(rows / 1000, 0.0, 1.0)) for rows in (10, 100, 1000)]
    first, middle, last = (float(c.get("cx", "0")) for c in elements(growth(points, "f"), "circle"))
    assert middle - first == pytest.approx(last - middle, abs=0.2)
    assert len(elements(growth(points, "f"), "path", "band")) == 1


def test_growth_without_intervals_has_no_band() -> None:
    svg = growth([(10, Estimate(0.1)), (100, Estimate(0.2))], "f")
    assert [p.get("class") for p in elements(svg, "path")] == ["line"]


def test_a_bar_leans_to_the_side_of_its_sign_and_stays_in_its_track() -> None:
    found = [elements(lean(share), "rect")[1] for share in (0.5, -0.5, 7.0)]
    assert [r.get("class") for r in found] == ["for", "against", "for"]
    assert [float(r.get("x", "0")) for r in found] == [50, 25, 50]
    assert [float(r.get("width", "0")) for r in found] == [25, 25, 50]
