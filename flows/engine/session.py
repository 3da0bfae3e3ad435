"""One look at a pipeline: what its source holds, and all results that were found so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core import progress
from fusemine.tasks.core.partition import ALL
from fusemine.tasks.core.request import Context, make_request
from fusemine.tasks.core.stage import Scope
from fusemine.tasks.core.storage.artifact import find, read_json
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.inventory.compute import HEADERS, current_listing, read_listing
from fusemine.tasks.sources.unchanged import ChangedError
from fusemine.tasks.table.roles import check_places

if TYPE_CHECKING:
    from fusemine.flows.config.pipeline import Loaded
    from fusemine.flows.engine.runner import Runner
    from fusemine.tasks.core.request import Request
    from fusemine.tasks.core.storage.artifact import ArtifactRef
    from fusemine.tasks.inventory.compute import Listing, State
    from fusemine.tasks.sources.source import Source

ATTEMPTS = 3
"""How often a source is looked at whose files change while they are read."""


@dataclass
class Session:
    """A pipeline as one process sees it; each result is looked at once.

    Args:
        loaded: The pipeline.
        context: What its resources are found in.
        listing: What its source holds.
        runner: What computes; None where nothing is computed, only looked for.
    """

    loaded: Loaded
    context: Context
    listing: Listing
    runner: Runner | None = None
    prepared: dict[tuple[str, str], ArtifactRef] = field(default_factory=dict, init=False)
    """Results of stages that need no window, by stage and partition."""
    chains: dict[tuple[str, str, str, tuple[str, ...]], ArtifactRef] = field(
        default_factory=dict, init=False
    )
    """Results of chains, by stage, partition, the content of the one before, and window."""
    _known: dict[tuple[str, str, str], ArtifactRef] = field(default_factory=dict, init=False)

    def find(self, request: Request) -> ArtifactRef | None:
        """The finished result of a request, if there is one."""
        job = request.job
        place = (job.stage, job.partition, job.recipe.key)
        if place not in self._known and (found := find(job)):
            self._known[place] = found
        return self._known.get(place)

    def log(self, level: int, text: str, *values: object) -> None:
        """Write a line to the log of the run."""
        assert self.runner is not None  # noqa: S101  (callers compute)
        self.runner.log(level, text, *values)

    def run(
        self,
        request: Request,
        report: progress.Listener | Any = None,
        found: ArtifactRef | None = None,
    ) -> ArtifactRef:
        """The result of a request, computed in a task, or a task that shows that it is there."""
        assert self.runner is not None  # noqa: S101  (callers look)
        job = request.job
        made = self.runner.run(request, report or partial(progress.report, job.stage), found)
        self._known[job.stage, job.partition, job.recipe.key] = made
        return made


def open_session(loaded: Loaded, runner: Runner | None = None) -> Session:
    """Look at a pipeline's source, and with a runner collect what is new in it.

    Raises:
        SourceError: The source cannot be used.
        SettingsError: A role names a column that a piece of the source has not, or the root
            belongs to another pipeline.
    """
    if runner is not None:
        loaded.owner.claim()
    root, running = loaded.store.root, runner is not None
    context = Context(root, loaded.base, loaded.pipeline, GRAPH, running=running)
    source, listing = _listed(context, runner)
    places, unit = loaded.pipeline.places(), source.unit
    for piece, header in read_json(listing.inventory, HEADERS).items():
        check_places(places, header, f"{unit} {piece!r}")
    context.raw = listing.raw
    return Session(loaded, context, listing, runner)


def _listed(
    context: Context, runner: Runner | None, attempts: int = ATTEMPTS
) -> tuple[Source, Listing]:
    """The source, and its partitions; looked at anew where a file changes while it is read.

    Raises:
        ChangedError: The same happened again and again.
    """
    (stage,) = GRAPH.of(Scope.SOURCE)
    request = make_request(stage, context, ALL, {})
    state: State = request.resources["source"]
    try:
        if runner is not None:
            return state.source, _collected(runner, request)
        return state.source, current_listing(request.job, state, context.pipeline)
    except ChangedError:
        if attempts == 1:
            raise
    return _listed(context, runner, attempts - 1)


def _collected(runner: Runner, request: Request) -> Listing:
    """The source cut into partitions; scanned again where one of them is gone."""
    found = find(request.job)
    if found is not None and None in read_listing(found).raw.values():
        found = None  # the scan makes the same inventory again, and those partitions with it
    return read_listing(runner.run(request, partial(progress.report, request.job.stage), found))
