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
