"""Which places below a root are fusemine's own, by their names alone.

Whatever is elsewhere belongs to somebody else: it is not read, not changed and not removed.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from fusemine.tasks.core.key import KEY_LENGTH
from fusemine.tasks.core.partition import ALL, By, PartitionSettings, is_partition
from fusemine.tasks.core.storage.places import DAMAGED, is_left
from fusemine.tasks.embed.store.parts import PART_NAME
from fusemine.tasks.embed.store.space import FACTS, STORE, USE

if TYPE_CHECKING:
    from collections.abc import Collection

RECORDS, FAILED, BACKFILLS = "latest", "failed", "backfills"
FOLDERS = (RECORDS, FAILED, BACKFILLS, "models", "names", "topics", STORE)
"""Folders of what is kept besides artifacts."""
_FILES = ("pipeline.json", "forgotten.json", "forgotten-copy.json", ".lock", ".changes")
_SPACE_FILES = (FACTS, USE, "uses.jsonl", ".claims", ".compaction")
"""Files of a space besides its parts; `uses.jsonl` is of earlier versions."""
_KEY = rf"[0-9a-f]{{{KEY_LENGTH}}}"
_ARTIFACT = re.compile(rf"[^/]+/[^/]+/{_KEY}")
_RECORD = re.compile(
    rf"{BACKFILLS}/\d{{8}}-\d{{6}}-[0-9a-f]+\.json|models/registry\.json|names/[0-9a-f]{{64}}\.json"
    rf"|topics/[A-Za-z0-9._-]+\.json|report/latest\.html|{STORE}/precision\.json"
)


@cache
def is_any_partition(key: str) -> bool:
    """Whether a key has the form of a partition, however a table is cut."""
    return key == ALL or any(is_partition(key, PartitionSettings(by=by)) for by in By)


def is_file_name(key: str) -> bool:
    """Whether a key may stand for a file that was scored, in the place of a partition."""
    return re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", key) is not None


def is_artifact(name: str) -> bool:
    """Whether a name is one that an artifact can have, of this or an earlier version."""
    return _ARTIFACT.fullmatch(name) is not None


def is_record(name: str) -> bool:
    """Whether a name is that of a record or another file that is kept besides artifacts."""
    folder, _, base = name.rpartition("/")
    if folder in {RECORDS, FAILED}:
        return base.endswith(".json") and is_any_partition(base.removesuffix(".json"))
    return name in _FILES or _RECORD.fullmatch(name) is not None


def is_of_space(base: str) -> bool:
    """Whether a file in a space of the embedding store has a name that fusemine gives."""
    known = base in _SPACE_FILES or PART_NAME.fullmatch(base)
    return bool(known) or is_left(base) or is_aside(base)


def is_aside(base: str) -> bool:
    """Whether something was set aside as damaged under this name, the last of a path."""
    what = base.removeprefix(DAMAGED)
    return base != what and PART_NAME.fullmatch(what) is not None


def leftover_in(name: str, folders: Collection[str]) -> str | None:
    """The draft, or what was set aside, that a name is or is in; None if it is neither.

    Args:
        name: The name.
        folders: The folders that are fusemine's, the root among them.
    """
    parts = name.split("/")
    for number, part in enumerate(parts):
        if is_left(part) or is_aside(part):
            return "/".join(parts[: number + 1]) if "/".join(parts[:number]) in folders else None
    return None
