"""Topics hold for the encoder that they were made with."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.contexts import context_of

from fusemine.tasks.core.errors import ArtifactError, SettingsError
from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.embed.encoders.models import ModelFiles
from fusemine.tasks.embed.engine import EncoderSpec
from fusemine.tasks.mine.topic_chain.encoder import provide, record_encoder
from fusemine.tasks.mine.topic_chain.settings import TopicsSettings


def encoder_of(root: Path, fingerprint: str, registry: str = "1", running: bool = True) -> str:
    """The encoder that a run with a model of some fingerprint is given."""
    context = context_of(root, running, topics=TopicsSettings(registry=registry))
    spec = EncoderSpec(ModelFiles(None, fingerprint, "endpoint"), "float32", ())
    context.once("encoder", lambda: spec)
    return str(provide(context, ()).value)


def test_the_encoder_of_the_first_topics_is_recorded_and_another_refused(tmp_path: Path) -> None:
    assert encoder_of(tmp_path, "other") == "other"  # there are no topics yet
    for encoder in ("one", "late"):
        record_encoder(store_at(tmp_path), TopicsSettings(), encoder)
    assert encoder_of(tmp_path, "one") == "one"
    with pytest.raises(SettingsError, match="another encoder") as raised:
        encoder_of(tmp_path, "other")
    assert "topics.registry" in raised.value.fix
    assert encoder_of(tmp_path, "other", running=False) == "other"
    assert encoder_of(tmp_path, "other", registry="new") == "other"


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"{"])
def test_a_damaged_record_is_not_taken_for_none(tmp_path: Path, content: bytes) -> None:
    store_at(tmp_path).create("topics/1.json", content)
    with pytest.raises(ArtifactError, match="damaged"):
        encoder_of(tmp_path, "one")
