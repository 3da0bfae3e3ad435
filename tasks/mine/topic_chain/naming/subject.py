"""What a topic is about, as a model may read it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

TERMS, TYPICAL = 10, 5
LONGEST_TERM, LONGEST_TEXT = 40, 200
"""Characters of a term and of a text that are sent."""
_READ = 2_000
# What may be markup, a delimiter or a label in a prompt becomes a blank: quotes, brackets, colons.
_PUNCTUATION = frozenset(".,;!?'-/&%+")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|[\r\n\u2028\u2029]+")
# The first hurdle alone, which some wording will take: what holds is the look at the answer.
_ORDERS = (
    r"\b(?:ignore|disregard|forget|override|bypass)\b.*"
    r"\b(?:above|all|before|earlier|instructions?|previous|prior|prompts?|rules?)\b",
    r"\b(?:system|developer) (?:prompt|message)\b",
    r"\byou are (?:now|an? (?:ai|assistant|bot))\b",
    r"\b(?:call|name|label|title|entitle)\b.{0,30}\b(?:cluster|group|it|them|this|topics?)\b",
    r"\b(?:answer|reply|respond|say|output|print|write)\b.{0,20}\b(?:only|exactly|with|word)\b",
    r"\b(?:cluster|group|topic) (?:name|title)\b",
    r"\b(?:my|the|these|this) (?:instructions?|prompts?)\b",
    r"<\||\|>|^\W*(?:assistant|keywords|system|user|name|title|topic)\s*[:=]",
)
_ORDER = re.compile("|".join(_ORDERS), re.IGNORECASE)


@dataclass(frozen=True)
class Subject:
    """What a topic is about, for one who names it.

    Args:
        name: Its name by the rule, such as `gulls, flock, runway`.
        terms: Its terms, best first, at most 10.
        typical: Its texts, most typical first, at most 5.
        rows: How many rows it has.
    """

    name: str
    terms: tuple[str, ...]
    typical: tuple[str, ...]
    rows: int


@dataclass(frozen=True)
class LlmNames:
    """What came of asking a model for the names of n subjects.

    Attributes:
        names: n names in the order of the subjects, None where the model gave none; two subjects
            may have the same.
        kept: How many of the names were there from an earlier run.
        refused: How many subjects have got no name, or none that rests on them.
        unanswered: How many subjects have no answer.
        trouble: Why, of the first one, with what to do about it; None where all have one.
    """

    names: list[str | None]
    kept: int
    refused: int
    unanswered: int
    trouble: str | None


def shown_terms(subject: Subject) -> list[str]:
    """The terms that a model is shown."""
    plain = (plain_line(term, LONGEST_TERM) for term in subject.terms[:TERMS])
    return [term for term in plain if term]


def shown_texts(subject: Subject) -> list[str]:
    """The typical texts that a model is shown: short, plain, without what reads as an order."""
    texts = (_without_orders(text[:_READ]) for text in subject.typical[:TYPICAL])
    plain = (plain_line(text, LONGEST_TEXT) for text in texts)
    return [text for text in plain if text]


def plain_line(text: str, longest: int) -> str:
    """A text as one line of letters, digits and plain punctuation, cut to a length.

    Compatibility forms are resolved first (NFKC), so that no look-alike of a quote or a bracket is
    left. A text in capitals alone, which small models read badly, is put in small letters.
    """
    resolved = unicodedata.normalize("NFKC", text).replace("’", "'")
    kept = "".join(char if _is_plain(char) else " " for char in resolved)
    line = " ".join(kept.split())[:longest].rstrip()
    return line.capitalize() if line.isupper() else line


def _is_plain(char: str) -> bool:
    return char in _PUNCTUATION or unicodedata.category(char)[0] in "LMN"


def _without_orders(text: str) -> str:
    """A text without the sentences that tell a model what to do."""
    sentences = _SENTENCE.split(unicodedata.normalize("NFKC", text))
    return " ".join(s for s in sentences if s and not _ORDER.search(s))
