"""A store writes whole files, and of two that write at once only one wins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from support.small_root import at_every_step, everything

from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.key import file_digest
from fusemine.tasks.core.storage.store import Store, replacing, store_at

ADD = """
import sys
from fusemine.tasks.core.storage.store import store_at
store = store_at(sys.argv[1])
for _ in range(20):
    while True:
        before = store.read("count")
        if store.replace("count", b"%d" % (int(before) + 1), before):
            break
"""
CREATE = """
import sys
from fusemine.tasks.core.storage.store import store_at
store = store_at(sys.argv[1])
print(sum(store.create(f"a/{number}", sys.argv[2].encode()) for number in range(50)))
"""

LIST_AS_NOBODY = """
import os, sys
from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.storage.store import store_at

if os.geteuid() == 0:
    os.setuid(65534)
try:
    print(list(store_at(sys.argv[1]).files()))
except ArtifactError as error:
    print(error.got)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_at(tmp_path / "root")


def outputs(script: str, store: Store, names: str) -> list[str]:
    """What a script prints in several processes at once."""
    commands = [[sys.executable, "-c", script, store.root, name] for name in names]
    processes = [subprocess.Popen(c, stdout=subprocess.PIPE, text=True) for c in commands]
    return [process.communicate()[0] for process in processes]


def add(store: Store, name: str, content: bytes, sha256: str | None = None) -> None:
    with store.draft_folder() as folder:
        path = folder / "file"
        path.write_bytes(content)
        store.add_file(path, name, sha256 or file_digest(path))


def test_a_name_is_created_once(store: Store) -> None:
    assert store.create("a/b", b"first")
    assert not store.create("a/b", b"second")
    assert store.read("a/b") == b"first"


def test_each_name_is_created_by_one_of_the_processes_that_try_at_once(store: Store) -> None:
    created = [int(text) for text in outputs(CREATE, store, "xyz")]
    assert sum(created) == len(list(store.files("a"))) == 50


def test_a_name_is_replaced_only_if_it_holds_what_it_did_before(store: Store) -> None:
    assert not store.replace("a", b"new", before=b"old")
    assert not store.exists("a")
    store.create("a", b"old")
    assert not store.replace("a", b"new", before=b"other")
    assert store.read("a") == b"old"
    assert store.replace("a", b"new", before=b"old")
    assert store.read("a") == b"new"
    assert store.replace("a", b"newer")
    assert store.read("a") == b"newer"


def test_no_change_is_lost_when_processes_replace_a_name_at_once(store: Store) -> None:
    store.create("count", b"0")
    outputs(ADD, store, "abc")
    assert store.read("count") == b"60"


def test_a_file_that_its_content_names_is_written_once_and_again_if_damaged(store: Store) -> None:
    add(store, "a/x", b"content")
    path = Path(store.location("a/x"))
    before = path.stat()
    add(store, "a/x", b"content")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    path.write_bytes(b"damaged")
    add(store, "a/x", b"content")
    assert store.read("a/x") == b"content"
    assert list(everything(Path(store.root))) == ["a/x"]
    with pytest.raises(FileNotFoundError):
        store.add_file(path.with_name("gone"), "a/y", "sha256")


def test_a_kill_at_any_step_leaves_the_old_content_or_the_new(store: Store) -> None:
    def work() -> None:
        store.replace("a", b"new", before=b"old")
        store.create("b/c", b"new")
        add(store, "d/e", b"new")

    store.create("a", b"old")
    for _ in at_every_step(Path(store.root), work):
        assert store.read("a") in (b"old", b"new")
        shown = {file.name: store.read(file.name) for file in store.files() if file.base[0] != "."}
        assert all(shown[name] == b"new" for name in {"b/c", "d/e"} & set(shown))
        work()
        assert {store.read(name) for name in ("a", "b/c", "d/e")} == {b"new"}


def test_files_and_folders_are_listed_in_order_without_links_and_drafts(store: Store) -> None:
    for name in ("b/x/2", "a/1", "b/x/1", ".draft-zzzzzzzz/1", "c"):
        store.create(name, name.encode())
    root = Path(store.root)
    (root / "link").symlink_to(root / "a")
    (root / "a" / "link").symlink_to(root / "c")
    listed = [file.name for file in store.files()]
    assert listed == [".draft-zzzzzzzz/1", "a/1", "b/x/1", "b/x/2", "c"]
    found = [(file.folder, file.base, file.size) for file in store.files("b")]
    assert found == [("b/x", "1", 5), ("b/x", "2", 5)]
    assert [file.name for file in store.files("c")] == ["c"]
    assert (store.folders(), store.folders("b")) == (["a", "b"], ["x"])
    assert (list(store.files("none")), store.folders("none")) == ([], [])


def test_a_folder_that_cannot_be_listed_is_an_error_and_not_left_out() -> None:
    """In a process that is not root, to whom nothing is forbidden."""
    with TemporaryDirectory() as name:
        root, closed = Path(name), Path(name) / "clean" / "2024-01"
        closed.mkdir(parents=True)
        (root / "lost+found").mkdir(mode=0o700)
        (closed / "file").write_bytes(b"text")
        root.chmod(0o755)
        closed.chmod(0o000)
        command = [sys.executable, "-c", LIST_AS_NOBODY, name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        closed.chmod(0o755)
    assert done.stdout == f"{closed}, which cannot be listed: Permission denied\n"


def test_what_is_deleted_takes_its_empty_folders_along(store: Store) -> None:
    for name in ("a/b/c/1", "a/b/2", "a/d"):
        store.create(name, b"")
    store.delete("a/b/c/1")
    store.delete("a/b/2")
    assert list(everything(Path(store.root))) == ["a/d"]
    store.delete("a/d")
    store.delete("a/d")
    assert list(Path(store.root).iterdir()) == []


def test_a_draft_goes_whole_and_any_other_folder_stays(store: Store) -> None:
    store.create(".draft-k3x_09ab/a/1", b"")
    store.create("mine/1", b"")
    store.delete(".draft-k3x_09ab")
    with pytest.raises(ArtifactError, match="a folder"):
        store.delete("mine")
    assert list(everything(Path(store.root))) == ["mine/1"]


def test_all_files_of_a_folder_go_in_one_step_and_never_those_of_somebody_else(
    store: Store,
) -> None:
    names = [f"a/b/{number}" for number in range(3)]
    for folder in ("a/b", "a/mine"):
        for number in range(3):
            store.create(f"{folder}/{number}", b"x")
    for _ in at_every_step(store.folder, lambda: store.delete_all("a/b", names)):
        assert len(list(store.files("a/b"))) in {0, 3}
        assert len(list(store.files("a/mine"))) == 3
    store.create("a/b/notes.txt", b"mine")
    store.delete_all("a/b", names)
    assert [file.name for file in store.files("a/b")] == ["a/b/notes.txt"]


def test_what_cannot_be_removed_is_an_error(store: Store) -> None:
    store.create("a", b"")
    with pytest.raises(ArtifactError, match="cannot be removed"):
        store.delete("a/b")


def test_a_hash_is_that_of_the_content_as_it_is_now(store: Store) -> None:
    store.create("a", b"one")
    first = store.sha256("a")
    store.replace("a", b"two")
    assert first != store.sha256("a") == file_digest(Path(store.location("a")))
    with pytest.raises(FileNotFoundError):
        store.sha256("b")


def test_what_is_set_aside_and_what_is_renamed_has_another_name(store: Store) -> None:
    for name in ("a/x", "b/y", "c/y"):
        store.create(name, b"")
    store.set_aside("a/x")
    store.set_aside("a/none")
    store.rename("b", "d")
    store.rename("d", "c")  # which is taken
    assert list(everything(Path(store.root))) == ["a/.damaged-x", "c/y", "d/y"]


def test_a_users_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("old")
    with pytest.raises(ValueError, match="stop"), replacing(path) as draft:  # noqa: PT012
        draft.write_text("half")
        raise ValueError("stop")
    assert list(everything(tmp_path)) == ["mine.csv"]
    with replacing(path) as draft:
        draft.write_text("new")
    assert path.read_text() == "new"
    with pytest.raises(ArtifactError, match="cannot be written"), replacing(path / "below"):
        pass


def test_a_new_file_is_as_readable_as_others(store: Store) -> None:
    store.create("a", b"")
    assert Path(store.location("a")).stat().st_mode & 0o777 == 0o644
