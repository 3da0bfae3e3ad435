"""Terms and names of topics."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.mine.topic_chain.naming.terms import (
    TERMS,
    Term,
    short_name,
    topic_names,
    topic_terms,
)
from fusemine.tasks.text.words import terms


def found(texts: list[list[str]], weights: list[int] | None = None) -> list[list[Term]]:
    flat = [text for topic in texts for text in topic]
    topics = np.repeat(np.arange(len(texts), dtype=np.int32), [len(topic) for topic in texts])
    rows = np.array(weights or [1] * len(flat), np.int64)
    return topic_terms(flat, rows, topics, len(texts))


def listed(topic: list[Term]) -> list[str]:
    return [term.text for term in topic]


ENGINES = ["BIRD INGESTED IN ENG. FAN BLADES BENT.", "FAN BLADES OF ENG BENT BY BIRD"]
DEER = ["DEER RAN ON RUNWAY. HIT NOSE GEAR, NOT BIRD", "A DEER HIT THE MAIN GEAR"]


def test_a_topic_is_described_by_what_the_others_have_not() -> None:
    engines, deer = found([ENGINES, DEER])
    assert {"fan blades", "eng", "bent"} <= set(listed(engines)[:4])
    assert listed(deer)[0] == "deer"
    assert "bird" not in listed(engines)[:3]


def test_a_word_gives_way_to_the_pair_that_it_is_always_in() -> None:
    engines, _ = found([ENGINES, DEER])
    assert "fan" not in listed(engines)
    assert "blades" not in listed(engines)


def test_frequent_rows_weigh_more_than_rare_ones() -> None:
    often, _ = found([["red fox", "blue whale"], ["green tree"]], weights=[99, 1, 50])
    assert listed(often)[0] == "red fox"
    assert "blue whale" not in listed(often)


def test_a_name_repeats_no_word() -> None:
    candidates = [Term(t, 1.0, 0.5) for t in ("bird strike", "birds", "strike", "gulls", "gull")]
    assert short_name(candidates) == "bird strike, gulls"


def test_a_weak_term_stays_out_of_a_name_that_is_long_enough() -> None:
    candidates = [Term("deer", 9.0, 0.9), Term("gear", 0.1, 0.2)]
    assert short_name(candidates) == "deer"


def test_names_that_would_be_the_same_get_further_terms_or_a_number() -> None:
    first = [Term("deer", 9.0, 0.9), Term("gear", 0.1, 0.2)]
    assert topic_names([first, first, first], ["", "", ""]) == ["deer", "deer, gear", "deer (2)"]


def test_a_topic_without_words_is_called_by_its_text() -> None:
    assert topic_names([[], []], ["123", "123"]) == ["123", "123 (2)"]


def test_a_taken_name_is_not_given_again() -> None:
    assert topic_names([[]], ["no text"], taken=["no text"]) == ["no text (2)"]


def test_one_topic_alone_is_named_by_its_frequent_terms() -> None:
    (only,) = found([["the pump leaks oil", "pump leaks again"]])
    assert listed(only)[0] == "pump leaks"


def test_a_script_without_blanks_gives_character_sequences() -> None:
    assert {"发动", "动机", "发动机"} <= set(terms("发动机"))
    engines, birds = found([["发动机损坏", "发动机停车"], ["鸟击挡风", "鸟击机翼"]])
    assert listed(engines)[0] in {"发动机", "发动", "动机"}
    assert listed(birds)[0] == "鸟击"


def test_hostile_text_is_plain_data() -> None:
    (only,) = found([["<script>alert(1)</script> {{7*7}}"] * 2])
    assert set(listed(only)) <= {"script", "alert"}


text = st.text(alphabet="ab cé中文\u0301'-/.<1", max_size=30)


@given(st.lists(st.lists(text, min_size=1, max_size=4), min_size=1, max_size=5))
def test_names_are_different_for_any_texts(texts: list[list[str]]) -> None:
    candidates = found(texts)
    names = topic_names(candidates, [topic[0] for topic in texts])
    assert len(set(names)) == len(names) == len(texts)
    assert all(len(topic) <= TERMS for topic in candidates)
    assert candidates == found(texts)
