"""What is kept below a root: artifacts, whole or not, and what killed processes left."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fusemine.tasks.core.stage import Scope
from fusemine.tasks.core.storage.artifact import manifest_of
from fusemine.tasks.core.storage.own import has_own_form, is_of, own_files
from fusemine.tasks.core.storage.places import link_error
from fusemine.tasks.embed.store.space import is_space
from fusemine.tasks.upkeep.own import (
    FOLDERS,
    is_any_partition,
    is_artifact,
    is_file_name,
    is_of_space,
    is_record,
    leftover_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusemine.tasks.core.stage import Graph
    from fusemine.tasks.core.storage.manifest import Manifest
    from fusemine.tasks.core.storage.store import FileInfo, Store


@dataclass(frozen=True)
class Total:
    """How many things, such as artifacts, and their bytes."""

    number: int
    bytes: int

    @classmethod
    def of(cls, sizes: Iterable[int]) -> Total:
        """The total of things of some sizes."""
        known = list(sizes)
        return cls(len(known), sum(known))

    def __str__(self) -> str:
        return f"{self.number:,}, {megabytes(self.bytes)}"


@dataclass(frozen=True)
class Contents:
    """All that is below a root, listed once.

    Artifacts of stages of other versions of fusemine are among it. What somebody else put below
    the root is known too, and is in nothing but `foreign`.

    Args:
        store: Where the pipeline keeps its artifacts.
        graph: All stages.

    Raises:
        SettingsError: There is a link in a folder of fusemine's, or in the place of one.
    """

    store: Store
    graph: Graph

    def __post_init__(self) -> None:
        for link in self.links:
            if is_record(link) or link.split("/")[0] in self._tops:
                raise link_error(self.store.folder / link)

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """The readable manifests of artifacts by name, those of earlier stages first."""
        names = sorted(self._read, key=lambda name: (*self._order(name), name))
        return {name: made for name in names if (made := self._read[name]) and is_of(made, name)}

    @cached_property
    def unreadable(self) -> list[str]:
        """Artifacts that have no readable manifest of their own.

        They are told by their place and by the names of their files.
        """
        return [name for name in self._read if name not in self.manifests and self._is_own(name)]

    @cached_property
    def leftovers(self) -> list[str]:
        """Drafts, what was set aside as damaged, and files that their artifact does not name."""
        found: dict[str, None] = {}
        named = {path for manifest in self.manifests.values() for path in manifest.paths()}
        for name, file in self._files.items():
            leftover = leftover_in(name, self._folders)
            if leftover:
                found[leftover] = None
            elif file.folder in self.manifests and name not in named and has_own_form(file.base):
                found[name] = None
        return list(found)

    @cached_property
    def links(self) -> list[str]:
        """The links that are not deeper than artifacts."""
        return self.store.links()

    @cached_property
    def foreign(self) -> list[str]:
        """What somebody else put below the root: files, links, and folders with a `/` at the end.

        A folder stands for all in it.
        """
        own = {name for name in self._files if self._is_known(name)}
        folders = {folder for name in own for folder in _folders(name)}
        others = [name for name in (*self._files, *self.links) if name not in own]
        return sorted({_topmost(name, folders) for name in others})

    def files_of(self, name: str) -> list[str]:
        """The files that go when an artifact or a leftover does, in their order."""
        if name not in self._artifacts:
            return [name]
        bases = [file.base for file in self._artifacts[name]]
        return [f"{name}/{base}" for base in own_files(self.manifests.get(name), bases)]

    def beside(self, name: str) -> list[str]:
        """What somebody else put into the folder of an artifact."""
        return [found for found in self.foreign if found.startswith(f"{name}/")]

    def size(self, name: str) -> int:
        """Bytes of all files of an artifact or a leftover."""
        return sum(file.size for file in self._below(name))

    def modified(self, name: str) -> float:
        """When a file of it was last written, in seconds since 1970."""
        return max((file.modified for file in self._below(name)), default=0.0)

    def totals(self, names: Iterable[str]) -> dict[str, Total]:
        """The total of some artifacts by stage, in the order of the stages."""
        sizes: dict[str, list[int]] = defaultdict(list)
        for name in sorted(names, key=self._order):
            sizes[name.split("/")[0]].append(self.size(name))
        return {stage: Total.of(found) for stage, found in sizes.items()}

    def _order(self, name: str) -> tuple[int, str]:
        stage = name.split("/")[0]
        return self.graph.place(stage), stage

    @cached_property
    def _files(self) -> dict[str, FileInfo]:
        return {file.name: file for file in self.store.files()}

    @cached_property
    def _artifacts(self) -> dict[str, list[FileInfo]]:
        """The files of all that may be artifacts by name; what is in a folder of theirs is not."""
        found: dict[str, list[FileInfo]] = defaultdict(list)
        for file in self._files.values():
            if is_artifact(file.folder):
                found[file.folder].append(file)
        return dict(found)

    @cached_property
    def _read(self) -> dict[str, Manifest | None]:
        return {name: manifest_of(self.store.root, name) for name in self._artifacts}

    @cached_property
    def _tops(self) -> frozenset[str]:
        """The folders at the top that are fusemine's."""
        stages = (stage.name for stage in self.graph)
        return frozenset([*FOLDERS, *stages, *(name.split("/")[0] for name in self.manifests)])

    @cached_property
    def _folders(self) -> frozenset[str]:
        """The folders in which a process writes drafts."""
        artifacts = [*self.manifests, *self.unreadable]
        seconds = {"/".join(name.split("/")[:2]) for name in self._files}
        spaces = filter(is_space, seconds)
        dated = [place for place in seconds if is_any_partition(place.rpartition("/")[2])]
        partitions = [place for place in dated if place.split("/")[0] in self._tops]
        return frozenset(["", *self._tops, *partitions, *spaces, *artifacts])

    def _is_own(self, name: str) -> bool:
        """Whether a folder without a readable manifest is an artifact nevertheless."""
        stage, partition, _ = name.split("/")
        if stage not in self.graph:
            return False
        is_named = self.graph[stage].scope is Scope.SERVING and is_file_name(partition)
        forms = (has_own_form(file.base) for file in self._artifacts[name])
        return (is_named or is_any_partition(partition)) and any(forms)

    def _is_known(self, name: str) -> bool:
        """Whether a file is fusemine's."""
        folder = name.rpartition("/")[0]
        is_of_artifact = folder in self._artifacts and name in self._own
        return is_record(name) or _is_in_space(name) or is_of_artifact or self._is_left(name)

    @cached_property
    def _own(self) -> frozenset[str]:
        artifacts = (*self.manifests, *self.unreadable)
        return frozenset(file for name in artifacts for file in self.files_of(name))

    def _is_left(self, name: str) -> bool:
        return leftover_in(name, self._folders) is not None

    def _below(self, name: str) -> list[FileInfo]:
        if name in self._artifacts:
            return [self._files[file] for file in self.files_of(name)]
        return list(self.store.files(name))


def _is_in_space(name: str) -> bool:
    folder, _, base = name.rpartition("/")
    return is_space(folder) and is_of_space(base)


def _topmost(name: str, folders: set[str]) -> str:
    """A name, or the highest folder of it in which nothing is fusemine's."""
    alone = (f"{folder}/" for folder in _folders(name) if folder not in folders)
    return next(alone, name)


def _folders(name: str) -> list[str]:
    """The folders that a file is in, from the top down; the root is none of them."""
    parts = name.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def megabytes(size: int) -> str:
    """A size in bytes for people.

    >>> megabytes(1_234_567_890)
    '1,234.6 MB'
    """
    return f"{size / 1e6:,.1f} MB"
