"""The spaces of the embedding store are found as they are, and only what is unused goes."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from support.small_root import at_every_step, everything
from support.small_store import DAY, FACTS, NOW, make_space

from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.embed.store.space import STORE, USE, add_use
from fusemine.tasks.embed.store.store import EmbeddingStore, keys_of
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.upkeep.contents import Contents, Total
from fusemine.tasks.upkeep.prune import prune
from fusemine.tasks.upkeep.spaces import (
    Space,
    StorePrunePlan,
    empty_message,
    plan_removal,
    read_spaces,
)

MONTH = 30 * DAY
LATELY, OLD, OLDER, TODAY, UNKNOWN = (digit * 16 for digit in "12345")
"""Names of spaces, which are hashes."""
DAMAGED = f".damaged-part-{'0' * 32}.parquet"


def read(root: Path, used: str = TODAY) -> list[Space]:
    return read_spaces(store_at(root), f"{STORE}/{used}")


def plan(root: Path, unused_for: timedelta = MONTH, now: datetime = NOW) -> StorePrunePlan:
    return plan_removal(store_at(root), read(root), unused_for, now)


def going(root: Path, unused_for: timedelta = MONTH) -> list[str]:
    return [gone.name for gone in plan(root, unused_for).goes]


def leftovers(root: Path) -> list[str]:
    return Contents(store_at(root), GRAPH).leftovers


def files(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_space_has_what_it_holds_and_how_it_was_used(tmp_path: Path) -> None:
    folder = make_space(tmp_path, TODAY, used=(9, 2, 5), texts=4)
    vectors = EmbeddingStore(store_at(tmp_path), f"{STORE}/{TODAY}", "float32")
    vectors.add(keys_of(["new"]), np.eye(1, 4), [1], [""])
    (folder / DAMAGED).write_bytes(b"half")
    [found] = read(tmp_path)
    assert (found.name, found.facts, found.in_use) == (TODAY, FACTS, True)
    assert (found.texts, found.parts, found.damaged, found.bytes) == (5, 2, 1, files(folder))
    assert (found.looked_up, found.hits, found.hit_rate) == (6, 3, 0.5)
    assert found.last_used == found.idle_since == NOW - 2 * DAY


def test_spaces_can_be_json(tmp_path: Path) -> None:
    make_space(tmp_path, TODAY, used=[2])
    make_space(tmp_path, OLD)
    found = [json.loads(json.dumps(space.as_json())) for space in read(tmp_path)]
    assert found[0]["facts"]["model"] == "birds"
    assert (found[0]["in_use"], found[0]["hit_rate"]) == (True, 0.5)
    assert found[0]["last_used"] == (NOW - 2 * DAY).isoformat()
    assert (found[1]["last_used"], found[1]["hit_rate"]) == (None, None)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[", b"\xff\x00"])
def test_what_cannot_be_read_is_not_known_and_stays_as_it_is(
    tmp_path: Path, content: bytes | None
) -> None:
    folder = make_space(tmp_path, TODAY, used=[1])
    for path in [*folder.glob("part-*"), folder / "space.json", folder / USE]:
        path.unlink() if content is None else path.write_bytes(content)
    (folder / f"part-{'0' * 32}.parquet").write_bytes(b"nothing")
    before = everything(tmp_path)
    [found] = read(tmp_path)
    assert (found.facts, found.texts, found.last_used, found.hit_rate) == (None,) * 4
    assert found.idle_since > NOW
    assert everything(tmp_path) == before


def test_the_space_in_use_comes_first_then_those_used_last(tmp_path: Path) -> None:
    days = {OLD: [9], LATELY: [1], UNKNOWN: (), OLDER: [5], TODAY: [60]}
    for name, used in days.items():
        make_space(tmp_path, name, used)
    assert [space.name for space in read(tmp_path)] == [TODAY, LATELY, OLDER, OLD, UNKNOWN]
    assert [space.in_use for space in read(tmp_path)] == [True, *[False] * 4]


def test_what_else_is_in_the_store_is_no_space_and_stays(tmp_path: Path) -> None:
    make_space(tmp_path, OLD, used=[50])
    store = tmp_path / "store"
    (store / "precision.json").write_text("{}")
    (store / "mine").mkdir()
    (store / "mine" / "notes.txt").write_text("x")
    (store / "empty").mkdir()
    assert [space.name for space in read(tmp_path)] == [OLD]
    prune(plan(tmp_path))
    assert sorted(path.name for path in store.iterdir()) == ["empty", "mine", "precision.json"]


def test_only_spaces_that_nobody_used_lately_go_and_never_the_one_in_use(tmp_path: Path) -> None:
    for name, used in ((TODAY, [99]), (LATELY, [80, 29]), (OLD, [80, 31])):
        make_space(tmp_path, name, used)
    assert going(tmp_path) == [f"store/{OLD}"]
    assert going(tmp_path, 20 * DAY) == [f"store/{LATELY}", f"store/{OLD}"]
    add_use(store_at(tmp_path), f"{STORE}/{OLD}", 1, 1)
    assert going(tmp_path) == []
    assert plan(tmp_path, 0 * DAY, datetime.now(UTC)).kept.number == 1


def test_a_space_without_a_noted_use_was_used_when_it_was_written(tmp_path: Path) -> None:
    folder = make_space(tmp_path, OLD)
    assert going(tmp_path) == [f"store/{OLD}"]
    assert going(tmp_path, 41 * DAY) == []
    os.utime(next(folder.glob("part-*")), ((NOW - DAY).timestamp(),) * 2)
    assert going(tmp_path) == []


def test_what_is_damaged_or_left_goes_from_every_space(tmp_path: Path) -> None:
    for name in (TODAY, LATELY):
        folder = make_space(tmp_path, name, used=[1])
        (folder / DAMAGED).write_bytes(b"half")
        (folder / ".draft-xxxxxxxx").write_bytes(b"half")
        (folder / ".claims").touch()
    make_space(tmp_path, OLD, used=[50]).joinpath(".draft-xxxxxxxx").touch()
    elsewhere = tmp_path / "clean" / "2024-01" / ".draft-xxxxxxxx"
    elsewhere.mkdir(parents=True)
    found = plan(tmp_path)
    assert sorted(gone.name for gone in found.goes) == [
        f"store/{LATELY}/{DAMAGED}",
        f"store/{LATELY}/.draft-xxxxxxxx",
        f"store/{OLD}",
        f"store/{TODAY}/{DAMAGED}",
        f"store/{TODAY}/.draft-xxxxxxxx",
    ]
    prune(found)
    assert leftovers(tmp_path) == ["clean/2024-01/.draft-xxxxxxxx"]
    assert [space.texts for space in read(tmp_path)] == [3, 3]
    assert (tmp_path / "store" / TODAY / ".claims").exists()


def test_the_plan_changes_nothing_and_its_sizes_add_up(tmp_path: Path) -> None:
    for name, used in ((TODAY, [1]), (OLD, [50]), (UNKNOWN, ())):
        make_space(tmp_path, name, used)
    (tmp_path / "store" / UNKNOWN / "space.json").write_text("?" * 10)
    (tmp_path / "store" / TODAY / DAMAGED).write_bytes(b"half")
    os.utime(tmp_path / "store" / UNKNOWN / "space.json", (0, 0))
    before = everything(tmp_path)
    found = plan(tmp_path)
    assert everything(tmp_path) == before
    assert sum(gone.bytes for gone in found.goes) + found.kept.bytes == files(tmp_path)
    assert found.kept == Total(1, files(tmp_path / "store" / TODAY) - 4)
    assert found.lines() == [
        "goes: 3, 0.0 MB",
        f"  store/{UNKNOWN}: 0.0 MB, an unknown model, last written {NOW - 40 * DAY:%Y-%m-%d}",
        f"  store/{OLD}: 0.0 MB, birds, last used {NOW - 50 * DAY:%Y-%m-%d}",
        f"  store/{TODAY}/{DAMAGED}: 0.0 MB, damaged",
        "stays: 1 in the store, 0.0 MB",
    ]
    assert json.loads(json.dumps(found.as_json()))["kept"]["number"] == 1


def test_a_root_without_a_store_has_nothing_to_show_or_remove(tmp_path: Path) -> None:
    root = tmp_path / "none"
    assert read(root) == []
    prune(plan(root))
    assert plan(root).lines() == [empty_message(str(root))]
    assert not root.exists()


def test_a_kill_at_any_step_leaves_whole_spaces_and_a_second_removal_ends_it(
    tmp_path: Path,
) -> None:
    root = tmp_path / "root"
    for name, used in ((TODAY, [1]), (OLD, [50]), (OLDER, [60])):
        make_space(root, name, used).joinpath(DAMAGED).touch()
    kills = 0
    for _ in at_every_step(root, lambda: prune(plan(root))):
        assert {space.texts for space in read(root)} == {3}
        prune(plan(root))
        assert [path.name for path in (root / "store").iterdir()] == [TODAY]
        assert all(name.startswith(".draft-") for name in leftovers(root))
        kills += 1
    assert kills > 10


def test_what_is_gone_before_the_plan_is_carried_out_is_no_error(tmp_path: Path) -> None:
    folder = make_space(tmp_path, OLD, used=[50])
    found = plan(tmp_path)
    folder.rename(tmp_path / "elsewhere")
    prune(found)
