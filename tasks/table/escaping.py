"""Text from users' data within Markdown, which the Prefect UI renders: shown, never obeyed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# What could be markup anywhere, a link by itself (http:, www., an address), or at a line's start
# a list, a heading or a rule.
_ACTIVE = re.compile(r"[\\`*_{}\[\]<>|&~@$]|:(?=\S)|(?<=[wW]{3})\.|^[-+=#]")
_NUMBERED = re.compile(r"^(\d+)(?=[.)](?:\s|$))")
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def escape(text: object) -> str:
    """Text as one line of Markdown that shows it and nothing else.

    By backslashes, because the Prefect UI shows numeric character references as they are.
    """
    line = _BLANKS.sub(" ", str(text)).strip()
    return _NUMBERED.sub(r"\1\\", _ACTIVE.sub(r"\\\g<0>", line))


def escape_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a table artifact, whose every text the Prefect UI renders as Markdown."""
    return [
        {name: escape(cell) if isinstance(cell, str) else cell for name, cell in row.items()}
        for row in rows
    ]
