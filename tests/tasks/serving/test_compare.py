"""The paired test of a new model against the one in use."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest

from fusemine.tasks.serving.compare import LEAST_ROWS, Comparison, compare, describe, losses, unseen

ROWS = 400


def compared(champion: Any, challenger: Any, groups: pl.Series | None = None) -> Comparison:
    return compare(champion, challenger, 0.02, number=False, groups=groups)


def drawn(shift: float, noise: float, seed: int = 0, rows: int = ROWS) -> Comparison:
    """A new model whose losses are `shift` higher on average, on rows that go together."""
    random = np.random.default_rng(seed)
    champion = random.exponential(0.5, rows)
    return compared(champion, champion + random.normal(shift, noise, rows))


def test_a_model_with_the_same_losses_is_not_worse() -> None:
    found = drawn(0, 0)
    assert found.not_worse
    assert found.difference == 0
    assert found.p_value is None  # nothing is left to chance
    assert describe(found, "old", "new") == "new predicts the same as old on 400 rows"


def test_a_clearly_better_model_is_not_worse_and_a_clearly_worse_one_is() -> None:
    assert drawn(-0.1, 0.1).not_worse
    worse = drawn(0.1, 0.1)
    assert not worse.not_worse
    assert (worse.interval or (0,))[0] > 0


def test_too_much_noise_shows_nothing_so_the_model_in_use_stays() -> None:
    assert not drawn(0, 2).not_worse


def test_a_loss_within_the_margin_is_not_worse_and_one_just_beyond_it_is() -> None:
    champion = np.full(ROWS, 1.0)
    for higher, expected in ((0.019, True), (0.021, False)):
        assert compared(champion, champion + higher).not_worse is expected


def test_a_model_worse_by_the_margin_passes_in_one_of_twenty_tests() -> None:
    """The stated level of the test, where the new model is worse by just the margin."""
    random = np.random.default_rng(1)
    passed = 0
    for _ in range(1000):
        champion = random.exponential(0.5, 100)
        # Worse by the margin of the mean of these very rows.
        challenger = champion + 0.02 * champion.mean() + random.normal(0, 0.2, 100)
        passed += compared(champion, challenger).not_worse
    assert 30 <= passed <= 75


def test_rows_of_one_group_count_as_one() -> None:
    random = np.random.default_rng(2)
    each = np.repeat(random.normal(-0.01, 0.2, 40), 25)
    champion = np.full(1000, 1.0)
    groups = pl.Series(np.repeat(np.arange(40), 25).astype(str))
    found = [compared(champion, champion + each, rows) for rows in (None, groups)]
    alone, grouped = (np.ptp(comparison.interval or ()) for comparison in found)
    assert grouped / alone == pytest.approx(math.sqrt(25), rel=0.05)


def test_groups_of_one_row_each_change_nothing() -> None:
    random = np.random.default_rng(3)
    champion = random.exponential(1, ROWS)
    challenger = champion + random.normal(0, 0.1, ROWS)
    grouped = compared(champion, challenger, pl.Series([str(i) for i in range(ROWS)]))
    assert grouped.interval == pytest.approx(compared(champion, challenger).interval)


@pytest.mark.parametrize("rows", [0, 1, LEAST_ROWS - 1])
def test_too_few_rows_are_not_tested(rows: int) -> None:
    found = drawn(-1, 0.1, rows=rows)
    assert not found.not_worse
    assert found.why_not is not None
    assert str(rows) in describe(found, "old", "new")


def test_the_sentence_has_the_loss_and_the_interval() -> None:
    text = describe(drawn(-0.1, 0.1), "2024-01-aa", "2024-02-bb")
    assert text.startswith("2024-02-bb is not worse than 2024-01-aa: log loss 0.")
    assert "400 rows" in text
    assert "95 % interval -" in text


def test_the_loss_is_that_of_the_label_and_a_class_never_seen_is_bad_but_not_infinite() -> None:
    columns = {"probability.yes": [0.5, 0.25, 0.9], "probability.no": [0.5, 0.75, 0.1]}
    found = losses(pl.DataFrame(columns), pl.Series(["yes", "no", "maybe"]), number=False)
    assert found.tolist() == pytest.approx([-math.log(0.5), -math.log(0.75), -math.log(1e-6)])


def test_the_loss_of_numbers_is_their_squared_error() -> None:
    predictions = pl.DataFrame({"prediction": ["1.5", "-2.0"]})
    found = losses(predictions, pl.Series(["1", "1"]), number=True)
    assert found.tolist() == [0.25, 9.0]


def test_training_rows_and_copies_of_them_are_not_unseen() -> None:
    rows = pl.DataFrame({"row_id": ["a", "b", "c"], "duplicate_of": [None, "t", None]})
    seen = pl.DataFrame({"row_id": ["a", "t"]})
    assert unseen(rows, seen).tolist() == [False, False, True]
