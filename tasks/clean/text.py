"""Text as it should be read: one form of Unicode, no markup entities, single spaces."""

from __future__ import annotations

import html
import re
import unicodedata

# An ampersand escaped any number of times, resolved at once.
_ESCAPED = re.compile(r"&(?:(?:amp|AMP|#38|#x26);)+")
_SPACES = re.compile(r"\s+")
# Control and invisible formatting characters, but for the joiners that scripts and emojis need.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)


def clean_text(text: str) -> str:
    """Resolve HTML entities, drop invisible characters, normalise to NFC and single spaces.

    Applying it again changes nothing; entities that were escaped twice are resolved twice.
    """
    while (once := _once(text)) != text:
        text = once
    return text


def _once(text: str) -> str:
    if "&" in text:
        text = html.unescape(_ESCAPED.sub("&", text))
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return _SPACES.sub(" ", _INVISIBLE.sub("", text)).strip()
