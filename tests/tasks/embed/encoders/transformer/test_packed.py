"""The padding-free path gives what sentence-transformers gives, for texts in any batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small_models import default_folder, loaded, make_model, unit_vectors

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.embed.encoders.batches import TokenBudget
from fusemine.tasks.embed.encoders.encoder import Encoder
from fusemine.tasks.embed.encoders.models import ModelFiles, kind_of, load_encoder
from fusemine.tasks.embed.encoders.transformer.architecture import read_architecture
from fusemine.tasks.embed.settings import EmbedSettings

TEXTS = [
    "gull hit the engine",
    "BIRDS SEEN ON TAKEOFF RUN. NO DAMAGE FOUND.",
    "a",
    "",
    "   ",
    "hawk " * 500,
    "客户对送货速度非常满意",
    "مرحبا بالعالم",
    "🙂 👍🏽 ok",
    "one two three four five six seven eight nine ten",
    "the same length as the next text",
    "the same length as the last text",
]


def reference(folder: Path, texts: list[str]) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    return np.asarray(model.encode(texts, normalize_embeddings=True, show_progress_bar=False))


def test_the_default_model_is_computed_as_by_sentence_transformers(encoder: Encoder) -> None:
    assert (encoder.path, encoder.dimension, encoder.max_tokens) == ("packed", 384, 256)
    expected = reference(default_folder(), TEXTS)
    assert (unit_vectors(encoder, TEXTS) * expected).sum(axis=1).min() > 0.999999


@pytest.mark.parametrize(
    ("kind", "pooling", "shape"),
    [
        ("bert", "mean", {}),
        ("bert", "cls", {}),
        ("bert", "max", {}),
        ("roberta", "mean", {"pad_token_id": 1, "type_vocab_size": 1}),
        ("xlm-roberta", "cls", {"pad_token_id": 1, "type_vocab_size": 1}),
        ("mpnet", "mean", {"pad_token_id": 1}),
    ],
)
def test_each_family_is_computed_as_by_sentence_transformers(
    tmp_path: Path, kind: str, pooling: str, shape: dict[str, Any]
) -> None:
    folder = make_model(tmp_path, kind, pooling, **shape)
    encoder = loaded(folder)
    assert encoder.path == "packed"
    expected = reference(folder, TEXTS)
    assert (unit_vectors(encoder, TEXTS) * expected).sum(axis=1).min() > 0.99999


def test_without_a_limit_the_positions_are_the_limit(tmp_path: Path) -> None:
    shape = {"pad_token_id": 1, "type_vocab_size": 1}
    folder = make_model(tmp_path, "roberta", max_tokens=None, **shape)
    encoder = loaded(folder)
    assert encoder.max_tokens == 78
    assert np.isfinite(unit_vectors(encoder, ["hawk " * 500])).all()


def test_the_prompt_of_the_model_is_used_unless_another_is_set(tmp_path: Path) -> None:
    folder = make_model(tmp_path, prompt="query: ")
    own, other, none = (loaded(folder, prompt=prompt) for prompt in (None, "passage: ", ""))
    expected = unit_vectors(none, ["query: gull", "passage: gull"])
    assert unit_vectors(own, ["gull"])[0] @ expected[0] == pytest.approx(1, abs=1e-6)
    assert unit_vectors(other, ["gull"])[0] @ expected[1] == pytest.approx(1, abs=1e-6)
    assert expected[0] @ expected[1] < 0.9999
    [prompted] = reference(folder, ["gull"])
    assert unit_vectors(own, ["gull"])[0] @ prompted == pytest.approx(1, abs=1e-6)


@settings(max_examples=15)
@given(st.permutations(range(len(TEXTS))), st.integers(1, len(TEXTS)), st.integers(64, 600))
def test_a_vector_is_the_same_to_the_last_bit_beside_any_others(
    model_files: ModelFiles, order: list[int], number: int, budget: int
) -> None:
    encoder = load_encoder(
        model_files, EmbedSettings(device="cpu", max_tokens=32, batch_tokens=budget), "float32"
    )
    if not encoder.invariant:
        pytest.skip("on this processor the batch matters, and the encoder says so")
    whole = unit_vectors(encoder, TEXTS)
    chosen = order[:number]
    some = unit_vectors(encoder, [TEXTS[n] for n in chosen])
    assert some.tobytes() == whole[chosen].tobytes()


def test_a_vector_is_the_same_with_any_number_of_threads(model_files: ModelFiles) -> None:
    import torch

    encoder = load_encoder(model_files, EmbedSettings(device="cpu"), "float32")
    before = torch.get_num_threads()
    seen = set()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            seen.add(unit_vectors(encoder, TEXTS).tobytes())
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert len(seen) == 1


def test_a_lower_precision_keeps_the_vectors_nearly_as_they_are(
    model_files: ModelFiles, encoder: Encoder
) -> None:
    lower = load_encoder(model_files, EmbedSettings(device="cpu"), "bfloat16")
    cosines = (unit_vectors(encoder, TEXTS[:3]) * unit_vectors(lower, TEXTS[:3])).sum(axis=1)
    assert 0.999 < cosines.min() < 1 - 1e-7


def test_progress_counts_every_text_and_token(encoder: Encoder) -> None:
    steps: list[tuple[int, int]] = []
    prepared = encoder.prepare(TEXTS * 40)
    encoder.encode(prepared, lambda *step: steps.append(step))
    assert len(steps) > 1
    assert np.sum(steps, axis=0).tolist() == [len(TEXTS) * 40, sum(prepared.sizes)]


def test_tokens_are_counted_before_any_cut(encoder: Encoder) -> None:
    prepared = encoder.prepare(["", "bird", "bird " * 400, "\ud800 bird"])
    assert prepared.tokens == [2, 3, 402, 4]
    assert prepared.sizes == [2, 3, 256, 4]


def test_a_text_of_ten_million_characters_is_read_as_far_as_the_model_reads(
    encoder: Encoder,
) -> None:
    huge = "bird strike " * 850_000
    prepared = encoder.prepare([huge, huge[:20_000]])
    assert prepared.tokens[0] > 256
    first, second = unit_vectors(encoder, [huge, huge[:20_000]])
    assert (first == second).all()


def test_a_prompt_and_a_limit_change_what_the_model_reads(model_files: ModelFiles) -> None:
    limited = EmbedSettings(device="cpu", prompt="query: ", max_tokens=8)
    short = load_encoder(model_files, limited, "float32")
    assert (short.max_tokens, short.prepare(["bird"]).tokens) == (8, [5])
    plain = load_encoder(model_files, EmbedSettings(device="cpu"), "float32")
    [found], [expected] = unit_vectors(short, ["gull"]), unit_vectors(plain, ["query: gull"])
    assert found @ expected == pytest.approx(1, abs=1e-5)
    same = unit_vectors(short, ["one two three four five six", "one two three four five six seven"])
    assert same[0] @ same[1] == pytest.approx(1, abs=1e-5)


def test_a_limit_beyond_what_the_model_reads_is_lowered(model_files: ModelFiles) -> None:
    encoder = load_encoder(model_files, EmbedSettings(device="cpu", max_tokens=2000), "float32")
    assert encoder.max_tokens == 256


MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np, torch
from fusemine.tasks.embed.encoders.models import find_model, load_encoder
from fusemine.tasks.embed.settings import EmbedSettings

settings = EmbedSettings(device="cpu", max_tokens=256, batch_tokens=200_000)
encoder = load_encoder(find_model(settings, Path("/")), settings, "float32")
prepared = encoder.prepare([f"bird {n} " * 100 for n in range(int(sys.argv[1]))])
encoder.encode(encoder.prepare(["warm"]))
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[2]), -1))
done = []
vectors = encoder.encode(prepared, lambda texts, _: done.append(texts))
print(sum(done), encoder.budget.tokens < 200_000, bool(np.isfinite(vectors).all()))
"""


def test_a_batch_that_does_not_fit_the_memory_is_halved() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, "60", str(100 * 2**20)],
        # A thread reserves 64 MiB of addresses for an arena of its own, now and then.
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["60", "True", "True"]


@pytest.mark.parametrize("most", [2, 0])
def test_what_onednn_cannot_make_for_a_batch_it_may_make_for_its_halves(most: int) -> None:
    def compute(items: list[int]) -> np.ndarray:
        if len(items) > most:
            raise RuntimeError("could not create a primitive")
        return np.array(items)

    budget = TokenBudget(1000, "cpu")
    if most == 0:  # not even for a single text, so that the error is raised as it is
        with pytest.raises(RuntimeError, match="primitive"):
            budget.run(compute, [1, 2], [10, 10])
        return
    assert budget.run(compute, [1, 2, 3, 4, 5], [10] * 5).tolist() == [1, 2, 3, 4, 5]
    assert budget.tokens < 50


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("config.json", {"hidden_act": "gelu_new"}),
        ("config.json", {"model_type": "modernbert"}),
        ("config.json", {"position_embedding_type": "relative_key"}),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}),
        ("1_Pooling/config.json", {"include_prompt": False}),
        ("sentence_bert_config.json", {"do_lower_case": True}),
    ],
)
def test_a_model_that_it_does_not_cover_goes_through_sentence_transformers(
    tmp_path: Path, name: str, change: dict[str, Any]
) -> None:
    folder = make_model(tmp_path)
    assert kind_of(folder) == "packed"
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert read_architecture(folder) is None
    assert kind_of(folder) == "padded"


def test_weights_that_are_cut_off_or_of_another_model_are_an_error(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "cut")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cannot be loaded"):
        loaded(folder)
    other = make_model(tmp_path / "other", num_hidden_layers=1)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    with pytest.raises(ModelError, match="cannot be loaded"):
        loaded(other)


def test_the_tokenizer_of_another_model_is_an_error(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "small", vocab_size=100)
    with pytest.raises(ModelError, match=r"ids up to 30521 for a model of 100 tokens"):
        loaded(folder)
    broken = make_model(tmp_path / "broken")
    (broken / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer\.json, which cannot be read"):
        loaded(broken)
