"""Vectors are what they were: moving one raises the `code_version` of the kind of encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.embedding_server import embedding_server
from support.small_models import default_folder

from fusemine.tasks.embed.encoders.kinds import KINDS
from fusemine.tasks.embed.encoders.models import ModelFiles, find_model, load_encoder
from fusemine.tasks.embed.settings import EmbedSettings

RECORDED = json.loads(Path(__file__).with_name("vectors.json").read_text())
SETTINGS = {"device": "cpu", "long_text": "mean", "max_tokens": 16, "overlap_tokens": 4}
TEXTS = [
    "gull hit the engine",
    "BIRDS SEEN ON TAKEOFF RUN; 1,200 FT.",
    "café, 客户满意 🙂",
    "The gull was ingested by the left engine. Nobody was hurt, and the flight went on. " * 2,
]


def encoded(kind: str, **model: Any) -> list[list[float]]:
    """Of each piece of the texts the vector's length, and the first components of its direction."""
    settings = EmbedSettings.model_validate({**SETTINGS, **model})
    files = find_model(settings, Path("/"))
    encoder = load_encoder(ModelFiles(files.folder, files.fingerprint, kind), settings, "float32")
    vectors = encoder.encode(encoder.prepare(TEXTS))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    shown = np.hstack([lengths, vectors[:, :3] / lengths])
    return [[round(float(value), 7) for value in row] for row in shown]


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_move_only_with_the_code_version_of_their_kind(kind: str) -> None:
    with embedding_server() as server:
        models: dict[str, dict[str, Any]] = {
            "endpoint": {"model": "small", "endpoint": {"url": server.url}},
            "static": {"model": "wordllama"},
        }
        found = encoded(kind, **models.get(kind, {"model": str(default_folder())}))
    version, recorded = KINDS[kind].code_version, RECORDED[kind]
    same = len(found) == len(recorded["vectors"]) and np.allclose(
        found, recorded["vectors"], rtol=1e-5, atol=1e-5
    )
    now = json.dumps({kind: {"code_version": version, "vectors": found}})
    assert same or version != recorded["code_version"], (
        f"the vectors of {kind} encoders have moved, and stored ones would be mixed with them: "
        f"raise its code_version in encoders/kinds.py, or undo what moved them; now they are {now}"
    )
    assert version == recorded["code_version"], f"put these vectors into vectors.json: {now}"
