"""What is stored of a source is what the source held, whatever happens while it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from support.small_root import SmallRoot, names, row
from support.stage_runs import PlainRunner

from fusemine.flows.engine.session import ATTEMPTS, open_session
from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.core.inputs import Progress
from fusemine.tasks.core.request import Request
from fusemine.tasks.core.storage.artifact import ArtifactRef, locate
from fusemine.tasks.sources.unchanged import ChangedError

OLD, NEW = row(1, "2024-01-05", "the old text"), row(1, "2024-01-05", "the new text")


class Meddling(PlainRunner):
    """Lets something happen to the source between listing and reading it."""

    def __init__(self, change: Callable[[int], object]) -> None:
        super().__init__()
        self.change = change

    def run(
        self, request: Request, progress: Progress, found: ArtifactRef | None = None
    ) -> ArtifactRef:
        self.change(len(self.requests))
        return super().run(request, progress, found)


@pytest.fixture
def small(tmp_path: Path) -> SmallRoot:
    made = SmallRoot(tmp_path)
    made.write(OLD)
    return made


def collected(small: SmallRoot) -> set[str]:
    """The texts of all raw rows that are stored."""
    return {
        text
        for ref in small.refs("collect/*")
        for text in pl.read_parquet(locate(ref, "part-00000.parquet"))["body"]
    }


def test_a_source_that_changes_once_is_read_anew(small: SmallRoot) -> None:
    runner = Meddling(lambda times: None if times else small.write(NEW))
    session = open_session(small.loaded, runner)
    assert len(runner.requests) == 2
    assert collected(small) == {"the new text"}
    assert set(session.listing.raw) == {"2024-01"}
    # The old content comes back: it was never stored, and the new rows are not taken for it.
    small.write(OLD)
    assert collected(small) == {"the new text"}
    open_session(small.loaded, PlainRunner())
    assert collected(small) == {"the old text", "the new text"}


def test_of_a_source_that_never_stops_changing_nothing_is_stored(small: SmallRoot) -> None:
    runner = Meddling(lambda times: small.write(row(1, "2024-01-05", f"text {times}")))
    with pytest.raises(ChangedError) as caught:
        open_session(small.loaded, runner)
    assert caught.value.got == "file 't.csv', which changed while it was read"
    assert len(runner.requests) == ATTEMPTS
    assert names(small.root, "inventory") + names(small.root, "collect") == []


def test_a_file_that_vanishes_is_called_gone_and_nothing_is_stored(small: SmallRoot) -> None:
    runner = Meddling(lambda _: (small.folder / "t.csv").unlink())
    with pytest.raises(SourceError, match="which is gone"):
        open_session(small.loaded, runner)
    assert names(small.root) == []
