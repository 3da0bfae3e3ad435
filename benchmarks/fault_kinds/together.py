"""Processes side by side: each ends well, and what is stored is what one would have stored."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from fault_kinds.case import Case, fault
from fault_kinds.kills import MONTH, again, quiet, same_results

if TYPE_CHECKING:
    import subprocess


def ended(case: Case, *processes: subprocess.Popen) -> list[int]:
    """Wait for commands, each of which ends well or says that the root is in use."""
    codes = [process.wait(timeout=300) for process in processes]
    logs = [path.read_text() for path in sorted(case.folder.glob("started-*.log"))]
    for code, log in zip(codes, logs, strict=True):
        assert code == 0 or "a run that is going on" in log, f"exit code {code}: {log[-400:]}"
    return codes


def register_runs(number: int) -> None:
    @fault(f"{number} runs at once")
    def runs(case: Case) -> None:
        case.add_month(MONTH)
        other = quiet(case)
        ended(case, *(case.start("run", str(case.pipeline)) for _ in range(number)))
        again(case, "run", case.pipeline)
        again(other, "run", other.pipeline)
        same_results(case, other)
        assert len(case.files(f"report/{MONTH}/*/manifest.json")) == 1


register_runs(2)
register_runs(10)


def register_beside(name: str, *arguments: str) -> None:
    @fault(f"{name} while a run goes on")
    def beside(case: Case) -> None:
        case.edit(retention="P0D")
        case.add_month(MONTH)
        other = quiet(case)
        run = case.start("run", str(case.pipeline))
        time.sleep(3)
        command = case.start(arguments[0], str(case.pipeline), *arguments[1:])
        codes = ended(case, run, command)
        assert codes[0] == 0, "the run failed"
        again(case, "run", case.pipeline)
        if arguments[0] == "forget":
            again(other, *[arguments[0], other.pipeline, *arguments[1:]])
        again(other, "run", other.pipeline)
        same_results(case, other)


register_beside("prune", "prune")
register_beside("export", "export", "-o", "out.csv")
register_beside("status", "status")
register_beside("a backfill", "backfill", "--from", "2024-02", "--to", "2024-02", "--pool", "here")


@fault("a row is forgotten while a run that reads it goes on")
def forget_beside(case: Case) -> None:
    case.add_month(MONTH)
    run = case.start("run", str(case.pipeline))
    time.sleep(3)
    command = case.start("forget", str(case.pipeline), "2024-04-007")
    ended(case, run, command)
    again(case, "forget", case.pipeline, "2024-04-007")
    again(case, "run", case.pipeline)
    assert b"2024-04-007" not in case.results(), "the row is still there"


@fault("four predictions at once", model=True)
def predictions(case: Case) -> None:
    rows = case.folder / "new.csv"
    shutil.copy(case.inbox / "tickets-2024-04.csv", rows)
    outputs = [case.folder / f"p{number}.csv" for number in range(4)]
    started = [case.start("predict", str(case.pipeline), str(rows), "-o", str(o)) for o in outputs]
    codes = ended(case, *started)
    assert codes == [0, 0, 0, 0], codes
    assert len({output.read_bytes() for output in outputs}) == 1, "they differ"
