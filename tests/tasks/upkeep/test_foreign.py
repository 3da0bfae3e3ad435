"""What somebody else put below a root, and what lies behind links, is never touched."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.small_root import SmallRoot, at_every_step, everything, files_with, names, row

from fusemine.flows.engine.failures import record_failure
from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.core.storage.artifact import manifest_of
from fusemine.tasks.core.storage.own import delete_artifact
from fusemine.tasks.embed.store.space import spaces
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.upkeep.contents import Contents
from fusemine.tasks.upkeep.forget import Forgotten, forget
from fusemine.tasks.upkeep.prune import Removals, plan_prune, prune
from fusemine.tasks.upkeep.spaces import plan_removal, read_spaces

LATER = datetime.now(UTC) + timedelta(days=400)
FILES = ("notes.txt", ".damaged-mine.html", ".draft-letter.txt", "report.html", "story 3.json")


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory) -> SmallRoot:
    """Two months, the second of which was mined twice."""
    made = SmallRoot(tmp_path_factory.mktemp("mined"))
    for rows in (3, 4):
        made.write(row(1, "2024-01-05"), *(row(n, "2024-02-05") for n in range(2, 2 + rows)))
        made.run("2024-02")
    record_failure(made.store, "2024-01", ValueError("story 3"), None)
    return made


@pytest.fixture
def small(mined: SmallRoot, tmp_path: Path) -> SmallRoot:
    return mined.copy(tmp_path / "small")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "outside" / "folder").mkdir(parents=True)
    (tmp_path / "outside" / "folder" / "manifest.json").write_text("story 3")
    (tmp_path / "outside" / "part-00000.parquet").write_text("story 3")
    return tmp_path / "outside"


def prune_all(small: SmallRoot) -> None:
    prune(plan_prune(small.store, GRAPH, timedelta(0), LATER))


def prune_spaces(small: SmallRoot) -> None:
    store = small.store
    prune(plan_removal(store, read_spaces(store, "store/none"), timedelta(0), LATER))


def forget_row(small: SmallRoot) -> Forgotten:
    return forget(small.store, "ID-003", GRAPH)


def delete_all(small: SmallRoot) -> None:
    for name in Contents(small.store, GRAPH).manifests:
        delete_artifact(small.root, name)


COMMANDS: dict[str, Callable[[SmallRoot], object]] = {
    "prune": prune_all,
    "store": prune_spaces,
    "forget": forget_row,
    "delete": delete_all,
}


def put_foreign(root: Path, outside: Path) -> dict[str, str]:
    """Put files and copies of artifacts into every folder, and links into folders of no stage's.

    Returns:
        Hashes of what was put there, by name.
    """
    before = everything(root)
    folders = [path for path in root.rglob("*") if path.is_dir()]
    for folder in (root, *folders):
        for name in FILES:
            (folder / name).write_text('{"error": "story 3", "report": "a/b/c/d"}')
    for name in ("names", "backfills", "topics/mine"):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / "20240131123456.json").write_text('{"error": "story 3"}')
    [space] = root.glob("store/*/space.json")
    shutil.copytree(space.parent, root / "store" / "copy")
    shutil.copy(next(space.parent.glob("part-*")), space.parent / "part-of-mine.parquet")
    copied = root / names(root, "clean/2024-02")[0]
    for name in (f"report/archive/{copied.name}", f"mine/2024-02/{copied.name}", "clean/old/x"):
        shutil.copytree(copied, root / name)
    shutil.copytree(copied, root / "clean" / "2024-02-old" / copied.name)
    (root / "clean" / "2024-02-old" / copied.name / "manifest.json").unlink()
    (root / "mine" / "link").symlink_to(outside)
    (root / "mine-elsewhere").symlink_to(outside)
    return {name: sha for name, sha in everything(root).items() if name not in before}


def test_nothing_that_a_run_makes_is_foreign(small: SmallRoot) -> None:
    assert Contents(small.store, GRAPH).foreign == []


@pytest.mark.parametrize("command", COMMANDS)
def test_files_and_folders_of_somebody_elses_stay_at_every_level(
    small: SmallRoot, outside: Path, command: str
) -> None:
    foreign, elsewhere = put_foreign(small.root, outside), everything(outside)
    before = everything(small.root)
    COMMANDS[command](small)
    after = everything(small.root)
    assert {name: after.get(name) for name in foreign} == foreign
    assert everything(outside) == elsewhere
    assert (small.root / "mine" / "link").is_symlink()
    assert (small.root / "mine-elsewhere").is_symlink()
    assert len(before) - len(after) > 3


def test_forgetting_states_what_it_left(small: SmallRoot, outside: Path) -> None:
    put_foreign(small.root, outside)
    found = forget_row(small)
    left = {path.removeprefix(f"{small.root}/").split(" decomp")[0] for path in quoting(small)}
    assert left
    assert all(any(name.startswith(one) for one in found.foreign) for name in left)
    assert {"mine/", "mine-elsewhere", "notes.txt", "report/archive/"} <= set(found.foreign)
    [line] = [line for line in found.lines() if line.startswith("not fusemine's")]
    assert f"and {len(found.foreign) - 10:,} more" in line
    assert forget_row(small).lines()[0] == "nothing of it was left"


def quoting(small: SmallRoot) -> list[str]:
    return files_with(small.root, "ID-003", "story 3")


@pytest.mark.parametrize("command", ["prune", "store"])
def test_what_a_plan_names_is_what_goes(small: SmallRoot, outside: Path, command: str) -> None:
    put_foreign(small.root, outside)
    store = small.store
    plans: dict[str, Callable[[], Removals]] = {
        "prune": lambda: plan_prune(store, GRAPH, timedelta(0), LATER),
        "store": lambda: plan_removal(store, read_spaces(store, ""), timedelta(0), LATER),
    }
    plan, before = plans[command](), everything(small.root)
    sizes = {name: (small.root / name).stat().st_size for name in before}
    prune(plan)
    gone = set(before) - set(everything(small.root))
    assert gone == {name for removal in plan.goes for name in removal.files}
    assert sum(sizes[name] for name in gone) == sum(removal.bytes for removal in plan.goes)
    assert plans[command]().goes == ()


def test_a_plan_names_what_stays_beside_what_goes(small: SmallRoot) -> None:
    old = next(r.name for r in plan_prune(small.store, GRAPH, timedelta(0), LATER).goes)
    (small.root / old / "notes.txt").write_text("mine")
    plan = plan_prune(small.store, GRAPH, timedelta(0), LATER)
    assert plan.foreign == (f"{old}/notes.txt",)
    assert plan.lines()[-1] == f"not fusemine's, and left as it is: {old}/notes.txt"


PLACES = ("report/archive", "store/archive", "latest/old", "clean/2024-02/x")
"""Places of no name that fusemine gives."""


def places(root: Path) -> list[str]:
    """Every folder and every file below a root, but the locks, which hold nothing."""
    found = (path.relative_to(root).as_posix() for path in sorted(root.rglob("*")))
    return [name for name in found if not name.rpartition("/")[2].startswith(".")]


@pytest.mark.parametrize("command", ["prune", "forget"])
def test_a_link_in_the_place_of_any_folder_or_file_stops_it_before_anything_changes(
    small: SmallRoot, tmp_path: Path, command: str
) -> None:
    """It was moved to another disk and linked back, say: a removal would not see what it holds."""
    kept = tmp_path / "kept"
    before = everything(small.root)
    for name in places(small.root):
        path = small.root / name
        path.rename(kept)
        path.symlink_to(kept)
        with pytest.raises(SettingsError) as raised:
            COMMANDS[command](small)
        assert f"{path}, which is a link to {kept}" in raised.value.got
        path.unlink()
        kept.rename(path)
    assert everything(small.root) == before


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", ["prune", "forget"])
def test_a_link_in_a_folder_of_fusemines_stops_it_whatever_its_name(
    small: SmallRoot, outside: Path, command: str, place: str
) -> None:
    (small.root / place).symlink_to(outside)
    before, elsewhere = everything(small.root), everything(outside)
    with pytest.raises(SettingsError, match=place):
        COMMANDS[command](small)
    assert (everything(small.root), everything(outside)) == (before, elsewhere)


def test_a_run_stops_at_a_link_in_its_way(small: SmallRoot, tmp_path: Path) -> None:
    for name in ("clean", "clean/2024-02", "store", "latest"):
        (small.root / name).rename(tmp_path / "kept")
        (small.root / name).symlink_to(tmp_path / "kept")
        before = everything(tmp_path / "kept")
        with pytest.raises(SettingsError, match=f"{name}, which is a link"):
            small.run("2024-02")
        assert everything(tmp_path / "kept") == before
        (small.root / name).unlink()
        (tmp_path / "kept").rename(small.root / name)


def test_a_root_that_is_a_link_to_another_disk_works(small: SmallRoot, tmp_path: Path) -> None:
    small.root.rename(tmp_path / "disk")
    small.root.symlink_to(tmp_path / "disk")
    prune_all(small)
    forget_row(small)
    assert quoting(small) == []
    assert small.run("2024-02")
    assert small.root.is_symlink()


def test_the_files_of_a_damaged_artifact_go_and_a_users_beside_them_stay(small: SmallRoot) -> None:
    for stage in ("clean", "report"):
        folder = small.root / names(small.root, f"{stage}/2024-02")[0]
        (folder / "manifest.json").write_text("{")
        (folder / "notes.txt").write_text("mine")
    found = forget_row(small)
    assert quoting(small) == []
    assert len(found.foreign) == 2
    assert all(name.endswith("/notes.txt") for name in found.foreign)
    assert all((small.root / name).read_text() == "mine" for name in found.foreign)


def test_a_manifest_that_names_files_elsewhere_removes_none_of_them(
    small: SmallRoot, outside: Path
) -> None:
    name = names(small.root, "report/2024-02")[0]
    made = manifest_of(small.root, name)
    assert made is not None
    up = "/".join([".."] * 8)
    file = made.files["part-00000.parquet"]
    aside = file.model_copy(update={"name": f"{up}{outside}/part-00000.parquet"})
    changed = made.model_copy(update={"files": made.files | {"part-00000.parquet": aside}})
    (small.root / name / "manifest.json").write_bytes(changed.to_json())
    before = everything(outside)
    forget_row(small)
    assert everything(outside) == before
    assert quoting(small) == []


def test_a_kill_at_any_step_of_forgetting_touches_nothing_of_somebody_elses(
    small: SmallRoot, outside: Path
) -> None:
    for stage in GRAPH.names:
        if stage not in {"inventory", "collect", "clean", "embed", "report"}:
            shutil.rmtree(small.root / stage, ignore_errors=True)
    folder = small.root / names(small.root, "report/2024-02")[0]
    (folder / "notes.txt").write_text("mine")
    (small.root / "mine").mkdir()
    (small.root / "mine" / "notes.txt").write_text("mine")
    whole = small.copy(small.folder.with_name("whole"))
    forget_row(whole)
    for number, step in enumerate(at_every_step(small.root, lambda: forget_row(small))):
        if number % 7 == 0:
            forget_row(small)
            assert everything(small.root) == everything(whole.root), f"killed at step {step}"


def test_a_space_goes_without_what_a_user_put_into_it(small: SmallRoot) -> None:
    [space] = spaces(small.store)
    (small.root / space / "notes.txt").write_text("mine")
    prune_spaces(small)
    assert list(everything(small.root / "store")) == [f"{space.removeprefix('store/')}/notes.txt"]
