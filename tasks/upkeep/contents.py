"""What is kept below a root: artifacts, whole or not, and what killed processes left."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from fusemine.tasks.core.artifact import manifest_of
from fusemine.tasks.core.key import KEY_LENGTH
from fusemine.tasks.core.store import DAMAGED, DRAFT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusemine.tasks.core.artifact import Manifest
    from fusemine.tasks.core.stage import Graph
    from fusemine.tasks.core.store import Store, Stored

_KEY = re.compile(rf"[0-9a-f]{{{KEY_LENGTH}}}")
_LEFT = (DRAFT, DAMAGED)


@dataclass(frozen=True)
class Contents:
    """All that is below a root, looked at once.

    Stages of other versions of fusemine are among it: what they kept is no less there.

    Args:
        store: Where the pipeline keeps its artifacts.
        graph: All stages.
    """

    store: Store
    graph: Graph
    _files: dict[str, Stored] = field(init=False)

    def __post_init__(self) -> None:
        files = {file.name: file for file in self.store.files()}
        object.__setattr__(self, "_files", files)

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """The readable manifests of artifacts by name, those of earlier stages first."""
        names = sorted(self._places, key=lambda name: (self.graph.place(name.split("/")[0]), name))
        read = {name: manifest_of(self.store.root, name) for name in names}
        return {name: manifest for name, manifest in read.items() if manifest is not None}

    @property
    def unreadable(self) -> list[str]:
        """Names of what has an artifact's place, but no readable manifest."""
        return [name for name in self._places if name not in self.manifests]

    @cached_property
    def leftovers(self) -> list[str]:
        """Drafts, what was set aside as damaged, and files that their artifact does not name."""
        found: dict[str, None] = {}
        named = {p for manifest in self.manifests.values() for p in manifest.places()}
        for name in self._files:
            parts = name.split("/")
            left = next((i for i, part in enumerate(parts) if part.startswith(_LEFT)), None)
            if left is not None:
                found["/".join(parts[: left + 1])] = None
            elif "/".join(parts[:3]) in self.manifests and name not in named:
                found[name] = None
        return list(found)

    def size(self, name: str) -> int:
        """Bytes of all that is below a name."""
        return sum(file.size for file in self._below(name))

    def modified(self, name: str) -> float:
        """When something below a name was last written, in seconds since 1970."""
        return max((file.modified for file in self._below(name)), default=0.0)

    def counted(self, names: Iterable[str]) -> dict[str, int]:
        """How many artifacts of each stage are named, in the order of the stages."""
        counts: dict[str, int] = defaultdict(int)
        for name in names:
            counts[name.split("/")[0]] += 1
        return dict(sorted(counts.items(), key=lambda item: (self.graph.place(item[0]), item[0])))

    @cached_property
    def _places(self) -> dict[str, list[Stored]]:
        places: dict[str, list[Stored]] = defaultdict(list)
        for name, file in self._files.items():
            parts = name.split("/")
            hidden = any(part.startswith(_LEFT) for part in parts)
            if len(parts) > 3 and _KEY.fullmatch(parts[2]) and not hidden:
                places["/".join(parts[:3])].append(file)
        return dict(places)

    def _below(self, name: str) -> list[Stored]:
        if name in self._places:
            return self._places[name]
        start = f"{name}/"
        return [f for n, f in self._files.items() if n == name or n.startswith(start)]


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:,.1f} MB"
