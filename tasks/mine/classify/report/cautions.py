"""What limits the figures: leaks, texts that state the label, and notes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusemine.tasks.mine.classify.report.metrics import a_metric
from fusemine.tasks.mine.classify.report.model import Notice
from fusemine.tasks.report.words import cut, known, listed, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fusemine.tasks.report.model import Summary

SHOWN, FOLDED, SENTENCE = 5, 30, 400
COVERED = 0.2
"""Words that go with a class are reported if so many rows of the class have one."""
_COLUMNS = {
    "(order of the rows)": "the order of the rows",
    "row_id": "the row's id",
    "event_time": "the event time",
}


def alarms(summary: Summary) -> list[Notice]:
    """What makes the figures worthless: columns that give the label away, a leak of the label."""
    return [*_columns(summary), *_shuffled(summary)]


def cautions(summary: Summary) -> list[Notice]:
    """What weakens the figures: texts that state the label; then the notes."""
    notes = _cut(summary.get("notes") or [])
    return [*_texts(summary), *([Notice("Worth knowing", notes[:FOLDED])] if notes else [])]


def checked(summary: Summary) -> Notice | None:
    """The checks that found nothing."""
    leaks, shuffled = summary.get("leaks"), summary.get("shuffled")
    passed, rules = [], []
    if leaks and not leaks.get("columns"):
        passed.append("no column alone gives the label away")
        rules.append(cut(leaks.get("rule") or "", 600))
    if shuffled and not _is_leak(shuffled):
        passed.append("shuffled labels could not be learnt")
        rules.append(_shuffled_text(shuffled))
    if not passed:
        return None
    return Notice(f"Checked: {listed(passed)}", [rule for rule in rules if rule])


def leak_text(summary: Summary | None) -> str:
    """What gives the label away, as a half-sentence, or nothing."""
    summary = summary or {}
    named = [_column(leak) for leak in _leaking(summary)]
    if named:
        return f"{listed(named, 3)} {'gives' if len(named) == 1 else 'give'} it away"
    return "shuffled labels could be predicted" if _is_leak(summary.get("shuffled")) else ""


def _leaking(summary: Summary) -> list[Mapping[str, Any]]:
    return list((summary.get("leaks") or {}).get("columns") or [])


def _column(leak: Mapping[str, Any]) -> str:
    column = str(leak.get("column"))
    return _COLUMNS.get(column, f"“{cut(column, 60)}”")


def _columns(summary: Summary) -> list[Notice]:
    sentences = _cut(leak.get("why") or _column(leak) for leak in _leaking(summary))
    if not sentences:
        return []
    which = "This column gives" if len(sentences) == 1 else "These columns give"
    advice = (
        "If what is in it is known only after the label, or is a copy of it, the figures below "
        "mean nothing for new rows: take the column out of the pipeline.yaml, and run again."
    )
    folded = [*sentences[SHOWN:FOLDED], cut((summary["leaks"]).get("rule") or "", 600)]
    return [Notice(f"{which} the label away", sentences[:SHOWN], advice, folded)]


def _is_leak(shuffled: Mapping[str, Any] | None) -> bool:
    """Whether shuffled labels were predicted better than chance allows."""
    score, chance, tolerance = _score(shuffled or {})
    return score > chance + tolerance


def _score(shuffled: Mapping[str, Any]) -> tuple[float, float, float]:
    """Score, chance and tolerance; NaN where one of them is not known."""
    parts = [shuffled.get(name) for name in ("score", "chance", "tolerance")]
    score, chance, tolerance = (float(v) if known(v) else float("nan") for v in parts)
    return score, chance, tolerance


def _shuffled(summary: Summary) -> list[Notice]:
    shuffled = summary.get("shuffled")
    if shuffled is None or not _is_leak(shuffled):
        return []
    advice = (
        "Something of the label reaches the rows that are predicted, such as copies of one row on "
        "both sides of the split: the figures below are too good."
    )
    title = "Shuffled labels, from which nothing can be learnt, could be predicted"
    return [Notice(title, [_shuffled_text(shuffled)], advice)]


def _shuffled_text(shuffled: Mapping[str, Any]) -> str:
    score, chance, tolerance = _score(shuffled)
    if not known(score + chance + tolerance):
        return ""
    return (
        f"From shuffled labels, rows that were held out are predicted with "
        f"{a_metric(str(shuffled.get('measure')))} of {number(score)}, where chance gets "
        f"{number(chance)} and may get up to {number(chance + tolerance)}."
    )


def _texts(summary: Summary) -> list[Notice]:
    """Texts that state the label, in words that only one class has or by its name."""
    texts = (summary.get("leaks") or {}).get("texts") or {}
    words, names = texts.get("words") or [], texts.get("names") or []
    covered = [one for one in texts.get("together") or [] if one.get("recall", 0) >= COVERED]
    flagged = [one for one in [*names, *words] if one.get("flagged")]
    others = [one for one in words if not one.get("flagged")]
    sentences = _cut(one.get("why") for one in [*flagged, *covered])
    if not sentences:
        return []
    advice = (
        "A text that was written after the event may state the label. Of new rows, whose texts do "
        "not state it yet, the model then knows less than the figures promise."
    )
    folded = [*sentences[SHOWN:], *_cut(one.get("why") for one in others)]
    return [Notice("The texts partly state the label", sentences[:SHOWN], advice, folded[:FOLDED])]


def _cut(sentences: Iterable[object]) -> list[str]:
    return [cut(sentence, SENTENCE) for sentence in sentences if sentence]
