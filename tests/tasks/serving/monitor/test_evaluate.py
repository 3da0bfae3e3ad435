"""The performance of models in use on later partitions, and when retraining is due."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from fusemine.tasks.serving.monitor.contracts import MONITOR
from fusemine.tasks.serving.monitor.evaluate import Kind, ScoredPartition, evaluate, retraining_due
from fusemine.tasks.serving.settings import RetrainRule

MODEL = "2024-01-aa"
BINARY = Kind(number=False, positive="yes")


def partition_of(truth: Any, where: dict[str, Any], **columns: Any) -> ScoredPartition:
    """Rows whose labels and predictions are given."""
    ids = [f"r{i}" for i in range(len(truth))]
    rows = {"row_id": ids, "split": ["new"] * len(ids), "label": [None] * len(ids), **columns}
    predictions = pl.DataFrame(rows, schema_overrides={"label": pl.String})
    labels = pl.DataFrame({"row_id": ids, "label": pl.Series(truth, dtype=pl.String)})
    about = {"partition": "2024-02", "model": MODEL, "kind": BINARY, **where}
    return ScoredPartition(**about, predictions=predictions, labels=labels)


def scored(truth: Any, claimed: Any, **where: Any) -> ScoredPartition:
    """Rows whose label and probability of `yes` are given; a label may be None."""
    claimed = np.asarray(claimed, float)
    columns = {"probability.no": 1 - claimed, "probability.yes": claimed}
    classes = ["yes" if c >= 0.5 else "no" for c in claimed]
    likelier = np.maximum(claimed, 1 - claimed)
    return partition_of(truth, where, prediction=classes, probability=likelier, **columns)


def drawn(rows: int = 400, off: float = 0.0, seed: int = 0, **where: Any) -> ScoredPartition:
    """Probabilities that come true as often as they should, or are all too high by `off`."""
    random = np.random.default_rng(seed)
    real = random.beta(1, 3, rows)
    truth = ["yes" if hit else "no" for hit in random.random(rows) < real]
    return scored(truth, np.clip(real + off, 0, 1), **where)


def row(found: Any) -> dict[str, Any]:
    MONITOR.check(found.rows.to_arrow())
    return found.rows.row(0, named=True)


def test_calibrated_probabilities_have_no_gap_and_too_high_ones_have_theirs() -> None:
    good, high = row(evaluate([drawn()])), row(evaluate([drawn(off=0.2)]))
    assert good["gap_low"] < 0 < good["gap_high"]
    assert high["gap_low"] < 0.2 < high["gap_high"]
    assert high["gap_low"] > 0.1


def test_the_metric_is_the_average_precision_with_its_interval() -> None:
    from sklearn.metrics import average_precision_score

    part = drawn()
    found = row(evaluate([part]))
    truth = part.labels["label"] == "yes"
    expected = average_precision_score(truth, part.predictions["probability.yes"])
    assert found["metric"] == pytest.approx(expected)
    assert found["metric_low"] < found["metric"] < found["metric_high"]


def test_rows_without_a_label_are_counted_and_not_evaluated() -> None:
    found = row(evaluate([scored(["yes", None, "no", None], [0.9, 0.1, 0.2, 0.5])]))
    assert (found["rows"], found["labelled"]) == (4, 2)


@pytest.mark.parametrize("truth", [[], [None, None]])
def test_a_partition_without_labels_has_no_figures(truth: list[None]) -> None:
    found = row(evaluate([scored(truth, [0.5] * len(truth))]))
    names = [name + end for name in ("metric", "loss", "gap") for end in ("", "_low", "_high")]
    assert [found[name] for name in names] == [None] * 9


def test_one_labelled_row_has_a_loss_and_no_interval() -> None:
    found = row(evaluate([scored(["yes"], [0.5])]))
    assert found["loss"] == pytest.approx(np.log(2))
    assert found["loss_low"] is None
    assert found["metric"] is None


def test_a_ranking_of_a_handful_of_positives_has_no_interval() -> None:
    few, enough = ([*["yes"] * count, *["no"] * 30] for count in (4, 5))
    claimed = np.linspace(0.9, 0.1, 34)
    assert row(evaluate([scored(few, claimed)]))["metric_low"] is None
    assert row(evaluate([scored(enough, np.append(claimed, 0.1))]))["metric_low"] is not None


def test_rows_that_never_come_true_are_not_more_certain_than_chance_allows() -> None:
    """Twenty rows of probability 0.05 come to nothing more than one time in three."""
    found = row(evaluate([scored(["no"] * 20, [0.05] * 20)]))
    assert found["gap"] == pytest.approx(0.05)
    assert found["gap_low"] < 0


def test_a_class_that_the_model_does_not_know_counts_against_it() -> None:
    known = row(evaluate([scored(["yes", "no"] * 20, [0.9, 0.1] * 20)]))
    strange = row(evaluate([scored(["yes", "no", "perhaps"] * 20, [0.9, 0.1, 0.5] * 20)]))
    assert strange["loss"] > known["loss"] + 1
    assert strange["metric"] < known["metric"]


def test_a_number_is_evaluated_by_its_error_and_its_bias() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=100).tolist()
    where = {"kind": Kind(number=True, metric="rmse")}
    predicted = [repr(value + 2) for value in truth]
    found = row(evaluate([partition_of([*map(repr, truth)], where, prediction=predicted)]))
    assert found["metric"] == pytest.approx(2)
    assert found["gap"] == pytest.approx(2)


def due(
    rule: dict[str, Any], parts: list[ScoredPartition], since: int = 1, loss: float = 0.5
) -> bool:
    months = [f"2024-{2 + i:02d}" for i in range(since)]
    return retraining_due(RetrainRule(**rule), MODEL, loss, months, evaluate(parts))[0]


def test_a_model_is_due_after_so_many_partitions() -> None:
    assert [due({"every": 3}, [], since=count) for count in (0, 2, 3, 4)] == [0, 0, 1, 1]
    assert not due({"every": None}, [], since=99)


def test_a_partition_without_any_label_yet_makes_nothing_due() -> None:
    bare = scored([None, None], [0.5, 0.5], partition="2024-03")
    labelled = scored(["yes", "no"], [0.5, 0.5], partition="2024-02")
    assert not due({"every": 2}, [labelled, bare], since=2)
    assert due({"every": 2}, [labelled, bare], since=3)
    assert due({"every": 2}, [labelled, scored(["yes"], [0.5], partition="2024-03")], since=2)


def test_a_model_is_due_when_its_loss_is_significantly_higher_than_it_was() -> None:
    part = drawn()
    loss = row(evaluate([part]))["loss"]
    rule = {"every": None, "worse": 0.1}
    assert due(rule, [part], loss=loss / 1.5)
    assert not due(rule, [part], loss=loss)
    assert not due(rule, [part], loss=loss / 1.101)  # higher, but not significantly


def test_a_model_is_due_when_its_probabilities_are_significantly_off() -> None:
    rule = {"every": None, "miscalibrated": 0.05}
    assert due(rule, [drawn(off=0.2)])
    assert not due(rule, [drawn()])


def test_rows_of_another_model_and_too_few_rows_make_nothing_due() -> None:
    rule = {"every": None, "miscalibrated": 0.05, "worse": 0.1}
    assert not due(rule, [drawn(off=0.2, model="2023-12-bb")], loss=0.01)
    assert not due(rule, [drawn(rows=20, off=0.6)], loss=0.01)
