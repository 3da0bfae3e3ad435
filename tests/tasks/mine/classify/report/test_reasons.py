"""What the model rests on, and some rows one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.present import present
from support.report.given import label_section
from support.report.summaries import explanation

from fusemine.tasks.graph import GRAPH
from fusemine.tasks.mine.classify.report.model import ExplainedRow, Reasons
from fusemine.tasks.mine.classify.report.reasons import STEPS, explained_rows
from fusemine.tasks.report.facts import facts
from fusemine.tasks.report.model import ReportInputs

Make = Callable[..., ReportInputs]


def reasons_of(make: Make, **changed: Any) -> Reasons:
    """The section of a full summary, some parts of it changed."""
    return present(label_section(make, **changed).reasons)


def cards(make: Make, *found: dict[str, Any]) -> list[ExplainedRow]:
    """Explained rows, shown and folded ones."""
    inputs = make()
    shown, folded = explained_rows(inputs, facts(inputs, GRAPH), found)
    return [*shown, *folded]


def part(kind: str, fall: float) -> dict[str, Any]:
    """A part of the table and how much the metric falls without it."""
    return {"name": kind, "kind": kind, "fall": fall, "deviation": 0.001}


def test_the_text_is_compared_with_the_whole_table(make: Make) -> None:
    assert reasons_of(make).lead == (
        "It rests most on the text: when that is shuffled between the test rows, the average "
        "precision gets worse by 0.300; when the whole table is, by 0.100."
    )


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([part("table", 0.2), part("text", -0.1)], "shuffling the text does no harm."),
        ([part("number", 0.2)], "It rests most on number: when that is shuffled"),
        ([part("number", 0.2), part("text", 0.0), part("table", -0.1)], "rests most on number"),
        ([part("text", 0.0)], ""),
        ([], ""),
    ],
)
def test_what_does_not_help_is_not_called_a_support(
    make: Make, parts: list[dict[str, Any]], text: str
) -> None:
    lead = reasons_of(make, importance=parts).lead
    assert text in lead
    assert bool(text) == bool(lead)
    assert "by −" not in lead


def test_twelve_columns_are_shown_and_the_others_counted(make: Make) -> None:
    reasons = reasons_of(make, importance=[part("number", 1 / n) for n in range(1, 20)])
    assert len(reasons.bars) == 12
    assert reasons.more == 7
    assert reasons.bars[0].share == 1
    assert [bar.text for bar in reasons.bars[:2]] == ["1.000", "0.500"]


def test_one_row_of_each_kind_is_shown_and_the_others_are_folded(make: Make) -> None:
    reasons = reasons_of(make)
    assert [card.quote.row_id for card in reasons.explained] == ["r0", "r2", "r4"]
    assert [card.quote.row_id for card in reasons.folded] == ["r1", "r3"]


def test_three_rows_are_shown_even_of_one_kind(make: Make) -> None:
    alike = [explanation(f"r{i}", "surest", "x") for i in range(5)]
    reasons = reasons_of(make, explanations=alike)
    assert [card.quote.row_id for card in reasons.explained] == ["r0", "r1", "r2"]
    assert len(reasons.folded) == 2


def test_a_prediction_is_a_share_beside_that_of_the_average_row(make: Make) -> None:
    (card,) = cards(make, explanation("r0", "close", "positive"))
    assert card.prediction == "50.0 % “positive”; 26.9 % for the average row"


def test_log_odds_without_end_are_shares_all_the_same(make: Make) -> None:
    far = {**explanation("r0", "close", "x"), "prediction": 1e6, "base": -1e6}
    assert cards(make, far)[0].prediction == "100 % “x”; 0 % for the average row"


def test_a_mistake_names_what_the_row_was_called_and_its_label(make: Make) -> None:
    inputs = make()
    wrong = inputs.clean.filter(inputs.clean["label"] == "positive")["row_id"][0]
    (card,) = cards(make, explanation(wrong, "mistake", "positive"))
    assert card.title == "A mistake: called “negative”"
    assert card.quote.label == "labelled “positive”"


def test_the_columns_that_are_not_shown_add_up_to_all_else(make: Make) -> None:
    features = [
        {"name": f"c{i}", "kind": "number", "value": "1", "contribution": 1.0} for i in range(9)
    ]
    (card,) = cards(make, {**explanation("r0", "close", "x"), "features": features, "others": 0.5})
    assert [bar.name for bar in card.bars] == [*(f"c{i}" for i in range(6)), "all else"]
    assert card.bars[-1].text == "+3.50"


def test_a_row_without_a_text_is_marked(make: Make) -> None:
    (card,) = cards(make, {**explanation("r0", "close", "x"), "words": []})
    assert (card.pieces, card.quote.text) == ([], "(no text)")


def test_a_row_that_is_not_in_the_table_is_shown_by_what_is_known_of_it(make: Make) -> None:
    (card,) = cards(make, explanation("elsewhere", "mistake", "x"))
    assert (card.title, card.quote.label, card.quote.partition) == ("A mistake", "", "")


def test_words_hardly_count_where_all_columns_count_far_more(make: Make) -> None:
    weak = {**explanation("r0", "close", "x"), "words": [{"text": "word", "weight": 0.001}]}
    (card,) = cards(make, weak)
    assert [piece.step for piece in card.pieces] == [0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(weights=st.lists(st.floats(-5, 5), min_size=1, max_size=8))
def test_heavier_words_are_never_paler_and_signs_keep_their_side(
    make: Make, weights: list[float]
) -> None:
    words = [{"text": f"w{i}", "weight": weight} for i, weight in enumerate(weights)]
    (card,) = cards(make, {**explanation("r0", "close", "x"), "words": words})
    steps = [piece.step for piece in card.pieces]
    assert all(step == 0 or (step > 0) == (w > 0) for step, w in zip(steps, weights, strict=True))
    assert max(map(abs, steps)) <= len(STEPS)
    ranked = sorted(zip(map(abs, weights), map(abs, steps), strict=True))
    assert [step for _, step in ranked] == sorted(step for _, step in ranked)
