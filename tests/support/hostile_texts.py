"""Texts that nothing may trip over, whatever it does with them."""

from __future__ import annotations

HOSTILE = [
    "<script>alert(1)</script>",
    "{{7*7}} {% raw %}",
    "\x00\x01",
    "…!?",
    "鳥がエンジンに衝突",
    "\U0001f426" * 40,
    "a" * 20_000,
    " \t\n",
    "",
    "'; DROP TABLE birds; --",
    "!" * 20_000 + "a",
    '"\\" </text> [x](javascript:1)',
]

ORDERS = [
    "x[/b].csv",
    "[bold red]x[/]",
    "[link=http://evil.example]x[/link]",
    "\x1b[2J\x1b]0;title\x07",
    "a\x9b31mb",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "back\x08\x08",
    "one\rtwo",
    "\x00\x7f",
    "[click](javascript:alert(1)) ![x](http://evil.example/x.png)",
    "<img src=x onerror=alert(1)>",
    "=1+1",
]
"""Texts that a terminal, a page or a spreadsheet would obey."""
