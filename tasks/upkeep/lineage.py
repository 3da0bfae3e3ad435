"""From a result back to the source's files, by what the manifests say."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.core.key import file_digest
from fusemine.tasks.core.storage.artifact import is_intact, manifest_of
from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.upkeep.latest import NEWEST, Latest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from fusemine.tasks.core.stage import Graph

SHOWN = 8
"""Characters of a hash that people see."""


class State(StrEnum):
    """Whether an artifact, or a file of the source, is what it was."""

    INTACT = "intact"
    CHANGED = "changed since"
    GONE = "gone"


@dataclass(frozen=True)
class Node:
    """One artifact.

    Args:
        name: Its name below the root, `stage/partition/key`.
        stage: The stage that made it.
        partition: The partition that it is for.
        key: Its key.
        state: Whether it is there, with the content that its manifest says.
        rows: Rows of its main table; None if it is gone.
        created_at: When it was made; None if it is gone.
        inputs: Names of the artifacts that it was made of.
        sources: Files of the source that were read for it, with the hashes of their content.
    """

    name: str
    stage: str
    partition: str
    key: str
    state: State
    rows: int | None = None
    created_at: datetime | None = None
    inputs: tuple[str, ...] = ()
    sources: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceFile:
    """A file of the source as it was read; its state is None where it was not compared."""

    name: str
    sha256: str
    state: State | None = None


@dataclass(frozen=True)
class Lineage:
    """A result and all that it was made of.

    Args:
        start: Name of the artifact that it begins with.
        nodes: All artifacts by name.
        sources: The files that the rows came from.
    """

    start: str
    nodes: dict[str, Node]
    sources: tuple[SourceFile, ...]

    def as_json(self) -> dict[str, Any]:
        """The lineage, JSON-ready."""
        plain = asdict(self)
        for node in plain["nodes"].values():
            node["created_at"] = node["created_at"] and node["created_at"].isoformat()
        return {"start": self.start, "artifacts": plain["nodes"], "sources": [*plain["sources"]]}


def trace(path: Path, graph: Graph, base: Path | None = None) -> Lineage:
    """Walk the manifests from an artifact back to the source's files.

    Args:
        path: An artifact's folder, a file in it, or `report/latest.html` below a root.
        graph: All stages.
        base: Folder of the pipeline.yaml; with it the source's files are compared as well.

    Raises:
        SettingsError: The path is no artifact.
        ArtifactError: The record of a latest run cannot be read.
    """
    root, start = _artifact(path.resolve())
    return trace_from(root, start, graph, base)


def trace_from(root: str, start: str, graph: Graph, base: Path | None = None) -> Lineage:
    """The same from an artifact's name below a root."""
    found: dict[str, Node] = {}
    todo = [start]
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = _node(root, name)
            todo += found[name].inputs
    nodes = dict(sorted(found.items(), key=lambda item: (graph.place(item[1].stage), item[0])))
    return Lineage(start, nodes, _sources(nodes, base))


def lines(lineage: Lineage) -> list[str]:
    """A tree for people: each stage is one line, below what was made of it."""
    stages: dict[str, list[Node]] = defaultdict(list)
    for node in lineage.nodes.values():
        stages[node.stage].append(node)
    depths = _depths(lineage)
    shown = [
        "  " * depths[s] + _stage_line(stages[s]) for s in sorted(stages, key=depths.__getitem__)
    ]
    indent = "  " * (max(depths.values()) + 1)
    return [*shown, indent + _source_line(lineage.sources)]


def _artifact(path: Path) -> tuple[str, str]:
    """The root and the name of the artifact that a path means."""
    if "/".join(path.parts[-2:]) == NEWEST and path.is_file():
        root = str(path.parents[1])
        newest = Latest(store_at(root)).newest_report()
        if newest is not None:
            return root, newest
    folder = path if path.is_dir() else path.parent
    if path.exists() and len(folder.parents) > 2:
        root, name = str(folder.parents[2]), "/".join(folder.parts[-3:])
        manifest = manifest_of(root, name)
        if manifest is not None and manifest.name == name:
            return root, name
    raise SettingsError(
        got=f"{path}, which {'is no artifact' if path.exists() else 'is not there'}",
        expected="a report.html, or another file of an artifact, or an artifact's folder",
        fix="name one below the root, such as report/latest.html",
    )


def _node(root: str, name: str) -> Node:
    stage, partition, key = ("", "", *name.split("/"))[-3:]
    made = manifest_of(root, name)
    if made is None:
        return Node(name, stage, partition, key, State.GONE)
    state, inputs = State.INTACT if is_intact(root, made) else State.CHANGED, made.input_names
    more = (made.main_rows, made.created_at, tuple(inputs), made.sources)
    return Node(name, stage, partition, key, state, *more)


def _sources(nodes: dict[str, Node], base: Path | None) -> tuple[SourceFile, ...]:
    """The files of the raw rows; without raw rows those of the inventory."""
    raw = [node for node in nodes.values() if node.stage == "collect" and node.sources]
    read = {file for node in raw or nodes.values() for file in node.sources.items()}
    return tuple(SourceFile(name, sha, _state(base, name, sha)) for name, sha in sorted(read))


def _state(base: Path | None, name: str, sha256: str) -> State | None:
    if base is None:
        return None
    try:
        return State.INTACT if file_digest(base / name) == sha256 else State.CHANGED
    except OSError:
        return State.GONE


def _depths(lineage: Lineage) -> dict[str, int]:
    """How far each stage is from the start, by the longest way."""
    depths = {lineage.nodes[lineage.start].stage: 0}
    # Stages are in order, so each has its depth before those that it was made of get theirs.
    for node in reversed(lineage.nodes.values()):
        for stage in {lineage.nodes[name].stage for name in node.inputs} - {node.stage}:
            depths[stage] = max(depths.get(stage, 0), depths.get(node.stage, 0) + 1)
    return depths


def _stage_line(nodes: list[Node]) -> str:
    partitions = sorted({node.partition for node in nodes})
    rows = sum(node.rows or 0 for node in nodes)
    span = f"{len(partitions)} partitions, {partitions[0]} to {partitions[-1]}"
    of = partitions[0] if len(partitions) == 1 else span
    made = nodes[0].created_at
    when = f", made {made:%Y-%m-%d %H:%M} UTC" if made and len(nodes) == 1 else ""
    return f"{nodes[0].stage}: {of}, {rows:,} rows{when}{_changes(nodes)}"


def _changes(things: Sequence[Node | SourceFile]) -> str:
    """Those that are not what they were."""
    shown = ""
    for state in (State.CHANGED, State.GONE):
        if names := [thing.name for thing in things if thing.state is state]:
            shown += f"; {state}: {_first(names)}"
    return shown


def _source_line(files: tuple[SourceFile, ...]) -> str:
    hashes = [f"{file.name} sha256 {file.sha256[:SHOWN]}…" for file in files]
    return f"source: {_first(hashes) if hashes else 'not in the manifests'}{_changes(files)}"


def _first(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1:,} more" if len(names) > 1 else "")
