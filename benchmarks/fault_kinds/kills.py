"""Kills: whatever a command is doing, a second try ends as an undisturbed one does."""

from __future__ import annotations

import shutil
import signal
import time
from typing import TYPE_CHECKING

from fault_kinds.case import Case, fault, left_running

if TYPE_CHECKING:
    from collections.abc import Sequence

MONTH = "2024-05"
MOMENTS = (1.0, 3.0, 4.5, 6.0, 8.0)
"""Seconds after its start at which a command is killed: before, within and after its work."""


def quiet(case: Case) -> Case:
    """A copy of a case in which nothing is killed."""
    folder = case.folder / "quiet"
    names = ("pipeline.yaml", "inbox", "artifacts")
    folder.mkdir()
    for name in names:
        source = case.folder / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    return Case(folder, case.server)


def killed(case: Case, arguments: Sequence[object], moment: float, how: int) -> None:
    """Start a command, kill it, and see all that it started end."""
    process = case.start(*map(str, arguments))
    time.sleep(moment)
    process.send_signal(how)
    process.wait()
    left = left_running(case.mark, patience=20)
    assert not left, f"{len(left)} process(es) went on"


def again(case: Case, *arguments: object) -> None:
    done = case.run(*map(str, arguments))
    assert done.code == 0, f"the second try: {done.text[-400:]}"


def same_results(case: Case, undisturbed: Case) -> None:
    assert case.results() == undisturbed.results(), "its results differ from an undisturbed run's"


def register(moment: float, how: int) -> None:
    word = {signal.SIGKILL: "killed", signal.SIGINT: "stopped by Ctrl-C"}[how]

    @fault(f"run {word} after {moment} s")
    def run(case: Case) -> None:
        case.add_month(MONTH)
        other = quiet(case)
        killed(case, ["run", case.pipeline], moment, how)
        again(case, "run", case.pipeline)
        again(other, "run", other.pipeline)
        same_results(case, other)

    @fault(f"backfill {word} after {moment} s")
    def backfill(case: Case) -> None:
        first_two = ["--from", "2024-01", "--to", "2024-02", "--pool", "here"]
        other = quiet(case)
        killed(case, ["backfill", case.pipeline, *first_two], moment, how)
        again(case, "backfill", case.pipeline, *first_two)
        again(other, "backfill", other.pipeline, *first_two)
        for month in ("2024-01", "2024-02"):
            mine, theirs = (
                [p.name for p in c.files(f"report/{month}/*/part-*.parquet")] for c in (case, other)
            )
            assert mine == theirs, f"the report of {month} differs"
            assert len(mine) == 1, f"{len(mine)} reports of {month}"

    @fault(f"prune {word} after {moment / 3:.1f} s")
    def prune(case: Case) -> None:
        before = case.results()
        killed(case, ["prune", case.pipeline], moment / 3, how)
        again(case, "prune", case.pipeline)
        assert case.results() == before, "results changed"

    @fault(f"forget {word} after {moment / 3:.1f} s")
    def forget(case: Case) -> None:
        killed(case, ["forget", case.pipeline, "2024-04-007"], moment / 3, how)
        again(case, "forget", case.pipeline, "2024-04-007")
        again(case, "run", case.pipeline)
        assert b"2024-04-007" not in case.results(), "the row came back"


for each in MOMENTS:
    register(each, signal.SIGKILL)
register(4.0, signal.SIGINT)


@fault("predict killed within its work", model=True)
def predict_is_killed(case: Case) -> None:
    rows = case.folder / "new.csv"
    shutil.copy(case.inbox / "tickets-2024-04.csv", rows)
    for moment in (2.0, 5.0):
        killed(case, ["predict", case.pipeline, rows, "-o", case.folder / "p.csv"], moment, 9)
    again(case, "predict", case.pipeline, rows, "-o", case.folder / "q.csv")


@fault("promote and rollback killed within their work", model=True)
def promote_is_killed(case: Case) -> None:
    model = sorted(p.parent.name for p in case.root.glob("train/*/*/manifest.json"))
    assert model, "no model"
    for moment in (0.5, 1.0, 2.0):
        killed(case, ["promote", case.pipeline, model[-1][:12]], moment, signal.SIGKILL)
    done = case.run("models", case.pipeline)
    assert done.code == 0, done.text[-300:]
