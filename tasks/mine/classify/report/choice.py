"""How the model was chosen among those that were tried, and what it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusemine.tasks.mine.classify.report.metrics import is_of_numbers
from fusemine.tasks.mine.classify.report.model import Choice, Share, Tried
from fusemine.tasks.report.words import amount, cut, finite, known, listed, number, percent, plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusemine.tasks.report.model import Summary

TRIED, PARTS = 20, 12
BLOCKS = {
    "terms": "words of the text",
    "text": "text vectors",
    "levels": "names of the levels",
    "rates": "label rates of the levels",
}
TABLE = frozenset({"numbers", "categories", "dates", "levels", "rates"})
CALIBRATIONS = {
    "isotonic": "Its probabilities are calibrated by isotonic regression on rows held back.",
    "platt": "Its probabilities are calibrated by Platt's sigmoid on rows held back.",
    "none": "Its probabilities are not calibrated.",
}


def choice(summary: Summary) -> Choice | None:
    """The section on the chosen model; None where nothing is known of it."""
    model, board = summary.get("model") or {}, summary.get("leaderboard") or []
    if not model and not board:
        return None
    numbers = is_of_numbers(summary)
    loss = "RMSE" if numbers else "log loss"
    return Choice(
        lead=_lead(model, board, loss),
        loss_name=loss,
        tried=[_tried(one, numbers) for one in board[:TRIED]],
        parts=_parts(model),
        gates=_gates(summary.get("gates") or {}),
        calibration="" if numbers else CALIBRATIONS.get(str(model.get("calibration")), ""),
    )


def _lead(model: Mapping[str, Any], board: list[Mapping[str, Any]], loss: str) -> str:
    best = next((one for one in board if one.get("chosen")), {})
    name = cut(best.get("name") or model.get("name") or "one model", 120)
    ran = [one for one in board if known(one.get("loss"))]
    if len(ran) < 2:
        return f"Predictions come from “{name}”; nothing else was tried."
    left = plural(len(board) - len(ran), "more was left out", "more were left out")
    rest = f"; {left}" if len(board) > len(ran) else ""
    return (
        f"Predictions come from “{name}”. Of the {len(ran)} ways to join table and text that were "
        f"tried, it has the least {loss} on the training rows, each predicted by models that had "
        f"not seen it{rest}."
    )


def _tried(one: Mapping[str, Any], numbers: bool) -> Tried:
    loss = finite(one.get("loss"))
    remark = "chosen" if one.get("chosen") else cut(one.get("left_out") or "", 200)
    return Tried(
        name=cut(one.get("name") or "", 120),
        loss=amount(loss, 5, fixed=True) if numbers else number(loss, 4),
        chosen=bool(one.get("chosen")),
        remark=remark,
    )


def _parts(model: Mapping[str, Any]) -> list[Share]:
    """The models and their shares, with their blocks where these differ."""
    parts = list(model.get("parts") or [])[:PARTS]
    blocks = [_blocks(part.get("blocks") or []) for part in parts]
    alike = len(parts) > 1 and len(set(blocks)) == 1
    return [
        Share(
            name=cut(part.get("learner") or "", 60),
            detail="" if alike else said,
            share=finite(part.get("share")) or 0.0,
        )
        for part, said in zip(parts, blocks, strict=True)
    ]


def _blocks(names: Sequence[str]) -> str:
    """Blocks in short: all that is of the table is the table."""
    found = dict.fromkeys("table" if name in TABLE else _block(name) for name in names)
    if {"terms", "text"} <= set(names):
        found = {"text": None, **{n: None for n in found if n not in BLOCKS.values()}}
    return listed(list(found))


def _block(name: str) -> str:
    return BLOCKS.get(name, cut(name, 40))


def _gates(gates: Mapping[str, Any]) -> list[Share]:
    known_ones = [(name, value) for name, value in gates.items() if known(value)]
    order = sorted(known_ones, key=lambda pair: (-pair[1], pair[0]))
    return [Share(_block(name), percent(value), float(value)) for name, value in order[:PARTS]]
