"""What a run will find done already, said before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.flows.engine.coverage import STAGES, State, coverage_of
from fusemine.flows.engine.plan import resolve
from fusemine.tasks.core.errors import FusemineError
from fusemine.tasks.core.partition import window_of

if TYPE_CHECKING:
    from fusemine.flows.engine.config import Loaded

_PER_PARTITION = ("collect", "clean", "embed")


def reuse_words(loaded: Loaded, partition: str) -> str:
    """A sentence on what is complete and what is to do; the run itself decides again."""
    if not loaded.root.is_dir():
        return "nothing is done yet"
    try:
        coverage = coverage_of(loaded)
        target = resolve(partition, loaded.pipeline, list(coverage.listing.raw))
    except FusemineError:
        return "what is done already is seen when the source can be read"
    if target not in coverage.listing.raw:
        return f"no rows in {target or 'the source'}"
    settings = loaded.pipeline
    window = window_of(target, settings.window, coverage.listing.raw, settings.partition.by)
    states = {key: coverage.of(key).stages for key in window}
    done: list[str] = []
    todo: list[str] = []
    for stage in STAGES:
        keys = window if stage in _PER_PARTITION else [target]
        complete = sum(states[key][stage] is State.COMPLETE for key in keys)
        (done if complete == len(keys) else todo).append(_count(stage, complete, len(keys)))
    return f"reuses {', '.join(done) or 'nothing'}; to do: {', '.join(todo) or 'nothing'}"


def _count(stage: str, complete: int, all_of: int) -> str:
    if all_of == 1 or complete == all_of:
        return stage
    return f"{stage} ({all_of - complete} of {all_of} partitions)"
