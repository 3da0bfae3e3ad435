"""The embedding store keeps each text's vector once, shared and safe from damage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.embed.store import EmbeddingStore, text_hash
from tasks.errors import ContractError

DIMENSION = 4


def vectors(*numbers: float) -> np.ndarray:
    """A vector for each number, float32."""
    return np.repeat(np.array(numbers, np.float32)[:, None], DIMENSION, axis=1)


def opened(folder: Path) -> EmbeddingStore:
    store = EmbeddingStore(folder, DIMENSION)
    store.refresh()
    return store


def parts(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def test_a_new_store_is_empty_and_writes_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path / "space")
    store.flush()
    assert len(store) == 0
    assert "k" not in store
    assert store.get([]).shape == (0, DIMENSION)
    assert parts(tmp_path / "space") == []


def test_vectors_come_back_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(["a", "b"], vectors(1, 2))
    found = store.get(["b", "a", "b"])
    assert found.dtype == np.float32
    assert found[:, 0].tolist() == [2, 1, 2]


def test_what_was_flushed_is_there_for_the_next_process(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(["a", "b"], vectors(1, 2))
    store.flush()
    again = opened(tmp_path)
    assert len(again) == 2
    assert again.get(["a", "b"]).tolist() == vectors(1, 2).tolist()


def test_a_kill_loses_only_what_came_after_the_last_checkpoint(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(["a"], vectors(1))
    store.flush()
    store.add(["b"], vectors(2))
    again = opened(tmp_path)
    assert "a" in again
    assert "b" not in again


def test_each_flush_writes_only_what_is_new(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for number, key in enumerate(["a", "b"]):
        store.add([key], vectors(number))
        store.flush()
        store.flush()
        assert len(parts(tmp_path)) == number + 1
    assert len(opened(tmp_path)) == 2


def test_a_vector_that_is_stored_stays_as_it_is(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(["a"], vectors(1))
    store.flush()
    store.add(["a", "b"], vectors(9, 2))
    store.flush()
    assert store.get(["a"])[0, 0] == 1
    assert opened(tmp_path).get(["a", "b"])[:, 0].tolist() == [1, 2]


def test_two_stores_on_one_folder_see_each_other_after_a_refresh(tmp_path: Path) -> None:
    one, two = opened(tmp_path), opened(tmp_path)
    one.add(["a"], vectors(1))
    two.add(["b"], vectors(2))
    one.flush()
    two.flush()
    assert "b" not in one
    one.refresh()
    two.refresh()
    assert one.get(["a", "b"])[:, 0].tolist() == two.get(["a", "b"])[:, 0].tolist() == [1, 2]


def test_two_stores_that_add_the_same_text_agree_afterwards(tmp_path: Path) -> None:
    one, two = opened(tmp_path), opened(tmp_path)
    one.add(["a"], vectors(1))
    two.add(["a"], vectors(2))
    one.flush()
    two.flush()
    assert len(opened(tmp_path)) == 1
    assert opened(tmp_path).get(["a"]).tolist() == opened(tmp_path).get(["a"]).tolist()


def test_the_same_vectors_are_the_same_part(tmp_path: Path) -> None:
    for _ in range(2):
        store = EmbeddingStore(tmp_path, DIMENSION)
        store.add(["a", "b"], vectors(1, 2))
        store.flush()
    assert len(parts(tmp_path)) == 1


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied"])
def test_a_damaged_part_counts_as_not_there_and_can_be_made_again(
    tmp_path: Path, damage: str
) -> None:
    store = opened(tmp_path)
    store.add(["a"], vectors(1))
    store.flush()
    store.add(["b"], vectors(2))
    store.flush()
    part = max(parts(tmp_path))
    data = part.read_bytes()
    flipped = data[:9] + bytes([data[9] ^ 1]) + data[10:]
    part.write_bytes({"cut": data[:-5], "changed": flipped, "emptied": b""}[damage])
    again = opened(tmp_path)
    [lost] = {"a", "b"} - {key for key in "ab" if key in again}
    again.add([lost], vectors(1 if lost == "a" else 2))
    again.flush()
    assert opened(tmp_path).get(["a", "b"])[:, 0].tolist() == [1, 2]


def test_parts_that_are_gone_are_forgotten_after_a_refresh(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(["a"], vectors(1))
    store.flush()
    parts(tmp_path)[0].unlink()
    assert "a" in store
    store.refresh()
    assert "a" not in store


def test_a_refresh_keeps_what_was_not_flushed_yet(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(["a"], vectors(1))
    store.flush()
    store.add(["b"], vectors(2))
    parts(tmp_path)[0].unlink()
    store.refresh()
    store.flush()
    assert store.get(["b"])[0, 0] == 2


def test_drafts_and_other_files_are_no_parts(tmp_path: Path) -> None:
    (tmp_path / ".draft-x").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("x")
    assert len(opened(tmp_path)) == 0


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(["a", None], vectors(1, 2))  # type: ignore[list-item]
    with pytest.raises(ContractError, match="1 nulls in column 'text_hash'"):
        store.flush()
    assert parts(tmp_path) == []


def test_keys_and_vectors_must_match_in_number(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        opened(tmp_path).add(["a", "b"], vectors(1))


def test_a_text_is_known_by_a_hash_of_its_bytes() -> None:
    assert text_hash("gull") == text_hash("gull")
    assert len({text_hash(text) for text in ("", "gull", "Gull", "gull ", "gu\u0308ll")}) == 5
    assert len(text_hash("\ud800")) == 32


STEPS = st.lists(
    st.tuples(st.integers(0, 1), st.dictionaries(st.sampled_from("abcde"), st.floats(width=32))),
    max_size=6,
)


@given(steps=STEPS)
def test_every_flushed_vector_comes_back_bit_for_bit(
    folders: Callable[[], Path], steps: list[tuple[int, dict[str, float]]]
) -> None:
    folder = folders()
    stores = [opened(folder), opened(folder)]
    known: dict[str, bytes] = {}
    for which, items in steps:
        store = stores[which]
        store.refresh()
        if items:
            store.add(list(items), vectors(*items.values()))
        store.flush()
        for key, value in items.items():
            known.setdefault(key, vectors(value).tobytes())
    last = opened(folder)
    assert len(last) == len(known)
    assert {key: last.get([key]).tobytes() for key in known} == known
