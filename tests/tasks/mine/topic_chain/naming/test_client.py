"""Servers of language models that misbehave: reported once, asked no longer than makes sense."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support.chat_server import ChatServer, chat_server

from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.mine.topic_chain.naming.client import PATIENCE, Client
from fusemine.tasks.mine.topic_chain.naming.llm_names import llm_names
from fusemine.tasks.mine.topic_chain.naming.subject import LlmNames, Subject
from fusemine.tasks.mine.topic_chain.settings import NamingSettings, TopicsSettings

KEY = "sk-0123456789abcdefghij"
SECRET = "gulls of a person who is secret"
SUBJECTS = [Subject((f"gulls{n}", "flock"), (f"{SECRET} {n}",)) for n in range(8)]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


def settings_of(url: str, **more: Any) -> NamingSettings:
    return NamingSettings.model_validate({"url": url, "model": "small", **more})


def patient(url: str, **more: Any) -> tuple[Client, list[float]]:
    """A client that waits for nothing, and how long it would have waited."""
    waits: list[float] = []
    return Client(settings_of(url, **more), pause=waits.append), waits


def names_of(folder: Path, settings: NamingSettings) -> LlmNames:
    return llm_names(SUBJECTS, settings, store_at(folder), lambda *_: None)


def in_trouble(url: str, folder: Path, **more: Any) -> LlmNames:
    """Names of a server that is of no use, which shows neither the key nor a text."""
    found = names_of(folder, settings_of(url, attempts=1, **more))
    assert found.trouble is not None
    assert len(found.trouble.splitlines()) == 1
    assert KEY not in found.trouble
    assert SECRET not in found.trouble
    return found


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": 429, "headers": {"Retry-After": "0"}},
        {"status": 500, "body": b"<h1>Oops</h1>"},
        {"status": 503},
        {"how": "drop"},
        {"body": b"<html>Please log in</html>"},
        {"body": b'{"choices": [{"mess'},
    ],
    ids=str,
)
def test_what_may_pass_is_tried_again(server: ChatServer, wrong: dict[str, Any]) -> None:
    server.misbehave(2, **wrong)
    client, waits = patient(server.url)
    assert client.ask(SUBJECTS[0]) == '{"name": "Gulls0 and flock"}'
    assert client.trouble is None
    assert len(server.bodies) == 3
    assert 0.5 + 1 <= sum(waits) <= 1 + 2


@pytest.mark.parametrize(
    ("wrong", "reported"),
    [
        ({"status": 401, "body": b'{"error": {"message": "bad key"}}'}, "api_key_env"),
        ({"status": 403}, "api_key_env"),
        ({"status": 404}, "topics.naming.model"),
        ({"status": 301, "headers": {"Location": "http://127.0.0.1:9/"}}, "topics.naming.url"),
        ({"status": 402}, "topics.naming"),
        ({"status": 413}, "2,000 tokens"),
        ({"status": 500, "body": b"<h1>Oops</h1>"}, "Oops"),
        ({"status": 429}, "credit"),
        ({"how": "drop"}, "a broken answer"),
        ({"body": b"<html>Please log in</html>"}, "no JSON"),
    ],
    ids=str,
)
def test_what_does_not_pass_ends_the_asking(
    server: ChatServer, tmp_path: Path, wrong: dict[str, Any], reported: str
) -> None:
    server.misbehave(99, **wrong)
    found = in_trouble(server.url, tmp_path)
    assert (found.names, len(server.bodies)) == ([None] * 8, 1)
    assert reported in str(found.trouble)


def test_names_that_came_before_the_trouble_stay(server: ChatServer, tmp_path: Path) -> None:
    server.misbehave(2)
    server.misbehave(99, status=500)
    found = in_trouble(server.url, tmp_path)
    assert found.names == ["Gulls0 and flock", "Gulls1 and flock", *[None] * 6]
    assert len(server.bodies) == 3
    server.behave()
    again = names_of(tmp_path, settings_of(server.url))
    assert (len(server.bodies), again.trouble) == (3 + 6, None)
    assert None not in again.names


def test_a_server_that_is_not_there_is_asked_for_one_name(tmp_path: Path) -> None:
    with chat_server() as server:
        url = server.url
    client, waits = patient(url)
    assert [client.ask(subject) for subject in SUBJECTS] == [None] * 8
    assert len(waits) == 3
    assert f"no connection to {url}/chat/completions" in str(client.trouble)
    assert in_trouble(url, tmp_path).names == [None] * 8


def test_a_server_that_hangs_is_waited_for_once(server: ChatServer, tmp_path: Path) -> None:
    server.misbehave(99, how="hang")
    began = time.monotonic()
    found = in_trouble(server.url, tmp_path, timeout_seconds=0.3)
    assert 0.3 <= time.monotonic() - began < 4
    assert (found.names, len(server.bodies)) == ([None] * 8, 1)
    assert "timeout_seconds" in str(found.trouble)


def test_all_names_together_take_no_longer_than_they_may(tmp_path: Path) -> None:
    with chat_server(delay=0.2) as server:
        began = time.monotonic()
        found = in_trouble(server.url, tmp_path, total_seconds=0.7)
        assert time.monotonic() - began < 4
    assert 1 <= len(server.bodies) <= 4
    assert found.names.count(None) >= 4
    assert "total_seconds" in str(found.trouble) or "within 0." in str(found.trouble)


def test_a_pause_that_is_longer_than_what_is_left_is_not_waited(server: ChatServer) -> None:
    server.misbehave(9, status=429, headers={"Retry-After": "200"})
    client, waits = patient(server.url, total_seconds=100)
    assert client.ask(SUBJECTS[0]) is None
    assert sum(waits) == 0
    assert "status 429" in str(client.trouble)


def test_a_refused_subject_is_no_reason_to_give_up_but_several_in_a_row_are(
    server: ChatServer,
) -> None:
    client, _ = patient(server.url, api="completions")
    refusals = [True, True, False, True, True, True, False]
    for refused, subject in zip(refusals, SUBJECTS, strict=False):
        server.misbehave(status=400 if refused else 200)
        client.ask(subject)
    assert PATIENCE == 3
    assert len(server.bodies) == 6


def test_the_first_of_several_troubles_is_reported(server: ChatServer) -> None:
    client, _ = patient(server.url, api="completions")
    server.misbehave(status=400, body=b'{"error": "the first"}')
    server.misbehave(status=404, body=b'{"error": "the second"}')
    assert [client.ask(subject) for subject in SUBJECTS[:2]] == [None, None]
    assert "the first" in str(client.trouble)


@pytest.mark.parametrize("status", [400, 401, 500])
def test_a_server_that_repeats_texts_and_the_key_is_not_quoted(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("FUSEMINE_TEST_KEY", KEY)
    text = f"cannot name {SECRET} 0 for {KEY}"
    server.misbehave(99, status=status, body=json.dumps({"error": {"message": text}}).encode())
    found = in_trouble(server.url, tmp_path, api_key_env="FUSEMINE_TEST_KEY")
    assert "cannot name" in str(found.trouble)
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert KEY not in caplog.text
    assert SECRET not in caplog.text


def test_the_key_is_kept_nowhere(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUSEMINE_TEST_KEY", KEY)
    names_of(tmp_path, settings_of(server.url, api_key_env="FUSEMINE_TEST_KEY"))
    kept = [path.read_text() for path in tmp_path.rglob("*.json")]
    assert len(kept) == 8
    assert KEY not in "".join(kept)


def test_a_missing_key_is_reported_and_nothing_is_sent(server: ChatServer, tmp_path: Path) -> None:
    found = in_trouble(server.url, tmp_path, api_key_env="FUSEMINE_NO_SUCH_KEY")
    assert "no key in the environment" in str(found.trouble)
    assert "topics.naming" in str(found.trouble)
    assert server.bodies == []


def test_an_address_that_is_none_is_reported(tmp_path: Path) -> None:
    assert "correct topics.naming.url" in str(in_trouble("http://ü€/v1", tmp_path).trouble)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"url": "ftp://x"}, "pattern"),
        ({"url": "http://user:secret@host/v1"}, "pattern"),
        ({"model": ""}, "at least 1"),
        ({"api": "responses"}, "chat"),
        ({"api_key": "secret"}, "api_key"),
        ({"api_key_env": "A", "api_key_block": "b"}, "two places for one key"),
        ({"total_seconds": 0}, "greater than 0"),
    ],
)
def test_what_cannot_be_set_is_refused(values: dict[str, Any], message: str) -> None:
    naming = {"url": "http://h/v1", "model": "m", **values}
    with pytest.raises(ValidationError, match=message):
        TopicsSettings.model_validate({"naming": naming})


SAME = {"timeout_seconds": 5, "total_seconds": 5, "attempts": 1, "api_key_env": "A"}
SAME |= {"url": "http://other/v1"}  # where it is, not what it is
OTHER = {"model": "other", "api": "completions", "max_tokens": 500}


@pytest.mark.parametrize(("name", "value"), (SAME | OTHER).items())
def test_only_what_can_change_a_name_is_in_the_key(name: str, value: Any) -> None:
    default, changed = settings_of("http://h/v1"), {"url": "http://h/v1", name: value}
    assert (settings_of(**changed).key_values() != default.key_values()) == (name in OTHER)


def test_topics_are_named_by_their_words_unless_a_model_is_set() -> None:
    assert TopicsSettings().naming is None
