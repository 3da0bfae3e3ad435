"""A pattern names files, and what it names and nobody can read is an error."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.sources.pattern import Pattern

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def folder(write: Write, tmp_path: Path) -> Path:
    for name in ("in/2023/a.csv", "in/2024/b.csv", "in/c.csv", "in/[x].csv", "far/d.csv"):
        write(name, name)
    return tmp_path


def found(folder: Path, text: str) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in Pattern(text, folder).files()]


def fault(folder: Path, text: str) -> str:
    assert Pattern(text, folder, lenient=True).files() is not None
    with pytest.raises(SourceError) as caught:
        Pattern(text, folder).files()
    return caught.value.got


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("in/*.csv", ["in/[x].csv", "in/c.csv"]),
        ("in/*/*.csv", ["in/2023/a.csv", "in/2024/b.csv"]),
        ("in/**/*.csv", ["in/2023/a.csv", "in/2024/b.csv", "in/[x].csv", "in/c.csv"]),
        ("**/in/**/b.csv", ["in/2024/b.csv"]),
        ("./in//c.csv", ["in/c.csv"]),
        ("in/202[3]/?.csv", ["in/2023/a.csv"]),
        ("in/[[]x].csv", ["in/[x].csv"]),
        ("in/*", ["in/[x].csv", "in/c.csv"]),
        ("in/**", []),
        ("in/a**b/*.csv", []),
        ("no/*.csv", []),
        ("in/c.csv/*.csv", []),
    ],
)
def test_files_are_found_as_their_pattern_says(folder: Path, text: str, files: list[str]) -> None:
    assert found(folder, text) == files
    assert found(folder, str(folder / text)) == files
    assert all(Pattern(text, folder).names(folder / file) for file in files)


def test_a_linked_folder_is_read_under_any_wildcard(folder: Path) -> None:
    (folder / "in" / "old").symlink_to(folder / "far")
    assert "in/old/d.csv" in found(folder, "in/**/*.csv")
    assert "in/old/d.csv" in found(folder, "in/*/*.csv")
    assert found(folder, "in/old/*.csv") == ["in/old/d.csv"]


def test_a_file_of_two_names_is_read_once_by_its_own(folder: Path) -> None:
    (folder / "in" / "2023" / "1.csv").symlink_to(folder / "in" / "c.csv")
    (folder / "in" / "z.csv").hardlink_to(folder / "in" / "c.csv")
    (folder / "in" / "2025").symlink_to(folder / "in" / "2024")
    files = ["in/2023/a.csv", "in/2024/b.csv", "in/[x].csv", "in/c.csv"]
    assert found(folder, "in/**/*.csv") == files
    assert found(folder, "in/*/1.csv") == ["in/2023/1.csv"]


@pytest.mark.parametrize("text", ["in/*.csv", "in/2025.csv", "in/**/*.csv", "in/*/*.csv"])
def test_a_link_that_leads_nowhere_is_named(folder: Path, text: str) -> None:
    """A disk that is not mounted must not cost a month of rows."""
    (folder / "in" / "2025.csv").symlink_to("/mnt/away/2025.csv")
    name = folder / "in" / "2025.csv"
    assert fault(folder, text) == (
        f"source.path names {name}, a link to /mnt/away/2025.csv: No such file or directory"
    )


def test_a_link_in_a_circle_is_named(folder: Path) -> None:
    (folder / "in" / "me.csv").symlink_to("me.csv")
    assert "in/me.csv, a link to me.csv: Too many levels" in fault(folder, "in/*.csv")
    (folder / "in" / "me.csv").unlink()
    (folder / "in" / "2024" / "up").symlink_to(folder / "in")
    assert "in/2024/up, a link to a folder that it is in" in fault(folder, "in/**/*.csv")


def test_a_folder_and_a_pipe_with_the_name_of_a_file_are_named(folder: Path) -> None:
    (folder / "in" / "2025.csv").mkdir()
    assert "in/2025.csv, which is a folder" in fault(folder, "in/*.csv")
    (folder / "in" / "2025.csv").rmdir()
    os.mkfifo(folder / "in" / "2025.csv")
    assert "in/2025.csv, which is a pipe" in fault(folder, "in/*.csv")


def test_hidden_marks_of_editors_do_not_count(folder: Path) -> None:
    (folder / "in" / ".#c.csv").symlink_to("user@host.1234")
    assert found(folder, "in/*.csv") == ["in/[x].csv", "in/c.csv"]


def test_a_folder_that_cannot_be_listed_is_named() -> None:
    """In a process that is not root, to whom nothing is forbidden."""
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from fusemine.tasks.core.errors import SourceError\n"
        "from fusemine.tasks.sources.pattern import Pattern\n"
        "if os.geteuid() == 0:\n"
        "    os.setuid(65534)\n"
        "for text in sys.argv[2:]:\n"
        "    try:\n"
        "        print(len(Pattern(text, Path(sys.argv[1])).files()))\n"
        "    except SourceError as error:\n"
        "        print(error.got)\n"
    )
    with TemporaryDirectory() as name:
        folder, closed = Path(name), Path(name) / "in" / "2024"
        closed.mkdir(parents=True)
        folder.chmod(0o755)
        closed.chmod(0o000)
        arguments = [folder, "in/*/*.csv", "in/**/*.csv", "in/2024/b.csv"]
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        closed.chmod(0o755)
    listed = f"source.path names {closed}, which cannot be listed: Permission denied"
    looked = f"source.path names {closed / 'b.csv'}, which cannot be looked at: Permission denied"
    assert done.stdout.splitlines() == [listed, listed, looked]


def test_a_pattern_names_files_that_are_not_there_yet(folder: Path) -> None:
    (folder / "in" / "old").symlink_to(folder / "far")
    pattern = Pattern("in/**/*.csv", folder)
    assert pattern.names(folder / "in" / "new.csv")
    assert pattern.names(folder / "in" / "2024" / "new.csv")
    assert pattern.names(folder / "far" / "new.csv")
    assert not pattern.names(folder / "in" / "new.parquet")
    assert not pattern.names(folder / "new.csv")
    assert not Pattern("in/c.csv", folder).names(folder / "in" / "d.csv")
    assert not Pattern("in/**", folder).names(folder / "in" / "d.csv")
