"""New rows as fitted detectors find them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.mine.anomalies.reasons.baseline import Usual
from fusemine.tasks.mine.anomalies.reasons.findings import Findings
from fusemine.tasks.mine.anomalies.reasons.rare_words import not_near, rare_words
from fusemine.tasks.mine.anomalies.reasons.references import seen
from fusemine.tasks.mine.anomalies.views.text_detector import Said
from fusemine.tasks.mine.anomalies.views.view import Table, View, absent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusemine.tasks.mine.anomalies.detectors import Detectors
    from fusemine.tasks.mine.anomalies.views.burst_detector import Swollen
    from fusemine.tasks.mine.anomalies.views.match import Match
    from fusemine.tasks.mine.anomalies.views.text_detector import TextDetector
    from fusemine.tasks.text.distinct import Texts


@dataclass(frozen=True)
class Batch:
    """What detectors find of n new rows with m distinct texts.

    Attributes:
        by: The detectors.
        table: The rows' columns besides the text.
        texts: Their texts.
        places: (m,) the places of the texts among the references.
        views: What each view finds.
        match: How text and table go together.
        swollen: The bursts that rows are in.
    """

    by: Detectors
    table: Table
    texts: Texts
    places: NDArray[np.int64]
    views: dict[str, View]
    match: Match | None
    swollen: Swollen | None

    @classmethod
    def of(cls, by: Detectors, table: Table, texts: Texts) -> Batch:
        """Look at the rows in all ways."""
        new = np.zeros(table.clean.height, bool)
        places = by.references.places(texts.texts)
        match = by.match.match(texts, table) if by.match else None
        swollen = by.time.judge(table.clean) if by.time else None
        nothing = absent(len(new), "")
        views = {
            "text": by.text.judge(_said(by, by.text, texts, places)) if by.text else nothing,
            "table": by.table.judge(by.table.scores_of_new(table), new) if by.table else nothing,
            "match": match.view(new) if match else nothing,
            "time": swollen.view if swollen else nothing,
        }
        return cls(by, table, texts, places, views, match, swollen)

    @property
    def shares(self) -> dict[str, NDArray[np.float64]]:
        """By view, the share of the known rows (n,) that are less unusual."""
        return {name: view.shares(self.by.ordered[name]) for name, view in self.views.items()}

    def reasons(self, rows: NDArray[np.int64]) -> list[str]:
        """Why some of the rows are unusual."""
        new = np.zeros(self.table.clean.height, bool)
        found = Findings(
            Usual.of(self.by.past, self.table.clean, new),
            self.table,
            self.views,
            self.shares,
            self.match,
            self.swollen,
            self.by.shape,
        )
        rare = self._rare(np.unique(self.texts.of_row[rows]))
        return [found.reason(row, rare[int(self.texts.of_row[row])]) for row in rows.tolist()]

    def _rare(self, texts: NDArray[np.int64]) -> dict[int, list[str]]:
        """The unusual words of some texts, by the texts' places."""
        past, said = self.by.past, self.texts
        new = ~seen(self.places)
        rare = {
            text: rare_words(past, said.texts[text], new=bool(new[text])) if text >= 0 else []
            for text in texts.tolist()
        }
        asked = [text for text, its in rare.items() if its]
        near = self.by.references.words_near(said.vectors[asked], self.places[asked], past)
        for text, words in zip(asked, near, strict=True):
            rare[text] = not_near(rare[text], words)
        return rare


def _said(by: Detectors, text: TextDetector, texts: Texts, places: NDArray[np.int64]) -> Said:
    distances = text.shape.distances(texts.vectors)
    near = by.references.usual_near(texts.vectors, places)
    return Said(texts.of_row, distances, near, seen(places), by.references.alike(texts))
