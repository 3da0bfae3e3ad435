"""All views of a window's rows, and what the known ones of them teach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.anomalies.flagging import Grounds
from fusemine.tasks.mine.anomalies.views.bursts import Bursts, find_bursts
from fusemine.tasks.mine.anomalies.views.match import ENOUGH, Match, match
from fusemine.tasks.mine.anomalies.views.repeats import find_repeats
from fusemine.tasks.mine.anomalies.views.table_detector import TableDetector, table_view
from fusemine.tasks.mine.anomalies.views.text_detector import TextDetector, text_view
from fusemine.tasks.mine.anomalies.views.text_neighbours import neighbours_of
from fusemine.tasks.mine.anomalies.views.view import Table, View, absent, texts_of
from fusemine.tasks.stats.p_values import joined
from fusemine.tasks.text.distinct import distinct_texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

HISTORY = 100
"""Rows of history from which on new rows are held against them alone."""
STEPS = 5


@dataclass(frozen=True)
class Look:
    """What the views find of n rows with m distinct texts, and what the known ones taught.

    Attributes:
        grounds: What they find.
        text: What the known texts taught; None where there is no view of texts.
        usual: (m,) the known texts that may be usual neighbours.
        table: What the known numbers and categories taught; None where there is no view of them.
    """

    grounds: Grounds
    text: TextDetector | None
    usual: NDArray[np.bool_]
    table: TableDetector | None

    @property
    def used(self) -> dict[str, View]:
        """The views that at least one row is in."""
        return {name: view for name, view in self.grounds.views.items() if view.used}


def known_rows(rows: int, new: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """(n,) the rows that others are held against: all where fewer than `HISTORY` are not new."""
    if new is None or (~new).sum() < HISTORY:
        return np.ones(rows, bool)
    return ~new


def look(
    table: Table,
    vectors: NDArray[np.float32],
    known: NDArray[np.bool_],
    tell: Callable[[int, int], None],
) -> Look:
    """Look at n rows in all ways; `known` are (n,), `vectors` (n, d)."""
    texts = distinct_texts(table.clean, np.nan_to_num(vectors))
    neighbours = neighbours_of(texts, texts_of(texts, known))
    spoken = text_view(texts, known)
    tell(1, STEPS)
    tabled, detector = table_view(table, known)
    tell(2, STEPS)
    paired = match(texts, table, known)
    tell(3, STEPS)
    bursts = find_bursts(table.clean, known)
    views = {
        "text": spoken.view,
        "table": tabled,
        "match": _match_view(paired, known),
        "time": _time_view(bursts),
    }
    repeats = find_repeats(table.clean, texts, neighbours)
    tell(4, STEPS)
    grounds = Grounds(table, texts, neighbours, known, views, paired, bursts, repeats)
    return Look(grounds, spoken.detector, spoken.usual, detector)


def together(views: dict[str, View], rows: int) -> NDArray[np.float64]:
    """(n,) one p-value of those of all views, 1 for a row that no view is of."""
    tails = [view.tails for view in views.values() if view.used]
    return np.nan_to_num(joined(tails), nan=1.0) if tails else np.ones(rows)


def _match_view(paired: Match | None, known: NDArray[np.bool_]) -> View:
    if paired is None:
        return absent(
            len(known), f"fewer than {ENOUGH} rows with text and table, or hardly any differ"
        )
    return paired.view(known)


def _time_view(bursts: Bursts) -> View:
    """A view wherever bursts can be judged: were it one only where there are some, a burst of new
    rows would change the p-values of all."""
    return View(bursts.tails, bursts.note)
