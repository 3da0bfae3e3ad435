"""Whether a model's answer can be the name of a topic, whatever made the model give it.

The texts of a topic may steer a model, in more ways than any filter of texts knows. So a name has
to be plain, and it has to rest on the topic: on terms that are counted over all its rows, or on
words that most of its typical texts have.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from fusemine.tasks.mine.topic_chain.naming.subject import shown_terms, shown_texts
from fusemine.tasks.text.words import same_stem, words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusemine.tasks.mine.topic_chain.naming.subject import Subject

LONGEST, MOST_WORDS = 60, 6
"""Characters and words that a name may have."""
_AROUND = " \t\r\n\"'`“”„«»‘’*_"
_PLAIN = frozenset(" '’&,/-–")
_NUMBER = re.compile(r"(?<![\w-])\d+")


def checked_name(answer: str, subject: Subject) -> str | None:
    """The answer as a name, without what stands around it; None where it is none.

    Args:
        answer: What the model has answered.
        subject: What it was asked about.

    >>> from fusemine.tasks.mine.topic_chain.naming.subject import Subject
    >>> gulls = Subject(("gulls", "runway"), ("Gulls on the runway", "Two gulls near a runway"))
    >>> checked_name('"Gulls on runways."', gulls)
    'Gulls on runways'
    >>> checked_name("Ice cream", gulls) is None
    True
    """
    line = unicodedata.normalize("NFC", answer).strip(_AROUND).rstrip(".,;:!").rstrip(_AROUND)
    line = " ".join(line.split(" "))
    return line if _is_short(line) and _is_plain(line) and _is_grounded(line, subject) else None


def _is_short(line: str) -> bool:
    return 2 <= len(line) <= LONGEST and len(line.split()) <= MOST_WORDS


def _is_plain(line: str) -> bool:
    """Whether a name holds nothing but letters, digits and a little punctuation.

    So it holds no markup, no address, no line break and nothing that cannot be seen or that turns
    the direction of writing.
    """
    kinds = (unicodedata.category(char) for char in line if char not in _PLAIN)
    return line[0].isalnum() and all(kind[0] in "LM" or kind == "Nd" for kind in kinds)


def _is_grounded(line: str, subject: Subject) -> bool:
    """Whether a name rests on the topic.

    One of its words, and half of them, stand in the topic's terms or in most of its typical texts,
    one in the terms where there are any. The others stand in no typical text, as the kind of
    thing does that a topic is about. A word of a few texts only, such as one that a text demands,
    is refused, and so is a number that the texts do not share.
    """
    texts = shown_texts(subject)
    numbers = [_NUMBER.findall(text) for text in texts]
    if not all(_in_most(n in text for text in numbers) for n in _NUMBER.findall(line)):
        return False
    terms = [word for term in shown_terms(subject) for word in words(term)]
    listed = [words(text) for text in texts]
    of_name = list(dict.fromkeys(words(line)))
    of_terms = [word for word in of_name if _has(terms, word)]
    common = [word for word in of_name if _in_most(_has(text, word) for text in listed)]
    new = [word for word in of_name if not any(_has(text, word) for text in listed)]
    own = {*of_terms, *common}
    is_known = bool(of_terms if terms else own) and 2 * len(own) >= len(of_name)
    return is_known and own | {*new} == {*of_name}


def _in_most(having: Iterable[bool]) -> bool:
    """Whether most of the texts have something, and more than one."""
    answers = list(having)
    return sum(answers) > max(1, len(answers) / 2)


def _has(among: Iterable[str], word: str) -> bool:
    # For `same_stem` one character in common will do in scripts without blanks; here it takes two.
    return any(word[:2] == other[:2] and same_stem(word, other) for other in among)
