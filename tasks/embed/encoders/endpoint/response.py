"""Reading the answer of an embeddings server, which is believed in nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.llm.errors import quoted
from fusemine.tasks.llm.retries import AgainError
from fusemine.tasks.llm.section import Section

if TYPE_CHECKING:
    from collections.abc import Sequence

SECTION = Section(
    name="embed.endpoint",
    model="embed.model",
    expected="an answer with one vector for each text",
    too_long="set embed.max_tokens if texts may be longer than the model reads, "
    "or lower embed.endpoint.batch_texts",
    too_often="set embed.endpoint.requests_per_minute and tokens_per_minute to what the server "
    "allows",
    lighten="lower embed.endpoint.batch_texts or parallel",
)
"""What the settings of an embeddings server are called."""
_FIX = "see that embed.endpoint.url is that of an OpenAI-compatible server, up to /v1"


@dataclass(frozen=True)
class Answer:
    """What a server has computed.

    Args:
        vectors: float32 of shape (texts, dimension), in the order of the texts.
        tokens: What it has counted; 0 where it has not.
    """

    vectors: np.ndarray
    tokens: int


def read_answer(
    body: bytes, texts: int, dimension: int | None, secrets: Sequence[str] = ()
) -> Answer:
    """The vectors in an answer.

    Args:
        body: The answer.
        texts: How many were sent.
        dimension: Length of a vector; None where any will do.
        secrets: What was sent, which is not shown.

    Raises:
        AgainError: It is no JSON, or not all of it.
        ModelError: It is not what was asked for.
    """
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise AgainError("an answer that is no JSON, or not all of it", _FIX) from None
    data = told.get("data") if isinstance(told, dict) else None
    if not isinstance(data, list):
        _refuse(f'an answer without a list "data"{quoted(body, secrets)}')
    rows = _in_order(data, texts)
    return Answer(_vectors(rows, dimension), _tokens(told.get("usage")))


def _in_order(data: list[Any], texts: int) -> list[Any]:
    """The vectors by their index: a server may answer in another order."""
    if len(data) != texts:
        _refuse(f"an answer with {len(data)} vectors for {texts} texts")
    if not all(isinstance(item, dict) for item in data):
        _refuse('an answer whose "data" holds more than objects')
    by_index = {item.get("index"): item.get("embedding") for item in data if _is_whole(item)}
    if by_index.keys() != set(range(texts)):
        _refuse(f"an answer whose indexes are not each of 0 to {texts - 1} once")
    return [by_index[index] for index in range(texts)]


def _is_whole(item: dict[str, Any]) -> bool:
    return type(item.get("index")) is int


def _vectors(rows: list[Any], dimension: int | None) -> np.ndarray:
    for row in rows:
        # Lists of anything else would do for numpy: texts, truths, lists.
        if not isinstance(row, list) or not set(map(type, row)) <= {float, int}:
            _refuse('an answer with an "embedding" that is no list of numbers')
    lengths = {len(row) for row in rows}
    if lengths != {dimension or max(lengths)} or lengths == {0}:
        _refuse_lengths(lengths, dimension)
    try:
        with np.errstate(over="ignore"):
            vectors = np.array(rows, np.float64).astype(np.float32)
    except OverflowError:
        vectors = np.array([np.inf])
    if not np.isfinite(vectors).all():
        _refuse("an answer with numbers that are not finite")
    return vectors


def _tokens(usage: Any) -> int:
    usage = usage if isinstance(usage, dict) else {}
    for name in ("prompt_tokens", "total_tokens"):
        if type(usage.get(name)) is int and usage[name] > 0:
            return int(usage[name])
    return 0


def _refuse(got: str) -> NoReturn:
    raise ModelError(got=got, expected=f"{SECTION.expected}, in OpenAI's form", fix=_FIX)


def _refuse_lengths(lengths: set[int], dimension: int | None) -> NoReturn:
    raise ModelError(
        got=f"an answer with vectors of length {', '.join(map(str, sorted(lengths)))}",
        expected=f"vectors of length {dimension}" if dimension else "vectors of one length",
        fix="see that the server has one model of that name, and that the model knows "
        "embed.endpoint.dimensions where it is set",
    )
