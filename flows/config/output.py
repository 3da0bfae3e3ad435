"""Where a command may write: one set of rules for every output that a user names.

Nothing that a pipeline reads or keeps is written over, whatever name it is given by: a link, a hard
link or a path with `..`. Any other file is replaced only where the user says so.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING, BinaryIO

import polars as pl

from fusemine.tasks.core.errors import ArtifactError, SettingsError
from fusemine.tasks.core.storage.store import replacing
from fusemine.tasks.corrections.read import PLACE
from fusemine.tasks.sources.files import FilesSettings
from fusemine.tasks.sources.pattern import Pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fusemine.flows.config.pipeline import Loaded

TABLES = (".csv", ".parquet")
SPARED = "another file: what it holds would be lost"


def check_output(
    output: Path | None,
    force: bool,
    loaded: Loaded | None = None,
    endings: Sequence[str] = TABLES,
    reads: Mapping[str, Path] | None = None,
) -> None:
    """Refuse an output that cannot be written, or in whose place something would be lost.

    Args:
        output: The file; None for standard output.
        force: Whether a file that is there may be replaced.
        loaded: The pipeline, whose files stay.
        endings: Which names the output may have.
        reads: Further files that the command reads, by what they hold.

    Raises:
        SettingsError: Its name has no known ending, it is no file, its folder is not there, it is
            one of the pipeline's files, or it is there already.
    """
    if output is None:
        return
    _check_kind(output)
    if output.suffix not in endings:
        raise _refused(output, "", f"a name that ends in {' or '.join(endings)}", "name it so")
    if not target_of(output).parent.is_dir():
        fix = f"make it: mkdir -p {output.parent}"
        raise _refused(output, ", in a folder that is not there", "a folder that exists", fix)
    for what, path in (reads or {}).items():
        _spare(output, what, path)
    if loaded is not None:
        _spare_pipeline(output, loaded)
    if output.exists() and not force:
        fix = "name another output, or replace the file with --force"
        raise _refused(output, ", which is there already", "a new file", fix)


@contextmanager
def writing(output: Path) -> Iterator[Path]:
    """A new file that takes the output's place in one step, if the block ends without an error.

    Where the output is a link, it stays one, and what it leads to is replaced.

    Raises:
        ArtifactError: It cannot be written; what was there is there still.
    """
    try:
        with replacing(target_of(output)) as draft:
            yield draft
    except pl.exceptions.ComputeError as error:  # as polars reports a full disk
        raise ArtifactError(
            got=f"{output}, which cannot be written: {error}",
            expected="room on the disk, and the right to write there",
            fix="free some space, or name another place",
        ) from error


@contextmanager
def writing_to(stdout: BinaryIO) -> Iterator[None]:
    """Write to standard output, where a full disk is no fault of ours.

    Raises:
        ArtifactError: It cannot be written; a closed pipe, as of `export … | head`, is no error.
    """
    try:
        yield
        stdout.flush()
    except BrokenPipeError:  # the command handles it
        raise
    except OSError as error:
        raise ArtifactError(
            got=f"standard output, which cannot be written: {error.strerror or error}",
            expected="room on the disk that it goes to",
            fix="free some space; --output FILE leaves no half a table",
        ) from error


def target_of(output: Path) -> Path:
    """The file that an output is, through links."""
    return Path(os.path.realpath(output))


def _check_kind(output: Path) -> None:
    """Refuse what is no file."""
    try:
        mode = output.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        got, fix = f", which cannot be used: {error.strerror}", "name another output"
        raise _refused(output, got, "a file", fix) from error
    if S_ISDIR(mode):
        raise _refused(output, ", which is a folder", "a file", "add the name of a file")
    if not S_ISREG(mode):
        fix = "name a file; for standard output leave --output out"
        raise _refused(output, ", which is a pipe or a device", "a file", fix)


def _spare_pipeline(output: Path, loaded: Loaded) -> None:
    """Refuse to write over what a pipeline reads or keeps, and where it would read the output."""
    _spare(output, "the pipeline", loaded.path)
    label = loaded.pipeline.columns.label
    if label is not None and label.corrections:
        what = f"the corrections that {PLACE} names"
        _spare(output, what, loaded.base / label.corrections)
    if _is_below(output, loaded.root):
        fix = "name another folder; only fusemine writes there"
        raise _refused(output, f", below the root {loaded.root}", "a file elsewhere", fix)
    source = loaded.pipeline.source
    if isinstance(source, FilesSettings):
        _spare_source(output, Pattern(source.path, loaded.base, lenient=True))


def _spare_source(output: Path, source: Pattern) -> None:
    for file in source.files():
        _spare(output, "rows of the source", file)
    named = (output.parent.resolve() / output.name, target_of(output))
    if any(source.names(path) for path in named):
        raise _refused(
            output,
            f", which source.path ({source.text}) names",
            "a file that the next run does not read as rows of the source",
            "write it to another folder, or give it another name",
        )


def _spare(output: Path, what: str, path: Path) -> None:
    if _is_same(output, path):
        raise _refused(output, f", which holds {what}", SPARED, "name another output")


def _is_same(output: Path, path: Path) -> bool:
    try:
        return output.samefile(path)
    except OSError:  # one of them is not there yet
        return target_of(output) == target_of(path)


def _is_below(output: Path, root: Path) -> bool:
    """Whether an output is below a root, or another name of a file there."""
    target = target_of(output)
    if any(_is_same(parent, root) for parent in target.parents):
        return True
    has_names = target.exists() and target.stat().st_nlink > 1
    return has_names and any(_is_same(target, file) for file in root.rglob("*"))


def _refused(output: Path, why: str, expected: str, fix: str) -> SettingsError:
    return SettingsError(got=f"output {output}{why}", expected=expected, fix=fix)
