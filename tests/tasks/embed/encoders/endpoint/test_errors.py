"""Servers that misbehave: tried again where it helps, an error where not, never a wrong vector."""

from __future__ import annotations

import gzip
import json
import logging
import pickle
import threading
import time
import traceback
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import numpy as np
import pytest
from support.embedding_server import EmbeddingServer, embedding_server, vector_of

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.embed.encoders.endpoint.endpoint import EndpointEncoder
from fusemine.tasks.embed.settings import EmbedSettings

KEY = "sk-0123456789abcdefghij"
TEXTS = [
    "a secret about someone",
    "tiny",
    "ein Geheimnis über jemanden",
    "秘密の文章がここにあります。",
]
ONE = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
NOT_JSON = {"body": b"<html>\n<h1>Bad\x00 gateway</h1>"}


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with embedding_server() as running:
        yield running


class Client:
    """An encoder that waits for nothing, and how long it would have waited."""

    def __init__(self, url: str, key: str | None = KEY, pause: Any = None, **endpoint: Any) -> None:
        self.waits: list[float] = []
        settings = EmbedSettings.model_validate({"endpoint": {"url": url, **endpoint}})
        self.encoder = EndpointEncoder(settings, key, pause or self.waits.append)

    def encode(self, texts: list[str]) -> np.ndarray:
        return self.encoder.encode(self.encoder.prepare(texts))


@pytest.fixture
def client(server: EmbeddingServer) -> Client:
    """Knows the dimension already."""
    client = Client(server.url, timeout_seconds=20)
    assert client.encoder.dimension == 8
    return client


def refused(client: Client, texts: list[str] = TEXTS) -> ModelError:
    """The error of a call, which shows neither a text nor the key wherever one may look."""
    with pytest.raises(ModelError) as caught:
        client.encode(texts)
    error = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(client.encoder)
    for secret in (*texts, KEY):
        assert secret not in shown
        assert json.dumps(secret)[1:-1] not in shown
    assert error.expected
    assert error.fix
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    return error


FOR_NOW = [
    *({"status": status} for status in (408, 409, 425, 429, 500, 502, 503, 504, 529)),
    {"how": "drop"},
    {"how": "cut"},
    NOT_JSON,
    {"body": b""},
    {"body": b'{"data": [{"index": 0, "embed'},
    {"headers": {"Content-Encoding": "gzip"}},
    {"headers": {"no header": "at all"}},
]


@pytest.mark.parametrize("wrong", FOR_NOW, ids=str)
def test_what_may_pass_is_tried_again(
    server: EmbeddingServer, client: Client, wrong: dict[str, Any]
) -> None:
    server.misbehave(2, **wrong)
    vectors = client.encode(TEXTS)
    assert vectors.tolist() == [vector_of(text, 8) for text in TEXTS]
    assert len(server.bodies) == 1 + 3
    assert 0.5 + 1 <= sum(client.waits) <= 1 + 2


@pytest.mark.parametrize("wrong", FOR_NOW, ids=str)
def test_what_does_not_pass_is_an_error_after_the_last_attempt(
    server: EmbeddingServer, wrong: dict[str, Any]
) -> None:
    server.misbehave(9, **wrong)
    error = refused(Client(server.url, attempts=3))
    assert "at the last of 3 attempts" in error.got
    assert len(server.bodies) == 3
    assert str(wrong.get("status", "")) in error.got


def test_pauses_grow_to_a_minute(server: EmbeddingServer) -> None:
    server.misbehave(20, status=503)
    client = Client(server.url, attempts=10)
    refused(client)
    longest = [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert sum(longest) / 2 <= sum(client.waits) <= sum(longest)


def date_in(seconds: int, usegmt: bool) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt)


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 7),
        ("2.5", 2.5, 2.5),
        ("299", 299, 299),
        ("0", 0.5, 1),
        ("Thu, 01 Jan 2004 00:00:00 -0000", 0.5, 1),
        ("soon", 0.5, 1),
        ("-5", 0.5, 1),
        ("nan", 0.5, 1),
        ("Thu, 99 Jan 99999 00:00:00 GMT", 0.5, 1),
        *((partial(date_in, 60, gmt), 40, 60) for gmt in (True, False)),
        *((partial(date_in, -86400, gmt), 0.5, 1) for gmt in (True, False)),
    ],
)
def test_a_retry_after_is_a_number_of_seconds_or_a_date(
    server: EmbeddingServer, client: Client, header: Any, least: float, most: float
) -> None:
    value = header() if callable(header) else header
    server.misbehave(status=429, headers={"Retry-After": value})
    client.encode(["a"])
    assert least <= sum(client.waits) <= most


@pytest.mark.parametrize("header", ["301", "86400", "9" * 400, partial(date_in, 86400, True)])
def test_a_server_that_asks_for_a_longer_pause_than_is_allowed_is_not_waited_for(
    server: EmbeddingServer, client: Client, header: Any
) -> None:
    value = header() if callable(header) else header
    server.misbehave(9, status=503, headers={"Retry-After": value})
    error = refused(client)
    assert "asked for" in error.got
    assert "embed.endpoint.retry_seconds" in error.fix
    assert client.waits == []
    assert len(server.bodies) == 2


def test_a_request_is_tried_again_for_a_bounded_time(server: EmbeddingServer) -> None:
    server.misbehave(99, status=503)
    client = Client(server.url, attempts=99, retry_seconds=5)
    error = refused(client)
    assert "embed.endpoint.retry_seconds" in error.fix
    assert sum(client.waits) <= 1 + 2 + 4 + 5


def test_what_is_waited_for_is_logged(
    server: EmbeddingServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    server.misbehave(status=429, headers={"Retry-After": "7"})
    client.encode(TEXTS)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "fusemine"]
    assert line.startswith(f"status 429 from {server.url}/embeddings; attempt 2 of 6 in 7.0 s")


def test_an_answer_that_does_not_come_is_logged_before_it_is_given_up(
    server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("fusemine.tasks.llm.http.SILENT_SECONDS", 0.1)
    server.misbehave(how="hang")
    refused(Client(server.url, timeout_seconds=0.5, attempts=1))
    assert f"no answer from {server.url}/embeddings for 0.1 s" in caplog.text
    assert "waiting for 0.5 s at most (embed.endpoint.timeout_seconds)" in caplog.text


def bomb(megabytes: int) -> dict[str, Any]:
    """An answer of a few bytes that are many when decompressed."""
    packed = gzip.compress(bytes(2**20) * megabytes)
    return {"body": packed, "headers": {"Content-Encoding": "gzip"}}


@pytest.mark.parametrize("wrong", [{"how": "flood"}, bomb(64)], ids=["endless", "compressed"])
@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_has_a_bound_in_bytes(
    server: EmbeddingServer, client: Client, wrong: dict[str, Any], status: int
) -> None:
    server.misbehave(9, **wrong, status=status)
    tracemalloc.start()
    error = refused(client)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ("of more than 71,680 bytes" if status == 200 else "status 400") in error.got
    assert peak < 8 * 2**20
    assert client.waits == []


def test_a_compressed_answer_is_read(server: EmbeddingServer, client: Client) -> None:
    answer = json.dumps(server.answer({"input": TEXTS, "model": "m"})).encode()
    server.misbehave(body=gzip.compress(answer), headers={"Content-Encoding": "gzip"})
    assert client.encode(TEXTS).tolist() == [vector_of(text, 8) for text in TEXTS]
    assert server.headers[-1]["Accept-Encoding"] == "gzip"


def test_a_compressed_answer_that_was_cut_is_tried_again(
    server: EmbeddingServer, client: Client
) -> None:
    answer = json.dumps(server.answer({"input": TEXTS, "model": "m"})).encode()
    server.misbehave(body=gzip.compress(answer)[:-20], headers={"Content-Encoding": "gzip"})
    assert client.encode(TEXTS).tolist() == [vector_of(text, 8) for text in TEXTS]


@pytest.mark.parametrize(
    ("status", "fix"),
    [
        (400, "embed.max_tokens"),
        (401, "api_key_env"),
        (403, "api_key_env"),
        (404, "embed.endpoint.url"),
        (413, "batch_texts"),
        (422, "embed.max_tokens"),
        (402, "correct embed.endpoint"),
        (301, "embed.endpoint.url"),
        (304, "embed.endpoint.url"),
    ],
)
def test_what_will_not_pass_is_an_error_at_once(
    server: EmbeddingServer, client: Client, status: int, fix: str
) -> None:
    server.misbehave(9, status=status, body=b"" if status < 400 else b"no way")
    error = refused(client)
    assert f"status {status} from {server.url}/embeddings" in error.got
    assert ("no way" in error.got) == (status >= 400)
    assert fix in error.fix
    assert len(server.bodies) == 2
    assert client.waits == []


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "too long", "type": "x"}},
        {"error": "too long"},
        {"object": "error", "message": "too long"},
        {"detail": [{"loc": ["body"], "msg": "too long", "input": "all of it"}]},
        {"error": {}, "detail": "too long"},
    ],
)
def test_the_servers_message_is_found(server: EmbeddingServer, client: Client, body: Any) -> None:
    server.misbehave(status=400, body=json.dumps(body).encode())
    assert 'which says "too long"' in refused(client).got


@pytest.mark.parametrize("body", [b"[]", b"{}", b"null", b"7", b"[" * 100_000, b'{"error": []}'])
def test_a_message_may_be_missing(server: EmbeddingServer, client: Client, body: bytes) -> None:
    server.misbehave(status=400, body=body)
    assert "status 400" in refused(client).got


def test_a_servers_message_is_shown_short_and_printable(
    server: EmbeddingServer, client: Client
) -> None:
    server.misbehave(status=400, body=b"\x1b[31mno\n\n\tway\xff " + b"x" * 10_000)
    got = refused(client).got
    assert "[31mno way" in got
    assert len(got) < 300
    assert got.isprintable()


@pytest.mark.parametrize("status", [200, 400, 401, 503])
@pytest.mark.parametrize("echo", [str, json.dumps, lambda sent: json.dumps(json.dumps(sent))])
def test_a_server_that_repeats_texts_and_the_key_is_not_quoted(
    server: EmbeddingServer, status: int, echo: Any
) -> None:
    client = Client(server.url, attempts=2, dimensions=8)
    assert client.encoder.dimension == 8
    message = f"cannot embed {echo([*TEXTS, KEY])}"
    server.misbehave(9, status=status, body=json.dumps({"error": {"message": message}}).encode())
    got = refused(client).got
    assert "cannot embed" in got
    assert "79d8" not in got


def changed(**item: Any) -> dict[str, Any]:
    """The first vector's item with something else in it."""

    def change(body: Any) -> Any:
        first, *rest = body["data"]
        kept = {name: value for name, value in {**first, **item}.items() if value is not ...}
        return {**body, "data": [kept, *rest]}

    return {"change": change}


def vectors(*given: list[float]) -> dict[str, Any]:
    """These vectors, over and over."""

    def change(body: Any) -> Any:
        return {"data": [{**d, "embedding": given[d["index"] % len(given)]} for d in body["data"]]}

    return {"change": change}


MALFORMED: dict[str, tuple[dict[str, Any], str]] = {
    "no data": ({"body": b'{"object": "list"}'}, 'without a list "data"'),
    "no object": ({"change": lambda body: body["data"]}, 'without a list "data"'),
    "null": ({"body": b"null"}, 'without a list "data"'),
    "an error": ({"body": b'{"error": "overloaded"}'}, 'which says "overloaded"'),
    "fewer": ({"change": lambda body: {"data": body["data"][1:]}}, "3 vectors for 4 texts"),
    "more": ({"change": lambda body: {"data": body["data"] * 2}}, "8 vectors for 4 texts"),
    "none": ({"body": b'{"data": []}'}, "0 vectors for 4 texts"),
    "bare": ({"body": b'{"data": [[1.0], [1.0], [1.0], [1.0]]}'}, "more than objects"),
    "repeated": (changed(index=1), "indexes are not each of 0 to 3 once"),
    "beyond": (changed(index=4), "indexes are not each"),
    "negative": (changed(index=-1), "indexes are not each"),
    "no index": (changed(index=...), "indexes are not each"),
    "text as index": (changed(index="0"), "indexes are not each"),
    "boolean as index": (changed(index=False), "indexes are not each"),
    "list as index": (changed(index=[]), "indexes are not each"),
    "no vector": (changed(embedding=...), "no list of numbers"),
    "base64": (changed(embedding="AACAPwAAgD8="), "no list of numbers"),
    "text as number": (changed(embedding=["0.5"] * 8), "no list of numbers"),
    "null as number": (changed(embedding=[None] * 8), "no list of numbers"),
    "boolean as number": (changed(embedding=[True] * 8), "no list of numbers"),
    "nested": (changed(embedding=[[0.5] * 8]), "no list of numbers"),
    "short": (changed(embedding=[0.5] * 7), "length 7, 8"),
    "empty": (changed(embedding=[]), "length 0, 8"),
    "not a number": (changed(embedding=[float("nan")] * 8), "not finite"),
    "infinite": (changed(embedding=[float("inf")] * 8), "not finite"),
    "too large": (changed(embedding=[1e300] * 8), "not finite"),
    "all zeros": (vectors([0.0] * 8), "of 4 of 4 texts are zeros alone"),
    "one zero": (changed(embedding=[0] * 8), "of 1 of 4 texts are zeros alone"),
    "one number": (changed(embedding=[0.5] * 8), "the same number all over"),
    "repeated vectors": (vectors(ONE), "the same vector for 4 of 5 different texts"),
    "nearly repeated": (vectors(ONE, [*ONE[:7], 8.000001]), "the same vector for 4 of 5"),
    "mostly repeated": (vectors(ONE, ONE, ONE, [-1.0, *ONE[1:]]), "the same vector for 3 of 5"),
    "much too large": (changed(embedding=[10**400] * 8), "not finite"),
}


@pytest.mark.parametrize(("wrong", "message"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_answer_is_an_error_at_once(
    server: EmbeddingServer, client: Client, wrong: dict[str, Any], message: str
) -> None:
    server.misbehave(**wrong)
    assert message in refused(client).got
    assert len(server.bodies) == 2
    assert client.encode(TEXTS).tolist() == [vector_of(text, 8) for text in TEXTS]


@pytest.mark.parametrize(
    "texts",
    [
        ["late parcel", "Late parcel!", "late  parcel", " late parcel ", "LATE PARCEL"],
        [f"{'the same beginning of a long text ' * 10}{number}" for number in range(6)],
        [f"Ticket {number}: your parcel is on its way" for number in range(40)],
        ["!", "?", "…", "—", "🙂"],
        ["one text"],
        ["one text", "one text"],
    ],
    ids=["alike", "cut", "form letters", "no words", "single", "twice"],
)
def test_texts_that_a_model_may_read_as_one_may_have_one_vector(
    server: EmbeddingServer, client: Client, texts: list[str]
) -> None:
    server.misbehave(**vectors(ONE))
    assert client.encode(texts).tolist() == [ONE] * len(texts)


def test_a_few_texts_of_many_may_have_one_vector(server: EmbeddingServer, client: Client) -> None:
    rest = [vector_of(str(number), 8) for number in range(5)]
    server.misbehave(**vectors(ONE, ONE, ONE, *rest))
    assert len(client.encode([f"text of {number}" for number in range(8)])) == 8


def test_vectors_of_long_texts_may_differ_by_one_word_alone(
    server: EmbeddingServer, client: Client
) -> None:
    server.misbehave(**vectors(*([*ONE[:7], 8 + number / 1000] for number in range(4))))
    assert len(np.unique(client.encode(TEXTS), axis=0)) == 4


def test_an_empty_text_may_have_no_vector(server: EmbeddingServer, client: Client) -> None:
    server.misbehave(**changed(embedding=[0.0] * 8))
    assert client.encode(["", "text"])[0].tolist() == [0.0] * 8


def test_the_same_vector_is_noticed_over_requests_of_one_text(server: EmbeddingServer) -> None:
    client = Client(server.url, batch_texts=1)
    assert client.encoder.dimension == 8
    server.misbehave(9, **vectors(ONE))
    assert "the same vector for 4 of 5 different texts" in refused(client).got


def test_another_dimension_than_before_is_an_error(server: EmbeddingServer, client: Client) -> None:
    server.dimension = 9
    error = refused(client)
    assert error.got == "an answer with vectors of length 9"
    assert error.expected == "vectors of length 8"


def test_another_dimension_than_requested_is_an_error(server: EmbeddingServer) -> None:
    server.misbehave(**changed(embedding=[0.5] * 8))
    error = refused(Client(server.url, dimensions=4))
    assert error.expected == "vectors of length 4"
    assert "embed.endpoint.dimensions" in error.fix


def test_vectors_without_length_are_an_error(server: EmbeddingServer) -> None:
    server.dimension = 0
    assert refused(Client(server.url)).got == "an answer with vectors of length 0"


@pytest.mark.parametrize("how", ["hang", "slow", "drip"])
def test_a_whole_answer_has_to_come_in_time(server: EmbeddingServer, how: str) -> None:
    server.misbehave(9, how=how)
    client = Client(server.url, timeout_seconds=0.2, attempts=2)
    began = time.monotonic()
    error = refused(client)
    assert "no whole answer" in error.got
    assert "within 0.2 s" in error.got
    assert "timeout_seconds" in error.fix
    assert 0.4 <= time.monotonic() - began < 5


def test_a_connection_that_was_kept_is_bounded_too(server: EmbeddingServer) -> None:
    client = Client(server.url, timeout_seconds=0.3, parallel=1, batch_texts=1)
    assert client.encoder.dimension == 8
    server.misbehave()  # well, at first
    server.misbehave(how="drip")
    began = time.monotonic()
    assert client.encode(TEXTS).tolist() == [vector_of(text, 8) for text in TEXTS]
    assert time.monotonic() - began < 5


def test_a_redirection_is_not_followed(server: EmbeddingServer, client: Client) -> None:
    with embedding_server() as other:
        there = {"Location": f"{other.url}/embeddings"}
        for status in (301, 302, 303, 307, 308):
            server.misbehave(status=status, headers=there)
            assert "the key goes nowhere else" in refused(client).expected
        assert other.bodies == []


def test_a_server_that_is_not_there_is_an_error() -> None:
    with embedding_server() as server:
        url = server.url
    error = refused(Client(url, attempts=2))
    assert f"no connection to {url}/embeddings" in error.got
    assert "Connection refused" in error.got
    assert "start the server" in error.fix


@pytest.mark.parametrize("host", ["ü€", "a" * 70 + ".example", "/"])
def test_an_address_that_is_none_is_an_error_at_once(host: str) -> None:
    client = Client(f"http://{host}/v1")
    assert "correct embed.endpoint.url" in refused(client).fix
    assert client.waits == []


@pytest.mark.parametrize("key", ["", " \n", "two\nlines-of-it", "schlüssel", "nul\0byte"])
def test_a_key_that_cannot_be_sent_is_refused_unseen(key: str) -> None:
    with pytest.raises(ModelError, match="an API key that is empty or") as caught:
        Client("http://127.0.0.1:9/v1", key=key)
    assert not key.strip() or key.strip() not in "".join(traceback.format_exception(caught.value))


def test_the_key_and_the_texts_are_in_no_log(
    server: EmbeddingServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.misbehave(status=503)
    server.misbehave(how="drop")
    client.encode(TEXTS)
    assert caplog.text
    assert not any(secret in caplog.text for secret in (*TEXTS, KEY))


def test_when_one_request_fails_for_good_the_others_are_given_up(server: EmbeddingServer) -> None:
    client = Client(server.url, parallel=3, batch_texts=1, timeout_seconds=20)
    assert client.encoder.dimension == 8
    server.misbehave(2, how="hang")
    server.misbehave(status=400)
    began = time.monotonic()
    with pytest.raises(ModelError, match="status 400"):
        client.encode([f"text {number}" for number in range(50)])
    assert time.monotonic() - began < 8
    assert len(server.bodies) <= 1 + 3 + 3


def test_when_one_request_fails_for_good_the_others_wait_no_longer(server: EmbeddingServer) -> None:
    waiting = threading.Event()

    def pause(seconds: float) -> None:
        waiting.set()
        time.sleep(seconds / 10)

    client = Client(server.url, pause=pause, parallel=2, batch_texts=1)
    assert client.encoder.dimension == 8
    server.misbehave(status=429, headers={"Retry-After": "200"})
    server.misbehave(status=400, delay=0.3)
    began = time.monotonic()
    with pytest.raises(ModelError, match="status 400"):
        client.encode(["a", "b"])
    assert waiting.is_set()
    assert time.monotonic() - began < 8


def test_what_hears_of_progress_may_end_the_call(server: EmbeddingServer, client: Client) -> None:
    def interrupt(_pieces: int, _tokens: int) -> None:
        raise KeyboardInterrupt

    ready = client.encoder.prepare(["a"])
    with pytest.raises(KeyboardInterrupt):
        client.encoder.encode(ready, interrupt)
