"""Which model is in use after decisions, turns and rollbacks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.core.errors import ArtifactError, SettingsError
from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.serving.registry import (
    Action,
    Entry,
    Event,
    Registry,
    Turn,
    change_registry,
    differences,
    read_registry,
)

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def entry(month: str) -> Entry:
    about = {"id": f"{month}-aa", "artifact": f"train/{month}/aa", "sha256": "aa"}
    return Entry(**about, partition=month, made_at=NOW, label=True)


def event(action: Action, model: str, before: str | None) -> Event:
    return Event(at=NOW, action=action, model=model, before=before, why="")


def promote(registry: Registry, month: str) -> Registry:
    """A new model takes the place of the one in use."""
    before = registry.current.id if registry.current else None
    made = event("promoted" if before else "first", f"{month}-aa", before)
    return registry.with_entry(entry(month)).with_event(made)


def promoted(*months: str) -> Registry:
    """Models of some partitions, each of which took the place of the one before."""
    return reduce(promote, months, Registry())


def test_without_a_model_none_is_in_use() -> None:
    registry = Registry()
    assert registry.current is None
    assert registry.earlier() == []
    assert registry.in_use_for("2024-01") is None
    assert registry.kept_artifacts(5) == []


def test_a_partition_is_scored_by_the_last_model_that_was_trained_before_it() -> None:
    registry = promoted("2024-01", "2024-03")
    found = [registry.in_use_for(month) for month in ("2024-01", "2024-02", "2024-04")]
    assert found == [None, entry("2024-01"), entry("2024-03")]


def test_the_table_without_times_is_never_scored_by_a_model_of_itself() -> None:
    assert promoted("all").in_use_for("all") is None


def test_the_model_of_a_partition_stays_its_model() -> None:
    registry = promoted("2024-01").with_turn("2024-05", Turn(champion="2024-01-aa"))
    assert promote(registry, "2024-03").in_use_for("2024-05") == entry("2024-01")


def test_a_partition_that_had_no_model_gets_none_later() -> None:
    registry = promoted("2024-01").with_turn("2024-02", Turn(champion=None))
    assert registry.in_use_for("2024-02") is None


def test_a_challenger_that_was_kept_out_changes_nothing() -> None:
    registry = promoted("2024-01").with_entry(entry("2024-02"))
    after = registry.with_event(event("kept", "2024-02-aa", "2024-01-aa"))
    assert after.current == registry.current
    assert after.decided("2024-02-aa")
    assert after.succession() == ["2024-01-aa"]


def test_going_back_twice_goes_back_two_models_and_no_farther() -> None:
    registry = promoted("2024-01", "2024-02", "2024-03")
    for expected, before in (("2024-02", "2024-03-aa"), ("2024-01", "2024-02-aa")):
        assert registry.earlier()[0] == entry(expected)
        registry = registry.with_event(event("rolled back", f"{expected}-aa", before))
        assert registry.current == entry(expected)
    assert registry.earlier() == []


def test_going_back_past_a_model_that_is_gone_ends_its_place_too() -> None:
    registry = promoted("2024-01", "2024-02", "2024-03")
    registry = registry.with_event(event("rolled back", "2024-01-aa", "2024-03-aa"))
    assert registry.succession() == ["2024-01-aa"]


def test_a_partition_keeps_its_model_when_another_run_has_a_different_one() -> None:
    registry = promoted("2024-01").with_turn("2024-05", Turn(champion="2024-01-aa", score="a"))
    later = registry.with_turn("2024-05", Turn(champion="2024-03-aa", challenge="c", score="b"))
    assert later.turns["2024-05"] == Turn(champion="2024-01-aa", challenge="c", score="a")
    same = later.with_turn("2024-05", Turn(champion="2024-01-aa", score="d"))
    assert same.turns["2024-05"] == Turn(champion="2024-01-aa", challenge="c", score="d")


def test_after_going_back_a_new_model_is_followed_by_the_one_that_was_gone_back_to() -> None:
    registry = promoted("2024-01", "2024-02")
    registry = registry.with_event(event("rolled back", "2024-01-aa", "2024-02-aa"))
    assert promote(registry, "2024-03").earlier() == [entry("2024-01")]


def test_the_models_in_use_and_the_newest_are_kept() -> None:
    registry = promoted(*(f"2024-{month:02d}" for month in range(1, 7)))
    for month in (8, 9):
        registry = registry.with_entry(entry(f"2024-{month:02d}"))
    kept = registry.kept_artifacts(1)
    assert kept == ["train/2024-05/aa", "train/2024-06/aa", "train/2024-09/aa"]


def test_the_beginning_of_an_id_is_enough_if_only_one_has_it() -> None:
    registry = promoted("2024-01", "2024-02")
    assert registry.get("2024-02").id == "2024-02-aa"
    with pytest.raises(SettingsError, match="2 models"):
        registry.get("2024-0")
    with pytest.raises(SettingsError, match="2024-01-aa"):
        registry.get("2023")


@given(st.lists(st.sampled_from(["promote", "keep", "back"]), max_size=12))
def test_the_last_of_the_succession_is_always_the_model_in_use(steps: list[str]) -> None:
    registry = promoted("2024-00")
    for number, step in enumerate(steps, start=1):
        current, month = registry.succession()[-1], f"2024-{number:02d}"
        if step == "back":
            for previous in registry.earlier()[:1]:
                registry = registry.with_event(event("rolled back", previous.id, current))
        elif step == "promote":
            registry = promote(registry, month)
        else:
            kept = event("kept", f"{month}-aa", current)
            registry = registry.with_entry(entry(month)).with_event(kept)
        assert registry.current == registry.entries[registry.succession()[-1]]


def test_differences_of_two_models_are_named_by_their_place() -> None:
    first = {"a": {"b": 1, "c": 2}, "d": [1], "only": 3}
    found = differences(first, {"a": {"b": 1, "c": 4}, "d": [1]})
    assert found.first == {"a.c": 2, "only": 3}
    assert found.second == {"a.c": 4, "only": None}


def test_the_registry_survives_on_disk_and_begins_empty(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    assert read_registry(store) == Registry()
    registry = promoted("2024-01").with_turn("2024-02", Turn(champion="2024-01-aa"))
    change_registry(store, lambda _: registry)
    assert read_registry(store) == registry


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    names = [f"2024-{month:02d}" for month in range(1, 13)]
    with ThreadPoolExecutor(12) as pool:
        for name in names:
            pool.submit(
                change_registry, store_at(tmp_path), lambda r, n=name: r.with_entry(entry(n))
            )
    assert sorted(read_registry(store_at(tmp_path)).entries) == [f"{name}-aa" for name in names]


@pytest.mark.parametrize("content", ["", "{", '{"version": 2}', '{"events": [{}]}'])
def test_a_registry_that_cannot_be_read_is_an_error_and_stays(tmp_path: Path, content: str) -> None:
    path = tmp_path / "models" / "registry.json"
    path.parent.mkdir()
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"registry\.json"):
        read_registry(store_at(tmp_path))
    with pytest.raises(ArtifactError):
        change_registry(store_at(tmp_path), lambda registry: registry.with_entry(entry("2024-01")))
    assert path.read_text(encoding="utf-8") == content
