"""Models that the padding-free path does not cover go through sentence-transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.small_models import default_folder, files_of, loaded, make_model, unit_vectors

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.core.vectors import unit
from fusemine.tasks.embed.encoders.encoder import Encoder
from fusemine.tasks.embed.encoders.transformer.padded import PaddedEncoder
from fusemine.tasks.embed.settings import EmbedSettings

TEXTS = ["gull hit the engine", "hawk " * 300, "a", "", "客户对送货速度非常满意", "🙂 ok"]


def padded(folder: Path, **settings: Any) -> PaddedEncoder:
    chosen = EmbedSettings.model_validate({"device": "cpu", **settings})
    return PaddedEncoder(folder, chosen, "float32")


def test_it_agrees_with_the_padding_free_path(encoder: Encoder) -> None:
    other = padded(default_folder(), batch_tokens=64)
    assert (other.path, other.dimension, other.max_tokens) == ("padded", 384, 256)
    assert not other.invariant
    first, second = other.prepare(TEXTS), encoder.prepare(TEXTS)
    assert (first.tokens, first.sizes) == (second.tokens, second.sizes)
    steps: list[tuple[int, int]] = []
    found = unit(other.encode(first, lambda *step: steps.append(step)))
    expected = unit(encoder.encode(second))
    assert (found * expected).sum(axis=1).min() > 0.999999
    assert sum(n for n, _ in steps) == len(TEXTS)
    assert len(steps) > 1


def test_long_texts_are_cut_into_the_same_pieces() -> None:
    text = "The gull hit the left engine. Nobody was hurt, and the flight went on. " * 60
    first, second = (
        made(default_folder(), long_text="mean", prompt="read: ").prepare([text, "short"])
        for made in (padded, loaded)
    )
    assert (first.pieces, first.owners) == (second.pieces, second.owners)


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("modernbert", {"pad_token_id": 0, "cls_token_id": 101, "sep_token_id": 102}),
        ("distilbert", {"dim": 32, "n_heads": 4, "n_layers": 2, "hidden_dim": 64}),
    ],
)
def test_other_families_are_computed_and_read_from_safetensors_alone(
    tmp_path: Path, kind: str, shape: dict[str, int]
) -> None:
    folder = make_model(tmp_path, kind, **shape)
    assert files_of(folder).kind == "padded"
    vectors = unit_vectors(loaded(folder), TEXTS)
    assert vectors.shape == (len(TEXTS), 32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    (folder / "model.safetensors").rename(folder / "weights.safetensors")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle could run code")
    with pytest.raises(ModelError, match="cannot be loaded"):
        padded(folder)
