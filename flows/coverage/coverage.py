"""Which partitions and stages are complete, as of today's source, settings and code.

It is read from manifests, and today's keys are computed; nothing is run or written.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from fusemine.flows.engine.failures import Failure, read_failures
from fusemine.flows.engine.plan import Plan, resolve
from fusemine.flows.engine.session import Session, open_session
from fusemine.flows.engine.walk import REPORT, SHOWN, Walk, prepared
from fusemine.flows.serving.champions import serving_found
from fusemine.tasks.core.errors import ArtifactError, FusemineError
from fusemine.tasks.core.partition import ALL, gaps, is_partition, window_partitions
from fusemine.tasks.core.stage import Scope
from fusemine.tasks.core.storage.artifact import MANIFEST
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.upkeep.latest import Latest

if TYPE_CHECKING:
    from fusemine.flows.config.pipeline import Loaded
    from fusemine.tasks.core.stage import Stage
    from fusemine.tasks.core.storage.artifact import ArtifactRef

STAGES = tuple(stage.name for stage in GRAPH.of(*SHOWN))


class State(StrEnum):
    """How far a partition, or a stage of it, is."""

    COMPLETE = "complete"
    STALE = "stale"
    """There is a complete result, but under another key than today's."""
    FAILED = "failed"
    MISSING = "missing"
    GAP = "gap"
    """The source has no rows."""
    GONE = "gone"
    """The source no longer has the rows that the last complete run read."""


@dataclass(frozen=True)
class Covered:
    """One partition.

    Args:
        partition: Its key.
        state: The state of the whole.
        stages: The state of each stage.
        rows: Rows collected; None if they are not.
        failure: The last attempt, if it failed.
    """

    partition: str
    state: State
    stages: dict[str, State]
    rows: int | None = None
    failure: Failure | None = None


class Coverage:
    """The states of a pipeline's partitions, each looked at when it is asked for.

    Args:
        session: The pipeline.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.raw = session.listing.raw
        """The collected rows of each partition of the source."""
        self._there = [key for key, ref in self.raw.items() if ref is not None]
        self._prepared = set(prepared(session, self._there))
        self._failures = read_failures(session.loaded.store)
        loaded = session.loaded
        mined = Latest(loaded.store).partitions()
        self._mined = {key for key in mined if is_partition(key, loaded.calendar)}

    def partitions(self) -> list[str]:
        """All partitions from the first to the last with rows, those without among them.

        Those that were mined and have no rows any more are there too.
        """
        keys, by = list(self.raw), self.session.loaded.pipeline.partition.by
        between = gaps(keys, by) if ALL not in keys else []
        return sorted({*keys, *between, *self._failures, *self._mined})

    def covered(self) -> list[Covered]:
        """All partitions, in order."""
        return [self.of(key) for key in self.partitions()]

    def of(self, partition: str) -> Covered:
        """One partition."""
        failure = self._failures.get(partition)
        if partition not in self.raw:
            empty = State.GONE if partition in self._mined else State.GAP
            state = State.FAILED if failure else empty
            return Covered(partition, state, dict.fromkeys(STAGES, empty), None, failure)
        found = self._found(partition)
        stages = {stage: self.state(stage, partition, found.get(stage)) for stage in STAGES}
        if failure and failure.stage in stages and stages[failure.stage] is not State.COMPLETE:
            stages[failure.stage] = State.FAILED
        state = State.FAILED if failure else self._whole(partition, found.get(REPORT))
        raw = self.raw[partition]
        return Covered(partition, state, stages, raw.rows if raw else None, failure)

    def stage_of_partition(self, stage: Stage, partition: str) -> State:
        """The state of a stage that needs no window."""
        walk = Walk(self.session, Plan(self.session.loaded, None), runs=False)
        return self.state(stage.name, partition, walk.result(stage, partition))

    def state(self, stage: str, partition: str, ref: ArtifactRef | None) -> State:
        """The state of a stage, of which this result was found."""
        if ref is not None:
            return State.COMPLETE
        store, place = self.session.loaded.store, f"{stage}/{partition}"
        there = any(store.exists(f"{place}/{key}/{MANIFEST}") for key in store.folders(place))
        return State.STALE if there else State.MISSING

    def walk(self, partition: str) -> Walk:
        """The walk of a run of a partition, which only looks for what is there."""
        walk = Walk(self.session, self._plan(partition), runs=False)
        walk.serving = serving_found(walk) if self._is_minable(walk.plan) else None
        return walk

    def _found(self, partition: str) -> dict[str, ArtifactRef | None]:
        """The complete results of a partition's stages."""
        walk = self.walk(partition)
        scopes = SHOWN if self._is_minable(walk.plan) else (Scope.PARTITION,)
        return {stage.name: walk.result(stage, partition) for stage in GRAPH.of(*scopes)}

    def _plan(self, partition: str) -> Plan:
        """The plan of a run."""
        settings = self.session.loaded.pipeline
        keys = window_partitions(partition, settings.window, self.raw, settings.partition.by)
        there = self._there
        plan = Plan(
            self.session.loaded,
            partition,
            tuple(key for key in keys if key in there),
            tuple(sorted(key for key in there if key <= partition)),
            tuple(key for key in keys if key not in there),
        )
        return plan if settings.gaps == "prepare" else plan.narrowed(self._prepared)

    def _is_minable(self, plan: Plan) -> bool:
        """Whether the window is prepared as far as its pipeline wants it to be."""
        if plan.target not in self._prepared:
            return False
        whole = self._prepared.issuperset([*plan.window, *plan.left_out])
        return whole or plan.settings.gaps == "report"

    def _whole(self, partition: str, report: ArtifactRef | None) -> State:
        """Complete is what was made and became the last complete run of the partition."""
        try:
            latest = Latest(self.session.loaded.store).report(partition)
        except ArtifactError:
            latest = None
        if latest is None:
            return State.MISSING
        same = report is not None and report.name == latest
        return State.COMPLETE if same else State.STALE


def coverage_of(loaded: Loaded) -> Coverage:
    """Look at a pipeline's source and root.

    Raises:
        SourceError: The source cannot be used.
        ModelError: The encoder cannot be had.
    """
    return Coverage(open_session(loaded))


def reuse_summary(loaded: Loaded, partition: str) -> str:
    """A sentence on what is complete and what is to do; the run itself decides again."""
    if not loaded.root.is_dir():
        return "nothing is done yet"
    settings = loaded.pipeline
    try:
        coverage = coverage_of(loaded)
        target = resolve(partition, settings, list(coverage.raw))
    except FusemineError:
        return "what is done already is seen when the source can be read"
    if target is None or target not in coverage.raw:
        return f"no rows in {target or 'the source'}"
    window = window_partitions(target, settings.window, coverage.raw, settings.partition.by)
    own = coverage.of(target).stages
    done: list[str] = []
    todo: list[str] = []
    for stage in GRAPH.of(*SHOWN):
        states = [own[stage.name]]
        if stage.scope is Scope.PARTITION:
            states = [coverage.stage_of_partition(stage, key) for key in window]
        complete = states.count(State.COMPLETE)
        for kind, count in ((done, complete), (todo, len(states) - complete)):
            part = f" ({count} of {len(states)} partitions)" if 0 < complete < len(states) else ""
            kind += [stage.name + part] if count else []
    return f"reuses {', '.join(done) or 'nothing'}; to do: {', '.join(todo) or 'nothing'}"
