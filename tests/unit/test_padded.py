"""Models that the padding-free path does not cover go through sentence-transformers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_models import make_model

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.core.vectors import unit
from fusemine.tasks.embed.encoders.encoder import Encoder
from fusemine.tasks.embed.encoders.files import ModelFiles, find_model
from fusemine.tasks.embed.encoders.load import load_encoder
from fusemine.tasks.embed.encoders.padded import PaddedEncoder
from fusemine.tasks.embed.settings import EmbedSettings

TEXTS = ["gull hit the engine", "hawk " * 300, "a", "", "客户对送货速度非常满意", "🙂 ok"]


def silent(_pieces: int, _tokens: int) -> None:
    """Hear of progress and do nothing."""


def test_it_agrees_with_the_padding_free_path(encoder: Encoder, model_files: ModelFiles) -> None:
    assert model_files.folder is not None
    settings = EmbedSettings(device="cpu", batch_tokens=64)
    padded = PaddedEncoder(model_files.folder, settings, "float32")
    assert (padded.path, padded.dimension, padded.max_tokens) == ("padded", 384, 256)
    assert not padded.invariant
    first, second = padded.prepare(TEXTS), encoder.prepare(TEXTS)
    assert (first.tokens, first.sizes) == (second.tokens, second.sizes)
    told: list[tuple[int, int]] = []
    found = unit(padded.encode(first, lambda n, tokens: told.append((n, tokens))))
    expected = unit(encoder.encode(second, silent))
    assert (found * expected).sum(axis=1).min() > 0.999999
    assert sum(n for n, _ in told) == len(TEXTS)
    assert len(told) > 1


def test_long_texts_are_cut_into_the_same_pieces(model_files: ModelFiles) -> None:
    assert model_files.folder is not None
    settings = EmbedSettings(device="cpu", long_text="mean", prompt="read: ")
    packed = load_encoder(model_files, settings, "float32")
    padded = PaddedEncoder(model_files.folder, settings, "float32")
    text = "The gull hit the left engine. Nobody was hurt, and the flight went on. " * 60
    assert padded.prepare([text, "short"]).pieces == packed.prepare([text, "short"]).pieces
    assert padded.prepare([text, "short"]).owners == packed.prepare([text, "short"]).owners


@pytest.mark.parametrize("kind", ["modernbert", "distilbert"])
def test_other_families_are_computed_and_read_from_safetensors_alone(
    model_files: ModelFiles, tmp_path: Path, kind: str
) -> None:
    assert model_files.folder is not None
    shape = (
        {"pad_token_id": 0, "cls_token_id": 101, "sep_token_id": 102}
        if kind == "modernbert"
        else {"dim": 32, "n_heads": 4, "n_layers": 2, "hidden_dim": 64}
    )
    folder = make_model(tmp_path, model_files.folder, kind, **shape)
    settings = EmbedSettings(model=str(folder), device="cpu")
    files = find_model(settings, Path("/"))
    assert files.kind == "padded"
    found = load_encoder(files, settings, "float32")
    vectors = unit(found.encode(found.prepare(TEXTS), silent))
    assert vectors.shape == (len(TEXTS), 32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    (folder / "model.safetensors").rename(folder / "weights.safetensors")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle could run code")
    with pytest.raises(ModelError, match="cannot be loaded"):
        PaddedEncoder(folder, settings, "float32")
