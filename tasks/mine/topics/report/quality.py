"""How good the topics are, and who named them, in words that a reader understands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusemine.tasks.mine.topics.report.themes import real_topics
from fusemine.tasks.report.words import cut, finite, number, percent, sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusemine.tasks.report.model import ReportInputs, Summary

MODEL, LABEL = "model", "label"
"""The value of `named_by` for a name by a language model; the clean table's label."""

_Measure = tuple[str, tuple[tuple[float, str], ...]]
_MEASURES: dict[str, _Measure] = {
    # Of vectors with hundreds of dimensions, silhouettes are small even where groups are plain.
    "silhouette": (
        "the topics {} (silhouette {})",
        ((0.3, "lie far apart"), (0.1, "lie apart"), (0.03, "overlap a little"), (-1.0, "overlap")),
    ),
    "coherence": (
        "the words of a topic {} (coherence {})",
        (
            (0.1, "often come together in a text"),
            (0.0, "come together a little more than by chance"),
            (-1.0, "seldom come together"),
        ),
    ),
    "stability": (
        "the grouping {} when part of the texts is left out (stability {})",
        (
            (0.9, "comes out nearly the same"),
            (0.75, "comes out much the same"),
            (0.5, "comes out only in part the same"),
            (-1.0, "comes out otherwise each time"),
        ),
    ),
}
"""The text on each measure, and the words for its values from each number on."""


def quality_words(summary: Summary) -> str:
    """How good the topics are, in one line; empty where nothing was measured."""
    parts = [_graded(finite(summary.get(name)), *words) for name, words in _MEASURES.items()]
    outliers = finite(summary.get("outlier_share"))
    if outliers is not None:
        parts.append(f"{percent(outliers)} of the texts are like no others")
    text = "; ".join(filter(None, [*parts, _agreement(summary.get("agreement") or {})]))
    return f"How good they are: {text}." if text else ""


def _graded(value: float | None, text: str, grades: Sequence[tuple[float, str]]) -> str:
    if value is None:
        return ""
    grade = next((words for least, words in grades if value >= least), grades[-1][1])
    return text.format(grade, number(value, 2))


def _agreement(agreement: Mapping[str, Any]) -> str:
    value = finite(agreement.get("v_measure"))
    if value is None:
        return ""
    column = str(agreement.get("column") or LABEL)
    what = "the label" if column == LABEL else f"“{cut(column, 40)}”"
    return f"they agree with {what} by {number(value, 2)} of 1 (V-measure)"


def naming_words(inputs: ReportInputs) -> str:
    """Whether a language model or the words named the topics, and why the model could not."""
    naming = (inputs.summary("topics") or {}).get("naming") or {}
    if inputs.table("topics", "topics") is None or not naming:
        return ""
    by = real_topics(inputs)["named_by"]
    text = _named_by(int((by == MODEL).sum()), by.len())
    trouble = naming.get("trouble")
    return f"{text} {sentence(cut(f'Naming failed: {trouble}', 300))}" if trouble else text


def _named_by(by_model: int, topics: int) -> str:
    if not by_model:
        return "The topics are named by their words."
    if by_model == topics:
        return "A language model named the topics."
    return f"A language model named {by_model} of {topics} topics, their words the others."
