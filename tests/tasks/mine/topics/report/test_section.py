"""The topics' section: themes, cards, categories, changes, and how good they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.present import present
from support.report.given import changed, content, model_of, table_of
from support.report.mined import CLUSTERING, event_rows

from fusemine.tasks.mine.topics.report.changes import MOST, SHOWN, changes, count_kinds
from fusemine.tasks.mine.topics.report.heat import SHADES, shade
from fusemine.tasks.mine.topics.report.model import Topics
from fusemine.tasks.mine.topics.report.quality import quality_words
from fusemine.tasks.mine.topics.report.themes import MANY, palette
from fusemine.tasks.report.model import ReportInputs

Make = Callable[..., ReportInputs]


def topics_of(inputs: ReportInputs, **settings: Any) -> Topics:
    """The topics' section, which was not skipped."""
    section = content(model_of(inputs, **settings), "topics")
    assert isinstance(section, Topics)
    return section


def test_themes_come_largest_first_with_their_topics_largest_first(make: Make) -> None:
    section = topics_of(make(topic_count=6, theme_count=3))
    assert [theme.topics for theme in section.themes] == [2, 2, 2]
    rows = [theme.rows for theme in section.themes]
    assert rows == sorted(rows, reverse=True)
    assert [sum(topic.rows for topic in theme.described) for theme in section.themes] == rows
    assert section.lead.startswith("6 topics in 3 themes; the largest theme, “theme number 0”")


def test_rows_without_a_text_come_last_and_in_grey(make: Make) -> None:
    section = topics_of(make())
    (no_text,) = section.no_text
    assert (no_text.rows, no_text.colour) == (12, 8)
    assert sum(topic.rows for topic in section.described) + no_text.rows == 80


@pytest.mark.parametrize("themes", [1, 4])
def test_themes_that_group_nothing_are_not_shown(make: Make, themes: int) -> None:
    section = topics_of(make(topic_count=4, theme_count=themes))
    assert [theme.name for theme in section.themes] == [""]
    assert "theme" not in section.lead


def test_one_topic_is_reported_without_a_largest(make: Make) -> None:
    lead = topics_of(make(topic_count=1, theme_count=1)).lead
    assert lead == "1 topic, “topic number 0”, holds 85.0 % of the rows."


def test_topics_of_an_unknown_theme_are_not_lost(make: Make) -> None:
    inputs = make(topic_count=6, theme_count=3)
    themes = table_of(inputs, "themes").filter(pl.col("theme") < 2)
    section = topics_of(changed(inputs, themes=themes))
    assert [theme.name for theme in section.themes][-1] == "other topics"
    assert sum(theme.topics for theme in section.themes) == 6


def test_the_largest_topics_of_all_are_shown_and_the_others_of_a_theme_unfold(make: Make) -> None:
    section = topics_of(make(rows=300, topic_count=9, theme_count=3), topics=4)
    assert sum(len(theme.shown) for theme in section.themes) == 4
    least = min(topic.rows for theme in section.themes for topic in theme.shown)
    assert all(topic.rows <= least for theme in section.themes for topic in theme.folded)


def test_a_thousand_topics_are_described_in_part_and_counted_whole(make: Make) -> None:
    section = topics_of(make(rows=3000, topic_count=1000), topics=5)
    assert len(section.described) == 53
    assert sum(len(theme.described) + theme.more for theme in section.themes) == 1000


def test_few_topics_have_colours_of_their_own_and_many_those_of_their_themes(make: Make) -> None:
    few, many = (make(rows=600, topic_count=n, theme_count=3) for n in (MANY, MANY + 2))
    assert [palette(few).kind, palette(many).kind] == ["topic", "theme"]
    assert len({topic.colour for topic in topics_of(few).described}) == 9
    section = topics_of(many)
    assert [theme.colour for theme in section.themes] == [0, 1, 2]
    for theme in section.themes:
        assert {topic.colour for topic in theme.described} == {theme.colour}


def test_a_topic_quotes_texts_that_differ_in_more_than_signs(make: Make) -> None:
    # Rows 0, 12 and 16 are the first that stand for their topic.
    texts = ["NO DAMAGE", *"abcdefghijk", "no damage.", "l", "m", "n", "two gulls"]
    named = topics_of(make(texts=texts)).described
    first = next(topic for topic in named if "NO DAMAGE" in topic.typical)
    assert first.typical == ["NO DAMAGE", "two gulls"]


def test_a_card_has_two_typical_and_two_central_texts_and_none_twice(make: Make) -> None:
    for topic in topics_of(make()).described:
        assert len(topic.typical) == len(topic.central) == 2
        assert not set(topic.typical) & set(topic.central)
    assert not topics_of(make(), examples=0).described[0].typical


def test_a_rate_has_its_interval(make: Make) -> None:
    topic = topics_of(make()).described[0]
    assert topic.rate is not None
    low, high = (float(end.split()[0]) / 100 for end in topic.rate_bounds.split(" to "))
    assert low < topic.rate < high


def test_topics_of_many_classes_name_their_commonest_label(make: Make) -> None:
    classes = ("wing", "engine", "tail")
    section = topics_of(make(classes=classes))
    assert section.base_rate is None
    assert section.described[0].rate_words.split()[0] in classes


def test_a_burst_is_named_on_the_card_and_marked_on_its_curve(make: Make) -> None:
    section = topics_of(make())
    topic = next(t for t in section.described if t.name == "topic number 1")
    assert [(b.partition, b.expected) for b in topic.bursts] == [("1990-08", "hardly any")]
    assert topic.marked == [7]
    assert not any(t.bursts for t in section.described if t is not topic)


def test_only_loose_words_and_late_births_are_noted(make: Make) -> None:
    notes = {topic.name: topic.notes for topic in topics_of(make()).described}
    assert notes == {
        "topic number 0": ["Its words seldom come together."],
        "topic number 1": ["Known since 1990-03."],
        "topic number 2": [],
        "topic number 3": [],
    }


def test_the_heat_map_shows_the_columns_with_pairs_beyond_chance(make: Make) -> None:
    (heat,) = topics_of(make()).heat
    assert (heat.column, heat.levels) == ("sky", ["clear", "cloud"])
    cells = {row.name: row.cells for row in heat.rows}
    first = present(cells["topic number 0"][0])
    assert (first.notable, first.shade) == (True, 3)
    assert "3 times as many as by chance" in first.text


def test_levels_that_begin_alike_have_columns_of_their_own(make: Make) -> None:
    inputs = make()
    alike = table_of(inputs, "crossed").with_columns(level="a" * 45 + pl.col("level"))
    (heat,) = topics_of(changed(inputs, crossed=alike)).heat
    assert heat.levels == ["a" * 45 + "clear", "a" * 45 + "cloud"]
    (plain,) = topics_of(inputs).heat
    assert heat.rows == plain.rows


def test_a_column_without_notable_pairs_has_no_heat_map(make: Make) -> None:
    inputs = make()
    plain = table_of(inputs, "crossed").with_columns(notable=pl.lit(False))
    assert topics_of(changed(inputs, crossed=plain)).heat == []


@given(st.floats(0, 50))
def test_shades_are_as_deep_on_both_sides_of_chance(lift: float) -> None:
    assert -len(SHADES) <= shade(lift) <= len(SHADES)
    if lift > 0.01:
        assert shade(lift * (1 + 1e-9)) in {-shade(1 / lift), -shade(1 / lift) + 1}


def test_events_come_newest_first(make: Make) -> None:
    events = event_rows(("1990-02", "born"), ("1990-05", "split"), ("1990-03", "merged"))
    section = topics_of(make(events=events))
    assert [(c.partition, c.events[0].text) for c in section.changes] == [
        ("1990-05", "“topic 1” split off from “topic 9”"),
        ("1990-03", "“topic 2” was merged into “topic 9”"),
        ("1990-02", "“topic 0” is new"),
    ]
    assert section.changes[0].events[0].evidence == "topic 1 has 12 texts"


def test_many_events_of_one_partition_are_reported_together(make: Make) -> None:
    kinds = ["fitted", *["born"] * 4, *["merged"] * 2]
    section = topics_of(make(events=event_rows(*(("1990-03", kind) for kind in kinds))))
    (change,) = section.changes
    assert change.text == "All texts were grouped: 4 new and 2 merged."
    assert len(change.events) == 7


@given(st.lists(st.tuples(st.integers(10, 60), st.sampled_from(["born", "died"])), max_size=200))
def test_no_partition_of_changes_is_lost(make: Make, events: list[tuple[int, str]]) -> None:
    table = event_rows(*((f"19{place}", kind) for place, kind in events))
    shown, older, more = changes(make(rows=3, events=table))
    assert len(shown) + len(older) + more == len({place for place, _ in events})
    lines = [sum(1 if c.text else len(c.events) for c in part) for part in (shown, older)]
    assert lines[0] <= SHOWN + 3
    assert sum(lines) <= MOST + 3


def test_a_name_in_braces_is_shown_as_it_is(make: Make) -> None:
    section = topics_of(make(events=event_rows(("1990-02", "born"), text="{name.__class__}")))
    assert section.changes[0].events[0].text == "“{name.__class__} 0” is new"


def test_kinds_of_events_are_counted_in_words() -> None:
    assert count_kinds(["merged", "born", "born", "split"]) == "2 new, 1 split off and 1 merged"
    assert count_kinds([]) == ""


def test_how_good_the_topics_are_is_one_line_in_words() -> None:
    text = quality_words(CLUSTERING)
    assert "the topics lie far apart (silhouette 0.31)" in text
    assert "comes out nearly the same when part of the texts is left out (stability 0.95)" in text
    assert "4.1 % of the texts are like no others" in text
    assert "agree with the label by 0.15 of 1" in text
    agreement = {"v_measure": 0.2, "ari": 0.1, "column": "species"}
    assert "agree with “species” by 0.20" in quality_words({"agreement": agreement})


def test_what_was_not_measured_is_not_reported() -> None:
    assert quality_words({"stability": None, "agreement": None, "silhouette": float("nan")}) == ""
    text = quality_words({"silhouette": -0.2})
    assert text == "How good they are: the topics overlap (silhouette −0.20)."


@pytest.mark.parametrize(
    ("by", "text"),
    [
        (["words"] * 5, "The topics are named by their words."),
        (["words", *["model"] * 4], "A language model named the topics."),
        (["model", "words", "model", "words", "words"], "A language model named 1 of 4 topics"),
    ],
)
def test_the_section_states_who_named_the_topics(make: Make, by: list[str], text: str) -> None:
    inputs = make()
    # The first line is that of the rows without text.
    named = table_of(inputs, "topics").sort("topic").with_columns(named_by=pl.Series(by))
    assert topics_of(changed(inputs, topics=named)).naming.startswith(text)


def test_the_reason_why_naming_failed_is_shown(make: Make) -> None:
    naming = {"by": "model", "trouble": "the server did not answer"}
    section = topics_of(make(clustering=CLUSTERING | {"naming": naming}))
    assert section.naming.endswith("Naming failed: the server did not answer.")


@pytest.mark.parametrize("absent", ["themes", "shares", "crossed", "events"])
def test_a_table_that_is_absent_is_left_out(make: Make, absent: str) -> None:
    assert topics_of(make(**{absent: None})).described
