"""Topics hold for the encoder that they were made with."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import SETTINGS, Table

from fusemine.flows.engine.config import Loaded, load_pipeline
from fusemine.flows.engine.encoder import check_encoder
from fusemine.tasks.core.errors import ArtifactError, SettingsError


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    table = Table(tmp_path)
    table.set()
    return load_pipeline(table.pipeline)


def test_the_encoder_of_the_first_topics_is_remembered_and_another_refused(
    loaded: Loaded,
) -> None:
    check_encoder(loaded, "one")
    check_encoder(loaded, "other")  # there are no topics yet
    check_encoder(loaded, "one", keep=True)
    check_encoder(loaded, "one")
    with pytest.raises(SettingsError, match="another encoder") as raised:
        check_encoder(loaded, "other")
    assert "topics.registry" in raised.value.fix


def test_a_new_list_of_topics_may_have_another_encoder(tmp_path: Path, loaded: Loaded) -> None:
    check_encoder(loaded, "one", keep=True)
    table = Table(tmp_path)
    table.set(cluster={"registry": "new"}, name=SETTINGS["name"])
    check_encoder(load_pipeline(table.pipeline), "other", keep=True)
    check_encoder(loaded, "one")


@pytest.mark.parametrize("content", ["", "[]", "{}", "{"])
def test_a_damaged_record_is_not_taken_for_none(loaded: Loaded, content: str) -> None:
    check_encoder(loaded, "one", keep=True)
    (loaded.root / "topics/1.json").write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactError, match="cannot be read"):
        check_encoder(loaded, "one", keep=True)
