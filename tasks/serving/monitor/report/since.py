"""How the model in use did since it was trained, against its own test rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.mine.classify.report.metrics import (
    ARTICLES,
    LOWER,
    metric_name,
    read_estimate,
    score_words,
)
from fusemine.tasks.report.words import (
    NONE,
    count,
    cut,
    finite,
    interval,
    known,
    plural,
    points,
    sentence,
    signed_amount,
)
from fusemine.tasks.serving.monitor.report.model import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fusemine.tasks.report.model import ReportInputs, Summary

ID = 60
SMALL_POINTS, SMALL_PART = 1.0, 0.1
"""A gap of fewer percentage points, or of less than this part of the RMSE, needs no attention."""


@dataclass(frozen=True)
class Since:
    """The partitions that the model in use predicted.

    Args:
        watching: The summary of what was watched, with a label.
        rows: The table by the contract `watch`.
    """

    watching: Summary
    rows: pl.DataFrame

    @property
    def model(self) -> str:
        """The id of the model in use."""
        return cut(self.watching["model"], ID)

    @property
    def is_number(self) -> bool:
        """Whether the label is a number."""
        return bool(self.watching["label"]["number"])

    @property
    def metric(self) -> str:
        """What models are compared by."""
        return "rmse" if self.is_number else "average_precision"

    @property
    def name(self) -> str:
        """The metric as people call it."""
        return metric_name(self.metric)

    @cached_property
    def mine(self) -> list[dict[str, Any]]:
        """The rows of the table that are about the model in use."""
        return self.rows.filter(pl.col("model") == self.watching["model"]).to_dicts()

    @cached_property
    def tested(self) -> Reading:
        """The metric on the model's own test rows."""
        found = read_estimate(self.watching["label"].get("metrics") or {}, self.metric)
        return Reading(found.value, found.low, found.high, found.said, found.bounds)

    @cached_property
    def reached(self) -> Reading:
        """The metric on all labelled rows since, of numbers; else its mean by labelled rows."""
        if self.is_number and len(self.mine) > 1:
            return self.scored(_root(_pooled(self.mine, "loss")))
        return self.scored(_pooled(self.mine, "metric"))

    @cached_property
    def off(self) -> Reading:
        """How much too high the predictions for all labelled rows since were."""
        return self.gapped(_pooled(self.mine, "gap"))

    def scored(self, found: Reading) -> Reading:
        """A value of the metric with its words."""
        if found.value is None:
            return Reading()
        if self.is_number and known(found.low) and known(found.high):
            bounds = " to ".join(score_words(end, self.metric) for end in (found.low, found.high))
        else:
            bounds = interval(found.low, found.high)
        return replace(found, said=score_words(found.value, self.metric), bounds=bounds)

    def gapped(self, found: Reading) -> Reading:
        """A gap with its words, a probability's in percentage points."""
        if found.value is None:
            return Reading()
        told = signed_amount if self.is_number else points
        bounds = ""
        if known(found.low) and known(found.high):
            bounds = f"{told(found.low)} to {told(found.high)}"
        size = 1 if self.is_number else 100
        low, high = (None if end is None else size * end for end in (found.low, found.high))
        return Reading(size * found.value, low, high, told(found.value), bounds)

    def difference(self) -> int:
        """Whether it did clearly better (1) or worse (-1) than on its test rows, or neither (0).

        Clear is what is beyond the 95 % interval of a difference, made of both intervals (the
        method of variance estimates recovery, Zou and Donner 2008).
        """
        sign = -1.0 if self.metric in LOWER else 1.0
        now, then = self.reached, self.tested
        if now.value is None or then.value is None or now.low is None or now.high is None:
            return 0
        rise = now.value - then.value
        if rise > 0:
            slack = math.hypot(now.value - now.low, _or(then.high, then.value) - then.value)
        else:
            slack = math.hypot(now.high - now.value, then.value - _or(then.low, then.value))
        return int(math.copysign(1, sign * rise)) if abs(rise) > slack else 0

    @property
    def is_off(self) -> bool:
        """Whether its predictions are significantly off, and by more than a little."""
        value, low, high = self.off.value, self.off.low, self.off.high
        if value is None or low is None or high is None or low <= 0 <= high:
            return False
        little = SMALL_PART * (self.reached.value or 0.0) if self.is_number else SMALL_POINTS
        return abs(value) >= little


def since(inputs: ReportInputs) -> Since | None:
    """How the model in use did; None where none was watched or it predicts no label."""
    rows, watching = inputs.table("monitor"), inputs.summary("monitor") or {}
    if rows is None or not watching.get("label"):
        return None
    return Since(watching, rows.sort("partition"))


def lead(found: Since) -> str:
    """What matters, in a sentence."""
    if not found.mine:
        return f"{found.model} has not foretold any later partition yet."
    rows = sum(part["rows"] for part in found.mine)
    trained = cut(found.watching.get("trained_for") or NONE, ID)
    foretold = (
        f"Since it was trained for {trained}, {found.model} foretold "
        f"{plural(len(found.mine), 'later partition')}"
    )
    labelled = [part for part in found.mine if part["labelled"]]
    if not labelled:
        return f"{foretold} ({plural(rows, 'row')}), of which no label is known yet."
    if found.reached.value is None:
        few = plural(sum(part["labelled"] for part in labelled), "labelled row")
        return f"{foretold}; {few} in them are not enough for {_article(found)}."
    some = "" if len(labelled) == len(found.mine) else f", {count(len(labelled))} with labels,"
    is_mean = len(labelled) > 1 and not found.is_number
    what = f"a mean {found.name}" if is_mean else _article(found)
    said = f"with {what} of {found.reached.told}"
    return sentence(f"{foretold}{some} {said}{_beside(found)}")


def attention(inputs: ReportInputs) -> list[str]:
    """What needs attention: worse than on its test rows, off on average, due for training."""
    found = since(inputs)
    if found is None:
        return []
    worse = (
        f"its {found.name} since it was trained, {found.reached.told}, is clearly worse than "
        f"on its own test rows, {found.tested.told}"
    )
    return [*([worse] if found.difference() < 0 else []), *beyond_lead(inputs, found)]


def beyond_lead(inputs: ReportInputs, found: Since) -> list[str]:
    """What needs attention besides what the lead says."""
    said = []
    if found.is_off:
        side = "high" if (found.off.value or 0.0) > 0 else "low"
        unit = "" if found.is_number else " points"
        off = f"{found.off.said}{unit} ({found.off.bounds})"
        said.append(f"what it foretells is too {side} on average: {off}")
    if found.watching.get("due") and not was_followed(inputs):
        said.append("it is due to be trained anew")
    return said


def was_followed(inputs: ReportInputs) -> bool:
    """Whether a new model was compared with the one in use already."""
    challenge = inputs.summary("challenge")
    if challenge is None:
        return False
    model = (inputs.summary("monitor") or {}).get("model")
    return bool(challenge.get("champion", model) == model)


def reading(part: Mapping[str, Any], name: str) -> Reading:
    """A column of the table `watch` with its interval, without words."""
    value, low, high = (finite(part[name + end]) for end in ("", "_low", "_high"))
    return Reading(value, low, high)


def _article(found: Since) -> str:
    return f"{ARTICLES.get(found.metric, 'a')} {found.name}"


def _beside(found: Since) -> str:
    if found.tested.value is None:
        return ""
    verdict = {1: "clearly better", 0: "no clear difference", -1: "clearly worse"}
    return f", against {found.tested.told} on its own test rows: {verdict[found.difference()]}"


def _pooled(parts: Iterable[Mapping[str, Any]], name: str) -> Reading:
    """The mean over partitions by labelled rows, its limits by variance estimates recovery.

    Partitions without an interval, of a row or two, count only where no other has one.
    """
    found = [(part["labelled"], reading(part, name)) for part in parts]
    valued = [(rows, one) for rows, one in found if one.value is not None]
    bounded = [(rows, one) for rows, one in valued if known(one.low) and known(one.high)]
    chosen = bounded or valued
    total = sum(rows for rows, _ in chosen)
    if not total:
        return Reading()
    mean = sum(rows / total * _or(one.value) for rows, one in chosen)
    if not bounded:
        return Reading(finite(mean))
    below = math.hypot(*(rows / total * (_or(one.value) - _or(one.low)) for rows, one in chosen))
    above = math.hypot(*(rows / total * (_or(one.high) - _or(one.value)) for rows, one in chosen))
    return Reading(finite(mean), finite(mean - below), finite(mean + above))


def _root(found: Reading) -> Reading:
    """The root of a mean square and of its limits."""
    value, low, high = (
        None if end is None else math.sqrt(max(end, 0.0))
        for end in (found.value, found.low, found.high)
    )
    return Reading(value, low, high)


def _or(value: float | None, other: float = 0.0) -> float:
    return other if value is None else value
