"""Computing stages that do not depend on each other at once, where there is room."""

from __future__ import annotations

import os
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING

from fusemine.flows.engine.child import in_new_process
from fusemine.flows.engine.runner import LocalRunner
from fusemine.tasks.core.stage import Read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusemine.flows.engine.session import Session
    from fusemine.tasks.core.stage import Stage

    Compute = Callable[[Stage], object]
    AtOnce = Callable[[list[Stage], Compute], None]

VARIABLE = "FUSEMINE_PARALLEL_STAGES"
"""Environment variable with the most stages at once, where the rule should not decide."""
CORES, BYTES = 4, 4 * 2**30
"""What a stage should have for itself."""


def room(most: int) -> int:
    """How many stages can go on at once on this machine, at most so many and at least one."""
    asked = os.environ.get(VARIABLE, "")
    if asked.isdecimal():
        return max(1, min(int(asked), most))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min((cores or 1) // CORES, _available() // BYTES, most))


@contextmanager
def side_by_side(session: Session, most: int) -> Iterator[AtOnce]:
    """How to compute some stages: one after the other, or as many at once as there is room for.

    The results are the same bytes: each stage then computes in a process of its own, as it would
    have alone.
    """
    at_once, runner = room(most), session.runner
    if at_once < 2 or runner is None:
        yield _one_by_one
        return
    session.runner = LocalRunner(in_new_process)
    try:
        with ThreadPoolExecutor(at_once, "stage") as pool:
            yield lambda stages, compute: _pooled(pool, stages, compute)
    finally:
        session.runner = runner


def _one_by_one(stages: list[Stage], compute: Compute) -> None:
    for stage in stages:
        compute(stage)


def _pooled(pool: ThreadPoolExecutor, stages: list[Stage], compute: Compute) -> None:
    """Begin each stage as soon as those of the others that it reads are done."""
    waiting, done = {stage.name: stage for stage in stages}, set[str]()
    running: dict[Future[object], str] = {}
    while waiting or running:
        for name in [n for n, stage in waiting.items() if _is_ready(stage, stages, done)]:
            running[pool.submit(copy_context().run, compute, waiting.pop(name))] = name
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            future.result()
            done.add(running.pop(future))


def _is_ready(stage: Stage, stages: list[Stage], done: set[str]) -> bool:
    others = {other.name for other in stages} - done
    return others.isdisjoint(Read.of(read).stage for read in stage.reads)


def _available() -> int:
    """Bytes of memory that are free for use; 0 where that is not known."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    found = next((line for line in lines if line.startswith("MemAvailable:")), "0 0")
    return int(found.split()[1]) * 1024
