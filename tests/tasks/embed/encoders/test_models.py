"""Models are found by their names or folders, and known by the content of their files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.small_models import loaded

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.embed.encoders.models import ModelFiles, find_model
from fusemine.tasks.embed.settings import EmbedSettings


def test_the_default_model_is_found_in_its_package(model_files: ModelFiles) -> None:
    assert model_files.folder is not None
    assert (model_files.folder / "model.safetensors").is_file()
    name = EmbedSettings(model="sentence-transformers/all-MiniLM-L6-v2")
    assert find_model(name, Path("/nowhere")) == model_files
    assert len(model_files.fingerprint) == 64
    assert model_files.kind == "packed"


def test_a_folder_relative_to_the_pipeline_is_a_model(
    model_files: ModelFiles, tmp_path: Path
) -> None:
    assert model_files.folder is not None
    shutil.copytree(model_files.folder, tmp_path / "mine")
    found = find_model(EmbedSettings(model="mine"), tmp_path)
    assert found == ModelFiles(tmp_path / "mine", model_files.fingerprint, "packed")


def test_the_fingerprint_knows_every_file_but_prose_as_it_is_now(tmp_path: Path) -> None:
    found = []
    for name, text in [("config.json", "{}"), ("README.md", ""), ("w.bin", "1"), ("w.bin", "22")]:
        (tmp_path / name).write_text(text)
        found.append(find_model(EmbedSettings(model="."), tmp_path).fingerprint)
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_a_model_that_cannot_be_had_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"embed\.model 'no-such-model'") as caught:
        find_model(EmbedSettings(model="no-such-model"), tmp_path)
    assert "pip install 'fusemine[minilm]'" in caught.value.fix


def test_a_folder_without_weights_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot be loaded"):
        loaded(tmp_path)
