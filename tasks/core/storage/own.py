"""What of an artifact's folder is fusemine's own: nothing else of it is ever removed.

Own is what the manifest names, if it is the manifest of this place, and what has the form of the
names that fusemine gives. A user's own file stays, and so does a copy of an artifact elsewhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fusemine.tasks.core.storage.artifact import MAIN, SUMMARY, manifest_of
from fusemine.tasks.core.storage.manifest import MANIFEST
from fusemine.tasks.core.storage.store import store_at

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fusemine.tasks.core.storage.manifest import Manifest

_STORED = re.compile(r"\w[\w.-]*\.[0-9a-f]{12}\.[a-z0-9]+")
_FIRST_VERSION = (f"{MAIN}.parquet", SUMMARY)
"""What the first version wrote, whose names have no hash in them."""


def is_of(manifest: Manifest, name: str) -> bool:
    """Whether a manifest is that of the place where it is, and names files of this place alone."""
    names = [file.name or key for key, file in manifest.files.items()]
    return manifest.name == name and not any("/" in part or part[:1] == "." for part in names)


def has_own_form(base: str) -> bool:
    """Whether a file in an artifact's folder has a name that fusemine gives.

    >>> [has_own_form(name) for name in ("part-00000.1a41f217cb67.parquet", "notes.txt")]
    [True, False]
    """
    return base in (MANIFEST, *_FIRST_VERSION) or _STORED.fullmatch(base) is not None


def own_files(manifest: Manifest | None, bases: Iterable[str]) -> list[str]:
    """The files of an artifact's folder that are its own, in the order in which they can go.

    Wherever a kill stops their removal, those that are left can still be told from a user's: first
    go those that only the manifest tells, then the manifest, then those that their form tells.

    Args:
        manifest: That of this place; None if there is none that can be read.
        bases: The names of the files in the folder.
    """
    named = {file.name or key for key, file in manifest.files.items()} if manifest else set()
    own = [base for base in sorted(bases) if base in named or has_own_form(base)]
    return sorted(own, key=lambda base: (has_own_form(base), base != MANIFEST))


def delete_artifact(root: Path | str, name: str) -> None:
    """Remove an artifact, whole or damaged; what somebody else put beside it stays.

    Raises:
        ArtifactError: Something cannot be removed.
        SettingsError: A link is in its way.
    """
    store, manifest = store_at(root), manifest_of(root, name)
    bases = [file.base for file in store.files(name) if file.folder == name]
    own = own_files(manifest if manifest and is_of(manifest, name) else None, bases)
    store.delete_all(name, [f"{name}/{base}" for base in own])
