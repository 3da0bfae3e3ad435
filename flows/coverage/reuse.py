"""What a run will reuse and compute, printed before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.flows.coverage.coverage import STAGES, State, coverage_of
from fusemine.flows.engine.plan import resolve
from fusemine.tasks.core.errors import FusemineError
from fusemine.tasks.core.partition import window_partitions
from fusemine.tasks.core.stage import Scope
from fusemine.tasks.graph import GRAPH

if TYPE_CHECKING:
    from fusemine.flows.config.pipeline import Loaded


def reuse_summary(loaded: Loaded, partition: str) -> str:
    """A sentence on what is complete and what is to do; the run itself decides again."""
    if not loaded.root.is_dir():
        return "nothing is done yet"
    try:
        coverage = coverage_of(loaded)
        target = resolve(partition, loaded.pipeline, list(coverage.raw))
    except FusemineError:
        return "what is done already is seen when the source can be read"
    if target is None or target not in coverage.raw:
        return f"no rows in {target or 'the source'}"
    settings = loaded.pipeline
    window = window_partitions(target, settings.window, coverage.raw, settings.partition.by)
    own = coverage.of(target).stages
    done: list[str] = []
    todo: list[str] = []
    for stage in STAGES:
        states = [own[stage]]
        if GRAPH[stage].scope is Scope.PARTITION:
            states = [coverage.stage_of_partition(stage, key) for key in window]
        complete = states.count(State.COMPLETE)
        (done if complete == len(states) else todo).append(_count(stage, complete, len(states)))
    return f"reuses {', '.join(done) or 'nothing'}; to do: {', '.join(todo) or 'nothing'}"


def _count(stage: str, complete: int, all_of: int) -> str:
    if all_of == 1 or complete == all_of:
        return stage
    return f"{stage} ({all_of - complete} of {all_of} partitions)"
