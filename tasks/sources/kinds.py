"""The kinds of sources: a line each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Discriminator, Tag

from fusemine.tasks.sources.files import Files, FilesSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fusemine.tasks.sources.source import Source, SourceSettings


@dataclass(frozen=True)
class Kind:
    """A kind of source.

    Args:
        settings: What can be set of it; its field `kind` is a literal with the kind's name.
        open: Makes the source from these settings and the folder that relative paths start from.
    """

    settings: type[SourceSettings]
    open: Callable[[Any, Path], Source]


KINDS = {"files": Kind(FilesSettings, Files)}
"""The kinds by their name. The first one is that of a source that names none."""


def open_source(settings: SourceSettings, base: Path) -> Source:
    """The source that settings describe.

    Args:
        settings: Of one of `KINDS`.
        base: Folder that relative paths start from.
    """
    return KINDS[settings.kind].open(settings, base)


def any_source() -> Any:
    """The type of the section `source`: the settings of any kind, which its `kind` names."""
    default = next(iter(KINDS))

    def named(section: Any) -> Any:
        if isinstance(section, dict):
            return section.get("kind", default)
        return getattr(section, "kind", default)

    known = Discriminator(named, "source_kind", f"its kind is none of {', '.join(KINDS)}")
    kinds = tuple(Annotated[kind.settings, Tag(name)] for name, kind in KINDS.items())
    return Annotated[Union[kinds], known]  # noqa: UP007  (kinds is a tuple)
