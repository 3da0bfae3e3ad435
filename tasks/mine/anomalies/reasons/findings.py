"""What the views found of rows, and the reasons that are made of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fusemine.tasks.core.errors import quote
from fusemine.tasks.mine.anomalies.reasons.evidence import Burst, Evidence
from fusemine.tasks.mine.anomalies.reasons.reasons import explain, figure, unlike
from fusemine.tasks.table.roles import NUMBER

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fusemine.tasks.mine.anomalies.reasons.baseline import Usual
    from fusemine.tasks.mine.anomalies.views.mahalanobis import Shape
    from fusemine.tasks.mine.anomalies.views.match import Match
    from fusemine.tasks.mine.anomalies.views.view import Table, View

CLEAR = 0.01
"""A view's own evidence is told of a row that is in this share of the rows or less."""


class Bursting(Protocol):
    """Knows the bursts that rows are in."""

    def evidence(self, row: int) -> Burst | None:
        """The burst that a row is in."""


@dataclass(frozen=True)
class Findings:
    """What the views found of n rows.

    Attributes:
        usual: The rows, and what is usual.
        table: Their columns besides the text.
        views: What each view found.
        shares: By view, the share of the known rows (n,) that are less unusual.
        match: How text and table go together; None where that is not known.
        bursts: The bursts that rows are in.
        shape: The shape of the known rows' features; None where no two differ.
    """

    usual: Usual
    table: Table
    views: dict[str, View]
    shares: dict[str, NDArray[np.float64]]
    match: Match | None
    bursts: Bursting | None
    shape: Shape | None

    def reason(self, row: int, rare: Sequence[str]) -> str:
        """Why a row is unusual, in a sentence; `rare` are the rare words of its text."""
        clear = {name: bool(view.tails[row] <= CLEAR) for name, view in self.views.items()}
        text = float(self.shares["text"][row])
        evidence = Evidence(
            text=None if math.isnan(text) else text,
            chance=float(self.views["text"].tails[row]),
            match=self.match.mismatch(row) if self.match and clear["match"] else None,
            burst=self.bursts.evidence(row) if self.bursts else None,
        )
        return explain(self.usual, row, evidence, rare) or self._as_a_whole(row)

    def _as_a_whole(self, row: int) -> str:
        """For a row none of whose values is rare: the text, or how its features meet."""
        text, table = (self.views[name].tails[row] for name in ("text", "table"))
        if self.shape is None or text < table:
            share = float(self.shares["text"][row])
            return f"No value is rare; the text as a whole is {unlike(share)}."
        named = self.shape.features(self.table.features[row], self.table.names)
        features = ", ".join(self._valued(row, name.partition(".")[2] or name) for name in named)
        return f"No value is rare; unusual is how these go together: {features}."

    def _valued(self, row: int, feature: str) -> str:
        """A feature's name, with the row's number where it is a column of numbers."""
        clean = self.table.clean
        value = clean[NUMBER + feature][row] if NUMBER + feature in clean.columns else None
        return quote(feature) if value is None else f"{quote(feature)} {figure(value)}"
