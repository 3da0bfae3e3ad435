"""The map of the texts as it is printed on paper."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.report.given import content, model_of
from support.report.inputs import make
from support.report.page import elements

from fusemine.tasks.mine.topics.report.map_chart import static_map
from fusemine.tasks.mine.topics.report.model import TextMap


@pytest.fixture
def texts() -> TextMap:
    """The map of a small run."""
    found = content(model_of(make()), "map")
    assert isinstance(found, TextMap)
    return found


def test_the_map_on_paper_has_a_dot_for_every_text_in_its_frame(texts: TextMap) -> None:
    left, top, right, bottom = texts.frame
    points = zip(texts.x, texts.y, strict=True)
    inside = sum(left <= x <= right and top <= y <= bottom for x, y in points)
    dots = "".join(p.get("d", "") for p in elements(static_map(texts), "path"))
    assert dots.count("M") == inside > 0


def test_texts_like_no_others_are_rings_on_paper(texts: TextMap) -> None:
    drawn = elements(static_map(replace(texts, outlier=[1] * len(texts.x))), "path")
    assert {p.get("class", "").split()[1] for p in drawn} == {"rings"}
    kinds = {p.get("class", "").split()[1] for p in elements(static_map(texts), "path")}
    assert kinds == {"rings", "dots"}


def test_names_on_the_map_do_not_cross_each_other(texts: TextMap) -> None:
    entry = texts.legend[0]
    crowded = replace(texts, legend=[replace(e, x=entry.x, y=entry.y) for e in texts.legend])
    assert len(elements(static_map(crowded), "text")) == 1
