"""How the model in use performed since it was trained, against its own test rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.mine.classify.report.metrics import metric_name, read_estimate, value_format
from fusemine.tasks.mine.classify.report.model import Estimate
from fusemine.tasks.report import words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fusemine.tasks.report.model import Summary

ID = 60
SMALL_POINTS, SMALL_PART = 1.0, 0.1
"""A gap of fewer percentage points, or of less than this part of the RMSE, needs no attention."""


@dataclass(frozen=True)
class Performance:
    """The partitions that the model in use predicted.

    Args:
        summary: The summary of monitoring, with a label.
        rows: The table by the contract `monitor`, oldest partition first.
        succeeded: Whether a new model was compared with it already.
    """

    summary: Summary
    rows: pl.DataFrame
    succeeded: bool = False

    @property
    def model(self) -> str:
        """The id of the model in use."""
        return words.cut(self.summary["model"], ID)

    @property
    def is_number(self) -> bool:
        """Whether the label is a number."""
        return bool(self.summary["label"]["number"])

    @property
    def metric(self) -> str:
        """The metric that models are compared by."""
        return "rmse" if self.is_number else "average_precision"

    @property
    def name(self) -> str:
        """The metric as people call it."""
        return metric_name(self.metric)

    @property
    def gap_unit(self) -> str:
        """What the gap is counted in."""
        if self.is_number:
            return "in the unit of the label"
        positive = self.summary["label"].get("positive")
        of = f"of “{words.cut(positive, 40)}”" if positive else "of the most likely class"
        return f"in percentage points of the probability {of}"

    @property
    def remark(self) -> str:
        """How to read the metric."""
        text = "Each partition is predicted by the model that was in use before it."
        if self.is_number or self.summary["label"].get("positive") is None:
            return text
        return (
            f"{text} Average precision also depends on the share of positive rows, which no model "
            "can change."
        )

    @cached_property
    def own(self) -> list[dict[str, Any]]:
        """The rows of the table that are about the model in use."""
        return self.rows.filter(pl.col("model") == self.summary["model"]).to_dicts()

    @cached_property
    def tested(self) -> Estimate:
        """The metric on the model's own test rows."""
        return read_estimate(self.summary["label"].get("metrics") or {}, self.metric)

    @cached_property
    def live(self) -> Estimate:
        """The metric on all labelled rows since, of numbers; else its mean by labelled rows."""
        if self.is_number and len(self.own) > 1:
            return _root(self._pooled(partial(_estimate, "loss", value_format(self.metric))))
        return self._pooled(self.metric_of)

    @cached_property
    def gap(self) -> Estimate:
        """How much too high the predictions for all labelled rows since were."""
        return self._pooled(self.gap_of)

    def metric_of(self, part: Mapping[str, Any]) -> Estimate:
        """The metric of one row of the table."""
        return _estimate("metric", value_format(self.metric), part)

    def gap_of(self, part: Mapping[str, Any]) -> Estimate:
        """The gap of one row of the table, of probabilities in percentage points."""
        if self.is_number:
            return _estimate("gap", words.signed_amount, part)
        return _estimate("gap", _signed_points, part, unit=100)

    def _pooled(self, of: Callable[[Mapping[str, Any]], Estimate]) -> Estimate:
        """The mean over partitions by labelled rows, with limits as in `difference`.

        Partitions without an interval, of a row or two, count only where no other has one.
        """
        found = [(part["labelled"], of(part)) for part in self.own]
        valued = [(rows, one) for rows, one in found if one.value is not None]
        bounded = [(rows, one) for rows, one in valued if one.bounds]
        chosen = bounded or valued
        total = sum(rows for rows, _ in chosen)
        if not total:
            return Estimate()
        mean, form = sum(n / total * (e.value or 0.0) for n, e in chosen), chosen[0][1].form
        if not bounded:
            return Estimate(words.finite(mean), form=form)
        # The distances to the limits add up like those of independent values: by their squares.
        below = math.hypot(*(n / total * ((e.value or 0.0) - (e.low or 0.0)) for n, e in bounded))
        above = math.hypot(*(n / total * ((e.high or 0.0) - (e.value or 0.0)) for n, e in bounded))
        value, low, high = map(words.finite, (mean, mean - below, mean + above))
        return Estimate(value, low, high, form)

    def difference(self) -> int:
        """Whether it did clearly better (1) or worse (-1) than on its test rows, or neither (0).

        Clear is what is beyond the 95 % interval of a difference, made of both intervals (the
        method of variance estimates recovery, Zou and Donner 2008).
        """
        now, then = self.live, self.tested
        if now.value is None or then.value is None or now.low is None or now.high is None:
            return 0
        low, high = (then.value if end is None else end for end in (then.low, then.high))
        rise = now.value - then.value
        slack = (
            math.hypot(now.value - now.low, high - then.value)
            if rise > 0
            else math.hypot(now.high - now.value, then.value - low)
        )
        is_better = (rise > 0) is not self.is_number
        return 0 if abs(rise) <= slack else 1 if is_better else -1

    @property
    def is_biased(self) -> bool:
        """Whether its predictions are significantly off, and by more than a little."""
        value, low, high = self.gap.value, self.gap.low, self.gap.high
        if value is None or low is None or high is None or low <= 0 <= high:
            return False
        little = SMALL_PART * (self.live.value or 0.0) if self.is_number else SMALL_POINTS
        return abs(value) >= little

    def lead(self) -> str:
        """The main finding."""
        if not self.own:
            return f"{self.model} has not predicted a later partition yet."
        rows = words.plural(sum(part["rows"] for part in self.own), "row")
        trained = words.cut(self.summary.get("trained_for") or words.NONE, ID)
        later = words.plural(len(self.own), "later partition")
        predicted = f"{self.model} was trained for {trained} and has since predicted {later}"
        labelled = [part["labelled"] for part in self.own if part["labelled"]]
        if not labelled:
            return f"{predicted} ({rows}). No label of them is known yet."
        if self.live.value is None:
            few = words.plural(sum(labelled), "labelled row is", "labelled rows are")
            return f"{predicted}. {few} too few for the {self.name}."
        with_labels = f", {words.count(len(labelled))} with labels"
        some = "" if len(labelled) == len(self.own) else with_labels
        mean = "mean " if len(labelled) > 1 and not self.is_number else ""
        live = f"Its {mean}{self.name} there is {self.live.full}"
        if self.tested.value is None:
            return f"{predicted}{some}. {live}."
        verdict = {1: "clearly better", 0: "no clear difference", -1: "clearly worse"}
        tested = f"{self.tested.full} on its own test rows: {verdict[self.difference()]}"
        return f"{predicted}{some}. {live}, against {tested}."

    def alerts(self) -> list[str]:
        """What needs attention besides the lead: it is biased, or due for retraining."""
        found = []
        if self.is_biased:
            side = "high" if (self.gap.value or 0.0) > 0 else "low"
            unit = "" if self.is_number else " points"
            gap = f"{self.gap.text}{unit} ({self.gap.bounds})"
            found.append(f"its predictions are too {side} on average: {gap}")
        if self.summary.get("due") and not self.succeeded:
            found.append("it is due for retraining")
        return found

    def finding(self) -> str:
        """All that needs attention, for the report in short; nothing if nothing does."""
        worse = (
            f"its {self.name} since training, {self.live.full}, is clearly worse than on its own "
            f"test rows, {self.tested.full}"
        )
        found = [*([worse] if self.difference() < 0 else []), *self.alerts()]
        return f"Model in use before this run, {self.model}: {'; '.join(found)}." if found else ""


def _estimate(
    name: str, form: Callable[[float | None], str], part: Mapping[str, Any], unit: float = 1
) -> Estimate:
    """A column of the table `monitor` with its interval."""
    found = (words.finite(part[name + end]) for end in ("", "_low", "_high"))
    value, low, high = (None if number is None else unit * number for number in found)
    return Estimate(value, low, high, form)


def _signed_points(value: float | None) -> str:
    return words.points(None if value is None else value / 100)


def _root(found: Estimate) -> Estimate:
    """The root of a mean square and of its limits."""
    ends = (found.value, found.low, found.high)
    value, low, high = (None if end is None else math.sqrt(max(end, 0.0)) for end in ends)
    return Estimate(value, low, high, found.form)
