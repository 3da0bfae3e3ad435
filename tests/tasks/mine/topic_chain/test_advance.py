"""The registry of topics from partition to partition."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from support.heaps import month, rows_of, texts_of

from fusemine.tasks.mine.topic_chain.advance import advance
from fusemine.tasks.mine.topic_chain.contracts import EVENTS, REGISTRY
from fusemine.tasks.mine.topic_chain.naming.subject import LlmNames
from fusemine.tasks.mine.topic_chain.registry import (
    MODEL,
    WORDS,
    State,
    events_frame,
    events_of,
    topics_frame,
    topics_of,
)
from fusemine.tasks.mine.topic_chain.settings import TopicsSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusemine.tasks.core.window import Rows
    from fusemine.tasks.mine.topic_chain.advance import Namer
    from fusemine.tasks.mine.topic_chain.naming.subject import Subject

SETTINGS = TopicsSettings()
FIRST = {"deer": 60, "engine": 60, "window": 60}


class History:
    """Partitions that come one after the other, and the registry after each."""

    def __init__(self, settings: TopicsSettings = SETTINGS) -> None:
        self.settings, self.state = settings, State()
        self.rows: list[Rows] = []

    def add(self, rows: Rows, namer: Namer | None = None) -> State:
        self.rows.append(rows)
        window, partition = lambda: texts_of(*self.rows), f"2020-{len(self.rows):02d}"
        self.state = advance(self.state, texts_of(rows), window, partition, self.settings, namer)
        return self.state

    def kinds(self, partition: str) -> list[str]:
        return [event.kind for event in self.state.events if event.partition == partition]


def begun(settings: TopicsSettings = SETTINGS) -> History:
    history = History(settings)
    history.add(month("2020-01", FIRST))
    return history


def topics_of_rows(state: State, rows: Rows) -> list[int]:
    assert state.references is not None
    return state.references.assign(rows.matrix).topics.tolist()


def test_the_first_texts_are_grouped_which_is_one_event() -> None:
    history = begun()
    assert history.kinds("2020-01") == ["fitted"]
    assert {topic.born for topic in history.state.alive} == {"2020-01"}
    assert [topic.rows for topic in history.state.alive] == [60, 60, 60]
    assert {topic.named_by for topic in history.state.alive} == {WORDS}
    assert {topic.name.split(",")[0] for topic in history.state.alive} <= {
        *("deer", "gear", "runway", "antler", "engine", "fan", "blades", "vibration"),
        *("window", "cracked", "cockpit", "glass"),
    }


def test_a_few_new_texts_join_what_is_known_without_a_new_grouping() -> None:
    history = begun()
    before = history.state
    after = history.add(month("2020-02", {"deer": 10, "engine": 5}, start=100))
    assert after.references is before.references
    assert [topic.name for topic in after.alive] == [topic.name for topic in before.alive]
    assert sum(topic.rows for topic in after.alive) == 195
    assert after.fitted.new == 15
    assert history.kinds("2020-02") == []


def test_many_new_texts_call_for_a_new_grouping_in_which_topics_keep_number_and_name() -> None:
    history = begun()
    before = history.state
    after = history.add(month("2020-02", dict.fromkeys(FIRST, 40), start=100))
    assert history.kinds("2020-02")[0] == "fitted"
    assert {t.topic: t.name for t in after.alive} == {t.topic: t.name for t in before.alive}
    same = topics_of_rows(before, history.rows[0])
    assert topics_of_rows(after, history.rows[0]) == same


def test_a_new_subject_is_born_with_a_number_that_no_topic_had() -> None:
    history = begun()
    history.add(month("2020-02", {"gulls": 100}, start=100))
    born = [e for e in history.state.events if e.partition == "2020-02" and e.kind == "born"]
    assert len(born) == 1
    assert born[0].topic == 3
    assert "gulls" in born[0].evidence
    assert history.state.topics[3].born == "2020-02"


def test_texts_like_no_topic_call_for_a_new_grouping_before_there_are_many() -> None:
    history = begun(SETTINGS.model_copy(update={"refit": 50.0}))
    history.add(month("2020-02", {"deer": 70}, start=200))
    assert history.kinds("2020-02") != ["fitted"]
    history.add(month("2020-03", {"gulls": 60}, start=300))
    event = next(e for e in history.state.events if e.partition == "2020-03" and e.kind == "fitted")
    assert "like no topic" in event.evidence


def test_a_topic_with_far_more_rows_than_its_share_grew() -> None:
    history = begun(SETTINGS.model_copy(update={"refit": 50.0}))
    history.add(month("2020-02", {"deer": 50, "engine": 5, "window": 5}, start=100))
    grown = [event for event in history.state.events if event.kind == "grew"]
    assert [event.rows for event in grown] == [50]
    assert grown[0].before is not None
    assert grown[0].now is not None
    assert grown[0].before < 0.4 < 0.8 < grown[0].now


def test_a_topic_whose_texts_are_gone_dies_and_its_number_is_not_given_again() -> None:
    history = begun()
    history.rows.clear()
    history.rows.append(month("2020-01", {}))
    history.add(month("2020-02", {"deer": 60, "gulls": 60}, start=500))
    died = [event for event in history.state.events if event.kind == "died"]
    assert len(died) == 2
    assert {history.state.topics[event.topic or 0].gone for event in died} == {"2020-02"}
    history.add(month("2020-03", {"engine": 200}, start=900))
    newest = max(topic.topic for topic in history.state.alive)
    assert newest not in {event.topic for event in died}


def test_rows_without_text_change_nothing() -> None:
    history = History()
    state = history.add(rows_of("2020-01", ["", ""]))
    assert state == State()
    history.add(month("2020-02", FIRST))
    before = history.state
    assert history.add(rows_of("2020-03", [""])).topics == before.topics


@pytest.mark.parametrize(
    ("texts", "most"), [(["deer a", "engine b", "window c"], 3), (["deer on the runway"] * 50, 1)]
)
def test_three_texts_are_topics_and_one_text_in_all_rows_is_one(
    texts: list[str], most: int
) -> None:
    state = History().add(rows_of("2020-01", texts))
    assert 1 <= len(state.alive) <= most
    assert sum(topic.rows for topic in state.alive) == len(texts)


def test_the_registry_is_a_function_of_the_one_before_and_the_window() -> None:
    one, other = begun(), begun()
    for history in (one, other):
        history.add(month("2020-02", {"deer": 30, "gulls": 80}, start=100))
    assert topics_frame(one.state).equals(topics_frame(other.state))
    assert events_frame(one.state).equals(events_frame(other.state))
    assert one.state.references is not None
    assert other.state.references is not None
    assert np.array_equal(one.state.references.coordinates, other.state.references.coordinates)


def test_topics_and_events_come_back_from_their_tables() -> None:
    history = begun()
    state = history.add(month("2020-02", {"gulls": 120}, start=100))
    topics, events = topics_frame(state), events_frame(state)
    REGISTRY.check(topics.to_arrow())
    EVENTS.check(events.to_arrow())
    assert topics_of(topics) == state.topics
    assert events_of(events) == state.events
    assert topics_of(topics_frame(State())) == {}
    assert isinstance(events_frame(State()), pl.DataFrame)


def test_a_models_names_are_kept_while_a_topic_lives_and_the_others_stay_with_their_words() -> None:
    asked: list[int] = []

    def namer(subjects: Sequence[Subject]) -> LlmNames:
        asked.append(len(subjects))
        names = [f"About {s.terms[0]}" if "deer" in s.typical[0] else None for s in subjects]
        return LlmNames(names)

    history = History()
    state = history.add(month("2020-01", FIRST), namer)
    assert {topic.named_by for topic in state.alive} == {WORDS, MODEL}
    named = next(topic for topic in state.alive if topic.named_by == MODEL)
    after = history.add(month("2020-02", dict.fromkeys(FIRST, 60), start=100), namer)
    assert after.topics[named.topic].name == named.name
    assert asked == [3, 2]


def test_the_device_is_free_while_the_model_is_asked() -> None:
    steps: list[str] = []

    @contextmanager
    def device() -> Iterator[str]:
        steps.append("held")
        yield "cpu"
        steps.append("free")

    def namer(subjects: Sequence[Subject]) -> LlmNames:
        steps.append("asked")
        return LlmNames([None] * len(subjects))

    texts = texts_of(month("2020-01", FIRST))
    advance(State(), texts, lambda: texts, "2020-01", SETTINGS, namer, device)
    assert steps == ["held", "free", "asked"]


def test_the_model_is_asked_again_in_the_next_partition_after_it_could_not_answer() -> None:
    history = History()
    state = history.add(month("2020-01", FIRST), lambda s: LlmNames([None] * len(s), "no answer"))
    assert state.trouble == "no answer"
    few = month("2020-02", {"deer": 1}, start=100)
    after = history.add(few, lambda s: LlmNames(["The same"] * len(s)))
    assert after.trouble is None
    assert [t.name for t in after.alive] == ["The same", "The same (2)", "The same (3)"]
