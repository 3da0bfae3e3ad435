"""Of an artifact's folder goes what its manifest or the form of its name tells, no more."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from conftest import MakeJob
from support.small_root import at_every_step, everything

from fusemine.tasks.core.contract import Contract, text
from fusemine.tasks.core.storage.artifact import MAIN, MANIFEST, Manifest, manifest_of
from fusemine.tasks.core.storage.own import delete_artifact, has_own_form, is_of, own_files
from fusemine.tasks.core.storage.writing import new_artifact

LETTERS = Contract("letters", {"letter": text()})


@pytest.fixture
def made(make_job: MakeJob) -> Manifest:
    """An artifact of two tables."""
    with new_artifact(make_job()) as draft:
        for name in (MAIN, "more"):
            draft.table(name, pl.DataFrame({"letter": ["a"]}), LETTERS)
        draft.count(1, 1)
    found = manifest_of(draft.ref.root, draft.ref.name)
    assert found is not None
    return found


def first_version(made: Manifest) -> Manifest:
    """The manifest as the first version wrote it, which named files as they are called."""
    plain = {key: file.model_copy(update={"name": None}) for key, file in made.files.items()}
    return made.model_copy(update={"form": 1, "files": plain})


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt", "part-00000.parquet.bak", "manifest.json~", "copy of manifest.json",
        "report.html", "part-00000.1a41f217.parquet", ".draft-letter.txt", ".DS_Store",
        "1a41f217cb67.parquet",
    ],
)  # fmt: skip
def test_a_users_file_has_not_the_form_of_ours(name: str) -> None:
    assert not has_own_form(name)


def test_a_users_files_stay_when_an_artifact_goes(tmp_path: Path, made: Manifest) -> None:
    root = tmp_path / "root"
    for name in ("notes.txt", "mine/part-00000.1a41f217cb67.parquet"):
        (root / made.name / name).parent.mkdir(exist_ok=True)
        (root / made.name / name).write_text("mine")
    delete_artifact(root, made.name)
    assert sorted(everything(root)) == [
        f"{made.name}/mine/part-00000.1a41f217cb67.parquet", f"{made.name}/notes.txt"
    ]  # fmt: skip


@pytest.mark.parametrize("damage", [b"", b"{", None])
def test_what_is_left_of_a_damaged_artifact_goes_too(
    tmp_path: Path, made: Manifest, damage: bytes | None
) -> None:
    path = tmp_path / "root" / made.name / MANIFEST
    path.unlink() if damage is None else path.write_bytes(damage)
    delete_artifact(tmp_path / "root", made.name)
    assert everything(tmp_path / "root") == {}


@pytest.mark.parametrize("is_old", [False, True])
def test_what_a_kill_leaves_of_an_artifact_can_be_told_from_a_users_file(
    tmp_path: Path, made: Manifest, is_old: bool
) -> None:
    root = tmp_path / "root"
    folder = root / made.name
    if is_old:
        for key, file in made.files.items():
            (folder / str(file.name)).rename(folder / key)
        (folder / MANIFEST).write_bytes(first_version(made).to_json())
    (folder / "more.parquet.txt").write_text("mine")
    kills = 0
    for _ in at_every_step(root, lambda: delete_artifact(root, made.name)):
        delete_artifact(root, made.name)
        assert list(everything(root)) == [f"{made.name}/more.parquet.txt"]
        kills += 1
    assert kills >= 3


def test_the_files_that_only_the_manifest_tells_go_before_it(made: Manifest) -> None:
    old = first_version(made)
    bases = ["notes.txt", MANIFEST, *old.files, "late.1a41f217cb67.json"]
    assert own_files(old, bases) == [
        "more.parquet", MANIFEST, "late.1a41f217cb67.json", "part-00000.parquet"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["../../../outside", "a/b", ".lock"])
def test_a_manifest_names_files_of_its_own_place_alone(made: Manifest, name: str) -> None:
    assert is_of(made, made.name)
    assert not is_of(made, f"report/archive/{made.key}")
    bad = {key: file.model_copy(update={"name": name}) for key, file in made.files.items()}
    assert not is_of(made.model_copy(update={"files": bad}), made.name)
