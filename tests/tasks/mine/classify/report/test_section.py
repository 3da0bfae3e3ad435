"""The label's section: how well it is learnt, from what, and how far to trust it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from support.present import present
from support.report.given import TWO, changed, label_of, label_section, model_of, table_of
from support.report.summaries import full_summary

from fusemine.tasks.mine.classify.report.metrics import gain_text
from fusemine.tasks.mine.classify.report.model import Choice, LearningCurve, Quality
from fusemine.tasks.report.model import ReportInputs

Make = Callable[..., ReportInputs]


def findings(make: Make, **changed: Any) -> list[str]:
    """The five lines of a full summary, some parts of it changed."""
    inputs = make(classification=full_summary(TWO) | changed)
    return model_of(inputs).findings


def quality_of(inputs: ReportInputs) -> Quality:
    """What was right and wrong."""
    return present(label_of(inputs).quality)


@pytest.mark.parametrize(
    ("low", "high", "claim"),
    [(0.01, 0.09, "beat"), (-0.09, -0.01, "do worse"), (-0.01, 0.09, "is open")],
)
def test_the_gain_of_fusion_is_claimed_only_where_its_interval_allows(
    low: float, high: float, claim: str
) -> None:
    text = gain_text({"value": (low + high) / 2, "interval": [low, high], "over": "text"})
    assert claim in text
    assert "the text alone" in text


def test_a_gain_without_interval_claims_nothing() -> None:
    assert "no interval" in gain_text({"value": 0.1, "over": "text"})
    assert gain_text(None) == gain_text({}) == ""


def test_a_summary_without_its_optional_parts_still_makes_a_section(make: Make) -> None:
    bare = {"skipped": None, "base_rate": 0.2, "metrics": {"both": {"average_precision": 0.5}}}
    section = label_of(make(classification=bare))
    assert section.lead == "Table and text together reach an average precision of 0.500."
    assert (section.gain, section.alarms, section.cautions, section.checked) == ("", [], [], None)
    parts = ("choice", "quality", "learning_curve", "reasons", "label_errors")
    assert {getattr(section, part) for part in parts} == {None}


def test_chance_is_named_only_where_one_class_is_the_positive_one(make: Make) -> None:
    two, many = label_of(make()), label_of(make(classes=("wing", "engine", "tail")))
    assert "a random order would get 0.500" in two.lead
    assert "random order" not in many.lead
    assert present(many.quality).base_rate is None
    assert present(many.ablation).metrics[0].meaning.endswith("averaged over the classes")


def test_the_lead_is_about_the_model_that_predictions_come_from(make: Make) -> None:
    assert label_section(make).lead == (
        "The chosen model reaches an average precision of 0.750 (95 % interval 0.600 to 0.800) on "
        "20 test rows; a random order would get 0.500."
    )


def test_corrections_and_rows_left_undecided_are_counted(make: Make) -> None:
    decided, corrected = label_section(make).remarks[1:]
    assert decided.endswith("15 of 20 test rows (75.0 %) are decided, 80.0 % of them correctly.")
    assert corrected == "3 labels were corrected, 1 correction changed nothing and 2 named no row."
    assert label_section(make, decision=None, corrections={"applied": 0}).remarks == []


def test_a_leaking_column_is_an_alarm_and_the_first_word_of_its_finding(make: Make) -> None:
    (alarm,) = label_section(make).alarms
    assert alarm.title == "This column gives the label away"
    assert alarm.sentences == ["column"]
    line = findings(make)[1]
    assert line.startswith("Label: “column” gives it away, so this means little: average precision")


def test_many_leaks_are_named_in_part_and_the_rest_is_folded(make: Make) -> None:
    columns = [{"column": f"c{i}", "why": f"because {i}"} for i in range(9)]
    (alarm,) = label_section(make, leaks={"columns": columns, "rule": "the rule"}).alarms
    assert alarm.title == "These columns give the label away"
    assert alarm.sentences == [f"because {i}" for i in range(5)]
    assert alarm.folded == [*(f"because {i}" for i in range(5, 9)), "the rule"]


@pytest.mark.parametrize(("score", "alarms"), [(0.56, 1), (0.55, 0), (0.2, 0)])
def test_shuffled_labels_are_an_alarm_only_above_what_chance_allows(
    make: Make, score: float, alarms: int
) -> None:
    shuffled = {"measure": "roc_auc", "score": score, "chance": 0.5, "tolerance": 0.05}
    section = label_section(make, leaks=None, shuffled=shuffled)
    assert len(section.alarms) == alarms
    assert (section.checked is None) == bool(alarms)
    line = findings(make, leaks=None, shuffled=shuffled)[1]
    assert ("could be predicted" in line) == bool(alarms)


def test_what_was_looked_for_and_not_found_is_stated(make: Make) -> None:
    checked = present(label_section(make, leaks={"columns": [], "rule": "the rule"}).checked)
    assert checked.title == (
        "Checked: no column alone gives the label away and shuffled labels could not be learnt"
    )
    assert checked.sentences[0] == "the rule"
    assert label_section(make, leaks=None, shuffled=None).checked is None


def test_texts_that_state_the_label_are_a_caution_with_the_flagged_words_first(make: Make) -> None:
    texts = {
        "words": [
            {"flagged": False, "why": "some rows"},
            {"flagged": True, "why": "nearly all rows"},
        ],
        "together": [{"recall": 0.3, "why": "a third"}, {"recall": 0.1, "why": "a tenth"}],
    }
    caution, notes = label_section(make, leaks={"texts": texts}).cautions
    assert caution.sentences == ["nearly all rows", "a third"]
    assert caution.folded == ["some rows"]
    assert notes.sentences == ["column"]


def test_words_that_state_nothing_are_no_caution(make: Make) -> None:
    texts = {"words": [{"flagged": False, "why": "some rows"}], "together": [], "names": []}
    assert label_section(make, leaks={"texts": texts}, notes=[]).cautions == []


def test_the_ablation_has_a_row_per_view_and_holds_the_others_against_the_majority(
    make: Make,
) -> None:
    ablation = present(label_section(make).ablation)
    assert [view.name for view in ablation.views] == [
        *("majority", "table", "sparse text", "dense text", "text", "both", "chosen model")
    ]
    assert [view.main for view in ablation.views] == [False] * 6 + [True]
    assert len(ablation.forests[0].estimates) == 6
    assert ablation.forests[0].reference == 0.7
    assert "(logistic regression and boosted trees, averaged)" in ablation.lead
    assert "the text alone 0.700 and both together 0.700" in ablation.lead


def test_six_metrics_are_shown_and_the_others_folded_none_lost(make: Make) -> None:
    names = ("f1", "brier", "accuracy", "precision", "recall", "calibration_error", "new_one")
    view = {"average_precision": 0.5, "roc_auc": 0.6, **dict.fromkeys(names, 0.1)}
    ablation = present(label_section(make, metrics={"both": view}).ablation)
    shown, folded = ([one.name for one in some] for some in (ablation.metrics, ablation.more))
    assert shown == ["average precision", "ROC-AUC", "precision", "recall", "accuracy", "F1"]
    assert folded == ["Brier score", "calibration error", "new one"]


def test_a_view_that_could_not_be_learnt_is_listed_with_the_reason(make: Make) -> None:
    metrics = {"both": {"skipped": "no row has a text"}, "table": {"balanced_accuracy": 0.6}}
    section = label_of(make(classification={"skipped": None, "metrics": metrics}))
    ablation = present(section.ablation)
    assert [view.name for view in ablation.views] == ["table"]
    assert ablation.skipped == [("both", "no row has a text")]
    assert section.lead == "The table alone reaches a balanced accuracy of 0.600."


def choice_of(make: Make, **changed: Any) -> Choice:
    """How the model was chosen."""
    return present(label_section(make, **changed).choice)


def test_the_chosen_model_is_set_beside_what_else_was_tried(make: Make) -> None:
    choice = choice_of(make)
    assert choice.lead.startswith("Predictions come from “column”. Of the 2 ways to join")
    assert choice.lead.endswith("1 more was left out.")
    tried = [(one.loss, one.remark) for one in choice.tried]
    assert tried == [("0.2000", "chosen"), ("0.2500", ""), ("–", "column")]


def test_the_parts_of_the_model_name_their_blocks_only_where_these_differ(make: Make) -> None:
    assert [part.detail for part in choice_of(make).parts] == ["text and table", "table"]
    parts = [{"learner": name, "blocks": ["terms"], "share": 0.5} for name in "ab"]
    assert [part.detail for part in choice_of(make, model={"parts": parts}).parts] == ["", ""]


def test_one_model_alone_has_nothing_to_be_set_beside(make: Make) -> None:
    board = [{"name": "early", "loss": 0.2, "chosen": True, "left_out": None}]
    assert choice_of(make, leaderboard=board).lead.endswith("“early”; nothing else was tried.")


def test_many_classes_are_folded_and_no_row_of_the_matrix_is_lost(make: Make) -> None:
    names = [f"class {i}" for i in range(300)]
    confusion = present(quality_of(make(rows=900, classes=names)).confusion)
    assert confusion.labels[-1] == "291 others"
    assert sum(map(sum, confusion.rows)) == 300 * 299 + 300 * 9


def test_right_and_wrong_are_counted_in_the_positive_class_or_in_all(make: Make) -> None:
    assert quality_of(make()).lead == (
        "9 of 10 positive rows are found (90.0 %); of 10 rows that are called positive, 90.0 % are."
    )
    many = quality_of(make(classes=("wing", "engine", "tail"))).lead
    assert many.startswith("81.8 % of 33 test rows are predicted correctly; most often “wing” is")


def test_no_division_by_zero_where_no_row_is_positive_or_called_so(make: Make) -> None:
    for rows, text in (([[5, 2], [0, 0]], "No test row"), ([[5, 0], [2, 0]], "no row is called")):
        quality = label_section(make, confusion={"labels": list(TWO), "rows": rows}).quality
        assert text in present(quality).lead


def learning_of(make: Make, last: float, metric: str = "average_precision") -> LearningCurve:
    """The learning curve from 0.5 (0.4 to 0.6) to this."""
    curve = [
        {"rows": rows, metric: value, f"{metric}_interval": [value - 0.1, value + 0.1]}
        for rows, value in ((30, 0.5), (60, last))
    ]
    return present(label_section(make, learning_curve=curve, leading=metric).learning_curve)


@pytest.mark.parametrize(
    ("last", "text"),
    [
        (0.61, "More rows would still help"),
        (0.55, "More rows may still help"),
        (0.51, "It has levelled off"),
        (0.3, "It has levelled off"),
    ],
)
def test_more_rows_are_promised_to_help_only_beyond_the_interval(
    make: Make, last: float, text: str
) -> None:
    assert learning_of(make, last).lead.startswith(text)
    # Of an error less is better.
    assert learning_of(make, 1 - last, "rmse").lead.startswith(text)


def test_one_size_is_no_curve(make: Make) -> None:
    curve = [{"rows": 3, "average_precision": 0.5}]
    assert label_section(make, learning_curve=curve).learning_curve is None


def test_the_headline_figure_is_that_of_the_chosen_model_and_names_a_leak(make: Make) -> None:
    model = model_of(make(classification=full_summary(TWO)))
    figure = next(f for f in model.figures if f.name == "average precision")
    assert figure.value == "0.750"
    assert figure.detail == "the chosen model, 0.600 to 0.800, “column” gives it away"


def test_rows_that_were_left_undecided_have_no_prediction_and_make_a_report(make: Make) -> None:
    inputs = make(classification=full_summary(TWO))
    silent = table_of(inputs, "predictions").with_columns(prediction=pl.lit(None, pl.String))
    reasons = present(label_of(changed(inputs, predictions=silent)).reasons)
    assert [card.title for card in reasons.explained][1] == "A mistake"
