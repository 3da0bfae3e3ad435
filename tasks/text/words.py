"""The words and word pairs of a text, for names and for reasons."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_TEXT = 2_000
"""Characters of a text that are searched for words, so that a huge one cannot hold up a run."""
LONGEST_WORD = 40

# Vowel signs and other marks are no word characters to Python, but they stand inside words.
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff"
# Scripts that put no blanks between words: Thai, Lao, Burmese, Khmer, kana, Chinese.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_LETTER = rf"[^\W\d_{_UNSPACED}]"
_INNER = rf"(?:[^\W_{_UNSPACED}]|[{_MARKS}])"
_WORD = re.compile(
    rf"(?P<run>[{_UNSPACED}]+)"
    rf"|(?P<short>\b{_LETTER}/{_LETTER}\b)"  # a/c, t/o
    rf"|(?P<word>{_LETTER}{_INNER}*(?:['-]{_INNER}+)*)"
)
_RUN = re.compile(rf"[{_UNSPACED}]+")
_POSSESSIVE = re.compile(r"'s$")
_NOISE = re.compile(r"[\W\d_]+")

NEGATIONS = frozenset(("no", "not", "without", "never", "non", "nor"))
"""They mean something only with the word after them."""
_ENGLISH = """
a about after again all also am an and any are as at be because been before being both but by
can could did do does doing don't down during each either else etc ever few for from further
get got had has have having he her here hers him his how i i'd i'll i'm i've if in into is it
it's its itself just let me more most much must my myself of off on once one only onto or
other our ours out over own per same shall she should so some such than that that's the their
theirs them then there these they this those through thru till to too under until up upon us
very via was we were what when where whether which while who whom whose why will with within
would yes yet you your yours w/o
"""
STOP_WORDS = frozenset(_ENGLISH.split())
"""English words without a subject. Common lists also hold fire, system and top."""


def words(text: str) -> list[str]:
    """The words of a text in lower case, in their order, those of `STOP_WORDS` left out."""
    return [term for term in terms(text) if " " not in term]


def terms(text: str) -> list[str]:
    """The words and the pairs of neighbouring words of a text, in lower case.

    A pair does not reach over punctuation; after a negation it is a triple, `no known damage`. A
    run of a script without blanks gives its pairs and triples of characters instead.

    >>> terms("The engine failed. No damage")
    ['engine', 'failed', 'engine failed', 'damage', 'no damage']
    """
    found: list[str] = []
    before: tuple[str, ...] = ()
    end = 0
    lower = text[:LONGEST_TEXT].lower().replace("’", "'")
    for match in _WORD.finditer(lower):
        if match["run"]:
            found.extend(_character_ngrams(match[0]))
            before = ()
            continue
        adjacent = before if lower[end : match.start()].isspace() else ()
        word = _POSSESSIVE.sub("", match[0])
        found.extend(_word_terms(adjacent, word))
        before, end = (*adjacent[-1:], word), match.end()
    return found


def _character_ngrams(run: str) -> Iterator[str]:
    for size in (2, 3):
        yield from (run[i : i + size] for i in range(len(run) - size + 1))


def _word_terms(before: tuple[str, ...], word: str) -> Iterator[str]:
    if word in NEGATIONS or not _has_meaning(word):
        return
    yield word
    if before and before[-1] != word and _has_meaning(before[-1]):
        yield f"{before[-1]} {word}"
        if len(before) > 1 and before[0] in NEGATIONS:
            yield f"{before[0]} {before[1]} {word}"


def _has_meaning(word: str) -> bool:
    known = word in STOP_WORDS or word.endswith("n't")
    return not known and 2 <= len(word) <= LONGEST_WORD


def same_stem(word: str, other: str) -> bool:
    """Whether two words mean nearly the same, as far as their spelling shows.

    >>> same_stem("gull", "gulls"), same_stem("gull", "bull")
    (True, False)
    """
    if _RUN.fullmatch(word):
        return bool(set(word) & set(other))
    short, long = sorted((word, other), key=len)
    same = len(short)
    while not long.startswith(short[:same]):
        same -= 1
    return same >= 5 or (same >= 3 and same == len(short)) or (same == 4 and len(long) <= 7)


def without_noise(text: str) -> str:
    """A text without case, digits and punctuation, which near-copies have in common.

    >>> without_noise("Order 17: LATE!")
    'order late'
    """
    return _NOISE.sub(" ", text.lower()).strip() or text.strip()
