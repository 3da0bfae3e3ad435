"""What can be set of embedding, and which of it changes a vector."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from fusemine.tasks.embed.settings import EmbedSettings


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "CPU", ""])
def test_a_device_of_another_form_is_no_setting(device: str) -> None:
    with pytest.raises(ValidationError):
        EmbedSettings(device=device)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weights": {"title": 1}}, "need columns: apart"),
        ({"columns": "apart", "weights": {"title": 0}}, "greater than 0"),
        ({"languages": ["english"]}, "pattern"),
        ({"precision": "int8"}, "precision"),
        ({"endpoint": {"url": "ftp://x"}}, "pattern"),
        ({"endpoint": {"url": "http://user:secret@host/v1"}}, "pattern"),
        ({"endpoint": {"url": "http://h/v1", "api_key": "secret"}}, "api_key"),
        (
            {"endpoint": {"url": "http://h/v1", "api_key_env": "A", "api_key_block": "b"}},
            "two places for one key",
        ),
    ],
)
def test_what_cannot_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EmbedSettings.model_validate(values)


SERVER = {"url": "http://h/v1"}
SAME = {"device": "cpu", "languages": ["de"], "endpoint": SERVER, "model": "another"}
OTHER = {"max_tokens": 64, "long_text": "mean", "prompt": "query: ", "storage": "float32"}


@pytest.mark.parametrize(("name", "value"), [*SAME.items(), *OTHER.items(), ("prompt", "")])
def test_only_what_changes_a_vector_is_in_the_key(name: str, value: Any) -> None:
    found = EmbedSettings.model_validate({name: value}).key_values()
    assert (found != EmbedSettings().key_values()) == (name in OTHER)
