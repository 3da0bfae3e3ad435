"""The section of unusual rows: cards, new rows, the threshold, repeated texts and bursts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.report.given import changed, content, model_of, table_of
from support.report.mined import ANOMALY, burst_rows, repeated_rows

from fusemine.tasks.mine.anomalies.report.cards import card_views, rarity
from fusemine.tasks.mine.anomalies.report.section import FOLDED, NEW, Anomalies
from fusemine.tasks.report.model import ReportInputs

Make = Callable[..., ReportInputs]
SHARES = st.one_of(st.none(), st.floats(0, 1))


def unusual(inputs: ReportInputs, **settings: Any) -> Anomalies:
    """The section, which was not skipped."""
    section = content(model_of(inputs, **settings), "anomalies")
    assert isinstance(section, Anomalies)
    return section


def with_all(inputs: ReportInputs, **columns: pl.Expr) -> ReportInputs:
    """The inputs with other values in the columns of their anomalies."""
    return changed(inputs, anomalies=table_of(inputs, "anomalies").with_columns(**columns))


def flagging(inputs: ReportInputs, flagged: pl.Expr) -> ReportInputs:
    """The inputs with other rows flagged."""
    return with_all(inputs, flagged=flagged)


def test_unusual_rows_come_in_their_order_with_text_and_reason(make: Make) -> None:
    section = unusual(make(), anomalies=4)
    assert [card.rank for card in section.shown] == [1, 2, 3, 4]
    assert section.shown[1].quote.text == "deer on the runway number 0"
    assert section.shown[1].reason == "height 12,000 is rare"


def test_new_rows_are_counted_in_the_lead_and_marked(make: Make) -> None:
    inputs = flagging(make(), pl.col("rank").is_in([1, 2, 3, 71]))
    section = unusual(inputs, anomalies=3)
    assert section.lead == (
        "4 of 80 rows (5.0 %) are flagged as unusual, 1 of them new in 1990-08, judged by the "
        "70 rows before."
    )
    assert [(card.rank, card.new) for card in section.shown] == [(1, False), (2, False), (3, False)]
    assert [(card.rank, card.new, card.flagged) for card in section.newest] == [
        (71, True, True),
        *((rank, True, False) for rank in (72, 73, 74, 75)),
    ]


def test_without_new_flags_the_lead_states_it(make: Make) -> None:
    assert "none of them new in 1990-08" in unusual(make()).lead
    assert unusual(make(partitions=1)).lead == "3 of 80 rows (3.8 %) are flagged as unusual."
    nothing = flagging(make(), pl.lit(False))
    assert unusual(nothing).lead == (
        "None of 80 rows is flagged as unusual; shown are the least usual, those new in 1990-08 "
        "first, judged by the 70 rows before."
    )
    alone = flagging(make(partitions=1), pl.lit(False))
    assert unusual(alone).lead == (
        "None of 80 rows is flagged as unusual; shown are the least usual."
    )


def test_a_single_flag_is_counted_in_the_singular(make: Make) -> None:
    lead = unusual(flagging(make(partitions=1), pl.col("rank") == 1)).lead
    assert lead == "1 of 80 rows (1.2 %) is flagged as unusual."


def test_a_card_shows_whether_its_row_is_flagged(make: Make) -> None:
    assert [card.flagged for card in unusual(make(), anomalies=5).shown] == [True] * 3 + [False] * 2


def test_new_rows_without_a_reason_do_not_come_first(make: Make) -> None:
    reason = pl.when(pl.col("rank").is_in([2, 73, 78])).then("reason")
    assert [card.rank for card in unusual(with_all(make(), reason=reason)).newest] == [73, 78]


def test_where_all_rows_are_new_none_comes_first(make: Make) -> None:
    section = unusual(with_all(make(), new=pl.lit(True)))
    assert section.newest == []
    assert section.shown[0].rank == 1


def test_no_row_has_two_cards(make: Make) -> None:
    cards = unusual(flagging(make(rows=200), pl.lit(True)))
    ids = [card.quote.row_id for card in (*cards.newest, *cards.shown, *cards.folded)]
    assert (len(cards.newest), len(cards.shown)) == (NEW, 10)
    assert len(ids) == len(set(ids)) == 10 + NEW + FOLDED


@given(st.tuples(SHARES, SHARES, SHARES, SHARES), st.integers(1, 1000))
def test_the_views_parts_make_up_the_whole(scores: tuple[float | None, ...], ranked: int) -> None:
    names = ("text_score", "table_score", "match_score", "time_score")
    views = card_views(dict(zip(names, scores, strict=True)), ranked)
    parts = [view.evidence for view in views]
    assert all(0 <= part <= 1 for part in parts)
    assert sum(parts) == pytest.approx(1 if any(score for score in scores) else 0)
    assert all(view.evidence == 0 for view in views if view.score is None)


def test_how_rare_a_row_is_has_two_digits() -> None:
    rarities = {1.0: "", 0.8: "", 0.4: "1 in 2", 0.0123: "1 in 81", 8.1e-5: "1 in 12,000"}
    rarities |= dict.fromkeys((1e-30, 0.0), "under 1 in 1,000,000")
    assert {p_value: rarity(p_value) for p_value in rarities} == rarities


def test_a_rarer_score_is_more_evidence(make: Make) -> None:
    text, table, match, time = unusual(make()).shown[1].views
    assert text.evidence > table.evidence > match.evidence > time.evidence == 0
    assert time.score is None
    assert unusual(make()).shown[0].views[0].score is None


STANDING_OUT = {"rule": "rows that stand out", "expected_false_share": 0.1}
FIRST = {"rule": "the 50 first", "expected_false_share": None}


@pytest.mark.parametrize(
    ("summary", "text", "without"),
    [
        (
            {"threshold": STANDING_OUT},
            "Flagged are rows that stand out; about 10.0 % of the flags are expected to be false "
            "alarms.",
            "Flagged are rows that stand out, so that about 10.0 % of the flags would be false "
            "alarms; none does.",
        ),
        (
            {"threshold": FIRST},
            "Flagged are the 50 first.",
            "Flagged are the 50 first; there are none.",
        ),
        (
            {"expected_false_alarms": 0.2},
            "About 20.0 % of the flags are expected to be false alarms.",
            "",
        ),
        ({"expected_false_alarms": None}, "", ""),
    ],
)
def test_how_flags_came_about_or_would_have_is_one_line_with_their_false_alarms(
    make: Make, summary: dict[str, Any], text: str, without: str
) -> None:
    inputs = make(anomaly={"skipped": None} | summary)
    assert unusual(inputs).threshold == text
    assert unusual(flagging(inputs, pl.lit(False))).threshold == without


@pytest.mark.parametrize(
    ("history", "text"), [(69, "judged by the 69 rows before."), (None, "new in 1990-08.")]
)
def test_the_lead_names_by_what_new_rows_were_judged(
    make: Make, history: int | None, text: str
) -> None:
    summary = ANOMALY | {"against_history": history}
    assert unusual(make(anomaly=summary)).lead.endswith(text)


def test_views_without_any_row_are_named_with_the_reason(make: Make) -> None:
    assert unusual(make()).absent == "Not judged: time (there is no time)."
    summary = ANOMALY | {"views": {"match": "there are no texts"}}
    absent = unusual(make(anomaly=summary)).absent
    assert absent == "Not judged: text against table (there are no texts)."


def test_the_nearest_typical_rows_are_shown_by_their_texts(make: Make) -> None:
    cards = unusual(make()).shown
    # Row r0 to r6 have a text but r0.
    assert cards[0].near == ["hawk struck the wing number 0", "gull hit the engine number 0"]
    assert cards[5].near == []


def test_a_row_of_a_repeated_text_names_its_group(make: Make) -> None:
    cards = unusual(make()).shown
    assert cards[2].repeated == "one of 20 rows with nearly this text (group 1)"
    assert cards[0].repeated == ""


def test_repeated_texts_come_bursts_first_and_then_by_their_rows(make: Make) -> None:
    section = unusual(make(repeats=repeated_rows(3)))
    found = [(one.group, one.rows, one.burst) for one in section.repeats]
    assert found == [(3, 18, True), (1, 20, False), (2, 19, False)]
    assert section.repeats[0].span == "1990-01 to 1990-05"
    assert section.repeats[0].peak == "7 rows in 1990-02"


def test_many_groups_of_repeated_texts_are_shown_in_part_and_counted(make: Make) -> None:
    section = unusual(make(repeats=repeated_rows(100)))
    assert len(section.repeats) + section.more_repeats == 100
    assert section.more_repeats > 0


def test_a_burst_is_one_line_with_its_counts(make: Make) -> None:
    inputs = make(bursts=burst_rows("1990-02", "1990-05"))
    (one,) = unusual(inputs).bursts
    assert one.summary == "31 rows in 1990-02, where 4 to 12 are usual"
    assert one.more == "and in 1 other partition"
    assert one.marked == [1, 4]
    assert sum(one.counts) == (inputs.clean["category.sky"] == "cloud").sum()


@pytest.mark.parametrize(("column", "level"), [("sky", "another"), ("another", "cloud")])
def test_a_burst_that_is_not_in_the_table_has_no_counts(
    make: Make, column: str, level: str
) -> None:
    bursts = burst_rows("1990-02", level=level).with_columns(column=pl.lit(column))
    (one,) = unusual(make(bursts=bursts)).bursts
    assert (one.counts, one.marked) == ([], [])


@pytest.mark.parametrize("absent", ["repeats", "bursts"])
def test_a_table_that_is_absent_is_left_out(make: Make, absent: str) -> None:
    section = unusual(make(**{absent: None}))
    assert getattr(section, absent) == []
    assert section.shown


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_hardly_any_rows_make_no_trouble(make: Make, rows: int) -> None:
    model = model_of(make(rows=rows, partitions=1))
    assert content(model, "anomalies").lead
