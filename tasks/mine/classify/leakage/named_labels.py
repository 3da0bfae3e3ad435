"""Texts that hold the name of their class, or the number that is their label."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.core.errors import quote
from fusemine.tasks.text.sentences import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Target

SHARE, TIMES, ROWS = 0.2, 5, 5
"""The label is stated if it is in this share of its own rows' texts, in so many times more than
in those of other rows, and in so many rows at least."""
MOST = 50
_BETWEEN = r"[\W_]+"
_NUMBER = r"[0-9][0-9,]*(?:\.[0-9]+)?"
MOST_WORDS, LONGEST = 10, 200
"""A class's name of more words or characters than this is not looked for: nobody writes it so."""


def names_said(texts: pl.Series, target: Target, names: Sequence[str]) -> list[dict[str, Any]]:
    """How often each class's name, as whole words, is in the texts of its rows and of others.

    Args:
        texts: The n texts.
        target: The classes of the rows.
        names: The classes' names.

    Returns:
        JSON-ready, the flagged ones first; a name that no text holds is left out.
    """
    lower, found = texts.str.to_lowercase(), []
    for code in np.unique(target.values):
        words = re.findall(r"[^\W_]+", names[code].lower())
        if not words or len(words) > MOST_WORDS or len(names[code]) > LONGEST:
            continue
        said = lower.str.contains(r"\b" + _BETWEEN.join(words) + r"\b").to_numpy()
        what = f"The name of the class '{quote(names[code])}'"
        found.append(_told(what, names[code], said, target.values == code))
    return _ranked(found)


def numbers_said(texts: pl.Series, target: Target) -> list[dict[str, Any]]:
    """How often the number that is a row's label is in its own text, and in another row's.

    The other row's label is that of half the table away, so that neighbours, which may be alike,
    do not count as strangers.
    """
    tokens = texts.str.extract_all(_NUMBER).list.eval(pl.element().str.replace_all(",", ""))
    numbers = tokens.cast(pl.List(pl.Float64))
    own, other = target.values, np.roll(target.values, len(target) // 2)
    differ = own != other
    if not differ.any():
        return []
    said = _held(numbers, own)[differ], _held(numbers, other)[differ]
    own_rows = np.repeat([True, False], differ.sum())
    return _ranked([_told("The number that is the label", "", np.concatenate(said), own_rows)])


def _held(numbers: pl.Series, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    frame = pl.DataFrame({"numbers": numbers, "value": values})
    return frame.select(pl.col("numbers").list.contains(pl.col("value"))).to_series().to_numpy()


def _told(what: str, name: str, said: NDArray[np.bool_], own: NDArray[np.bool_]) -> dict[str, Any]:
    hits, inside, outside = int(said[own].sum()), float(said[own].mean()), float(said[~own].mean())
    return {
        "class": name,
        "rows": hits,
        "own": round(inside, 4),
        "others": round(outside, 4),
        "flagged": hits >= ROWS and inside >= SHARE and inside >= TIMES * outside,
        "why": (
            f"{what} is in {percent(inside)} of its own rows' texts and in {percent(outside)} of "
            f"those of other rows."
        ),
    }


def _ranked(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = [entry for entry in found if entry["rows"]]
    return sorted(known, key=lambda entry: (not entry["flagged"], -entry["own"]))[:MOST]
