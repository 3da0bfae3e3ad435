"""Faults of removal: links in the place of what is removed, and files of somebody else's."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING

import polars as pl

from fault_kinds.case import Case, Ran, fault

if TYPE_CHECKING:
    from pathlib import Path

ROW = "2024-02-003"
KEY = "0123456789abcdef"


def hashes(folder: Path) -> dict[str, str]:
    """The content of all files below a folder, links not followed."""
    found = (p for p in sorted(folder.rglob("*")) if p.is_file() and not p.is_symlink())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def artifact(case: Case, place: str) -> Path:
    """The first artifact at a place such as `report/2024-03`."""
    return case.files(f"{place}/*/manifest.json")[0].parent


def linked(case: Case, path: Path) -> Path:
    """Move something out of the root and put a link in its place; where it is now."""
    moved = case.folder / "elsewhere" / path.name
    moved.parent.mkdir(exist_ok=True)
    path.rename(moved)
    path.symlink_to(moved)
    return moved


def old(case: Case) -> None:
    """Let everything that is in no latest report be old enough to go."""
    case.edit(retention="PT0S")


def refused(case: Case, path: Path, *commands: tuple[str, ...]) -> None:
    """Each command names the link, and nothing changes on either side of it."""
    elsewhere, below = hashes(case.folder / "elsewhere"), hashes(case.root)
    for name, *arguments in commands:
        done = case.run(name, case.pipeline, *arguments)
        assert done.code == 2, f"{name} ended with {done.code}: {done.text[-200:]}"
        assert f"{path.relative_to(case.root)}, which is a link" in done.text, done.text[-300:]
        assert "make the root a link" in done.text, "it says nothing of what to do"
    assert hashes(case.folder / "elsewhere") == elsewhere, "what lies behind the link has changed"
    assert hashes(case.root) == below, "something below the root has changed"


def kept(case: Case, foreign: list[Path], *command: str) -> Ran:
    """A command that ends well and leaves files as they are."""
    before = {path: path.read_bytes() for path in foreign}
    done = case.run(command[0], case.pipeline, *command[1:])
    assert done.code == 0, done.text[-300:]
    lost = [path.name for path in foreign if not path.is_file()]
    assert not lost, f"{', '.join(lost)} is gone"
    assert all(path.read_bytes() == content for path, content in before.items()), "it was changed"
    return done


def put(path: Path, content: str = "my notes") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


BOTH = (("prune",), ("forget", ROW))


@fault("a link to somebody's folder among the partitions of the reports")
def other_partition(case: Case) -> None:
    old(case)
    put(case.folder / "elsewhere" / KEY / "manifest.json")
    (case.root / "report" / "archive").symlink_to(case.folder / "elsewhere")
    refused(case, case.root / "report" / "archive", *BOTH)


@fault("a partition's folder moved to another disk and linked back")
def partition(case: Case) -> None:
    linked(case, case.root / "topics" / "2024-03")
    refused(case, case.root / "topics" / "2024-03", *BOTH)


@fault("a stage's folder moved to another disk and linked back")
def stage(case: Case) -> None:
    linked(case, case.root / "clean")
    refused(case, case.root / "clean", *BOTH, ("status",))


@fault("an artifact moved to another disk and linked back")
def one_artifact(case: Case) -> None:
    path = artifact(case, "anomalies/2024-04")
    linked(case, path)
    refused(case, path, *BOTH, ("status",))


@fault("a file of an artifact moved to another disk and linked back")
def one_file(case: Case) -> None:
    path = next(artifact(case, "clean/2024-02").glob("part-00000.*"))
    linked(case, path)
    refused(case, path, *BOTH, ("status",))


@fault("the embedding store moved to another disk and linked back")
def vectors(case: Case) -> None:
    linked(case, case.root / "store")
    refused(case, case.root / "store", *BOTH, ("store", "--prune", "--unused-for", "0"))


@fault("the records of the last runs moved to another disk and linked back")
def records(case: Case) -> None:
    linked(case, case.root / "latest")
    refused(case, case.root / "latest", *BOTH, ("export", "-o", "results.csv"))


@fault("the models moved to another disk and linked back", model=True)
def models(case: Case) -> None:
    linked(case, case.root / "models")
    refused(case, case.root / "models", *BOTH, ("models",))


@fault("a link in the way of a run")
def in_the_way(case: Case) -> None:
    case.add_month()
    linked(case, case.root / "clean")
    moved = hashes(case.folder / "elsewhere")
    done = case.run("run", case.pipeline)
    assert done.code in (1, 2), f"a run ended with {done.code}"
    assert "clean, which is a link" in done.text, done.text[-300:]
    assert hashes(case.folder / "elsewhere") == moved, "the run wrote through the link"


@fault("a root that is a link to another disk")
def root(case: Case) -> None:
    old(case)
    linked(case, case.root)
    assert case.run("prune", case.pipeline).code == 0
    assert case.run("forget", case.pipeline, ROW).code == 0
    assert case.root.is_symlink(), "the link was replaced"
    rows = pl.concat(map(pl.read_parquet, case.files("clean/2024-02/*/part-*")))
    assert ROW not in rows["row_id"], "the row is still there"


@fault("a user's folder below the root, with a copy of an artifact and links in it")
def own_folder(case: Case) -> None:
    old(case)
    mine = case.root / "my-notes"
    shutil.copytree(artifact(case, "report/2024-03"), mine / "report" / "2024-03" / KEY)
    outside = put(case.folder / "elsewhere" / "letter.txt")
    (mine / "link").symlink_to(outside.parent)
    foreign = [outside, put(mine / "a.txt"), *(p for p in mine.rglob("*.*") if p.is_file())]
    kept(case, foreign, "prune")
    done = kept(case, foreign, "forget", ROW)
    assert "my-notes/" in done.text, "it does not say that it did not look into it"


@fault("a user's files beside those of artifacts that go")
def beside(case: Case) -> None:
    old(case)
    places = ("report", "report/2024-03", "clean/2024-02", "store", "latest", "failed", "names")
    foreign = [put(case.root / place / "notes.txt") for place in places]
    foreign += [put(folder.parent / "notes.txt") for folder in case.files("*/*/*/manifest.json")]
    kept(case, foreign, "prune")
    done = kept(case, foreign, "forget", ROW)
    assert "not fusemine's" in done.text, done.text[-300:]


@fault("a user's records in the folders of failures and backfills")
def own_records(case: Case) -> None:
    mine = json.dumps({"error": "mine", "report": "a/b/c/d"})
    places = ("failed/mine.json", "backfills/plan.json", "latest/mine.json", "failed/plan.txt")
    kept(case, [put(case.root / place, mine) for place in places], "forget", ROW)


@fault("a user's files named like drafts and like what was set aside")
def like_drafts(case: Case) -> None:
    old(case)
    names = (".draft-letter.txt", ".damaged-goods.csv", "report/.draft-letter.txt")
    foreign = [put(case.root / name) for name in names]
    for path in foreign:
        os.utime(path, (0, 0))
    kept(case, foreign, "prune")
    kept(case, foreign, "forget", ROW)


@fault("a user's copy of a space in the embedding store")
def copied_space(case: Case) -> None:
    [space] = {path.parent for path in case.files("store/*/part-*")}
    shutil.copytree(space, space.parent / "backup")
    foreign = [put(space / "part-of-mine.parquet"), *(space.parent / "backup").iterdir()]
    kept(case, foreign, "forget", ROW)
    kept(case, foreign, "store", "--prune", "--unused-for", "0")


@fault("a damaged manifest, with a user's file beside it")
def damaged(case: Case) -> None:
    folder = artifact(case, "clean/2024-02")
    (folder / "manifest.json").write_bytes(b'{"form": 2, ')
    done = kept(case, [put(folder / "notes.txt")], "forget", ROW)
    assert list(folder.iterdir()) == [folder / "notes.txt"], "text of the damaged artifact stays"
    assert "notes.txt" in done.text, "it does not say what it left"


@fault("a manifest that names a file outside the root")
def names_outside(case: Case) -> None:
    outside = put(case.folder / "elsewhere" / "letter.txt")
    path = artifact(case, "report/2024-03") / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for file in manifest["files"].values():
        file["name"] = f"../../../../../elsewhere/{outside.name}"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    kept(case, [outside], "forget", ROW)


@fault("a plan of what goes, beside a user's files")
def planned(case: Case) -> None:
    old(case)
    case.add_month()
    foreign = [put(folder.parent / "notes.txt") for folder in case.files("*/*/*/manifest.json")]
    plan = json.loads(case.run("prune", case.pipeline, "--dry-run", "--json").out)
    size = sum(path.stat().st_size for path in case.files())
    kept(case, foreign, "prune")
    gone = size - sum(path.stat().st_size for path in case.files())
    assert gone == sum(one["bytes"] for one in plan["goes"]), "the plan names other files"


@fault("a link as the file that an export writes")
def exported(case: Case) -> None:
    target = put(case.folder / "elsewhere" / "results.csv", "old")
    (case.folder / "results.csv").symlink_to(target)
    done = case.run("export", case.pipeline, "-o", "results.csv", "--force")
    assert done.code == 0, done.text[-300:]
    assert (case.folder / "results.csv").is_symlink(), "the link was replaced"
    assert target.read_text(encoding="utf-8") != "old", "the file was not written"


@fault("a device as the file that an export writes")
def device(case: Case) -> None:
    pipe = case.folder / "results.csv"
    os.mkfifo(pipe)
    done = case.run("export", case.pipeline, "-o", pipe)
    assert done.code == 2, done.text[-300:]
    assert pipe.is_fifo(), "it was replaced by a file"


@fault("a link to somebody's folder among the signs of processes that compute")
def presence(case: Case) -> None:
    outside = put(case.folder / "elsewhere" / "4000000")
    locks = case.folder / "locks"
    locks.mkdir()
    (locks / f"fusemine-embedding-{os.getuid()}").symlink_to(outside.parent)
    case.add_month()
    done = case.run("run", case.pipeline, env={"FUSEMINE_LOCK_DIR": str(locks)})
    assert done.code == 0, done.text[-300:]
    assert hashes(outside.parent).keys() == {outside.name}, "files behind the link are gone"
