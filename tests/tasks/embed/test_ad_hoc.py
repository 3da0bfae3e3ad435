"""Embedding a text that no row has: as its row was embedded, and nothing of it is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.core.vectors import unit
from fusemine.tasks.embed.ad_hoc import Embedder, embedder
from fusemine.tasks.embed.embed import embed
from fusemine.tasks.embed.encoders.models import ModelFiles, load_encoder
from fusemine.tasks.embed.engine import EncoderSpec
from fusemine.tasks.embed.fill import Engine
from fusemine.tasks.embed.settings import EmbedSettings
from fusemine.tasks.embed.store.store import EmbeddingStore

TEXTS = ["bird struck the windshield", "engine shut down", "bird"]


@pytest.mark.parametrize("chosen", [{}, {"long_text": "mean", "max_tokens": 8}, {"prompt": "q: "}])
def test_it_is_the_vector_that_the_store_would_have(
    tmp_path: Path, model_files: ModelFiles, chosen: dict[str, Any]
) -> None:
    settings = EmbedSettings.model_validate({"device": "cpu", "storage": "float32"} | chosen)
    texts = [*TEXTS, "a long remark of many words, " * 6]
    engine = Engine(
        load=lambda: load_encoder(model_files, settings, "float32"),
        vectors=EmbeddingStore(store_at(tmp_path), "store/x", "float32"),
        settings=settings,
        precision="float32",
    )
    stored = unit(embed({"text": pl.Series(texts)}, engine).matrix)
    before = sorted(tmp_path.rglob("*"))
    made = Embedder(model_files, settings, "float32")(texts)
    np.testing.assert_allclose((made * stored).sum(axis=1), 1, atol=1e-6)
    assert made.dtype == np.float32
    assert sorted(tmp_path.rglob("*")) == before


def test_neither_an_endpoint_nor_columns_apart_are_embedded_ad_hoc(model_files: ModelFiles) -> None:
    spec = EncoderSpec(model_files, "float32", ())
    assert embedder(spec, EmbedSettings()) == Embedder(model_files, EmbedSettings(), "float32")
    assert embedder(spec, EmbedSettings(columns="apart")) is None
    served = replace(spec, model=replace(model_files, folder=None))
    assert embedder(served, EmbedSettings()) is None
