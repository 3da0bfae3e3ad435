"""What resources are found in, without a pipeline.yaml."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fusemine.tasks.core.request import Context
from fusemine.tasks.core.settings import Settings
from fusemine.tasks.core.stage import Graph


class Sections(SimpleNamespace):
    """A pipeline of nothing but some sections."""

    def section(self, kind: type[Any]) -> Any:
        return next(section for section in vars(self).values() if isinstance(section, kind))

    def at(self, place: str) -> Any:
        return attrgetter(place)(self)


def context_of(root: Path, running: bool = True, **sections: Settings) -> Context:
    """The context of a run, or of a look at its status, with some sections by their names."""
    return Context(str(root), root, Sections(**sections), Graph([]), running=running)
