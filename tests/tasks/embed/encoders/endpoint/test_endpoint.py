"""Embedding by a server: what is sent to it, and that each text gets its own vector."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from support.embedding_server import EmbeddingServer, embedding_server, tokens_of, vector_of

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.embed.encoders.encoder import Encoder, Prepared
from fusemine.tasks.embed.encoders.endpoint.endpoint import PROBE, EndpointEncoder
from fusemine.tasks.embed.settings import EmbedSettings

TEXTS = [f"text number {number}" + " more" * (number % 5) for number in range(50)]


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with embedding_server() as running:
        yield running


def settings_of(url: str = "http://127.0.0.1:9/v1", **more: Any) -> EmbedSettings:
    """Settings of an endpoint; what is not of embed is of its endpoint."""
    mine = {name: more.pop(name) for name in list(more) if name in EmbedSettings.model_fields}
    endpoint = {"url": url, **more}
    return EmbedSettings.model_validate({"model": "small", **mine, "endpoint": endpoint})


def encoder_of(server: EmbeddingServer, key: str | None = None, **more: Any) -> EndpointEncoder:
    return EndpointEncoder(settings_of(server.url, **more), key)


def encoded(encoder: EndpointEncoder, texts: list[str]) -> np.ndarray:
    return encoder.encode(encoder.prepare(texts))


def expected(texts: list[str], dimension: int = 8) -> np.ndarray:
    return np.array([vector_of(text, dimension) for text in texts], np.float32)


def prepared(texts: list[str], **settings: Any) -> Prepared:
    return EndpointEncoder(settings_of(**settings)).prepare(texts)


def test_each_text_gets_its_vector(server: EmbeddingServer) -> None:
    encoder: Encoder = encoder_of(server, batch_texts=7, parallel=3)
    vectors = encoder.encode(encoder.prepare(TEXTS))
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors, expected(TEXTS))
    assert (encoder.path, encoder.invariant, encoder.max_tokens) == ("endpoint", True, None)


def test_the_order_of_an_answer_does_not_matter(server: EmbeddingServer) -> None:
    encoder = encoder_of(server, batch_texts=20)
    assert encoder.dimension == 8
    server.misbehave(3, change=lambda body: {**body, "data": body["data"][::-1]})
    assert np.array_equal(encoded(encoder, TEXTS), expected(TEXTS))


def test_requests_have_the_form_of_openai(server: EmbeddingServer) -> None:
    encoded(encoder_of(server, key=" k3y\n", batch_texts=2), ["a", "b", "c"])
    assert server.bodies[0] == {"model": "small", "input": [PROBE], "encoding_format": "float"}
    assert sorted(body["input"] for body in server.bodies[1:]) == [["a", "b"], ["c"]]
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer k3y"}
    assert {headers["Content-Type"] for headers in server.headers} == {"application/json"}


def test_a_slash_at_the_end_of_the_url_does_not_matter(server: EmbeddingServer) -> None:
    assert EndpointEncoder(settings_of(server.url + "/")).dimension == 8


def test_shorter_vectors_can_be_requested(server: EmbeddingServer) -> None:
    encoder = encoder_of(server, dimensions=5)
    assert encoder.dimension == 5
    assert np.array_equal(encoded(encoder, TEXTS), expected(TEXTS, 5))
    assert {body["dimensions"] for body in server.bodies} == {5}


def test_the_dimension_is_requested_once_and_no_text_and_no_key_are_sent_as_none(
    server: EmbeddingServer,
) -> None:
    encoder = encoder_of(server)
    assert server.bodies == []
    assert [encoder.dimension, encoder.dimension] == [8, 8]
    assert encoded(encoder, []).shape == (0, 8)
    encoded(encoder, ["a"])
    assert server.texts() == [PROBE, "a"]
    assert not any("Authorization" in headers for headers in server.headers)


def test_as_many_requests_as_allowed_go_on_at_a_time_over_as_many_connections() -> None:
    with embedding_server(delay=0.1) as server:
        encoder = encoder_of(server, batch_texts=5, parallel=4)
        assert encoder.dimension == 8
        before = server.connections
        encoded(encoder, TEXTS)
        assert server.most == 4
        assert server.connections - before == 4


def test_progress_has_each_response_with_the_tokens_that_it_counted(
    server: EmbeddingServer,
) -> None:
    encoder = encoder_of(server, batch_texts=20)
    steps: list[tuple[int, int]] = []
    encoder.encode(encoder.prepare(TEXTS), lambda *step: steps.append(step))
    assert sorted(pieces for pieces, _ in steps) == [10, 20, 20]
    assert sum(tokens for _, tokens in steps) == sum(map(tokens_of, TEXTS))


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 7, "total_tokens": 9}, 7),
        ({"total_tokens": 9}, 9),
        ({"prompt_tokens": None, "total_tokens": 9}, 9),
        ({"prompt_tokens": "many"}, 0),
        ({}, 0),
        (None, 0),
    ],
)
def test_tokens_are_read_where_there_are_any(
    server: EmbeddingServer, usage: Any, tokens: int
) -> None:
    encoder = encoder_of(server)
    assert encoder.dimension == 8
    server.misbehave(change=lambda body: {**body, "usage": usage})
    seen: list[int] = []
    encoder.encode(encoder.prepare(["a"]), lambda _, counted: seen.append(counted))
    assert seen == [tokens]


def test_halves_of_surrogate_pairs_are_replaced(server: EmbeddingServer) -> None:
    texts = ["a\ud800b", "\udfff", "😀 é \0"]
    vectors = encoded(encoder_of(server), texts)
    assert server.bodies[-1]["input"] == ["a?b", "?", "😀 é \0"]
    assert np.array_equal(vectors, expected(server.bodies[-1]["input"]))


def test_the_prompt_goes_before_every_piece(server: EmbeddingServer) -> None:
    encoder = encoder_of(server, prompt="query: ", max_tokens=8, long_text="mean", overlap_tokens=0)
    ready = encoder.prepare(["one two", "a b c d e f g h i j"])
    assert ready.pieces == ["query: one two", "query: a b c d e", "query: f g h i j"]
    assert (ready.owners, ready.tokens) == ([0, 1, 1], [5, 13])
    assert ready.sizes == [5, 8, 8]
    encoder.encode(ready)
    assert server.texts() == ["query: " + PROBE, *ready.pieces]


def test_without_a_limit_texts_stay_whole_and_uncounted() -> None:
    texts = ["word " * 10_000, "", "b"]
    ready = prepared(texts)
    assert (ready.pieces, ready.owners, ready.tokens) == (texts, [0, 1, 2], [0, 0, 0])
    assert ready.sizes == [10_000, 0, 1]


def test_tokens_are_estimated() -> None:
    texts = ["four", "fives", "it's, well", "日本語の文", "नमस्ते", "a_1", " \n\t"]
    assert prepared(texts, max_tokens=100).tokens == [1, 2, 5, 5, 4, 1, 0]


def test_a_long_text_is_cut_after_what_may_be_read() -> None:
    ready = prepared(["a b c d e f g h", "a b c d e f g h, and more"], max_tokens=8)
    assert ready.pieces == ["a b c d e f g h"] * 2
    assert (ready.tokens, ready.sizes) == ([8, 11], [8, 8])


@pytest.mark.parametrize(
    ("how", "pieces"),
    [("max", ["a b c d e f g h", "g h i j k l m n", "m n o p"]),
     ("first_last", ["a b c d e f g h", "i j k l m n o p"])],
)  # fmt: skip
def test_the_pieces_of_a_long_text_share_some_words(how: str, pieces: list[str]) -> None:
    text = "a b c d e f g h i j k l m n o p"
    ready = prepared(["x", text], max_tokens=8, long_text=how, overlap_tokens=2)
    assert ready.pieces == ["x", *pieces]
    assert ready.owners == [0, *[1] * len(pieces)]


def test_a_huge_text_is_read_no_further_than_it_matters() -> None:
    ready = prepared(["word " * 1_000_000], max_tokens=8)
    assert 8 < ready.tokens[0] <= 8 * 64


def test_a_prompt_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(ModelError, match=r"embed.prompt of about 8 tokens"):
        prepared([], max_tokens=8, prompt="a b c d e f g h")


def test_requests_keep_to_the_rate_that_the_server_allows(server: EmbeddingServer) -> None:
    encoder = encoder_of(server, batch_texts=10, parallel=4, requests_per_minute=1200)
    encoded(encoder, TEXTS)
    gaps = [later - sooner for sooner, later in pairwise(sorted(server.times))]
    assert len(gaps) == 5
    assert sum(gaps) >= 0.15  # the first one may come late


def test_tokens_keep_to_the_rate_that_the_server_allows(server: EmbeddingServer) -> None:
    pauses: list[float] = []
    settings = settings_of(server.url, batch_texts=1, parallel=1, tokens_per_minute=500)
    encoder = EndpointEncoder(settings, None, pauses.append)
    words = "eighteen " * 150  # two tokens each by the estimate, one as the server counts
    encoded(encoder, [words] * 3)
    assert pauses == []
    encoded(encoder, [words])
    assert sum(pauses) == pytest.approx(60, abs=2)


def test_settings_without_an_endpoint_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="without an endpoint"):
        EndpointEncoder(EmbedSettings())
