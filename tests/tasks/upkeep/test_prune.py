"""Pruning keeps what the latest reports are made of, and takes the rest whole."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.small_root import HOUR, SmallRoot, at_every_step, date_back, everything, names, row

from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.storage.artifact import read_manifest, ref_of
from fusemine.tasks.upkeep.prune import Prune, Total, plan_prune, prune

JANUARY, FEBRUARY = "2024-01-05", "2024-02-05"
DAY = timedelta(days=1)


@pytest.fixture
def small(tmp_path: Path) -> SmallRoot:
    """A report on February, made anew twice because February changed; all is ten days old."""
    made = SmallRoot(tmp_path)
    for rows in (2, 3, 4):
        made.write(row(1, JANUARY), *(row(n, FEBRUARY) for n in range(2, 2 + rows)))
        made.run("2024-02")
    age(made)
    return made


def age(small: SmallRoot, days: int = 10) -> None:
    """Let everything have been made some days ago, in the order in which it was."""
    made = sorted(names(small.root), key=lambda n: read_manifest(small.root / n).created_at)
    for number, name in enumerate(made):
        date_back(small.root, name, days)
        path = small.root / name / "manifest.json"
        manifest = read_manifest(path.parent)
        later = manifest.created_at + number * timedelta(seconds=1)
        path.write_text(manifest.model_copy(update={"created_at": later}).model_dump_json())


def plan(small: SmallRoot, keep: timedelta = DAY, later: timedelta = timedelta(0)) -> Prune:
    return plan_prune(small.root, keep, datetime.now(UTC) + later)


def going(small: SmallRoot, keep: timedelta = DAY) -> set[str]:
    return {gone.name for gone in plan(small, keep).goes}


def latest(small: SmallRoot, partition: str = "2024-02") -> str:
    record = json.loads((small.root / f"latest/{partition}.json").read_text())
    return str(Path(record["report"]).parent)


def made_of(small: SmallRoot, name: str) -> set[str]:
    """An artifact and all that it was made of."""
    inputs = read_manifest(small.root / name).inputs
    return {name}.union(*(made_of(small, below) for below in inputs))


def left(path: Path, hours: float) -> Path:
    """Something that a killed run left some hours ago."""
    path.mkdir(parents=True)
    (path / "part-00000.parquet").write_bytes(b"half")
    then = datetime.now(UTC).timestamp() - hours * 3600
    for file in (path / "part-00000.parquet", path):
        os.utime(file, (then, then))
    return path


def test_only_what_the_latest_reports_are_made_of_stays(small: SmallRoot) -> None:
    needed = made_of(small, latest(small))
    assert len(needed) == 9
    before = set(names(small.root))
    prune(plan(small))
    assert set(names(small.root)) == needed
    assert len(before - needed) == 12
    assert all(ref_of(small.root / name) for name in needed)


def test_the_plan_changes_nothing_and_says_what_goes_and_stays(small: SmallRoot) -> None:
    before = everything(small.root)
    told = plan(small)
    assert everything(small.root) == before
    stages = ["inventory", "collect", "clean", "embed", "fuse", "report"]
    assert {stage: total.number for stage, total in told.removed.items()} == dict.fromkeys(
        stages, 2
    )
    assert sum(total.number for total in told.kept.values()) == 9
    sizes = sum(f.stat().st_size for n in names(small.root) for f in (small.root / n).iterdir())
    everywhere = [*told.kept.values(), *told.removed.values()]
    assert sum(total.bytes for total in everywhere) == sizes
    assert sum(gone.bytes for gone in told.goes) == sum(t.bytes for t in told.removed.values())
    assert told.lines()[0].startswith("goes: 12, ")
    assert told.lines()[1].startswith("  inventory: 2, ")
    assert told.lines()[-1].startswith("stays: 9, ")
    assert json.loads(json.dumps(told.as_json()))["removed"]["clean"]["number"] == 2
    assert all(gone.why.startswith("in no latest report, made 20") for gone in told.goes)


def test_what_was_made_lately_stays_with_all_that_it_was_made_of(small: SmallRoot) -> None:
    old = next(n for n in names(small.root, "report") if n != latest(small))
    date_back(small.root, old, 0)
    assert made_of(small, old).isdisjoint(going(small))
    assert going(small, keep=11 * DAY) == set()
    assert old in {gone.name for gone in plan(small, later=2 * DAY).goes}


def test_the_newest_inventory_stays_with_the_raw_rows_that_it_lists(small: SmallRoot) -> None:
    small.write(row(1, JANUARY), row(9, "2024-03-05"))
    inventory = small.collect()
    date_back(small.root, inventory.name, 5)
    for name in names(small.root, "collect"):
        date_back(small.root, name, 5)
    stays = {n for n in names(small.root) if n not in going(small)}
    assert stays - made_of(small, latest(small)) == {
        inventory.name,
        *(name for name in names(small.root, "collect") if "2024-03" in name),
    }


def test_every_partition_with_a_record_keeps_its_report(small: SmallRoot) -> None:
    refs = small.prepare(small.collect())
    small.report("2024-01", refs)
    age(small)
    needed = made_of(small, latest(small)) | made_of(small, latest(small, "2024-01"))
    prune(plan(small))
    assert set(names(small.root)) == needed


def test_an_artifact_with_the_content_of_a_needed_one_stays(small: SmallRoot) -> None:
    """Another version of the code may have made the same bytes under another key."""
    january = names(small.root, "clean")[0]
    twin = str(Path(january).with_name("0123456789abcdef"))
    shutil.copytree(small.root / january, small.root / twin)
    assert twin not in going(small)


def test_a_second_prune_finds_nothing_and_empty_partitions_go(small: SmallRoot) -> None:
    (small.root / "clean/1999-01").mkdir()
    prune(plan(small))
    assert not (small.root / "clean/1999-01").exists()
    again = plan(small)
    assert (again.goes, again.removed) == ((), {})


@pytest.mark.parametrize(
    "place",
    [
        "clean/2024-01/.draft-a", "clean/2024-01/.damaged-a", "report/.draft-a", ".draft-a",
        "latest/.draft-a", "store/space/.draft-a", "failed/.draft-a",
    ],
)  # fmt: skip
def test_what_killed_runs_left_goes_after_an_hour(small: SmallRoot, place: str) -> None:
    folder = left(small.root / place, hours=1.1)
    young = left(folder.with_name(".draft-b"), hours=0.9)
    told = plan(small)
    assert told.removed["leftovers"] == Total(1, 4)
    prune(told)
    assert not folder.exists()
    assert young.exists()


def test_a_draft_that_is_written_to_is_not_left(small: SmallRoot) -> None:
    folder = left(small.root / "clean/2024-01/.draft-a", hours=2)
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


def test_a_manifest_of_an_older_version_names_its_inputs_by_path(small: SmallRoot) -> None:
    name = latest(small)
    needed = made_of(small, name)
    path = small.root / name / "manifest.json"
    manifest = read_manifest(path.parent)
    paths = [str(Path("/elsewhere") / below) for below in manifest.inputs]
    path.write_text(manifest.model_copy(update={"inputs": paths}).model_dump_json())
    assert needed.isdisjoint(going(small))


def test_a_root_that_is_not_there_has_nothing_to_remove(tmp_path: Path) -> None:
    told = plan_prune(tmp_path / "none", DAY, datetime.now(UTC))
    prune(told)
    assert told.lines() == ["goes: 0, 0.0 MB", "stays: 0, 0.0 MB"]


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
    prune(plan_prune(whole, DAY, datetime.now(UTC)))
    kills = 0
    for _ in at_every_step(small.root, lambda: prune(plan(small))):
        assert all(ref_of(small.root / name) for name in names(small.root))
        prune(plan(small))
        assert everything(small.root) == everything(whole)
        assert not list(small.root.rglob(".d*"))
        kills += 1
    assert kills > 20


def test_what_is_gone_before_the_plan_is_carried_out_is_no_error(small: SmallRoot) -> None:
    told = plan(small)
    shutil.rmtree(small.root / told.goes[0].name)
    prune(told)
    assert plan(small, later=HOUR).goes == ()
