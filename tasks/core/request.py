"""Results to be made: what goes into them, and the one maker of their keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from fusemine.tasks.core.errors import StageError
from fusemine.tasks.core.key import Recipe, code_of, package_code, versions
from fusemine.tasks.core.settings import Settings
from fusemine.tasks.core.stage import Read, load
from fusemine.tasks.core.storage.artifact import Job, read_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from fusemine.tasks.core.stage import Graph, Stage
    from fusemine.tasks.core.storage.artifact import ArtifactRef
    from fusemine.tasks.core.window import WindowRules

WINDOW = "fusemine.tasks.core.window"
"""The module that reads windows for stages."""
Section = TypeVar("Section", bound=Settings)
Reads = Mapping[str, tuple["ArtifactRef", ...]]
"""Artifacts by the stage that made them, oldest partition first."""


class Sections(Protocol):
    """Settings, section by section."""

    def section(self, kind: type[Section]) -> Section:
        """The section of a kind of settings."""


class Pipeline(Sections, Protocol):
    """The settings of a pipeline."""

    def at(self, place: str) -> Any:
        """What stands at a place such as `columns` or `partition.timezone`."""


@dataclass(frozen=True)
class Resource:
    """Something that a stage reads besides artifacts.

    Args:
        value: What the stage is given.
        key: What counts in the key, JSON-ready.
        sources: Files of the source that it stands for, with the hashes of their content.
    """

    value: Any
    key: Any
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Context:
    """A pipeline as resources are found in it.

    Args:
        root: Where its artifacts are.
        base: Folder of the pipeline.yaml, which relative paths start from.
        pipeline: Its settings.
        graph: All stages.
        raw: The collected rows of each partition; None where they are not there.
        running: Whether what is found is used; a look at the status changes nothing.
    """

    root: str
    base: Path
    pipeline: Pipeline
    graph: Graph
    raw: Mapping[str, ArtifactRef | None] = field(default_factory=dict)
    running: bool = False
    _known: dict[str, Any] = field(default_factory=dict, init=False)

    def once(self, name: str, find: Callable[[], Any]) -> Any:
        """What `find` gives, called once for each name."""
        if name not in self._known:
            self._known[name] = find()
        return self._known[name]


@dataclass(frozen=True)
class Request:
    """One result to be made; references and settings only, so that it can go to another process.

    Args:
        job: Where it goes and what it is made of.
        reads: The artifacts that are read, by stage, oldest partition first.
        sections: The settings that the stage uses, by their section of the pipeline.yaml.
        resources: What else it reads, by name.
        rules: What bounds the window, where one is read.
        previous: The stage's own artifact of the partition before, in a chain.
        parameters: What else is asked for.
    """

    job: Job
    reads: Mapping[str, tuple[ArtifactRef, ...]]
    sections: Mapping[str, Settings] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    rules: WindowRules | None = None
    previous: ArtifactRef | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


def make_request(
    stage: Stage,
    context: Context,
    partition: str,
    reads: Reads,
    *,
    rules: WindowRules | None = None,
    previous: ArtifactRef | None = None,
    parameters: Mapping[str, Any] | None = None,
    given: Mapping[str, Resource] | None = None,
    partitions: tuple[str, ...] = (),
) -> Request:
    """The request for one result, and with it its key.

    Args:
        stage: What makes it.
        context: The pipeline.
        partition: What it is for.
        reads: The artifacts that it is made of.
        rules: What bounds the window, where one is read.
        previous: The stage's own artifact of the partition before, in a chain.
        parameters: What else is asked for, JSON-ready.
        given: Resources that are there already.
        partitions: The partitions that resources are asked for; by default the one.

    Raises:
        FusemineError: A resource cannot be had.
    """
    wanted = partitions or (partition,)
    resources = {
        **{n: load(f)(context, wanted) for n, f in stage.resources.items()},
        **(given or {}),
    }
    inputs = {read.place: _hashes(stage, read, reads) for read in map(Read.of, stage.reads)}
    more = {
        "window": rules and rules.key_values(),
        "previous": previous and previous.sha256,
        "parameters": dict(parameters) if parameters else None,
    }
    places = [*([stage.name] if stage.settings else []), *stage.uses]
    recipe = Recipe(
        inputs={**inputs, **{name: value for name, value in more.items() if value}},
        settings={place: _key_values(context.pipeline.at(place)) for place in places},
        resources={n: found.key for n, found in resources.items() if found.key is not None},
        versions=versions(stage.libraries),
        code=_code(stage, windowed=rules is not None),
    )
    names = [ref.name for read in map(Read.of, stage.reads) for ref in reads.get(read.stage, ())]
    names += [previous.name] if previous else []
    sources = {name: sha for found in resources.values() for name, sha in found.sources.items()}
    return Request(
        job=Job(context.root, stage.name, partition, recipe, tuple(names), sources),
        reads=reads,
        sections=_sections(context, [*places, *([stage.device] if stage.device else [])]),
        resources={name: found.value for name, found in resources.items()},
        rules=rules,
        previous=previous,
        parameters=parameters or {},
    )


def _code(stage: Stage, windowed: bool) -> dict[str, str]:
    """The code that runs for a stage; that of windows where one is read."""
    if stage.package:
        return package_code(stage.package)
    return code_of((*stage.modules, *((WINDOW,) if windowed else ())))


def _hashes(stage: Stage, read: Read, reads: Reads) -> list[str]:
    if read.stage not in reads and not read.optional:
        raise StageError(
            got=f"a request for {stage.name} without what it reads of {read.stage}",
            expected=f"artifacts of each of {', '.join(stage.reads)}",
            fix="this is a fault in fusemine: pass them to make_request",
        )
    refs = reads.get(read.stage, ())
    if read.table is None:
        return [ref.sha256 for ref in refs]
    return [read_manifest(ref).files[f"{read.table}.parquet"].sha256 for ref in refs]


def _key_values(value: Any) -> Any:
    return value.key_values() if isinstance(value, Settings) else value


def _sections(context: Context, places: list[str]) -> dict[str, Settings]:
    names = dict.fromkeys(place.partition(".")[0] for place in places)
    return {name: context.pipeline.at(name) for name in names}
