"""Reasons: what is rare about a row, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fusemine.tasks.core.errors import QUOTED, quote
from fusemine.tasks.mine.anomalies.evidence import Burst, CategoryMismatch, Evidence, NumberMismatch
from fusemine.tasks.mine.anomalies.reasons.baseline import ComparedRows, position_of
from fusemine.tasks.mine.anomalies.reasons.explain import LONGEST, explain, few, figure
from fusemine.tasks.mine.anomalies.reasons.rare_words import unusual_words
from fusemine.tasks.mine.anomalies.views.text_neighbours import Neighbours
from fusemine.tasks.stats.intervals import percent
from fusemine.tasks.text.distinct import distinct_texts


def clean_table(rows: int = 1000, **columns: Any) -> pl.DataFrame:
    texts = columns.pop("text", ["no damage reported"] * rows)
    named = {name.replace("_", ".", 1): values for name, values in columns.items()}
    table = {"row_id": [str(i) for i in range(rows)], "text": texts}
    table |= {"has_text": [bool(text) for text in texts]}
    table |= {"event_time": [datetime(1996, 5, 1, tzinfo=UTC)] * rows}
    return pl.DataFrame(table | named, strict=False)


def seen(share: float | None) -> Evidence:
    """A text of which this share is less unusual, and which is as improbable."""
    return Evidence(share, 1.0 if share is None else 1 - share)


def compared(clean: pl.DataFrame, known: NDArray[np.bool_] | None = None) -> ComparedRows:
    """The rows against the known ones, or against all."""
    return ComparedRows.of(clean, np.ones(clean.height, bool) if known is None else known)


def rare_words(clean: pl.DataFrame, rows: ComparedRows, row: int) -> list[str]:
    """The rare words of a row whose text has no neighbours."""
    texts = distinct_texts(clean, np.zeros((clean.height, 1), np.float32))
    none = Neighbours(np.empty((len(texts), 0), np.int64), np.empty((len(texts), 0), np.float32))
    return unusual_words(rows, texts, none, int(texts.of_row[row]))


def reason(clean: pl.DataFrame, row: int, text_score: float | None = 0.5) -> str:
    rows = compared(clean)
    return explain(rows, row, seen(text_score), rare_words(clean, rows, row))


def reason_from(clean: pl.DataFrame | None = None, **evidence: Any) -> str:
    """The reason of a first row by this evidence alone."""
    rows = compared(clean_table() if clean is None else clean)
    return explain(rows, 0, Evidence(**evidence), [])


def reason_of_new(clean: pl.DataFrame, row: int = -1) -> str:
    """The reason of a row, the last one, that is compared with those before it."""
    row %= clean.height
    rows = compared(clean, np.arange(clean.height) < row)
    return explain(rows, row, seen(0.5), rare_words(clean, rows, row))


def test_a_number_beyond_the_usual_range_is_reported_with_the_range() -> None:
    heights = [18_000.0, *np.linspace(50, 3000, 999)]
    assert reason(clean_table(number_height=heights), 0) == (
        "height 18,000 is above 99.9 % of rows, usually 197.8 to 2,855."
    )


def test_a_number_that_is_unusual_only_for_its_category_names_the_category() -> None:
    phases = ["Climb"] * 700 + ["Taxi"] * 300
    heights = [5000.0, 4000.0] * 350 + [0.0] * 299 + [4000.0]
    text = reason(clean_table(number_height=heights, category_phase=phases), 999)
    assert text.startswith("height 4,000 is above 99.6 % of rows with phase 'Taxi', usually 0")


def test_a_low_number_is_below_the_others() -> None:
    speeds = [10.0, *([120.0, 140.0, 160.0] * 333)]
    text = reason(clean_table(number_speed=speeds), 0)
    assert text == "speed 10 is below 99.9 % of rows, usually 120 to 160."


def test_in_a_small_table_only_a_number_far_out_is_reported() -> None:
    values = [1.0, 2, 3, 4, 5, 6, 7, 8, 9, 90]
    clean = clean_table(10, number_n=values)
    assert reason(clean, 9) == "n 90 is above 90 % of rows, usually 2 to 9."
    assert reason(clean_table(10, number_n=[*values[:9], 10.0]), 9) == ""


def test_a_rare_category_is_reported_with_its_share() -> None:
    species = ["Wild Turkey"] * 2 + ["Gull"] * 998
    text = reason(clean_table(category_species=species), 0)
    assert text == "species 'Wild Turkey' occurs in only 0.2 % of rows."
    text = reason(clean_table(category_species=["Emu", *species[1:]]), 0)
    assert text == "species 'Emu' occurs in no other row."


def test_rare_values_are_usual_in_a_column_of_names() -> None:
    clean = clean_table(category_name=[f"name {i}" for i in range(1000)])
    assert reason(clean, 0) == ""


def test_frequent_values_that_hardly_meet_are_reported() -> None:
    phases = ["Parked"] * 500 + ["Climb"] * 500
    lights = ["on"] * 499 + ["off"] * 501
    text = reason(clean_table(category_phase=phases, category_lights=lights), 499)
    assert text == (
        "phase 'Parked' with lights 'off' occurs in no other row where chance would give 250."
    )


def test_an_empty_value_is_reported_where_it_is_rare() -> None:
    clean = clean_table(
        number_engines=[None, *[2.0, 4.0] * 499, 2.0],
        category_sky=[None, *["clear", "cloud"] * 499, "clear"],
    )
    text = reason(clean, 0)
    assert "engines is empty, as in no other row" in text
    assert "sky is empty" in text
    clean = clean_table(number_engines=[None, None, *[2.0, 4.0] * 499])
    assert reason(clean, 0) == "engines is empty, as in only 0.2 % of rows."


def test_a_text_unlike_the_others_is_reported_with_its_rare_words() -> None:
    texts = ["hydraulic line ruptured over the sea", *["no damage reported"] * 999]
    texts[1] = "hydraulic pump on"
    assert reason(clean_table(text=texts), 0, 0.999) == (
        "the text is more unlike the rest than 99.9 % of texts and has the rare words 'ruptured', "
        "'line'."
    )


def test_rare_words_are_reported_of_a_text_that_is_not_unlike() -> None:
    texts = ["pilot ditched", *["no damage reported by the pilot"] * 999]
    texts[1:] = [f"{text} {i}" for i, text in enumerate(texts[1:])]
    assert reason(clean_table(text=texts), 0) == "the text has the rare word 'ditched'."


def test_a_row_without_text_has_no_reason_from_its_text() -> None:
    assert reason(clean_table(text=["", *["a b"] * 999]), 0, None) == ""


def test_a_new_number_is_compared_with_earlier_rows_only() -> None:
    heights = [*np.linspace(0, 1000, 500), *[9000.0] * 300]
    text = reason_of_new(clean_table(800, number_height=heights), 500)
    assert text == "height 9,000 is above all earlier rows, usually 50.1 to 949.9."
    assert reason(clean_table(800, number_height=heights), 500) == ""


def test_a_value_that_was_never_there_is_reported_unless_most_are_new() -> None:
    states = [*["FL", "TX", "CA"] * 300, "Atlantis"]
    text = reason_of_new(clean_table(901, category_state=states))
    assert text == "state 'Atlantis' occurs in no earlier row."
    names = [f"name {i}" for i in range(901)]
    assert reason_of_new(clean_table(901, category_name=names)) == ""
    seen = ["Guam", *states[1:-1], "Guam"]
    text = reason_of_new(clean_table(901, category_state=seen))
    assert text == "state 'Guam' occurs in only 0.1 % of earlier rows."


def test_values_that_never_met_and_a_value_never_empty_are_reported_of_a_new_row() -> None:
    phases, lights = ["Parked"] * 500 + ["Climb"] * 500, ["on"] * 500 + ["off"] * 500
    columns = {"category_phase": [*phases, "Parked"], "category_lights": [*lights, "off"]}
    text = reason_of_new(clean_table(1001, **columns))
    assert text.startswith("phase 'Parked' with lights 'off' occurs in no earlier row where")
    heights = [1.0, 2.0] * 500
    assert reason_of_new(clean_table(1001, number_height=[*heights, None])) == (
        "height is empty, as in no earlier row."
    )


def test_a_row_gets_no_reason_where_no_row_is_known() -> None:
    clean = clean_table(3, number_n=[1.0, None, 9e9], category_c=["a", None, "b"])
    rows = compared(clean, np.zeros(3, bool))
    assert [explain(rows, row, seen(0.5), []) for row in range(3)] == [""] * 3


def test_what_the_text_suggests_against_the_table_is_reported() -> None:
    mismatch = CategoryMismatch("phase_of_flt", "Take-off run", "Approach", 0.72)
    assert reason_from(mismatch=mismatch) == (
        "the text reads like phase_of_flt 'Approach' (72 %), the table says 'Take-off run'."
    )
    text = reason_from(mismatch=CategoryMismatch("sky", "", "Fog", 0.9))
    assert text == "the text reads like sky 'Fog' (90 %), the table says nothing."


def test_a_number_that_the_text_does_not_suggest_is_reported_with_how_far_out_it_is() -> None:
    assert reason_from(mismatch=NumberMismatch("ac_mass", 4, 1.471, 0.985, 1000)) == (
        "the text suggests a 'ac_mass' of about 1.5, the table says 4; 98.5 % of rows are closer "
        "to what their text suggests."
    )
    farthest = Evidence(mismatch=NumberMismatch("ac_mass", 4, 1.471, 1, 999))
    text = explain(compared(clean_table(), np.arange(1000) > 0), 0, farthest, [])
    assert text.endswith("all earlier rows are closer to what their text suggests.")


def test_a_number_farther_out_than_all_is_not_reported_before_what_is_rarer() -> None:
    clean = clean_table(number_height=[1e6, *range(999)])
    farthest = NumberMismatch("ac_mass", 4, 1.471, 1, 50)
    assert reason_from(clean, mismatch=farthest).startswith("height")


def test_a_text_that_stands_out_is_reported_with_its_true_share() -> None:
    # A tenth of the texts is foreign: each is most improbable, and unlike nine of ten.
    for share, text in ((0.9, "90 % of texts"), (1, "all texts")):
        found = reason_from(text=share, p_value=1e-9)
        assert found == f"the text is more unlike the rest than {text}."
    assert reason_from(text=0.995, p_value=0.02) == ""


@pytest.mark.parametrize(
    ("rows", "expected", "text"),
    [
        (31, 7.6, "31 rows in 1999-05, where about 8 are usual"),
        (1031, 0.2, "1,031 rows in 1999-05, where hardly any is usual"),
        (5, 1.0, "5 rows in 1999-05, where about 1 is usual"),
    ],
)
def test_a_burst_is_reported_with_what_is_usual(rows: int, expected: float, text: str) -> None:
    burst = Burst("state", "FL", "1999-05", rows, expected)
    assert reason_from(burst=burst) == f"state 'FL' has {text}."


def test_what_a_view_found_is_reported_however_much_else_is_rare() -> None:
    columns: dict[str, Any] = {f"number_n{i}": [1e6, *range(10), *range(10)] for i in range(9)}
    burst = Burst("state", "FL", "1999-05", 12, 10.0)
    mismatch = CategoryMismatch("sky", "Clear", "Fog", 0.5)
    clean = clean_table(21, **columns)
    text = reason_from(clean, text=0.999, p_value=0.001, mismatch=mismatch, burst=burst)
    assert "state 'FL' has 12 rows" in text
    assert "reads like sky 'Fog'" in text
    assert text.count(";") == 3


def test_established_words_are_reported_before_names_and_misspelt_ones() -> None:
    texts = ["smoke over wichitaa and imperial", *["smoke"] * 2, "imperial"]
    texts += [f"gull {i}" for i in range(4000)]
    text = reason(clean_table(len(texts), text=texts), 0)
    assert text == "the text has the rare words 'smoke', 'imperial', 'wichitaa'."


def test_the_words_given_are_reported_instead_of_those_rare_overall() -> None:
    texts = ["pilot ditched", *[f"no damage reported {'x' * i}" for i in range(999)]]
    rows = compared(clean_table(text=texts))
    assert explain(rows, 0, seen(0.5), ["foam"]) == "the text has the rare word 'foam'."
    assert explain(rows, 0, seen(0.5), []) == ""


def test_the_most_surprising_part_comes_first_and_a_few_are_reported() -> None:
    columns = {f"number_n{i}": [float(10 + i), *range(10)] * 90 for i in range(8)}
    columns["number_n5"][0] = 99.0
    text = reason(clean_table(990, **columns), 0)
    assert text.startswith("n5 99")
    text = reason(clean_table(990, **{name: [1e6, *v[1:]] for name, v in columns.items()}), 0)
    assert text.count(";") == 3


def test_what_the_user_wrote_is_quoted_short_and_on_one_line() -> None:
    hostile = "<script>alert(1)</script>\n{{7*7}}\x00" * 99
    clean = clean_table(category_name=[hostile, *["x"] * 999])
    text = reason(clean, 0)
    assert text.isprintable()
    assert "<script>alert(1)</script> {{7*7}}" in text
    assert len(quote(hostile)) <= QUOTED


def test_columns_without_values_give_no_reason() -> None:
    empty = pl.Series([None] * 1000, dtype=pl.Float64)
    clean = clean_table(number_n=empty, category_c=empty.cast(pl.String))
    assert reason(clean, 0) == ""


def test_shares_are_rounded_down() -> None:
    shares = {1: "100 %", 1 - 5e-14: "more than 99.9 %", 0.99999: "99.9 %", 0.5: "50 %"}
    shares |= {0.0003: "less than 0.1 %", 0: "0 %"}
    assert {share: percent(share) for share in shares} == shares


def test_small_shares_are_described_as_small() -> None:
    assert (few(0.004), few(0.0004)) == ("only 0.4 %", "less than 0.1 %")


def test_numbers_are_written_for_people() -> None:
    values = {18000: "18,000", 0.25: "0.25", -3: "-3", 1.23456e12: "1.235e+12", 2e-7: "2e-07"}
    assert {value: figure(value) for value in values} == values


numbers = st.lists(st.none() | st.floats(width=32), min_size=1, max_size=60)


@given(numbers, st.lists(st.none() | st.text(max_size=90), min_size=1, max_size=4), st.data())
def test_reasons_are_one_short_line_for_any_values(
    values: list[float | None], levels: list[str | None], data: st.DataObject
) -> None:
    rows = len(values)
    clean = clean_table(
        rows,
        number_a=pl.Series(values, dtype=pl.Float64),
        category_b=pl.Series([levels[i % len(levels)] for i in range(rows)], dtype=pl.String),
        text=data.draw(st.lists(st.text(max_size=50), min_size=rows, max_size=rows)),
    )
    known = np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)))
    wild = data.draw(st.text(max_size=90))
    burst = Burst(wild, wild, wild, 3, 0.1)
    number = NumberMismatch(wild, 1e300, -2e-9, 0.96, 9)
    against = data.draw(st.sampled_from([number, CategoryMismatch(wild, wild, wild, 0.5)]))
    for row in range(rows):
        for found in (compared(clean), compared(clean, known)):
            text = explain(found, row, Evidence(0.999, 0.001, against, burst), [wild])
            assert len(text) <= LONGEST
            assert "\n" not in text


@given(st.lists(st.integers(-5, 5), min_size=1), st.data())
def test_a_position_is_the_share_below_or_above(values: list[int], data: st.DataObject) -> None:
    value = data.draw(st.sampled_from(values))
    place = position_of(value, np.sort(np.array(values, float)))
    below = sum(v < value for v in values) / len(values)
    above = sum(v > value for v in values) / len(values)
    assert place.share == pytest.approx(max(below, above))
    assert place.low <= place.top
