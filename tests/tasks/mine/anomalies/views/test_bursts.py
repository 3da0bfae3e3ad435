"""Groups whose rows grow in a partition."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from fusemine.tasks.mine.anomalies.contracts import BURSTS
from fusemine.tasks.mine.anomalies.views.bursts import (
    EARLIER,
    LAST,
    MAX_LEVELS,
    Bursts,
    find_bursts,
)

LEVELS = 12


def counted(
    counts: np.ndarray, when: datetime | None = datetime(2024, 1, 1, tzinfo=UTC), before: int = 99
) -> Bursts:
    """Find the bursts in a table with so many rows (levels, partitions), known before one."""
    cells = [
        (f"p{at:02d}", f"level {level}")
        for at in range(counts.shape[1])
        for level in range(counts.shape[0])
        for _ in range(counts[level, at])
    ]
    clean = pl.DataFrame(cells, ["partition", "category.kind"], orient="row").with_columns(
        event_time=pl.lit(when, pl.Datetime("us", "UTC"))
    )
    known = (clean["partition"] < f"p{before:02d}").to_numpy()
    found = find_bursts(clean, known)
    BURSTS.check(found.found.to_arrow())
    return found


def noise(partitions: int = 12, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(30, (LEVELS, partitions))


def test_even_counts_hold_hardly_any_burst() -> None:
    tests = 10 * LEVELS * (12 - EARLIER)
    assert sum(counted(noise(seed=seed)).found.height for seed in range(10)) <= 0.01 * tests


def test_a_burst_is_found_with_what_was_expected_and_its_rows() -> None:
    counts = noise()
    counts[3, 9] = 120
    bursts = counted(counts)
    burst = bursts.found.row(0, named=True)
    assert (burst["level"], burst["partition"], burst["kind"]) == ("level 3", "p09", "burst")
    assert burst["low"] < burst["expected"] < burst["high"] < burst["rows"] == 120
    assert (bursts.rows.of_row == 0).sum() == 120
    evidence = bursts.rows.evidence(int(np.flatnonzero(bursts.rows.of_row == 0)[0]))
    assert evidence is not None
    assert (evidence.column, evidence.level, evidence.rows) == ("kind", "level 3", 120)
    assert bursts.rows.evidence(0) is None
    assert bursts.rows.view.p_values[bursts.rows.of_row == 0].max() < 0.1
    assert bursts.rows.view.p_values[0] == 1


def test_a_larger_import_is_no_burst_of_every_level() -> None:
    counts = noise()
    counts[:, 10] *= 3
    assert counted(counts).found.height <= 1


def test_a_level_that_was_never_there_bursts_from_nothing() -> None:
    counts = noise()
    counts[5] = 0
    counts[5, 8] = 20
    found = counted(counts).found
    assert found.row(0, named=True)["level"] == "level 5"
    assert found.row(0, named=True)["expected"] < 1


def test_partitions_that_stay_high_to_the_end_are_a_level_shift() -> None:
    counts = noise()
    counts[2, -LAST:] += 70
    last = counted(counts).found.filter(partition="p11").row(0, named=True)
    assert (last["level"], last["kind"]) == ("level 2", "level shift")
    assert last["expected"] == pytest.approx(30, abs=10)


def test_a_level_that_scatters_widely_must_grow_more() -> None:
    counts = noise()
    counts[3, 10] = 75
    assert "level 3" in set(counted(counts).found["level"])
    counts[3, :10:2] = 70
    assert "level 3" not in set(counted(counts).found.filter(partition="p10")["level"])


@pytest.mark.parametrize("partitions", [1, EARLIER])
def test_without_enough_partitions_there_is_no_view(partitions: int) -> None:
    bursts = counted(noise(partitions))
    assert bursts.rows.view.note == "fewer than 7 partitions"
    assert np.isnan(bursts.rows.view.p_values).all()


def test_without_a_time_column_there_is_no_view() -> None:
    assert counted(noise(), None).rows.view.note == "no time column"


def test_rare_levels_hold_no_burst_by_chance() -> None:
    draw = np.random.default_rng(0)
    hit = 0
    for _ in range(4):
        counts = draw.multinomial(200, np.full(150, 1 / 150), 16).T
        hit += counted(counts).found["partition"].n_unique()
    # Of 40 partitions, about 2 may have one; chosen for being high, half of them would.
    assert hit <= 4


def test_new_rows_decide_neither_on_the_levels_nor_on_the_bursts_of_history() -> None:
    counts = np.random.default_rng(2).poisson(3, (MAX_LEVELS + 40, 12))
    counts[:20, :11] = 0
    counts[47, 9] = 60
    flooded = counts.copy()
    flooded[:, 11] = np.arange(len(counts)) % 50
    results = [counted(table, before=11) for table in (counts, flooded)]
    found = [result.found.filter(pl.col("partition") != "p11") for result in results]
    assert found[0].height >= 1
    assert found[0].equals(found[1])


def test_a_level_of_new_rows_alone_bursts() -> None:
    counts = noise()
    counts[4] = 0
    counts[4, 11] = 25
    found = counted(counts, before=11).found
    assert ("level 4", "p11") in found.select("level", "partition").rows()
