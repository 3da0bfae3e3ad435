"""Topics as Prefect tasks: the registry, partition after partition, and a window's topics."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from prefect import get_run_logger

from fusemine.tasks.core.artifact import MAIN, ArtifactRef, Draft, Job
from fusemine.tasks.core.contract import CLUSTERS, CROSSED, EVENTS, SHARES, THEMES, TOPICS
from fusemine.tasks.core.key import Stage, recipe
from fusemine.tasks.core.locks import device_lock
from fusemine.tasks.core.task import execute, stage_task
from fusemine.tasks.core.window import read_new, read_window, window_inputs
from fusemine.tasks.core.windowed import LIBRARIES, MODULES, WindowRefs, finish, teller
from fusemine.tasks.embed.device import resolve_device
from fusemine.tasks.llm.secret import secret_block
from fusemine.tasks.mine.topic_chain.advance import Rows, advance
from fusemine.tasks.mine.topic_chain.naming.cache import NAMES
from fusemine.tasks.mine.topic_chain.naming.llm_names import llm_names
from fusemine.tasks.mine.topic_chain.stored import anchors_at, read_state, write_state
from fusemine.tasks.mine.topics.topics import cluster

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from fusemine.tasks.core.window import Window
    from fusemine.tasks.mine.topic_chain.naming.llm_naming import Namer
    from fusemine.tasks.mine.topics.settings import ClusterSettings, NamingSettings

_LIBRARIES = (*LIBRARIES, "graspologic-native", "torch", "umap-learn")
_MODULES = (
    "fusemine.tasks.mine.topic_chain.advance",
    "fusemine.tasks.mine.topic_chain.stored",
    *MODULES,
)
REGISTRY = Stage("topics", _MODULES, _LIBRARIES)
NAMED = Stage(
    "topics",
    (*_MODULES, "fusemine.tasks.mine.topic_chain.naming.llm_names"),
    (*_LIBRARIES, "httpx"),
)
"""The same where a language model names topics."""
CLUSTER = Stage(
    "cluster",
    ("fusemine.tasks.mine.topics.topics", "fusemine.tasks.mine.topic_chain.stored", *MODULES),
    (*LIBRARIES, "torch"),
)


def registry_job(
    root: Path,
    partition: str,
    window: WindowRefs,
    before: ArtifactRef | None,
    settings: ClusterSettings,
    since: datetime | None,
) -> Job:
    """The job of the registry after one partition.

    Args:
        root: Folder of the pipeline's artifacts.
        partition: The partition.
        window: The window up to it, whose last partition it is.
        before: The registry before it; None for the first partition.
        settings: How texts are grouped.
        since: The end of the window that `before` is of.
    """
    inputs = window_inputs(window.cleaned, window.embedded, window.rules)
    earlier = () if before is None else (before.sha256,)
    stage = NAMED if settings.naming else REGISTRY
    made_of = recipe(stage, (*earlier, str(since), *inputs), _values(settings))
    refs = [*([before] if before else []), *window.cleaned, *window.embedded]
    names = [ref.name for ref in refs]
    anchored = None if before is None else anchors_at(before)
    if anchored is not None and anchored.name not in names:
        names.append(anchored.name)
    return Job(root, REGISTRY.name, partition, made_of, tuple(names))


def _values(settings: ClusterSettings) -> dict[str, Any]:
    naming = settings.naming.key_values() if settings.naming else None
    return settings.model_dump(mode="json", exclude={"naming"}) | {"naming": naming}


@stage_task("topics", "topics-{job.partition}")
def advance_registry(
    job: Job,
    window: WindowRefs,
    before: ArtifactRef | None,
    settings: ClusterSettings,
    since: datetime | None,
    device: str,
) -> ArtifactRef:
    """Let a partition's rows join the known topics, or group all texts anew.

    Args:
        job: The registry to make.
        window: The window up to the partition.
        before: The registry before; None for the first.
        settings: How texts are grouped.
        since: The end of the window that `before` is of: rows known from then on are new.
        device: Where torch computes.
    """

    def work(draft: Draft) -> None:
        own = read_new(window.cleaned, window.embedded, window.rules, since)
        rows = Rows(own, partial(_read, window))
        namer = _namer(job.root, settings.naming) if settings.naming else None
        where = resolve_device(device)
        with device_lock(where, get_run_logger().info):
            state = advance(read_state(before), rows, job.partition, settings, namer, where)
        write_state(draft, state, before)
        draft.count(rows.own.clean.height, rows.own.clean.height, 0)

    return execute(job, work)


def _read(window: WindowRefs) -> Window:
    return read_window(window.cleaned, window.embedded, window.rules)


def _namer(root: Path, settings: NamingSettings) -> Namer:
    return partial(
        llm_names,
        settings=settings,
        folder=root / NAMES,
        progress=teller("names"),
        key=secret_block(settings),
    )


def cluster_job(root: Path, partition: str, window: WindowRefs, registry: ArtifactRef) -> Job:
    """The job of a window's topics, which are those of the registry after its last partition."""
    inputs = window_inputs(window.cleaned, window.embedded, window.rules)
    made_of = recipe(CLUSTER, (registry.sha256, *inputs), {})
    refs = [registry, *window.cleaned, *window.embedded]
    return Job(root, CLUSTER.name, partition, made_of, tuple(ref.name for ref in refs))


@stage_task("cluster", "cluster-{job.partition}")
def cluster_window(job: Job, window: WindowRefs, registry: ArtifactRef) -> ArtifactRef:
    """Give every text of a window its topic, and say how the topics went and hang together."""

    def work(draft: Draft) -> None:
        rows = _read(window)
        state = read_state(registry)
        found = cluster(rows.clean, rows.matrix, state, teller("cluster"))
        draft.table(MAIN, found.rows, CLUSTERS)
        draft.table("topics", found.topics, TOPICS)
        draft.table("themes", found.themes, THEMES)
        draft.table("shares", found.shares, SHARES)
        draft.table("crossed", found.crossed, CROSSED)
        draft.table("events", found.events, EVENTS)
        finish(draft, rows.clean.height, found.rows.height, found.summary)

    return execute(job, work)
