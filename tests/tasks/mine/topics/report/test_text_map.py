"""The map of the texts: places, samples and bytes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.report.given import content, model_of, table_of

from fusemine.tasks.mine.topics.report.model import TextMap
from fusemine.tasks.mine.topics.report.text_map import GRID, TEXT_BYTES, frame, grid, sample
from fusemine.tasks.report.model import ReportInputs, Skipped

Make = Callable[..., ReportInputs]
PLACES = arrays(np.float64, (2, 20), elements=st.floats(-1e6, 1e6))


def map_of(inputs: ReportInputs, points: int = 25_000) -> TextMap:
    """The map, which was not skipped."""
    found = content(model_of(inputs, map_points=points), "map")
    assert isinstance(found, TextMap)
    return found


@given(PLACES)
def test_places_fit_the_grid_at_one_scale(places: np.ndarray) -> None:
    x, y = grid(*places)
    assert x.min() >= 0
    assert y.min() >= 0
    assert max(x.max(), y.max()) <= GRID
    spans = np.ptp(places, axis=1)
    if spans.min() > 1:
        assert np.ptp(x) * spans[1] == pytest.approx(np.ptp(y) * spans[0], abs=2 * spans.max())


@given(PLACES)
def test_the_frame_is_a_box_on_the_grid(places: np.ndarray) -> None:
    left, top, right, bottom = frame(*grid(*places))
    assert 0 <= left < right <= GRID
    assert 0 <= top < bottom <= GRID


def test_a_few_far_off_texts_do_not_shrink_the_frame() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(5000, 100, (2, 1000)).astype(np.int64)
    x[:3] = 0
    left, _, right, _ = frame(x, y)
    assert left > 4000
    assert right < 6000


def test_every_row_with_a_text_is_a_point(make: Make) -> None:
    inputs = make()
    found = map_of(inputs)
    texts = inputs.clean.filter("has_text")["text"].to_list()
    assert [found.texts[place] for place in found.text] == texts
    assert found.remarks == [
        "12 rows without text or place are not on the map.",
        "Rings are texts that are like no others.",
    ]
    assert sum(found.outlier) == 3


def test_each_point_keeps_its_topic_partition_and_label(make: Make) -> None:
    inputs = make()
    found = map_of(inputs)
    rows = inputs.clean.filter("has_text")
    assert [found.partitions[p] for p in found.partition] == rows["partition"].to_list()
    assert [found.labels[p] or None for p in found.label] == rows["label"].to_list()
    topics = Counter(found.topics[t] for t in found.topic)
    assert dict(topics) == {entry.name: entry.rows for entry in found.legend}


def test_a_sample_keeps_every_topics_share_and_the_order(make: Make) -> None:
    points = pl.DataFrame({"place": [0] * 900 + [1] * 100}).with_row_index("order")
    drawn = sample(points.sample(fraction=1, shuffle=True, seed=1), 100)
    assert drawn["place"].value_counts().sort("place")["count"].to_list() == [90, 10]
    assert drawn["order"].is_sorted()


def test_a_sampled_map_is_marked_as_a_sample(make: Make) -> None:
    found = map_of(make(rows=500), points=100)
    assert len(found.x) == 100
    assert "Shown is an even sample of 100 of 428 (23.4 %)." in found.remarks


def test_equal_texts_are_stored_once(make: Make) -> None:
    found = map_of(make(rows=500, texts=["no damage"] * 500))
    assert found.texts == ["no damage"]


def test_texts_are_cut_until_they_fit_their_budget(make: Make) -> None:
    texts = [f"{i} " + "<&>" * 100 for i in range(9000)]
    found = map_of(make(rows=9000, texts=texts))
    assert sum(len(json.dumps(t)) + 5 * sum(map(t.count, "<>&")) for t in found.texts) <= TEXT_BYTES
    assert any("to keep this file small" in remark for remark in found.remarks)


def test_small_topics_share_the_last_entry_of_the_legend(make: Make) -> None:
    found = map_of(make(rows=2000, topic_count=90, theme_count=90))
    assert len(found.legend) == 41
    assert sum(entry.rows for entry in found.legend) == len(found.x)
    assert found.legend[-1].name == "51 smaller topics"


def test_many_topics_have_a_legend_by_theme_and_keep_their_names(make: Make) -> None:
    found = map_of(make(rows=2000, topic_count=90, theme_count=3))
    assert found.grouping == "theme"
    assert sorted(entry.name for entry in found.legend) == [f"theme number {i}" for i in range(3)]
    assert sorted(entry.colour for entry in found.legend) == [0, 1, 2]
    themes = {entry.number: entry.name for entry in found.legend}
    for topic, name in enumerate(found.topics[:-1]):
        if found.groups[topic] in themes and name != "topic number -1":
            theme = int(name.split()[-1]) % 3
            assert themes[found.groups[topic]] == f"theme number {theme}"


def test_rows_without_any_place_have_no_map(make: Make) -> None:
    nowhere = table_of(make(), "clusters").with_columns(x=pl.lit(None, pl.Float64))
    found = content(model_of(make(clusters=nowhere)), "map")
    assert isinstance(found, Skipped)
