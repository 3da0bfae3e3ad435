"""What limits the figures: leaks, texts that state the label, and notes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusemine.tasks.mine.classify.report.metrics import ARTICLES, metric_name
from fusemine.tasks.mine.classify.report.model import Warned
from fusemine.tasks.report.words import cut, known, listed, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fusemine.tasks.report.model import Summary

SHOWN, FOLDED, SENTENCE = 5, 30, 400
COVERED = 0.2
"""Words that go with a class are reported if so many rows of the class have one."""
_THINGS = {
    "(order of the rows)": "the order of the rows",
    "row_id": "the row's id",
    "event_time": "the event time",
}


def alarms(summary: Summary) -> list[Warned]:
    """What makes the figures worthless: columns that give the label away, a leak of the label."""
    return [*_columns(summary), *_shuffled(summary)]


def cautions(summary: Summary) -> list[Warned]:
    """What weakens the figures: texts that state the label; then the notes."""
    notes = _cut(summary.get("notes") or [])
    told = [Warned("Worth knowing", notes[:FOLDED])] if notes else []
    return [*_texts(summary), *told]


def checked(summary: Summary) -> Warned | None:
    """What was looked for and not found."""
    leaks, shuffled = summary.get("leaks"), summary.get("shuffled")
    found, rules = [], []
    if leaks and not leaks.get("columns"):
        found.append("no column alone gives the label away")
        rules.append(cut(leaks.get("rule") or "", 600))
    if shuffled and not _is_leak(shuffled):
        found.append("shuffled labels could not be learnt")
        rules.append(_shuffled_words(shuffled))
    if not found:
        return None
    return Warned(f"Checked: {listed(found)}", [rule for rule in rules if rule])


def leak_words(summary: Summary | None) -> str:
    """What gives the label away, as a half-sentence, or nothing."""
    summary = summary or {}
    named = [_thing(leak) for leak in _leaking(summary)]
    if named:
        return f"{listed(named, 3)} {'gives' if len(named) == 1 else 'give'} it away"
    return "shuffled labels could be foretold" if _is_leak(summary.get("shuffled")) else ""


def _leaking(summary: Summary) -> list[Mapping[str, Any]]:
    return list((summary.get("leaks") or {}).get("columns") or [])


def _thing(leak: Mapping[str, Any]) -> str:
    column = str(leak.get("column"))
    return _THINGS.get(column, f"“{cut(column, 60)}”")


def _columns(summary: Summary) -> list[Warned]:
    sentences = _cut(leak.get("why") or _thing(leak) for leak in _leaking(summary))
    if not sentences:
        return []
    one = len(sentences) == 1
    return [
        Warned(
            title=f"{'This column gives' if one else 'These columns give'} the label away",
            sentences=sentences[:SHOWN],
            advice=(
                "If what is in it is known only after the label, or is a copy of it, the figures "
                "below say nothing of new rows: take the column out of the pipeline.yaml, and "
                "run again."
            ),
            folded=[*sentences[SHOWN:FOLDED], cut((summary["leaks"]).get("rule") or "", 600)],
        )
    ]


def _is_leak(shuffled: Mapping[str, Any] | None) -> bool:
    """Whether shuffled labels were predicted better than chance allows."""
    parts = [(shuffled or {}).get(name) for name in ("score", "chance", "tolerance")]
    if not all(map(known, parts)):
        return False
    score, chance, tolerance = map(float, parts)  # type: ignore[arg-type]
    return score > chance + tolerance


def _shuffled(summary: Summary) -> list[Warned]:
    shuffled = summary.get("shuffled")
    if shuffled is None or not _is_leak(shuffled):
        return []
    advice = (
        "Something of the label reaches the rows that are foretold, such as copies of one row on "
        "both sides of the split: the figures below are too good."
    )
    title = "Shuffled labels, which teach nothing, could be foretold"
    return [Warned(title, [_shuffled_words(shuffled)], advice)]


def _shuffled_words(shuffled: Mapping[str, Any]) -> str:
    score, chance, tolerance = (shuffled.get(name) for name in ("score", "chance", "tolerance"))
    measure = str(shuffled.get("measure"))
    if not (known(score) and known(chance) and known(tolerance)):
        return ""
    return (
        f"From shuffled labels, rows that were held back are foretold with "
        f"{ARTICLES.get(measure, 'a')} {metric_name(measure)} of {number(score)}, where chance "
        f"gets {number(chance)} and may get up to {number(chance + tolerance)}."
    )


def _texts(summary: Summary) -> list[Warned]:
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
        "A text that was written after the event may say what the label says. Of new rows, whose "
        "texts do not say it yet, the model then knows less than the figures promise."
    )
    folded = [*sentences[SHOWN:], *_cut(one.get("why") for one in others)]
    return [Warned("The texts partly state the label", sentences[:SHOWN], advice, folded[:FOLDED])]


def _cut(sentences: Iterable[object]) -> list[str]:
    return [cut(sentence, SENTENCE) for sentence in sentences if sentence]
