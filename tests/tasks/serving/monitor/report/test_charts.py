"""The charts of the models in use, and what is printed of very many, odd or hostile ones."""

from __future__ import annotations

import pytest
from support.report.given import changed
from support.report.hostile import HOSTILE
from support.report.inputs import make, make_numbers
from support.report.page import assert_harmless, elements, html_of, kinds, markdown_of
from support.report.watched import (
    NOW,
    OLD,
    TESTED,
    challenge,
    numbers,
    part,
    section_of,
    unlabelled,
    watched,
)

from fusemine.tasks.serving.monitor.report.charts import gap_chart, metric_chart


def months(count: int) -> list[str]:
    """So many months from 1990 on."""
    return [f"{1990 + place // 12}-{place % 12 + 1:02d}" for place in range(count)]


def test_partitions_without_labels_are_gaps_and_those_without_rows_too() -> None:
    rows = part("1990-01"), unlabelled("1990-02"), part("1990-04")
    section = section_of(make(**watched(*rows), gaps=["1989-01", "1990-03"]))
    metric = metric_chart(section.results, section.performance)
    for svg in (metric, gap_chart(section.results)):
        assert len(elements(svg, "circle")) == len(elements(svg, "line", "whisker")) == 2
    hints = [title.text for title in elements(metric, "title")]
    assert hints == [
        f"1990-01: 0.700 (0.600 to 0.800) on 100 labelled rows, by {NOW}",
        f"1990-02: no labels, predicted by {NOW}",
        "1990-03: no rows",
        f"1990-04: 0.700 (0.600 to 0.800) on 100 labelled rows, by {NOW}",
    ]
    assert [one.partition for one in section.recent] == ["1990-04", "1990-02", "1990-01"]


def test_where_another_model_took_over_there_is_a_mark_and_its_name() -> None:
    rows = part("1990-01", OLD), part("1990-02", OLD), part("1990-05"), part("1990-06")
    section = section_of(make(**watched(*rows)))
    svg = metric_chart(section.results, section.performance)
    assert len(elements(svg, "line", "turn")) == 1
    groups = [g.get("class") for g in elements(svg, "g") if g.get("class") != "hints"]
    assert groups == ["earlier", "earlier", "c0", "c0"]
    assert f"by {NOW}, which took over" in (elements(svg, "title")[2].text or "")
    assert [(term.model, term.span, term.current) for term in section.terms] == [
        (NOW, "1990-05 to 1990-06", True),
        (OLD, "1990-01 to 1990-02", False),
    ]


def test_the_dashed_line_is_at_the_test_rows_and_the_other_one_at_none() -> None:
    rows = part("1990-05", metric=(0.7, 0.6, 0.8), gap=(0.0, -0.1, 0.1))
    section = section_of(make(**watched(rows)))
    metric = metric_chart(section.results, section.performance)
    for svg, kind in ((metric, "chance"), (gap_chart(section.results), "zero")):
        (line,), (dot,) = elements(svg, "line", kind), elements(svg, "circle")
        assert float(line.get("y1", "0")) == pytest.approx(float(dot.get("cy", "1")))


def test_one_uncertain_partition_does_not_flatten_the_others() -> None:
    steady = [part(month, gap=(0.01, 0.0, 0.02)) for month in months(9)]
    wild = part("1991-01", gap=(0.01, -5.0, 5.0), labelled=2)
    svg = gap_chart(section_of(make(**watched(*steady, wild))).results)
    whiskers = elements(svg, "line", "whisker")
    ends = [float(whisker.get(end, "")) for whisker in whiskers for end in ("y1", "y2")]
    assert all(8 <= y <= 165 for y in ends)
    assert ends[0] - ends[1] > 15


def test_three_hundred_partitions_and_models_are_cut_to_what_can_be_read() -> None:
    rows = [part(month, f"{month}-aaaaaa") for month in months(300)]
    inputs = make(**watched(*rows, model=rows[-1]["model"]))
    section = section_of(inputs)
    assert (len(section.results), section.earlier) == (120, 180)
    assert (len(section.terms), section.more_terms) == (4, 296)
    assert [one.partition for one in section.recent] == months(300)[: -12 - 1 : -1]
    assert "180 earlier partitions are not shown." in html_of(inputs)


@pytest.mark.parametrize("value", [0.0, 1e200, -1e200, 5e-324])
def test_numbers_of_any_size_are_printed(value: float) -> None:
    three = (value, value, value)
    rows = [part(month, metric=three, gap=three, loss=three) for month in months(3)]
    assert html_of(changed(make_numbers(), **numbers(*rows))).endswith("</html>")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_on_models_is_shown_and_does_nothing(text: str) -> None:
    label = {"number": False, "positive": text, "metrics": TESTED}
    shown = watched(part(text, text), model=text, trained_for=text, label=label, reasons=[text])
    test = challenge(champion=text, challenger=text, loss=text)
    usual = kinds(markdown_of(make(**watched(part("1990-05")), challenge=test)))
    for beside in (test, test | {"why_not": text}):
        inputs = make(**shown, challenge=beside)
        assert_harmless(html_of(inputs))
        assert kinds(markdown_of(inputs)) <= usual | {"text_special"}
