"""No name leads out of a root, and nothing is read, written or removed through a link."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.small_root import everything

from fusemine.tasks.core.errors import ArtifactError, SettingsError
from fusemine.tasks.core.storage.store import Store, replacing, store_at

NAME = "a/b/c/file"
USES: dict[str, Callable[[Store], object]] = {
    "read": lambda store: store.read(NAME),
    "exists": lambda store: store.exists(NAME),
    "sha256": lambda store: store.sha256(NAME),
    "location": lambda store: store.location(NAME),
    "create": lambda store: store.create(NAME, b"new"),
    "replace": lambda store: store.replace(NAME, b"new"),
    "swap": lambda store: store.replace(NAME, b"new", before=b"mine"),
    "add_file": lambda store: store.add_file(store.folder / "new", NAME, "sha256"),
    "delete": lambda store: store.delete(NAME),
    "rename": lambda store: store.rename(NAME, "d"),
    "set_aside": lambda store: store.set_aside(NAME),
    "lock_file": lambda store: store.lock_file(NAME),
    "files": lambda store: list(store.files("a")),
    "folders": lambda store: store.folders("a/b/c") if store.folders("a/b") else store.folders("a"),
}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of somebody else's with `b/c/file` and `c/file` and `file` in it."""
    for name in ("b/c/file", "c/file", "file"):
        (tmp_path / "outside" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "outside" / name).write_bytes(b"mine")
    return tmp_path / "outside"


@pytest.mark.parametrize("use", sorted(set(USES) - {"folders"}))
@pytest.mark.parametrize("link", ["a", "a/b", "a/b/c", "a/b/c/file"])
def test_a_link_in_any_place_is_refused_by_its_name(
    tmp_path: Path, outside: Path, link: str, use: str
) -> None:
    root, before = tmp_path / "root", everything(outside)
    (root / link).parent.mkdir(parents=True)
    (root / "new").write_bytes(b"new")
    (root / link).symlink_to(outside / ("file" if link == NAME else "."))
    with pytest.raises(SettingsError) as raised:
        USES[use](store_at(root))
    assert f"{root / link}, which is a link to {outside}" in raised.value.got
    assert "make the root a link" in raised.value.fix
    assert everything(outside) == before
    assert (root / link).is_symlink()


@pytest.mark.parametrize("link", ["a/b", "a/b/c"])
def test_a_folder_that_is_a_link_is_not_left_out_of_a_list(
    tmp_path: Path, outside: Path, link: str
) -> None:
    (tmp_path / "root" / link).parent.mkdir(parents=True)
    (tmp_path / "root" / link).symlink_to(outside)
    with pytest.raises(SettingsError, match=link):
        USES["folders"](store_at(tmp_path / "root"))


def test_a_root_may_be_a_link(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "root").symlink_to(outside)
    store = store_at(tmp_path / "root")
    assert store.read("b/c/file") == b"mine"
    store.delete("b/c/file")
    store.replace("c/file", b"new")
    assert sorted(everything(outside)) == ["c/file", "file"]
    assert not (outside / "b").exists()


@pytest.mark.parametrize("name", ["../outside/file", "a/../../outside/file", "/etc/x", "a//b", "."])
def test_a_name_that_leads_out_of_the_root_is_refused(
    tmp_path: Path, outside: Path, name: str
) -> None:
    store, before = store_at(tmp_path / "root"), everything(outside)
    (tmp_path / "root" / "a").mkdir(parents=True)
    for use in (store.delete, store.read, store.set_aside, store.lock_file):
        with pytest.raises(ArtifactError, match="a path below the root"):
            use(name)
    assert everything(outside) == before


def test_a_folder_that_becomes_a_link_while_something_is_removed_is_not_followed(
    tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check of the path beforehand would have found no link."""
    store, before = store_at(tmp_path / "root"), everything(outside)
    store.create(NAME, b"")
    really = os.open

    def put_a_link(name: str, *args: int, **more: int) -> int:
        handle = really(name, *args, **more)
        if name == "a":
            (tmp_path / "root" / "a" / "b").rename(tmp_path / "moved")
            (tmp_path / "root" / "a" / "b").symlink_to(outside / "b")
        return handle

    monkeypatch.setattr(os, "open", put_a_link)
    with pytest.raises(SettingsError, match="a link to"):
        store.delete(NAME)
    assert everything(outside) == before


def test_a_users_link_to_a_file_stays_a_link_to_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("file.csv")
    with replacing(tmp_path / "link.csv") as draft:
        draft.write_text("new")
    assert (tmp_path / "file.csv").read_text() == "new"
    assert (tmp_path / "link.csv").is_symlink()


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "odd"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(SettingsError, match="because it is no file"), replacing(path):
        pass
    assert not path.is_file()
    assert list(tmp_path.iterdir()) == [path]
