"""Pruning keeps what the latest reports are made of, and takes the rest whole."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.small_root import (
    HOUR,
    SmallRoot,
    at_every_step,
    date_back,
    everything,
    names,
    row,
)

from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.storage.artifact import manifest_of, ref_of
from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.upkeep.contents import Total
from fusemine.tasks.upkeep.prune import PrunePlan, plan_prune, prune

JANUARY, FEBRUARY = "2024-01-05", "2024-02-05"
DAY = timedelta(days=1)
STAGES = [
    "inventory", "collect", "clean", "embed", "topic_chain", "fuse", "classify", "topics",
    "anomalies", "report",
]  # fmt: skip
"""The stages whose artifacts change when February does."""
COLUMNS = {"id": "id", "time": "day", "text": "body", "label": "kind"}


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory) -> SmallRoot:
    """A report on February, made again twice because February changed; all is ten days old."""
    made = SmallRoot(tmp_path_factory.mktemp("mined"), columns=COLUMNS)
    for rows in (2, 3, 4):
        february = (row(n, FEBRUARY, kind="gull") for n in range(2, 2 + rows))
        made.write(row(1, JANUARY, kind="gull"), *february)
        made.run("2024-02")
    age(made)
    return made


@pytest.fixture
def small(mined: SmallRoot, tmp_path: Path) -> SmallRoot:
    return mined.copy(tmp_path / "small")


def manifest(small: SmallRoot, name: str) -> Any:
    return manifest_of(small.root, name)


def age(small: SmallRoot, days: int = 10) -> None:
    """Let everything have been made some days ago, in the order in which it was."""
    made = sorted(names(small.root), key=lambda name: manifest(small, name).created_at)
    for number, name in enumerate(made):
        date_back(small.root, name, days - number / 100_000)


def plan(small: SmallRoot, keep: timedelta = DAY, later: timedelta = timedelta(0)) -> PrunePlan:
    return plan_prune(small.store, GRAPH, keep, datetime.now(UTC) + later)


def going(small: SmallRoot, keep: timedelta = DAY) -> set[str]:
    return {gone.name for gone in plan(small, keep).goes}


def latest(small: SmallRoot, partition: str = "2024-02") -> str:
    record = json.loads((small.root / f"latest/{partition}.json").read_text())
    return str(Path(record["report"]).parent)


def made_of(small: SmallRoot, name: str) -> set[str]:
    """An artifact and all that it was made of."""
    inputs = manifest(small, name).inputs
    return {name}.union(*(made_of(small, below) for below in inputs))


def left(path: Path, hours: float) -> Path:
    """Something that a killed run left some hours ago."""
    path.mkdir(parents=True)
    (path / "part-00000.parquet").write_bytes(b"half")
    then = datetime.now(UTC).timestamp() - hours * 3600
    for file in (path / "part-00000.parquet", path):
        os.utime(file, (then, then))
    return path


def test_what_the_latest_report_of_each_partition_is_made_of_stays_and_nothing_else(
    small: SmallRoot,
) -> None:
    small.run("2024-01")
    age(small)
    needed = made_of(small, latest(small)) | made_of(small, latest(small, "2024-01"))
    prune(plan(small))
    assert set(names(small.root)) == needed
    assert all(ref_of(small.root, name) for name in needed)
    assert (plan(small).goes, plan(small).removed) == ((), {})


def test_the_plan_changes_nothing_and_states_what_goes_and_stays(small: SmallRoot) -> None:
    before = everything(small.root)
    found = plan(small)
    assert everything(small.root) == before
    removed = [(stage, total.number) for stage, total in found.removed.items()]
    assert removed == [(stage, 2) for stage in STAGES]
    assert sum(total.number for total in found.kept.values()) == 14
    sizes = sum(f.stat().st_size for n in names(small.root) for f in (small.root / n).iterdir())
    everywhere = [*found.kept.values(), *found.removed.values()]
    assert sum(total.bytes for total in everywhere) == sizes
    assert sum(gone.bytes for gone in found.goes) == sum(t.bytes for t in found.removed.values())
    assert found.lines()[0].startswith("goes: 20, ")
    assert found.lines()[1].startswith("  inventory: 2, ")
    assert found.lines()[-1].startswith("stays: 14, ")
    assert json.loads(json.dumps(found.as_json()))["removed"]["clean"]["number"] == 2
    assert all(gone.why.startswith("in no latest report, made 20") for gone in found.goes)


def test_what_was_made_lately_stays_with_all_that_it_was_made_of(small: SmallRoot) -> None:
    old = next(n for n in names(small.root, "report") if n != latest(small))
    date_back(small.root, old, 0)
    assert made_of(small, old).isdisjoint(going(small))
    assert going(small, keep=11 * DAY) == set()
    assert old in {gone.name for gone in plan(small, later=2 * DAY).goes}


def test_the_newest_inventory_stays_with_the_raw_rows_that_it_lists(small: SmallRoot) -> None:
    small.write(row(1, JANUARY, kind="gull"), row(9, "2024-03-05", kind="gull"))
    inventory = small.collect()
    date_back(small.root, inventory.name, 5)
    for name in names(small.root, "collect"):
        date_back(small.root, name, 5)
    stays = {n for n in names(small.root) if n not in going(small)}
    assert stays - made_of(small, latest(small)) == {
        inventory.name,
        *(name for name in names(small.root, "collect") if "2024-03" in name),
    }


def test_an_artifact_with_the_content_of_a_needed_one_stays(small: SmallRoot) -> None:
    """Another version of the code may have made the same bytes under another key."""
    january = names(small.root, "clean")[0]
    twin = str(Path(january).with_name("0123456789abcdef"))
    shutil.copytree(small.root / january, small.root / twin)
    made = manifest(small, january).model_copy(update={"key": twin.rpartition("/")[2]})
    (small.root / twin / "manifest.json").write_bytes(made.to_json())
    assert twin not in going(small)


@pytest.mark.parametrize(
    "place",
    [
        "clean/2024-01/.draft-aaaaaaaa", "clean/2024-01/.damaged-aaaaaaaa", ".draft-aaaaaaaa",
        "report/.draft-aaaaaaaa", "latest/.draft-aaaaaaaa", "failed/.draft-aaaaaaaa",
        "store/feedfeedfeedfeed/.draft-aaaaaaaa",
    ],
)  # fmt: skip
def test_what_killed_runs_left_goes_after_an_hour(small: SmallRoot, place: str) -> None:
    folder = left(small.root / place, hours=1.1)
    young = left(folder.with_name(".draft-bbbbbbbb"), hours=0.9)
    found = plan(small)
    assert found.removed["leftovers"] == Total(1, 4)
    prune(found)
    assert not folder.exists()
    assert young.exists()


def test_a_draft_that_is_written_to_is_not_left(small: SmallRoot) -> None:
    folder = left(small.root / "clean/2024-01/.draft-aaaaaaaa", hours=2)
    (folder / "part-00000.parquet").write_bytes(b"more")
    assert "leftovers" not in plan(small).removed


def test_a_folder_without_a_readable_manifest_goes_after_an_hour(small: SmallRoot) -> None:
    old = left(small.root / "clean/2024-01/feedfeedfeedfeed", hours=2)
    left(small.root / "clean/2024-01/feedfeedfeedfeee", hours=0.5)
    [gone] = [gone for gone in plan(small).goes if gone.why == "no readable manifest"]
    assert small.root / gone.name == old


def test_the_store_and_all_other_files_stay(small: SmallRoot) -> None:
    others = ["failed/x.json", "backfills/y.json", "forgotten.json", ".lock", "mine/a/b/c.txt"]
    for name in others:
        (small.root / name).parent.mkdir(exist_ok=True, parents=True)
        (small.root / name).write_text('{"row_ids": []}')
        os.utime(small.root / name, (0, 0))
    places = (*others, "store/", "latest/", "report/latest.html")
    before = {n: h for n, h in everything(small.root).items() if n.startswith(places)}
    prune(plan(small))
    after = everything(small.root)
    assert {name: after.get(name) for name in before} == before
    assert len(before) > len(others) + 2


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"report": 3}', '{"report": "report.html"}', "\x00"]
)
def test_a_record_that_cannot_be_read_removes_nothing(small: SmallRoot, content: str) -> None:
    (small.root / "latest/2024-01.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"latest/2024-01\.json"):
        plan(small)


@pytest.mark.parametrize("damage", ["manifest.json", ""])
def test_a_latest_report_that_is_gone_removes_nothing(small: SmallRoot, damage: str) -> None:
    path = small.root / latest(small) / damage
    path.unlink() if damage else shutil.rmtree(path)
    with pytest.raises(ArtifactError, match="the latest report of 2024-02"):
        plan(small)


def test_a_root_that_is_not_there_has_nothing_to_remove(tmp_path: Path) -> None:
    found = plan_prune(store_at(tmp_path / "none"), GRAPH, DAY, datetime.now(UTC))
    prune(found)
    assert found.lines() == ["goes: 0, 0.0 MB", "stays: 0, 0.0 MB"]


def test_a_kill_at_any_step_leaves_no_half_artifact_and_a_second_prune_ends_it(
    tmp_path: Path,
) -> None:
    small = SmallRoot(tmp_path)
    for rows in (2, 3):
        small.write(*(row(n, FEBRUARY) for n in range(rows)))
        small.run("2024-02")
    age(small)
    whole = small.root.with_name("whole")
    shutil.copytree(small.root, whole)
    prune(plan_prune(store_at(whole), GRAPH, DAY, datetime.now(UTC)))
    kills = 0
    for _ in at_every_step(small.root, lambda: prune(plan(small))):
        assert all(ref_of(small.root, name) for name in names(small.root))
        prune(plan(small, later=2 * HOUR))
        assert everything(small.root) == everything(whole)
        assert not list(small.root.rglob(".d*"))
        kills += 1
    assert kills > 20


def test_what_is_gone_before_the_plan_is_carried_out_is_no_error(small: SmallRoot) -> None:
    found = plan(small)
    shutil.rmtree(small.root / found.goes[0].name)
    prune(found)
    assert plan(small, later=HOUR).goes == ()
