"""The section on the models in use: performance since training, a new model, retraining."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.report.given import changed, content, model_of
from support.report.inputs import make, make_numbers
from support.report.page import html_of, markdown_of
from support.report.watched import (
    NEW,
    NOW,
    OLD,
    challenge,
    numbers,
    part,
    section_of,
    unlabelled,
    watched,
)

from fusemine.tasks.report.model import Skipped
from fusemine.tasks.serving.monitor.report.performance import Performance


def test_a_run_without_models_in_use_has_neither_section_nor_link() -> None:
    assert content(model_of(make()), "in-use") is None
    assert "in-use" not in html_of(make()).split("</style>")[1]
    assert "model in use" not in markdown_of(make())


def test_the_section_stands_between_the_label_and_the_map_and_has_a_link() -> None:
    html = html_of(make(**watched(part("1990-05"))))
    places = [html.index(f'<section id="{name}"') for name in ("label", "in-use", "map")]
    assert places == sorted(places)
    assert '<a href="#in-use">The model in use</a>' in html


def test_a_model_that_predicts_no_label_is_a_sentence() -> None:
    section = content(model_of(make(**watched(label=None))), "in-use")
    assert isinstance(section, Skipped)
    assert section.lead == f"{NOW} predicts no label, so its performance cannot be measured."
    assert section.lead in html_of(make(**watched(label=None)))


def test_the_lead_sets_the_partitions_since_beside_the_test_rows() -> None:
    rows = part("1990-04", OLD, (0.1, 0.0, 0.2)), part("1990-05"), unlabelled("1990-06")
    assert section_of(make(**watched(*rows))).lead == (
        f"{NOW} was trained for 1990-04 and has since predicted 2 later partitions, 1 with labels. "
        "Its average precision there is 0.700 (0.600 to 0.800), against 0.700 (0.650 to 0.750) on "
        "its own test rows: no clear difference."
    )


def test_several_partitions_are_averaged_by_their_labelled_rows() -> None:
    rows = (
        part("1990-05", metric=(0.8, 0.7, 0.9), labelled=300),
        part("1990-06", metric=(0.4, 0.3, 0.5), labelled=100),
    )
    low, high = (0.7 + sign * math.hypot(0.75 * 0.1, 0.25 * 0.1) for sign in (-1, 1))
    mean = f"Its mean average precision there is 0.700 ({low:.3f} to {high:.3f}),"
    assert mean in section_of(make(**watched(*rows))).lead


def test_errors_of_numbers_are_put_together_by_their_squares() -> None:
    rows = (
        part("1990-05", metric=(3.0, 2.0, 4.0), loss=(9.0, 8.0, 10.0)),
        part("1990-06", metric=(1.0, 0.5, 2.0), loss=(1.0, 0.0, 2.0)),
    )
    lead = section_of(changed(make_numbers(), **numbers(*rows))).lead
    low, high = (math.sqrt(5 + sign * math.hypot(0.5, 0.5)) for sign in (-1, 1))
    assert f"Its RMSE there is {math.sqrt(5):.3f} ({low:.3f} to {high:.3f})," in lead
    assert lead.endswith("5.000 (4.000 to 6.000) on its own test rows: clearly better.")


@given(
    st.lists(
        st.tuples(st.integers(2, 5000), st.floats(0.2, 0.8), st.floats(0, 0.2), st.floats(0, 0.2)),
        min_size=1,
        max_size=8,
    )
)
def test_a_mean_of_partitions_lies_among_them_and_is_no_less_sure(
    parts: list[tuple[int, float, float, float]],
) -> None:
    rows = [
        part(f"1990-{place:02d}", metric=(value, value - below, value + above), labelled=n)
        for place, (n, value, below, above) in enumerate(parts)
    ]
    inputs = watched(*rows)
    found = Performance(inputs["watching"], inputs["watch"]).live
    values = [value for _, value, _, _ in parts]
    assert min(values) - 1e-9 <= found.value <= max(values) + 1e-9
    assert found.value - found.low <= max(below for _, _, below, _ in parts) + 1e-9
    assert found.high - found.value <= max(above for _, _, _, above in parts) + 1e-9


@pytest.mark.parametrize(
    ("metric", "verdict"),
    [
        ((0.6, 0.55, 0.65), "clearly worse"),
        ((0.64, 0.55, 0.7), "no clear difference"),
        ((0.85, 0.8, 0.9), "clearly better"),
    ],
)
def test_a_difference_is_clear_beyond_both_intervals(
    metric: tuple[float, float, float], verdict: str
) -> None:
    section = section_of(make(**watched(part("1990-05", metric=metric))))
    assert section.lead.endswith(f"on its own test rows: {verdict}.")


def test_the_lead_states_that_labels_are_unknown_or_too_few() -> None:
    none = (None, None, None)
    unknown = section_of(make(**watched(unlabelled("1990-05"), unlabelled("1990-06"))))
    assert unknown.lead.endswith("2 later partitions (240 rows). No label of them is known yet.")
    few = section_of(make(**watched(part("1990-05", metric=none, labelled=3))))
    assert few.lead.endswith(". 3 labelled rows are too few for the average precision.")


def test_findings_are_silent_while_all_is_well() -> None:
    usual = model_of(make()).findings
    assert model_of(make(**watched(part("1990-05")))).findings == usual
    followed = watched(part("1990-05"), due=True, reasons=["1 partition came"])
    assert model_of(make(**followed, challenge=challenge())).findings == usual


def test_findings_name_a_model_that_needs_attention_and_are_still_five() -> None:
    bad = part("1990-05", metric=(0.4, 0.3, 0.5), gap=(0.05, 0.02, 0.08))
    lines = model_of(make(**watched(bad, due=True))).findings
    assert len(lines) == 5
    assert lines[1].endswith(
        f" Model in use before this run, {NOW}: its average precision since training, "
        "0.400 (0.300 to 0.500), is clearly worse than on its own test rows, "
        "0.700 (0.650 to 0.750); its predictions are too high on average: "
        "+5.0 points (+2.0 to +8.0); it is due for retraining."
    )


@pytest.mark.parametrize(
    ("gap", "alerts"),
    [
        ((-0.05, -0.08, -0.02), ["its predictions are too low on average: −5.0 points"]),
        ((0.05, -0.01, 0.11), []),
        ((0.005, 0.004, 0.006), []),
        ((0.05, None, None), []),
    ],
)
def test_a_gap_needs_attention_if_it_is_significant_and_not_tiny(
    gap: tuple[float, float | None, float | None], alerts: list[str]
) -> None:
    section = section_of(make(**watched(part("1990-05", gap=gap))))
    assert [one.split(" (")[0] for one in section.attention] == alerts


@pytest.mark.parametrize(
    ("changed", "lead"),
    [
        ({}, f"{NEW} is not worse than {NOW}: it may replace it."),
        ({"interval": [-0.03, -0.01]}, f"{NEW} is better than {NOW}: it may replace it."),
        ({"not_worse": False}, f"{NEW} was not shown to be as good as {NOW}, which stays in use."),
        (
            {"not_worse": False, "interval": [0.01, 0.03]},
            f"{NEW} is worse than {NOW}, which stays in use.",
        ),
        ({"champion": OLD}, f"{NEW} is not worse than {OLD}: the newer of the two is used."),
        (
            {"not_worse": False, "why_not": "only 3 rows"},
            f"{NEW} could not be compared with {NOW}, which stays in use: only 3 rows.",
        ),
    ],
)
def test_the_outcome_for_a_new_model_is_a_plain_sentence(
    changed: dict[str, Any], lead: str
) -> None:
    inputs = make(**watched(part("1990-05")), challenge=challenge(**changed))
    compared = section_of(inputs).comparison
    assert compared.lead == lead
    assert bool(compared.lines) == ("why_not" not in changed)
    assert lead in markdown_of(inputs).replace("\\", "")


def test_where_a_person_promotes_the_report_states_that() -> None:
    section = section_of(make(challenge=challenge(), settings={"models": {"promote": "hand"}}))
    assert section.lead == (
        f"{NEW} is not worse than {NOW}: a person decides which one is used (models.promote is "
        "hand)."
    )
    assert section.results == []
    assert section.retraining is None


def test_the_comparison_holds_losses_difference_margin_and_p() -> None:
    compared = section_of(make(challenge=challenge())).comparison
    assert [line.value for line in compared.lines] == [
        "0.4000", "0.3900", "−0.0100", "+0.00800", "0.04"
    ]  # fmt: skip
    details = ["", "", "−0.0300 to +0.0100", "", ""]
    assert [line.detail for line in compared.lines] == details
    assert compared.rows == "on 2,310 rows that neither model was trained on"


@pytest.mark.parametrize(
    ("due", "beside", "lead"),
    [
        (False, None, "It is not due for retraining."),
        (True, None, "It is due for retraining."),
        (True, challenge(), f"It was due for retraining, and {NEW} was trained."),
        (True, challenge(champion=OLD), "It is due for retraining."),
    ],
)
def test_whether_a_new_model_is_due_comes_with_its_reasons(
    due: bool, beside: dict[str, Any] | None, lead: str
) -> None:
    reasons = ["1 partition came since", "its loss is 0.5"]
    inputs = make(**watched(part("1990-05"), due=due, reasons=reasons), challenge=beside)
    found = section_of(inputs).retraining
    assert (found.lead, found.reasons) == (lead, ["1 partition came since.", "Its loss is 0.5."])
