"""What is kept below a root: artifacts, whole or not, and what killed processes left."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fusemine.tasks.core.key import KEY_LENGTH
from fusemine.tasks.core.storage.artifact import manifest_of
from fusemine.tasks.core.storage.store import DAMAGED, DRAFT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusemine.tasks.core.stage import Graph
    from fusemine.tasks.core.storage.manifest import Manifest
    from fusemine.tasks.core.storage.store import FileInfo, Store

_ARTIFACT = re.compile(rf"[^/]+/[^/]+/[0-9a-f]{{{KEY_LENGTH}}}(?=/)")
_LEFTOVER = re.compile(rf"(?:.*?/)??(?:{re.escape(DRAFT)}|{re.escape(DAMAGED)})[^/]*")


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

    Artifacts of stages of other versions of fusemine are among it.

    Args:
        store: Where the pipeline keeps its artifacts.
        graph: All stages.
    """

    store: Store
    graph: Graph

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """The readable manifests of artifacts by name, those of earlier stages first."""
        names = sorted(self._artifacts, key=lambda name: (*self._order(name), name))
        read = {name: manifest_of(self.store.root, name) for name in names}
        return {name: manifest for name, manifest in read.items() if manifest is not None}

    @property
    def unreadable(self) -> list[str]:
        """Names of artifacts that have no readable manifest."""
        return [name for name in self._artifacts if name not in self.manifests]

    @cached_property
    def leftovers(self) -> list[str]:
        """Drafts, what was set aside as damaged, and files that their artifact does not name."""
        found: dict[str, None] = {}
        named = {path for manifest in self.manifests.values() for path in manifest.paths()}
        for name in self._files:
            leftover, artifact = _LEFTOVER.match(name), _ARTIFACT.match(name)
            if leftover:
                found[leftover[0]] = None
            elif artifact and artifact[0] in self.manifests and name not in named:
                found[name] = None
        return list(found)

    def size(self, name: str) -> int:
        """Bytes of all that is below a name."""
        return sum(file.size for file in self._below(name))

    def modified(self, name: str) -> float:
        """When something below a name was last written, in seconds since 1970."""
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
        """The files of all artifacts by name."""
        found: dict[str, list[FileInfo]] = defaultdict(list)
        for name, file in self._files.items():
            artifact = _ARTIFACT.match(name)
            if artifact and not _LEFTOVER.match(name):
                found[artifact[0]].append(file)
        return dict(found)

    def _below(self, name: str) -> list[FileInfo]:
        return self._artifacts.get(name) or list(self.store.files(name))


def megabytes(size: int) -> str:
    """A size in bytes for people.

    >>> megabytes(1_234_567_890)
    '1,234.6 MB'
    """
    return f"{size / 1e6:,.1f} MB"
