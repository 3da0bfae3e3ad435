"""The one walk over the stages: it finds the results of a run, or computes them.

A result's request, and with it its key, follows from the results of what it reads. `status` walks
without a runner and finds what is there; a run walks with one and computes what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fusemine.flows.engine.parallel import side_by_side
from fusemine.flows.engine.plan import Plan
from fusemine.tasks.core import progress
from fusemine.tasks.core.request import make_request
from fusemine.tasks.core.stage import Read, Scope, Stage, load
from fusemine.tasks.core.storage.artifact import ArtifactRef, read_json, read_manifest
from fusemine.tasks.graph import GRAPH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fusemine.flows.engine.session import Session
    from fusemine.tasks.core.request import Request

Refs = tuple[ArtifactRef, ...]
REPORT = "report"
"""The stage that gathers what the others found."""
SHOWN = (Scope.PARTITION, Scope.CHAIN, Scope.WINDOW)
"""The scopes of the stages that `status` and `run --json` show."""


@dataclass
class Walk:
    """The stages of one run.

    Args:
        session: The pipeline, and what was found of it so far.
        plan: The run.
        runs: Whether what is missing is computed; otherwise it is only looked for.
        serving: The results of stages that serve models, as far as the run has any; None where
            some of them are missing.
    """

    session: Session
    plan: Plan
    runs: bool = True
    serving: dict[str, Refs] | None = field(default_factory=dict)
    _results: dict[tuple[str, str], ArtifactRef] = field(default_factory=dict, init=False)

    def check(self) -> None:
        """Find the resources of all stages: a mistake in one should not wait for the others.

        Raises:
            FusemineError: One of them cannot be had.
        """
        for stage in GRAPH.of(*SHOWN):
            for function in stage.resources.values():
                load(function)(self.session.context, self.plan.window)

    def prepare(self) -> None:
        """Compute what is missing of the partitions, stage by stage, the oldest first."""
        for stage in GRAPH.of(Scope.PARTITION):
            if not self.is_landed(stage):
                self._prepare(stage)

    def mine(self) -> None:
        """Compute what is missing of the chains and of the window, up to the report."""
        for stage in GRAPH.of(Scope.CHAIN):
            self.result(stage, self.plan.target)
        stages = [stage for stage in GRAPH.of(Scope.WINDOW) if not _is_last(stage)]
        with side_by_side(self.session, len(stages)) as at_once:
            at_once(stages, lambda stage: self.result(stage, self.plan.target))

    def report(self) -> ArtifactRef | None:
        """The report, after which the stages behind it are computed too."""
        last = [stage for stage in GRAPH.of(Scope.WINDOW) if _is_last(stage)]
        return {stage.name: self.result(stage, self.plan.target) for stage in last}[REPORT]

    def shown(self) -> dict[str, Refs]:
        """The results of the stages that people see, over the window, in order."""
        found = {stage.name: self.refs(stage.name) for stage in GRAPH.of(*SHOWN)}
        return {name: refs for name, refs in found.items() if refs}

    def refs(self, name: str, partition: str | None = None) -> Refs | None:
        """The results of a stage that one over the window up to a partition reads.

        Returns:
            None where some of them are missing.
        """
        stage = GRAPH[name]
        return self._refs(stage, self._keys(stage, partition or self.plan.target))

    def result(self, stage: Stage, partition: str) -> ArtifactRef | None:
        """A stage's result for a partition; without a runner None where it is not there."""
        if self.is_landed(stage):
            return self.session.listing.raw.get(partition)
        place = (stage.name, partition)
        found = self._results.get(place) or self._early(stage, partition)
        if found is None and stage.scope is Scope.CHAIN:
            found = self._chained(stage, partition)
        elif found is None:
            found = self._made(stage, partition, self._request(stage, partition))
        if found is not None:
            self._results[place] = found
        return found

    def is_landed(self, stage: Stage) -> bool:
        """Whether the scan of the source makes a stage's results."""
        reads = map(Read.of, stage.reads)
        return stage.scope is Scope.PARTITION and any(
            GRAPH[read.stage].scope is Scope.SOURCE for read in reads
        )

    def missing(self, stage: Stage, partition: str) -> dict[str, tuple[str, ...]]:
        """What a stage reads and what is not there: the partitions, by stage."""
        lacks: dict[str, tuple[str, ...]] = {}
        for read in map(Read.of, stage.reads):
            if not read.optional and self._read(stage, read.stage, partition) is None:
                other = GRAPH[read.stage]
                keys = self._keys(other, partition, stage)
                lacks[other.name] = tuple(key for key in keys if self.result(other, key) is None)
        before = self._earlier(stage, partition)[-1:]
        if before and not lacks and self.result(stage, before[0]) is None:
            lacks[stage.name] = before
        return lacks

    def request(self, stage: Stage, partition: str) -> Request | None:
        """What makes a stage's result; None where something that it reads is missing."""
        before = self._earlier(stage, partition)[-1:]
        previous = self.result(stage, before[0]) if before else None
        return None if before and previous is None else self._request(stage, partition, previous)

    def _request(
        self, stage: Stage, partition: str, previous: ArtifactRef | None = None
    ) -> Request | None:
        if stage.gathers and self.serving is None:
            return None
        over_rows = stage.scope is not Scope.PARTITION
        reads: dict[str, Refs] = {}
        for read in map(Read.of, stage.reads):
            refs = self._read(stage, read.stage, partition)
            if refs is None and not read.optional:
                return None
            reads[read.stage] = refs or ()
        return make_request(
            stage,
            self.session.context,
            partition,
            reads,
            rules=self.plan.rules(partition, stage.scope is Scope.CHAIN) if over_rows else None,
            previous=previous,
            parameters=self.plan.about() if stage.gathers else None,
            partitions=self.plan.window_up_to(partition) if over_rows else (partition,),
        )

    def _early(self, stage: Stage, partition: str) -> ArtifactRef | None:
        """A result of another run's walk, which is not shown again in this one."""
        own = self.runs and partition == self.plan.target
        return None if own else self.session.prepared.get((stage.name, partition))

    def _made(self, stage: Stage, partition: str, request: Request | None) -> ArtifactRef | None:
        """What a request gives: found, or computed in a task.

        What is complete needs no task, so that a long history costs nothing; but the run's own
        partition always shows its own.
        """
        if request is None:
            return None
        found, own = self.session.find(request), partition == self.plan.target
        if self.runs and (found is None or own):
            found = self.session.run(request, found=_final(found))
        if found is not None and stage.scope is Scope.PARTITION:
            self.session.prepared[stage.name, partition] = found
        return found

    def _chained(self, stage: Stage, partition: str) -> ArtifactRef | None:
        """The result of a chain, after those of all partitions before."""
        last = self.plan.history.index(partition) + 1
        previous: ArtifactRef | None = None
        for number, key in enumerate(self.plan.history[:last], start=1):
            before = previous.sha256 if previous else ""
            place = (stage.name, key, before, self.plan.window_up_to(key))
            own = self.runs and key == self.plan.target
            found = None if own else self.session.chains.get(place)
            found = found or self._made(stage, key, self._request(stage, key, previous))
            if found is None:
                return None
            self.session.chains[place] = previous = found
            if self.runs:
                progress.report(stage.name, number, last)
        return previous

    def _read(self, stage: Stage, name: str, partition: str) -> Refs | None:
        """What a stage reads of another for its result of a partition."""
        other = GRAPH[name]
        return self._refs(other, self._keys(other, partition, stage))

    def _keys(self, other: Stage, partition: str, stage: Stage | None = None) -> tuple[str, ...]:
        """The partitions of a stage that another one reads; without one, those of the window."""
        alone = stage is not None and stage.scope is Scope.PARTITION
        if other.scope is Scope.PARTITION and not alone:
            return self.plan.window_up_to(partition)
        return (partition,)

    def _refs(self, stage: Stage, partitions: Iterable[str]) -> Refs | None:
        if stage.scope is Scope.SERVING:
            return (self.serving or {}).get(stage.name)
        if stage.scope is Scope.SOURCE:
            return (self.session.listing.inventory,)
        found = [self.result(stage, partition) for partition in partitions]
        there = [ref for ref in found if ref is not None]
        return tuple(there) if len(there) == len(found) else None

    def _earlier(self, stage: Stage, partition: str) -> tuple[str, ...]:
        """The partitions that come before one in a chain."""
        if stage.scope is not Scope.CHAIN:
            return ()
        return self.plan.history[: self.plan.history.index(partition)]

    def _prepare(self, stage: Stage) -> None:
        """Compute a stage's results for all partitions, and report progress over all of them."""
        requests = {p: self._request(stage, p) for p in self.plan.history}
        todo = {p: r for p, r in requests.items() if r is not None and self._is_todo(p, r)}
        sizes = {p: _size(stage, request) for p, request in todo.items()}
        counted = 0 if stage.size else len(requests) - len(todo)
        total = counted + sum(sizes.values())
        for partition, request in requests.items():
            place = (stage.name, partition)
            if partition not in todo:
                found = None if request is None else self.session.find(request)
            else:
                report = _offset(stage, counted, sizes[partition], total)
                found = self.session.find(todo[partition])
                found = self.session.run(todo[partition], report, _final(found))
                counted += sizes[partition]
                progress.report(stage.name, counted, total)
            if found is not None:
                self._results[place] = self.session.prepared[place] = found

    def _is_todo(self, partition: str, request: Request) -> bool:
        return partition == self.plan.target or self.session.find(request) is None


def prepared(session: Session, partitions: Iterable[str]) -> list[str]:
    """Those of some partitions whose stages that need no window are all complete."""
    walk = Walk(session, Plan(session.loaded, None), runs=False)
    last = GRAPH.of(Scope.PARTITION)[-1]
    return [partition for partition in partitions if walk.result(last, partition)]


def _final(found: ArtifactRef | None) -> ArtifactRef | None:
    """A result, if it needs not be made again."""
    return None if found is None or read_manifest(found).provisional else found


def _size(stage: Stage, request: Request) -> int:
    """How much work a result is, by a count of what it reads; 1 where none is named."""
    if stage.size is None:
        return 1
    refs = request.reads[Read.of(stage.reads[0]).stage]
    return sum(int(read_json(ref)[stage.size]) for ref in refs)


def _offset(stage: Stage, before: int, size: int, total: int) -> Callable[..., None]:
    """Progress within one result as part of all; the caller reports its end."""

    def report(done: int, _: int, note: str = "") -> None:
        if done < size:
            progress.report(stage.name, before + done, total, note)

    return report


def _is_last(stage: Stage) -> bool:
    """Whether a stage is the report or comes behind it."""
    return GRAPH.place(stage.name) >= GRAPH.place(REPORT)
