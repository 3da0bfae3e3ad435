"""Reading the response of an embeddings server; every part of it is checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.llm.errors import RetryableError, ServerHints, server_message

if TYPE_CHECKING:
    from collections.abc import Sequence

HINTS = ServerHints(
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
# What a vector of unknown length may have, and bytes of a number (on a line of its own, indented),
# of what stands around a vector, and around all of them.
_LONGEST_VECTOR = 65_536
_NUMBER_BYTES, _VECTOR_BYTES, _ANSWER_BYTES = 64, 1024, 2**16
_EXPECTED = f"{HINTS.expected}, in OpenAI's form"
_FIX = "see that embed.endpoint.url is that of an OpenAI-compatible server, up to /v1"


@dataclass(frozen=True)
class Embeddings:
    """What a server has computed.

    Args:
        vectors: float32 of shape (texts, dimension), in the order of the texts.
        tokens: How many the server has counted; 0 where it has not.
    """

    vectors: np.ndarray
    tokens: int


def most_bytes(texts: int, dimension: int | None) -> int:
    """Bytes that an answer with vectors of texts may have.

    >>> most_bytes(64, 1024)
    4325376
    """
    vector = (dimension or _LONGEST_VECTOR) * _NUMBER_BYTES + _VECTOR_BYTES
    return texts * vector + _ANSWER_BYTES


def read_response(
    body: bytes, texts: int, dimension: int | None, secrets: Sequence[str] = ()
) -> Embeddings:
    """The vectors in a response.

    Args:
        body: The response.
        texts: How many were sent.
        dimension: Length of a vector; None where any will do.
        secrets: What was sent, which is not shown.

    Raises:
        RetryableError: It is no JSON, or not all of it.
        ModelError: It does not hold a vector for each text.

    >>> read_response(b'{"data": [{"index": 0, "embedding": [0.5, 2]}]}', 1, None).vectors
    array([[0.5, 2. ]], dtype=float32)
    """
    try:
        response = json.loads(body)
    except (ValueError, RecursionError):
        raise RetryableError("an answer that is no JSON, or not all of it", _FIX) from None
    data = response.get("data") if isinstance(response, dict) else None
    if not isinstance(data, list):
        _refuse(f'an answer without a list "data"{server_message(body, secrets)}')
    rows = _in_order(data, texts)
    return Embeddings(_vectors(rows, dimension), _tokens(response.get("usage")))


def _in_order(data: list[Any], texts: int) -> list[Any]:
    """The vectors by their index: a server may answer in another order."""
    if len(data) != texts:
        _refuse(f"an answer with {len(data)} vectors for {texts} texts")
    if not all(isinstance(item, dict) for item in data):
        _refuse('an answer whose "data" holds more than objects')
    by_index = {i["index"]: i.get("embedding") for i in data if type(i.get("index")) is int}
    if by_index.keys() != set(range(texts)):
        _refuse(f"an answer whose indexes are not each of 0 to {texts - 1} once")
    return [by_index[index] for index in range(texts)]


def _vectors(rows: list[Any], dimension: int | None) -> np.ndarray:
    for row in rows:
        # numpy would take lists of anything else too: strings, booleans, lists.
        if not isinstance(row, list) or not set(map(type, row)) <= {float, int}:
            _refuse('an answer with an "embedding" that is no list of numbers')
    lengths = {len(row) for row in rows}
    if lengths != {dimension or max(lengths)} or lengths == {0}:
        _refuse(
            f"an answer with vectors of length {', '.join(map(str, sorted(lengths)))}",
            expected=f"vectors of length {dimension}" if dimension else "vectors of one length",
            fix="see that the server has one model of that name, and that the model knows "
            "embed.endpoint.dimensions where it is set",
        )
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


def _refuse(got: str, expected: str = _EXPECTED, fix: str = _FIX) -> NoReturn:
    raise ModelError(got=got, expected=expected, fix=fix)
