"""An encoder behind an address: a server that answers as OpenAI's `/v1/embeddings` does."""

from __future__ import annotations

import re
import time
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.embed.encoders import pieces
from fusemine.tasks.embed.encoders.encoder import Prepared, no_progress
from fusemine.tasks.embed.encoders.endpoint.client import Batch, EmbeddingClient
from fusemine.tasks.embed.encoders.endpoint.plausible import refuse_alike

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fusemine.tasks.embed.encoders.encoder import Advance
    from fusemine.tasks.embed.encoders.endpoint.response import Embeddings
    from fusemine.tasks.embed.settings import EmbedSettings

PROBE = "text"
# About a token of usual tokenizers: up to four letters or digits, or one other character. East
# Asian characters, from U+2E80 on, are tokens of their own.
_TOKEN = re.compile(r"[^\W\u2E80-\U0003FFFF]{1,4}|\S")


class EndpointEncoder:
    """Sends texts to a server, in requests of several; see `encoders.encoder.Encoder`.

    A vector is the same whatever else is sent, as far as the server keeps to that.

    Args:
        settings: How to embed, with an endpoint.
        api_key: The key; it is in no error, log or repr.
        pause: Waits for so many seconds.

    Raises:
        ModelError: The key cannot be sent, or the prompt leaves no room for a text.
        ValueError: The settings have no endpoint.
    """

    path = "endpoint"
    invariant = True

    def __init__(
        self,
        settings: EmbedSettings,
        api_key: str | None = None,
        pause: Callable[[float], None] = time.sleep,
        **_: object,
    ) -> None:
        if settings.endpoint is None:
            raise ValueError("settings without an endpoint")
        self.max_tokens = settings.max_tokens
        self._settings, self._endpoint = settings, settings.endpoint
        self._prompt = settings.prompt or ""
        self._room = _room(self._prompt, settings.max_tokens)
        self._client = EmbeddingClient(settings.model, settings.endpoint, api_key, pause)

    @cached_property
    def dimension(self) -> int:
        """Length of a vector; the server computes one when this is first read.

        Raises:
            ModelError: It does not respond as it should.
        """
        return int(self._probe.shape[1])

    @cached_property
    def _probe(self) -> np.ndarray:
        """The vector of a text, of shape (1, dimension)."""
        vectors: list[np.ndarray] = []

        def keep(_: Batch, found: Embeddings) -> None:
            vectors.append(found.vectors)

        probe = Batch(0, [self._prompt + PROBE], _estimate(self._prompt + PROBE))
        self._client.send_all([probe], self._endpoint.dimensions, keep)
        return vectors[0]

    def prepare(self, texts: Sequence[str]) -> Prepared:
        """Put the prompt before every piece; cut by estimated tokens where `max_tokens` is set."""
        cut = [self._cut(text) for text in texts]
        prompted = [self._prompt + piece for those, _ in cut for piece in those]
        return Prepared(
            pieces=prompted,
            owners=[number for number, (those, _) in enumerate(cut) for _ in those],
            sizes=[_estimate(piece) for piece in prompted],
            tokens=[tokens for _, tokens in cut],
        )

    def encode(self, prepared: Prepared, advance: Advance = no_progress) -> np.ndarray:
        """Vectors of the pieces, float32 of shape (pieces, dimension), as the server gives them.

        Raises:
            ModelError: A request has failed for good; all others are given up. Or the vectors
                do not depend on the texts.
        """
        vectors = np.empty((len(prepared.pieces), self.dimension), np.float32)

        def keep(batch: Batch, found: Embeddings) -> None:
            vectors[batch.first : batch.first + len(batch.texts)] = found.vectors
            advance(len(batch.texts), found.tokens)

        size = self._endpoint.batch_texts
        batches = [
            Batch(at, prepared.pieces[at : at + size], sum(prepared.sizes[at : at + size]))
            for at in range(0, len(prepared.pieces), size)
        ]
        self._client.send_all(batches, self.dimension, keep)
        # Without the prompt, which all of them begin with.
        texts = [PROBE, *(piece[len(self._prompt) :] for piece in prepared.pieces)]
        refuse_alike(np.concatenate([self._probe, vectors]), texts)
        return vectors

    def _cut(self, text: str) -> tuple[list[str], int]:
        """The pieces of a text, and its tokens with the prompt."""
        if self.max_tokens is None:
            return [text], 0
        text = pieces.readable(text, self.max_tokens, self._settings)
        spans = [match.span() for match in _TOKEN.finditer(text)]
        tokens = len(spans) + self.max_tokens - self._room
        if len(spans) <= self._room:
            return [text], tokens
        if self._settings.long_text == "truncate":
            return [text[: spans[self._room - 1][1]]], tokens
        return pieces.cut(text, spans, self._room, self._settings), tokens


def _estimate(text: str) -> int:
    """About the tokens of a text."""
    return sum(1 for _ in _TOKEN.finditer(text))


def _room(prompt: str, max_tokens: int | None) -> int:
    """Tokens that the prompt leaves for a text; 0 where nothing is cut."""
    if max_tokens is None:
        return 0
    room = max_tokens - _estimate(prompt)
    if room < 1:
        raise ModelError(
            got=f"an embed.prompt of about {max_tokens - room} tokens",
            expected=f"one that leaves room for a text within embed.max_tokens: {max_tokens}",
            fix="shorten embed.prompt or raise embed.max_tokens",
        )
    return room
