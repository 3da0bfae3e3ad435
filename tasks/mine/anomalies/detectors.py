"""Detectors: what is learned from the rows of a window, by which further rows are scored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.anomalies.flagging import FEW, RARE, RepeatGroups, most
from fusemine.tasks.mine.anomalies.reasons.references import References
from fusemine.tasks.mine.anomalies.score_views import ScoredWindow, score_views
from fusemine.tasks.mine.anomalies.views.view import Table
from fusemine.tasks.stats.p_values import benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from fusemine.tasks.mine.anomalies.reasons.baseline import Baseline
    from fusemine.tasks.mine.anomalies.settings import AnomaliesSettings
    from fusemine.tasks.mine.anomalies.views.bursts import BurstDetector
    from fusemine.tasks.mine.anomalies.views.mahalanobis import Covariance
    from fusemine.tasks.mine.anomalies.views.match import MatchDetector
    from fusemine.tasks.mine.anomalies.views.table_detector import TableDetector
    from fusemine.tasks.mine.anomalies.views.text_detector import TextDetector
    from fusemine.tasks.mine.anomalies.views.view import Flags, Floats, Vectors


@storable
@dataclass(frozen=True)
class Detectors:
    """What was learned from history.

    Attributes:
        names: The table's features.
        text, table, match, time: What each view learned; None where there was no such view.
        ordered: By view, the p-values of the known rows, ascending.
        references: The known texts, but not as texts.
        baseline: What is usual, for reasons.
        covariance: That of the known rows' features.
        threshold: A row is flagged whose p-value is at most this; None where none ever is.
    """

    names: list[str]
    text: TextDetector | None
    table: TableDetector | None
    match: MatchDetector | None
    time: BurstDetector | None
    ordered: dict[str, Floats]
    references: References
    baseline: Baseline
    covariance: Covariance | None
    threshold: float | None


def fit_detectors(
    clean: pl.DataFrame,
    vectors: Vectors,
    table: Vectors,
    table_names: Sequence[str],
    settings: AnomaliesSettings,
    new: Flags | None = None,
) -> Detectors:
    """Fit detectors to the known rows of a window; they score new rows as the window does.

    Args:
        clean: The clean table of n rows, oldest partition first.
        vectors: (n, d) unit vectors in the same order, zero where a row has no text.
        table: (n, c) numbers and categories as features, c may be 0; what is not finite counts 0.
        table_names: Their c names, `<block>.<column>` or `<block>.<column> = <level>`.
        settings: How many rows are flagged.
        new: (n,) rows that nothing is learned from; only bursts are counted with them. None for
            none.
    """
    window = score_views(Table.of(clean, table, table_names), vectors, new)
    known, baseline = window.known, window.findings.rows.baseline
    return Detectors(
        names=list(table_names),
        text=window.text_detector,
        table=window.table_detector,
        match=window.match.detector if window.match else None,
        time=window.bursts.detector,
        ordered={name: view.ordered(known) for name, view in window.views.items()},
        references=References.of(window.texts, known, window.typical, baseline),
        baseline=baseline,
        covariance=window.findings.covariance,
        threshold=_threshold(window, settings),
    )


def _threshold(window: ScoredWindow, settings: AnomaliesSettings) -> float | None:
    """The p-value up to which rows are flagged, by those of the known rows.

    So many known rows, or the share of them, lie up to it as the settings ask, or it is the last
    of those that are significant as in `flagging.candidates`. Where none is, it is the least that
    one of as many rows would need for that.
    """
    known, count = window.known, int(window.known.sum())
    if count < FEW:
        return None
    ordered = np.sort(window.p_values[known])
    if settings.contamination is not None:
        return float(ordered[math.ceil(settings.contamination * count) - 1])
    if settings.top is not None:
        return float(ordered[most(count, settings) - 1])
    groups = RepeatGroups.of(window.repeats.of_row, window.p_values, ~known)
    tested = window.p_values[known & groups.representative]
    out = tested[benjamini_hochberg(tested, settings.false_alarms)]
    out = out[out <= RARE]
    return float(out.max()) if len(out) else settings.false_alarms / count
