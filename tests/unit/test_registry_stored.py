"""The registry in artifacts."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from heaps import joined, month

from fusemine.tasks.core.artifact import ArtifactRef, Draft, Job, read_json
from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.key import Recipe
from fusemine.tasks.core.windowed import SUMMARY
from fusemine.tasks.mine.topic_chain.advance import Rows, advance
from fusemine.tasks.mine.topic_chain.registry import State
from fusemine.tasks.mine.topic_chain.stored import ANCHORED, anchors_at, read_state, write_state
from fusemine.tasks.mine.topics.settings import TopicsSettings

FIRST = month("2020-01", {"deer": 60, "engine": 60})
SECOND = month("2020-02", {"deer": 5}, start=100)


def kept(folder: Path, partition: str, state: State, before: ArtifactRef | None) -> ArtifactRef:
    with Draft(Job(folder, "topics", partition, Recipe((partition,), {}, {}, ""))) as draft:
        write_state(draft, state, before)
        draft.count(0, 0, 0)
    return draft.finished()


@pytest.fixture
def chain(tmp_path: Path) -> list[tuple[State, ArtifactRef]]:
    first = advance(State(), Rows(FIRST, lambda: FIRST), "2020-01", TopicsSettings())
    at_first = kept(tmp_path, "2020-01", first, None)
    rows = Rows(SECOND, lambda: joined(FIRST, SECOND))
    second = advance(first, rows, "2020-02", TopicsSettings())
    return [(first, at_first), (second, kept(tmp_path, "2020-02", second, at_first))]


def test_a_registry_comes_back_as_it_was(chain: list[tuple[State, ArtifactRef]]) -> None:
    for state, ref in chain:
        again = read_state(ref)
        assert (again.topics, again.events, again.fitted) == (
            state.topics, state.events, state.fitted
        )  # fmt: skip
        assert again.anchors is not None
        assert state.anchors is not None
        assert np.array_equal(again.anchors.vectors, state.anchors.vectors)
        assert np.array_equal(again.anchors.topics, state.anchors.topics)
        assert np.array_equal(again.anchors.places, state.anchors.places)


def test_the_grouped_texts_are_stored_once_and_found_from_later_registries(
    chain: list[tuple[State, ArtifactRef]],
) -> None:
    (_, first), (_, second) = chain
    assert (Path(first.path) / f"{ANCHORED}.parquet").is_file()
    assert not (Path(second.path) / f"{ANCHORED}.parquet").exists()
    assert anchors_at(second) == first
    assert read_json(second, SUMMARY)["anchors"] == first.name


def test_a_registry_whose_grouped_texts_are_gone_says_so(
    chain: list[tuple[State, ArtifactRef]],
) -> None:
    (_, first), (_, second) = chain
    shutil.rmtree(first.path)
    with pytest.raises(ArtifactError, match="gone or changed"):
        read_state(second)


def test_an_empty_registry_can_be_stored(tmp_path: Path) -> None:
    assert read_state(kept(tmp_path, "2020-01", State(), None)) == State()
    assert read_state(None) == State()
