"""Clocks: wrong ones, other time zones, files from the future. Needs `faketime`."""

from __future__ import annotations

import os
import shutil

from fault_kinds.case import Case, fault
from fault_kinds.kills import MONTH, again, quiet, same_results


def register_zone(zone: str) -> None:
    @fault(f"a machine in the time zone {zone}")
    def elsewhere(case: Case) -> None:
        case.add_month(MONTH)
        other = quiet(case)
        done = case.run("run", case.pipeline, env={"TZ": zone})
        assert done.code == 0, done.text[-300:]
        again(other, "run", other.pipeline)
        same_results(case, other)


register_zone("Pacific/Kiritimati")
register_zone("America/New_York")


def register_clock(name: str, shift: str, *arguments: str) -> None:
    @fault(f"{name} with a clock that is wrong by {shift}")
    def wrong(case: Case) -> None:
        assert shutil.which("faketime"), "not tried: faketime is not installed"
        done = case.run(arguments[0], case.pipeline, *arguments[1:], before=["faketime", shift])
        assert done.code == 0, done.text[-300:]
        assert case.results() == case.expected, "the results are others"
        again(case, "run", case.pipeline, "--partition", "2024-04")
        assert case.results() == case.expected, "the results are others afterwards"


register_clock("status", "-3 years", "status")
register_clock("prune", "+10 years", "prune")
register_clock("prune", "-10 years", "prune")


@fault("source files and artifacts from the future")
def future_files(case: Case) -> None:
    for path in [*case.inbox.iterdir(), *case.files()]:
        os.utime(path, (4e9, 4e9))
    again(case, "run", case.pipeline, "--partition", "2024-04")
    assert case.results() == case.expected, "the results are others"


@fault("source files of 1970")
def old_files(case: Case) -> None:
    for path in case.inbox.iterdir():
        os.utime(path, (0, 0))
    again(case, "run", case.pipeline, "--partition", "2024-04")
    assert case.results() == case.expected, "the results are others"
