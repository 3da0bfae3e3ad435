"""The kinds of sources: a line each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusemine.tasks.sources.files import Files
from fusemine.tasks.sources.files_settings import FilesSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fusemine.tasks.sources.source import Source, SourceSettings


@dataclass(frozen=True)
class Kind:
    """A kind of source.

    Args:
        settings: What can be set of it, its `kind` among that.
        open: Makes the source from these settings and the folder that relative paths start from.
    """

    settings: type[SourceSettings]
    open: Callable[[Any, Path], Source]


KINDS = {"files": Kind(FilesSettings, Files)}


def open_source(settings: SourceSettings, base: Path) -> Source:
    """The source that settings name.

    Args:
        settings: Of one of `KINDS`.
        base: Folder that relative paths start from.
    """
    return KINDS[settings.kind].open(settings, base)
