"""Values of the user's in sentences: short, on one line, and shares rounded with care."""

from __future__ import annotations

import math
import re

QUOTED = 40
"""Characters of a value, a word or a column's name that a sentence quotes."""
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def quote(text: str) -> str:
    """A text of the user's on one line, at most `QUOTED` characters."""
    line = _BLANKS.sub(" ", text[: QUOTED * 4]).strip()
    return line if len(line) <= QUOTED else line[: QUOTED - 1].rstrip() + "…"


def percent(share: float) -> str:
    """A share in per cent, rounded down, so that 100 % and 0 % are said only where they hold."""
    if 0 < share < 0.001:
        return "less than 0.1 %"
    tenths = math.floor(share * 1000 + 1e-6)
    return "more than 99.9 %" if share < 1 and tenths >= 1000 else f"{tenths / 10:g} %"
