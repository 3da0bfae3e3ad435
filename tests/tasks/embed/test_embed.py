"""Each distinct text goes through the model once, beside any other run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.torch import load_file, save_file
from support.small_models import loaded, make_model

from fusemine.tasks.core.errors import ArtifactError, ModelError
from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.embed import fill
from fusemine.tasks.embed.embed import Embedded, embed
from fusemine.tasks.embed.encoders.encoder import Advance, Encoder, Prepared, no_progress
from fusemine.tasks.embed.encoders.models import ModelFiles, load_encoder
from fusemine.tasks.embed.fill import Engine
from fusemine.tasks.embed.settings import EmbedSettings
from fusemine.tasks.embed.store.space import read_facts, read_use
from fusemine.tasks.embed.store.store import EmbeddingStore

DIMENSION = 384
TEXTS = ["gull hit the engine", "", "deer on runway", "gull hit the engine", "hawk " * 40, "  "]


class Counting:
    """An encoder, with a list of the texts that each call has computed."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.path, self.dimension = encoder.path, encoder.dimension
        self.max_tokens, self.invariant = encoder.max_tokens, encoder.invariant
        self.calls: list[list[str]] = []

    @property
    def computed(self) -> list[str]:
        return sorted(text for texts in self.calls for text in texts)

    def prepare(self, texts: Sequence[str]) -> Prepared:
        return self._encoder.prepare(texts)

    def encode(self, prepared: Prepared, advance: Advance = no_progress) -> np.ndarray:
        self.calls.append(prepared.pieces)
        return self._encoder.encode(prepared, advance)


@pytest.fixture
def counting(encoder: Encoder) -> Counting:
    return Counting(encoder)


def space(root: Path) -> EmbeddingStore:
    return EmbeddingStore(store_at(root), "store/x", "float32")


def engine(root: Path, load: Callable[[], Encoder], **values: object) -> Engine:
    settings = EmbedSettings(device="cpu", storage="float32")
    made = Engine(load, space(root), settings, "float32")
    return replace(made, **values)  # type: ignore[arg-type]


def run(texts: Sequence[str], encoder: Encoder, root: Path, **values: object) -> Embedded:
    column = {"text": pl.Series(texts, dtype=pl.String)}
    return embed(column, engine(root, lambda: encoder, **values))


def test_every_row_gets_the_unit_vector_of_its_text(counting: Counting, tmp_path: Path) -> None:
    found = run(TEXTS, counting, tmp_path)
    assert (found.matrix.shape, found.matrix.dtype) == ((6, DIMENSION), np.float32)
    assert np.linalg.norm(found.matrix, axis=1) == pytest.approx([1, 0, 1, 1, 1, 0], abs=1e-5)
    assert not found.matrix[[1, 5]].any()
    assert (found.matrix[0] == found.matrix[3]).all()


def test_like_texts_are_nearer_than_others(counting: Counting, tmp_path: Path) -> None:
    texts = ["a gull struck the aircraft", "an aircraft hit a seagull", "the invoice is overdue"]
    matrix = run(texts, counting, tmp_path).matrix
    like, other = matrix[1:] @ matrix[0]
    assert like > 0.6 > 0.3 > other


def test_distinct_long_and_computed_texts_and_tokens_are_counted(
    counting: Counting, tmp_path: Path
) -> None:
    found = run([*TEXTS, "bird " * 300], counting, tmp_path)
    assert (found.distinct, found.long, found.computed) == (4, 1, 4)
    assert found.tokens == sum(counting.prepare([*TEXTS[2:5], "bird " * 300]).tokens)
    again = run([*TEXTS, "bird " * 300], counting, tmp_path)
    assert replace(again, matrix=found.matrix) == replace(found, computed=0)


def test_the_second_run_embeds_nothing_and_gives_the_same_bytes(
    counting: Counting, tmp_path: Path
) -> None:
    first = run(TEXTS, counting, tmp_path)
    facts = read_facts(store_at(tmp_path), "store/x")
    assert facts is not None
    assert (facts.model, facts.path, facts.max_tokens) == ("all-MiniLM-L6-v2", "packed", 256)

    def load() -> Encoder:
        raise AssertionError("the encoder is not needed")

    again = embed({"text": pl.Series(TEXTS)}, engine(tmp_path, load))
    assert again.computed == 0
    assert again.matrix.tobytes() == first.matrix.tobytes()
    use = read_use(store_at(tmp_path), "store/x")
    assert (use.texts, use.hits) == (3 + 3, 0 + 3)


def test_a_distinct_text_is_computed_once(counting: Counting, tmp_path: Path) -> None:
    counting.invariant = True
    run(["same"] * 50 + ["other"], counting, tmp_path)
    assert counting.computed == ["other", "same"]
    run(["other", "new"], counting, tmp_path)
    assert counting.computed == ["new", "other", "same"]


def test_half_a_store_gives_the_same_bytes_and_only_the_other_half_is_computed(
    counting: Counting, tmp_path: Path
) -> None:
    if not counting.invariant:
        pytest.skip("on this processor the batch matters, and the encoder says so")
    texts = [f"bird strike number {n}" for n in range(30)]
    fresh = run(texts, counting, tmp_path / "fresh")
    run(texts[::2], counting, tmp_path / "half")
    counting.calls.clear()
    half = run(texts, counting, tmp_path / "half")
    assert counting.computed == sorted(texts[1::2])
    assert half.matrix.tobytes() == fresh.matrix.tobytes()


def test_where_vectors_depend_on_their_batch_it_is_computed_whole(
    counting: Counting, tmp_path: Path
) -> None:
    counting.invariant = False
    run(["one", "two"], counting, tmp_path)
    counting.calls.clear()
    run(["one", "three", "two"], counting, tmp_path)
    assert counting.computed == ["one", "three", "two"]


def test_a_checkpoint_is_written_after_every_shard(
    counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "SHARD_TEXTS", 4)
    seen: list[int] = []

    class Failing(Counting):
        def encode(self, prepared: Prepared, advance: Advance = no_progress) -> np.ndarray:
            seen.append(len(space(tmp_path)))
            if len(seen) == 3:
                raise KeyboardInterrupt
            return super().encode(prepared, advance)

    texts = [f"text {n}" for n in range(10)]
    with pytest.raises(KeyboardInterrupt):
        run(texts, Failing(counting), tmp_path)
    assert seen == [0, 4, 8]
    assert run(texts, counting, tmp_path).computed == 2


def test_shards_are_bounded_by_texts_and_by_characters(
    counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "SHARD_TEXTS", 3)
    monkeypatch.setattr(fill, "SHARD_CHARACTERS", 20)
    run(["a", "b", "c", "d", "e" * 15, "f" * 10, "g" * 99], counting, tmp_path)
    assert [len(texts) for texts in counting.calls] == [3, 2, 1, 1]


def test_another_model_behind_the_same_name_is_an_error_and_what_is_stored_stays(
    counting: Counting, tmp_path: Path
) -> None:
    first = run(TEXTS, counting, tmp_path)
    counting.dimension = 16
    with pytest.raises(ModelError, match="length 16 from all-MiniLM-L6-v2, whose stored ones have"):
        run([*TEXTS, "new"], counting, tmp_path)
    assert run(TEXTS, counting, tmp_path).matrix.tobytes() == first.matrix.tobytes()


@pytest.mark.parametrize("seen", ["when the part is opened", "while its vectors are read"])
def test_a_damaged_part_is_embedded_again(counting: Counting, tmp_path: Path, seen: str) -> None:
    first = run(TEXTS, counting, tmp_path)
    [part] = tmp_path.glob("store/x/part-*")
    data = bytearray(part.read_bytes())
    data[data.index(first.matrix[0].tobytes()) + 100] ^= 1
    part.write_bytes(data[:-9] if seen == "when the part is opened" else data)
    again = run(TEXTS, counting, tmp_path)
    assert again.computed == 3
    assert again.matrix.tobytes() == first.matrix.tobytes()


def test_a_store_that_never_keeps_anything_is_an_error(
    counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EmbeddingStore, "add", lambda *_args: None)
    with pytest.raises(ArtifactError, match="3 vectors that are damaged as soon as they are"):
        run(TEXTS, counting, tmp_path)


def test_progress_counts_each_text_once_also_long_ones(
    model_files: ModelFiles, tmp_path: Path
) -> None:
    settings = EmbedSettings(device="cpu", storage="float32", long_text="mean", batch_tokens=64)
    mean = load_encoder(model_files, settings, "float32")
    texts = [f"text {n} " * (1 + 300 * (n % 3 == 0)) for n in range(20)]
    run(texts[:5], mean, tmp_path, settings=settings)
    steps: list[tuple[int, int]] = []
    made = engine(tmp_path, lambda: mean, settings=settings)
    embed({"text": pl.Series(texts)}, made, lambda *step: steps.append(step))
    assert steps[0] == (5, 0)
    assert sum(n for n, _ in steps) == 20
    assert len(steps) > 3


@pytest.mark.parametrize("texts", [[], [""], ["", " ", "\n"]])
def test_without_any_text_all_vectors_are_zero(
    counting: Counting, tmp_path: Path, texts: list[str]
) -> None:
    found = run(texts, counting, tmp_path)
    assert found.matrix.shape == (len(texts), DIMENSION)
    assert not found.matrix.any()
    assert (counting.computed, found.distinct, found.computed) == ([], 0, 0)


def test_columns_apart_lie_side_by_side_so_that_cosines_add_up(
    counting: Counting, tmp_path: Path
) -> None:
    titles = pl.Series(["gull", "deer", "gull"])
    bodies = pl.Series(["hit the engine", "hit the engine", ""])
    settings = EmbedSettings(columns="apart", weights={"title": 3.0}, storage="float32")
    made = engine(tmp_path, lambda: counting, settings=settings)
    found = embed({"title": titles, "body": bodies}, made)
    assert found.matrix.shape == (3, 2 * DIMENSION)
    assert np.linalg.norm(found.matrix, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    alone = run(["gull", "deer"], counting, tmp_path).matrix
    expected = 0.75 * (alone[0] @ alone[1]) + 0.25
    assert found.matrix[0] @ found.matrix[1] == pytest.approx(expected, abs=1e-5)
    assert found.matrix[2, :DIMENSION] == pytest.approx(alone[0], abs=1e-6)
    assert not found.matrix[2, DIMENSION:].any()
    assert found.distinct == 3


def test_texts_in_languages_that_the_model_does_not_read_are_counted(
    counting: Counting, tmp_path: Path
) -> None:
    texts = [
        "The gull was ingested into the left engine during the climb.",
        "Der Vogel traf beim Start das linke Triebwerk, das danach ausfiel.",
        "鳥が離陸中にエンジンに当たり、機体は空港に引き返した。",
        "ok",
    ]
    assert run(texts, counting, tmp_path, languages=("en",)).foreign == {"de": 1, "ja": 1}
    assert run(texts, counting, tmp_path, languages=("en", "de")).foreign == {"ja": 1}
    assert run(texts, counting, tmp_path).foreign == {}


def test_a_model_that_gives_no_numbers_is_an_error_and_stores_nothing(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("layer.1.output.LayerNorm.bias"))
    weights[name][3] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="vectors that are not finite"):
        run(TEXTS, loaded(folder), tmp_path)
    assert list(tmp_path.rglob("part-*")) == []
