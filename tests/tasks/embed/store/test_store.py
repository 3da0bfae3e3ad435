"""The embedding store keeps each text's vector once, shared and safe from damage."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.core.vectors import unit
from fusemine.tasks.embed.store import parts
from fusemine.tasks.embed.store.store import EmbeddingStore, StoredVectors, keys_of, text_hash

DIMENSION = 4


def vectors(*numbers: float) -> np.ndarray:
    """A vector for each number, float32."""
    return np.repeat(np.array(numbers, np.float32)[:, None], DIMENSION, axis=1)


def opened(root: Path, dtype: str = "float32") -> EmbeddingStore:
    return EmbeddingStore(store_at(root), "space", dtype)


def add(store: EmbeddingStore, texts: Sequence[str], *numbers: float) -> None:
    """Store a vector of equal numbers for each text."""
    store.add(keys_of(texts), vectors(*numbers), [len(text) for text in texts], ["en"] * len(texts))


def fetch(store: EmbeddingStore, *texts: str) -> StoredVectors:
    return store.fetch(keys_of(texts))


def numbers(store: EmbeddingStore, *texts: str) -> list[float]:
    """The number that each text's vector is made of; 0 if it is not stored."""
    return [float(row[0]) for row in fetch(store, *texts).matrix]


def files(root: Path) -> list[Path]:
    return sorted(root.glob("space/part-*.parquet"))


def test_a_new_store_is_empty_and_writes_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert len(store) == 0
    assert store.dimension is None
    assert store.has(keys_of(["k"])).tolist() == [False]
    assert fetch(store).matrix.shape == (0, 0)
    store.compact()
    assert list(tmp_path.iterdir()) == []


def test_vectors_come_back_in_the_order_of_the_keys(tmp_path: Path) -> None:
    store = opened(tmp_path)
    add(store, ["a", "bb"], 1, 2)
    found = fetch(store, "bb", "a", "none", "bb")
    assert found.matrix.dtype == np.float32
    assert found.matrix[:, 0].tolist() == [2, 1, 0, 2]
    assert found.known.tolist() == [True, True, False, True]
    assert found.tokens.tolist() == [2, 1, 0, 2]
    assert found.languages.tolist() == ["en", "en", "", "en"]
    assert store.dimension == DIMENSION


def test_each_addition_writes_only_what_is_new(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for number, text in enumerate("ab"):
        for _ in range(2):
            add(store, [text], number)
            assert len(files(tmp_path)) == number + 1
    assert len(opened(tmp_path)) == 2


def test_the_same_vectors_are_the_same_part(tmp_path: Path) -> None:
    one, two = opened(tmp_path), opened(tmp_path)
    for store in (one, two):
        store.add(keys_of(["a", "b"]), vectors(1, 2), [1, 1], ["", ""])
    assert len(files(tmp_path)) == 1


def test_half_precision_halves_the_file_and_costs_next_to_nothing(tmp_path: Path) -> None:
    matrix = np.random.default_rng(1).standard_normal((500, 384)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    keys = keys_of([str(n) for n in range(500)])
    sizes = {}
    for dtype in ("float16", "float32"):
        opened(tmp_path / dtype, dtype).add(keys, matrix, [1] * 500, [""] * 500)
        found = opened(tmp_path / dtype, dtype).fetch(keys).matrix
        assert found.dtype == dtype
        assert (unit(found) * matrix).sum(axis=1).min() > 1 - 1e-6
        sizes[dtype] = files(tmp_path / dtype)[0].stat().st_size
    assert sizes["float16"] < 0.55 * sizes["float32"]


def test_vectors_that_half_precision_would_spoil_are_refused(tmp_path: Path) -> None:
    store = opened(tmp_path, "float16")
    for number in (1e-9, 1e9):
        with pytest.raises(ModelError, match=r"when stored as float16") as caught:
            add(store, ["a"], number)
        assert caught.value.fix == "set embed.storage to float32"
    assert files(tmp_path) == []


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied"])
def test_a_damaged_part_is_set_aside_and_can_be_made_again(tmp_path: Path, damage: str) -> None:
    add(opened(tmp_path), ["a"], 1)
    add(opened(tmp_path), ["b"], 2)
    [part] = [p for p in files(tmp_path) if vectors(2).tobytes() in p.read_bytes()]
    data = part.read_bytes()
    place = data.index(vectors(2).tobytes()) + 5
    flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    part.write_bytes({"cut": data[:-5], "changed": flipped, "emptied": b""}[damage])
    again = opened(tmp_path)
    assert fetch(again, "a", "b").known.tolist() == [True, False]
    assert again.damaged == [f"space/{part.name}"]
    assert part.with_name(f".damaged-{part.name}").exists()
    add(again, ["b"], 2)
    assert numbers(opened(tmp_path), "a", "b") == [1, 2]


def test_a_part_of_another_kind_is_set_aside(tmp_path: Path) -> None:
    add(opened(tmp_path), ["a"], 1)
    [part] = files(tmp_path)
    odd = f"part-{'0' * 32}.parquet"
    pq.write_table(pq.read_table(part).drop(["tokens"]), part.with_name(odd))
    again = opened(tmp_path)
    assert again.damaged == [f"space/{odd}"]
    assert numbers(again, "a") == [1]


def test_parts_that_are_gone_are_forgotten_after_a_refresh(tmp_path: Path) -> None:
    store = opened(tmp_path)
    add(store, ["a"], 1)
    add(store, ["b"], 2)
    files(tmp_path)[0].unlink()
    assert fetch(store, "a", "b").known.sum() == 1
    store.refresh()
    assert len(store) == 1


def test_drafts_and_other_files_are_no_parts(tmp_path: Path) -> None:
    (tmp_path / "space").mkdir()
    (tmp_path / "space" / ".draft-x").write_bytes(b"half")
    for name in ("notes.txt", "part-of-mine.parquet"):
        (tmp_path / "space" / name).write_text("x")
    assert len(opened(tmp_path)) == 0


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with pytest.raises(ValueError, match="length"):
        store.add(keys_of(["a", "b"]), vectors(1, 2), [1], ["", ""])
    assert files(tmp_path) == []
    assert list(tmp_path.rglob(".draft-*")) == []


def test_many_small_parts_become_one_and_a_reader_finds_its_vectors_again(tmp_path: Path) -> None:
    store = opened(tmp_path)
    texts = [f"text {n}" for n in range(40)]
    for number, text in enumerate(texts):
        add(store, [text], number + 1)
    reader = opened(tmp_path)
    assert len(files(tmp_path)) == 40
    store.compact()
    assert len(files(tmp_path)) == 1
    expected = [n + 1 for n in range(40)]
    assert numbers(store, *texts) == numbers(reader, *texts) == expected
    assert numbers(opened(tmp_path), *texts) == expected
    assert fetch(reader, *texts).tokens.tolist() == [len(text) for text in texts]


def test_few_or_unlike_parts_stay_apart(tmp_path: Path) -> None:
    store = opened(tmp_path)
    large = [f"large {n}" for n in range(300)]
    add(store, large, *range(1, 301))
    for number in range(parts.MERGED - 1):
        add(store, [f"small {number}"], number + 1)
    store.compact()
    assert len(files(tmp_path)) == parts.MERGED
    add(store, ["one more"], 5)
    store.compact()
    assert len(files(tmp_path)) == 2
    assert numbers(store, "large 7", "one more") == [8, 5]


def test_compaction_keeps_each_text_once(tmp_path: Path) -> None:
    ones = [opened(tmp_path) for _ in range(parts.MERGED)]
    for number, store in enumerate(ones):
        store.add(keys_of(["same", f"own {number}"]), vectors(1, 2), [1, 1], ["", str(number)])
    whole = opened(tmp_path)
    assert len(whole) == parts.MERGED + 1
    whole.compact()
    [part] = files(tmp_path)
    assert pq.read_metadata(part).num_rows == parts.MERGED + 1


def test_compaction_keeps_the_one_part_that_others_are_copies_of(tmp_path: Path) -> None:
    for number, store in enumerate([opened(tmp_path) for _ in range(parts.MERGED)]):
        store.add(keys_of(["same"]), vectors(1), [1], [str(number)])
    opened(tmp_path).compact()
    assert len(files(tmp_path)) == 1
    assert numbers(opened(tmp_path), "same") == [1]


def test_a_damaged_part_does_not_stop_the_compaction_of_the_others_for_good(tmp_path: Path) -> None:
    store = opened(tmp_path)
    texts = [f"text {n}" for n in range(2 * parts.MERGED)]
    for text in texts:
        add(store, [text], 1)
    files(tmp_path)[3].write_bytes(b"nothing")
    store.compact()
    store.compact()
    assert len(files(tmp_path)) == 1
    assert fetch(store, *texts).known.sum() == len(texts) - 1


def test_large_parts_are_written_in_full_row_groups(tmp_path: Path) -> None:
    texts = [f"text {n}" for n in range(21 * 300)]
    for start in range(0, len(texts), 300):
        chosen = texts[start : start + 300]
        add(opened(tmp_path), chosen, *range(start + 1, start + len(chosen) + 1))
    store = opened(tmp_path)
    store.compact()
    [part] = files(tmp_path)
    groups = pq.read_metadata(part)
    sizes = [groups.row_group(n).num_rows for n in range(groups.num_row_groups)]
    assert sizes == [parts.ROWS_PER_GROUP] * 3 + [21 * 300 - 3 * parts.ROWS_PER_GROUP]
    some = texts[::1111]
    assert numbers(store, *some) == [texts.index(text) + 1 for text in some]


def test_texts_whose_hashes_begin_alike_stay_apart(tmp_path: Path) -> None:
    store = opened(tmp_path)
    keys = np.array([b"7" * 8 + b"c" * 8, b"7" * 15 + b"\0", b"7" * 16, b"8" * 16], "S16")
    store.add(keys, vectors(3, 1, 2, 8), [1] * 4, [""] * 4)
    others = np.array([b"7" * 14, b"7" * 15 + b"6", b"\0" * 16, b"9" * 16], "S16")
    found = opened(tmp_path).fetch(np.concatenate([keys[::-1], others]))
    assert found.matrix[:, 0].tolist() == [8, 2, 1, 3, 0, 0, 0, 0]
    assert found.known.tolist() == [True] * 4 + [False] * 4


def test_a_claim_keeps_other_processes_off_and_ends_with_its_process(tmp_path: Path) -> None:
    script = f"""
import sys, time
from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.embed.store.store import EmbeddingStore, keys_of
claims = EmbeddingStore(store_at({str(tmp_path)!r}), "space").claims()
print(claims.take(keys_of(["a", "b"])), flush=True)
sys.stdin.read()
"""
    other = subprocess.Popen(
        [sys.executable, "-c", script], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "True\n"
    with opened(tmp_path).claims() as claims:
        assert not claims.take(keys_of(["a", "b"]))
        assert claims.take(keys_of(["a"]))
        claims.release(keys_of(["a"]))
        other.kill()
        assert claims.take(keys_of(["a", "b"]), wait=True)
    other.communicate()


def test_a_text_is_known_by_a_hash_of_its_bytes() -> None:
    assert text_hash("gull") == text_hash("gull")
    assert len({text_hash(text) for text in ("", "gull", "Gull", "gull ", "gu\u0308ll")}) == 5
    assert len(text_hash("\ud800")) == 16
    keys = keys_of(["gull", "hawk"])
    assert parts.to_column(keys).to_pylist() == [text_hash("gull"), text_hash("hawk")]
    assert keys_of([]).shape == (0,)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.dictionaries(st.sampled_from("abcde"), st.floats(width=32, allow_nan=False)),
        st.booleans(),
    ),
    max_size=6,
)


@given(steps=STEPS)
def test_every_vector_comes_back_bit_for_bit_whoever_added_it_first(
    folders: Callable[[], Path], steps: list[tuple[int, dict[str, float], bool]]
) -> None:
    folder = folders()
    stores = [opened(folder), opened(folder)]
    known: dict[str, bytes] = {}
    for which, items, compacts in steps:
        store = stores[which]
        store.refresh()
        if items:
            add(store, list(items), *items.values())
        if compacts:
            store.compact()
        for text, number in items.items():
            known.setdefault(text, vectors(number).tobytes())
    for store in (*stores, opened(folder)):
        store.refresh()
        found = fetch(store, *known)
        assert [row.tobytes() for row in found.matrix] == list(known.values())
