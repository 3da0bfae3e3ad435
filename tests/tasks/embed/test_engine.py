"""Where the vectors of an encoder are kept: found by what moves a vector, and taken over if old."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from support.contexts import context_of
from support.small_models import make_model

from fusemine.tasks.core.request import make_request
from fusemine.tasks.core.storage.artifact import ArtifactRef
from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.embed import STAGE
from fusemine.tasks.embed.embed import embed
from fusemine.tasks.embed.encoders.kinds import KINDS
from fusemine.tasks.embed.engine import EncoderSpec, engine_of, provide
from fusemine.tasks.embed.settings import EmbedSettings
from fusemine.tasks.embed.store.space import Facts, space_of, write_facts
from fusemine.tasks.embed.store.store import EmbeddingStore, keys_of

TEXTS = ["gull hit the engine", "deer on runway"]
URL = "http://127.0.0.1:9/v1"
SERVED = {"model": "small", "endpoint": {"url": URL}}
# What the version that hashed the code named a space by: libraries, and the hash of the code.
EARLIER = {
    "endpoint": ("numpy", "2952de9a51f405bd58baaef1ea5edd33c1af0110470e9a2ae4d10f53837d100e"),
    "static": (
        "numpy tokenizers safetensors scipy",
        "e3cffd2685b470538495bd723dd16158c845077a88af738b1fda237597e2b45d",
    ),
    "packed": (
        "numpy tokenizers safetensors torch",
        "d64bcad0d1face82dc821b28baf44c94a113600e24a3a1159272141b625bd484",
    ),
    "padded": (
        "numpy tokenizers sentence-transformers torch transformers",
        "8dc562a941d4f38e33734230010722ddcaf9435c69b3ec88950ca226c88b0fcd",
    ),
}


def settings_of(kind: str, folder: Path) -> EmbedSettings:
    """Settings that lead to a kind of encoder, at a precision that needs no probe."""
    chosen: dict[str, Any] = {"endpoint": SERVED, "static": {"model": "wordllama"}}.get(kind, {})
    if kind == "padded":
        shape = {"dim": 32, "n_heads": 4, "n_layers": 2, "hidden_dim": 64}
        chosen = {"model": str(make_model(folder, "distilbert", **shape))}
    base = {"device": "cpu", "precision": "float32", "storage": "float32"}
    return EmbedSettings.model_validate({**base, **chosen})


def spec_in(root: Path, settings: EmbedSettings, running: bool = True) -> EncoderSpec:
    """The encoder as a run is given it, or a look at the status."""
    spec: EncoderSpec = provide(context_of(root, running, embed=settings), ()).value
    return spec


def earlier_space(settings: EmbedSettings, spec: EncoderSpec) -> str:
    """The name that an earlier version gave to the space of an encoder."""
    libraries, code = EARLIER[spec.model.kind]
    left_out = {"model", "endpoint", "device", "precision", "columns", "weights", "languages"}
    values = {**settings.model_dump(mode="json", exclude=left_out), "precision": spec.precision}
    versions = {name: version(name) for name in libraries.split()}
    made_of = [[], values, versions, code, spec.model.fingerprint]
    text = json.dumps(made_of, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"store/{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def fill_space(root: Path, space: str) -> np.ndarray:
    """A space with a vector for each text, which no encoder would give."""
    matrix = np.eye(len(TEXTS), 4, dtype=np.float32)
    store = EmbeddingStore(store_at(root), space, "float32")
    store.add(keys_of(TEXTS), matrix, [1] * len(TEXTS), [""] * len(TEXTS))
    facts = Facts(
        model="m", path="p", precision="float32", dimension=4, max_tokens=None, settings={}
    )
    write_facts(store_at(root), space, facts)
    return matrix


@pytest.mark.parametrize("kind", EARLIER)
def test_vectors_of_an_earlier_version_are_taken_over_and_nothing_is_encoded(
    tmp_path: Path, kind: str
) -> None:
    root, settings = tmp_path / "root", settings_of(kind, tmp_path / "model")
    status = spec_in(root, settings, running=False)
    assert status.model.kind == kind
    stored = fill_space(root, earlier_space(settings, status))
    before = sorted(root.rglob("*"))
    assert spec_in(root, settings, running=False) == status
    assert sorted(root.rglob("*")) == before
    engine = engine_of(str(root), settings, spec_in(root, settings))
    found = embed({"text": pl.Series(TEXTS)}, engine)
    assert found.computed == 0
    assert (found.matrix == stored).all()
    [space] = store_at(root).folders("store")
    assert f"store/{space}" == space_of(settings, status.model, "float32")


def test_a_space_of_today_is_used_though_there_is_an_earlier_one(tmp_path: Path) -> None:
    settings = settings_of("static", tmp_path)
    spec = spec_in(tmp_path, settings, running=False)
    today = space_of(settings, spec.model, "float32")
    for space in (earlier_space(settings, spec), today):
        fill_space(tmp_path, space)
    before = sorted(tmp_path.rglob("part-*"))
    assert spec_in(tmp_path, settings) == spec
    assert sorted(tmp_path.rglob("part-*")) == before


def test_vectors_that_have_moved_since_are_not_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of("static", tmp_path)
    earlier = earlier_space(settings, spec_in(tmp_path, settings, running=False))
    fill_space(tmp_path, earlier)
    monkeypatch.setitem(KINDS, "static", replace(KINDS["static"], code_version=2))
    spec_in(tmp_path, settings)
    assert (tmp_path / earlier).is_dir()


@pytest.mark.parametrize(
    ("endpoint", "moves"),
    [
        ({"attempts": 2, "timeout_seconds": 5}, False),
        ({"requests_per_minute": 60, "tokens_per_minute": 90_000}, False),
        ({"parallel": 8, "batch_texts": 2}, False),
        ({"url": "https://elsewhere/v1", "api_key_env": "KEY"}, False),
        ({"dimensions": 256}, True),
    ],
)
def test_how_a_server_is_reached_changes_neither_the_space_nor_the_key(
    tmp_path: Path, endpoint: dict[str, Any], moves: bool
) -> None:
    found = []
    for more in ({}, endpoint):
        settings = EmbedSettings.model_validate({**SERVED, "endpoint": {"url": URL, **more}})
        context = context_of(tmp_path, embed=settings)
        clean = ArtifactRef(context.root, "clean/all/key", "sha256", 1)
        request = make_request(STAGE, context, "all", {"clean": (clean,)})
        spec: EncoderSpec = request.resources["encoder"]
        found.append((space_of(settings, spec.model, spec.precision), request.job.recipe.key))
    assert (found[0][0] != found[1][0], found[0][1] != found[1][1]) == (moves, moves)
