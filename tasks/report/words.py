"""Numbers and texts as a person reads them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

NONE = "–"
_BREAKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# Marks that reorder the characters after them could make a line read as something else.
_HIDDEN = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def cut(text: object, limit: int = 200) -> str:
    """One line of at most `limit` characters, without control characters.

    >>> cut("a long remark\\non a bird", 10)
    'a long re…'
    """
    # A value of many megabytes need not be cleaned whole; a multiple of the limit leaves room for
    # what is dropped.
    line = _BREAKS.sub(" ", _HIDDEN.sub("", str(text)[: limit * 4])).strip()
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def count(rows: float) -> str:
    """A whole number with separators: 19,302."""
    return f"{rows:,.0f}"


def plural(rows: int, one: str, many: str = "") -> str:
    """A count with its noun: 1 row, 2 rows."""
    return f"{count(rows)} {one if rows == 1 else many or one + 's'}"


def percent(share: float | None) -> str:
    """A share from 0 to 1 in per cent, which is 0 or 100 only where it is exactly that.

    >>> percent(0.1022), percent(0.00001), percent(1), percent(None)
    ('10.2 %', '< 0.1 %', '100 %', '–')
    """
    if not known(share):
        return NONE
    if 0 < share < 0.0005:
        return "< 0.1 %"
    if 0.9995 <= share < 1:
        return "> 99.9 %"
    return f"{100 * share:.{0 if share in (0, 1) else 1}f} %"


def whole(share: float) -> str:
    """A share from 0 to 1 in whole per cent without the sign, for cells of a table."""
    return "< 1" if 0 < share < 0.01 else f"{100 * share:.0f}"


def number(value: float | None, digits: int = 3) -> str:
    """A score with a fixed number of digits, or a dash where there is none."""
    return f"{value:.{digits}f}".replace("-", "−") if known(value) else NONE


def signed(value: float | None, digits: int = 3) -> str:
    """A difference with its sign."""
    return f"{value:+.{digits}f}".replace("-", "−") if known(value) else NONE


def points(share: float | None) -> str:
    """A difference of two shares, in percentage points, with its sign unless it is zero."""
    text = signed(100 * share, 1) if known(share) else NONE
    return "0.0" if text in {"+0.0", "−0.0"} else text


def amount(value: float | None, digits: int = 4, fixed: bool = False) -> str:
    """A number of any size and unit by its leading digits: 12,345, 0.00123, 1.2e−09.

    Args:
        value: The number.
        digits: How many digits lead.
        fixed: Whether zeros at the end stay, so that figures can be compared: 25.00.

    >>> amount(12345.678), amount(-0.00123456), amount(25.0, fixed=True)
    ('12,346', '−0.001235', '25.00')
    """
    if not known(value):
        return NONE
    large = 1000 <= abs(value) < 1e15
    small = f"{value:#.{digits}g}".rstrip(".") if fixed else f"{value:.{digits}g}"
    return (f"{value:,.0f}" if large else small).replace("-", "−")


def signed_amount(value: float | None) -> str:
    """A difference of two amounts with its sign."""
    return ("+" if known(value) and value >= 0 else "") + amount(value, 3, fixed=True)


def named(label: object, numbers: bool) -> str:
    """A class in quotation marks, or a number that stands as text."""
    text = cut(label, 60)
    try:
        return amount(float(text), 6) if numbers else f"“{text}”"
    except ValueError:
        return f"“{text}”"


def interval(low: float | None, high: float | None) -> str:
    """Both ends of an interval, or nothing."""
    return f"{number(low)} to {number(high)}" if known(low) and known(high) else ""


def sentence(text: str) -> str:
    """The text with a full stop, unless it ends with a mark of its own."""
    return text if text.endswith((".", "…", "!", "?")) else f"{text}."


def capital(text: str) -> str:
    """The text with a capital letter at its start."""
    return text[:1].upper() + text[1:]


def known(value: object) -> TypeGuard[float]:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)


def finite(value: object) -> float | None:
    """A finite number as it is, anything else as None."""
    return float(value) if known(value) else None


def listed(names: Sequence[str], limit: int = 5) -> str:
    """Names in a row, the rest of a long list counted.

    >>> listed(["a", "b", "c"]), listed(list("abcde"), limit=2)
    ('a, b and c', 'a, b and 3 more')
    """
    if len(names) > limit:
        return f"{', '.join(names[:limit])} and {count(len(names) - limit)} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as pairs of a dotted path and a value, each cut.

    >>> list(flat({"a": {"b": 1, "c": [1, 2]}}))
    [('a.b', '1'), ('a.c', '1, 2')]
    """
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and all(not isinstance(v, Mapping) for v in value):
        yield cut(path, 120), cut(", ".join(map(str, value)) or NONE, 300)
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value, start=1):
            yield from flat(inner, f"{path}.{place}")
    else:
        yield cut(path, 120), cut(NONE if value in (None, {}) else value, 300)
