"""What lies below a pipeline's root: artifacts, the records of the latest runs, and leftovers."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path, PurePath
from stat import S_ISDIR
from typing import TYPE_CHECKING

from fusemine.tasks.core.artifact import Manifest, read_manifest
from fusemine.tasks.core.errors import ArtifactError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

PREPARED = ("inventory", "collect", "clean", "embed")
MODEL, SAID = "model", "texts"
"""The stage of trained models, and the table of scored files that holds their texts."""
MINED = (
    "topics", "fuse", "classify", "cluster", "anomaly", MODEL, "score", "challenge", "watch",
    "report", "predict",
)  # fmt: skip
"""Stages over a window, each after those that it reads."""
STAGES = (*PREPARED, *MINED)
RECORDS, STORE, HTML, NEWEST = "latest", "store", "report.html", "latest.html"
ASIDE = ".damaged-removed-"
"""What `discard` was killed over; nobody else uses these names."""
_LEFT = (".draft-", ".damaged-")
_DRAFTED_IN = (*STAGES, RECORDS, STORE, "failed", "backfills")


def folders(root: Path) -> dict[str, Path]:
    """Every folder in an artifact's place, complete or not, by its name `stage/partition/key`."""
    found = (path for stage in STAGES for path in sorted((root / stage).glob("*/*")))
    return {
        name_of(path): path
        for path in found
        if path.is_dir() and not path.is_symlink() and not path.name.startswith(_LEFT)
    }


def manifests(found: dict[str, Path]) -> dict[str, Manifest]:
    """The manifests of those folders that have a readable one."""
    read = {name: manifest_of(folder) for name, folder in found.items()}
    return {name: manifest for name, manifest in read.items() if manifest is not None}


def manifest_of(folder: Path) -> Manifest | None:
    """The manifest of a folder, or None if there is no readable one."""
    try:
        return read_manifest(folder)
    except ArtifactError:
        return None


def name_of(path: str | PurePath) -> str:
    """The name of an artifact, also where a manifest holds its path."""
    return "/".join(PurePath(path).parts[-3:])


def latest_reports(root: Path) -> dict[str, str]:
    """The report that the record of each partition names, oldest partition first.

    Raises:
        ArtifactError: A record cannot be read.
    """
    records = sorted((root / RECORDS).glob("*.json"))
    return {path.stem: _report_of(path) for path in records if not path.name.startswith(_LEFT)}


def _report_of(record: Path) -> str:
    try:
        path = PurePath(json.loads(record.read_text(encoding="utf-8"))["report"])
        if (path.parts[0], len(path.parts)) == ("report", 4):
            return name_of(path.parent)
        what = "names no report"
    except (OSError, ValueError, LookupError, TypeError) as error:
        what = f"cannot be read ({type(error).__name__})"
    raise ArtifactError(
        got=f"record {record}, which {what}",
        expected="the record of a partition's last complete run",
        fix=f"remove the file and run again: fusemine run --partition {record.stem}",
    )


def leftovers(root: Path) -> list[Path]:
    """Drafts and damaged artifacts that killed processes left."""
    places = [root, *(root / name for name in _DRAFTED_IN)]
    places += [folder for name in _DRAFTED_IN for folder in sorted((root / name).glob("*/"))]
    return [path for place in places if place.is_dir() for path in _left_in(place)]


def _left_in(place: Path) -> list[Path]:
    if place.name.startswith(_LEFT):
        return []
    return sorted(path for path in place.iterdir() if path.name.startswith(_LEFT))


def discard(path: Path) -> None:
    """Take a file or folder away: put aside in one step, so that nobody finds half of it.

    Raises:
        ArtifactError: It cannot be removed.
    """
    try:
        aside = Path(tempfile.mkdtemp(prefix=ASIDE, dir=path.parent))
        path.rename(aside / path.name)
        shutil.rmtree(aside)
    except OSError as error:
        raise ArtifactError(
            got=f"{path}, which cannot be removed: {error.strerror or error}",
            expected="the right to write below the root",
            fix="look at the owner of the files, then do it again: what is done stays done",
        ) from error


def drop_empty_partitions(root: Path) -> None:
    """Remove the partition folders that hold nothing."""
    for folder in (path for stage in STAGES for path in (root / stage).glob("*/")):
        if not any(folder.iterdir()):
            folder.rmdir()


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return sum(stat.st_size for stat in stats_of(path) if not S_ISDIR(stat.st_mode))


def stats_of(path: Path) -> list[os.stat_result]:
    """Of a file or folder and all that is in it; a run that goes on may take some of it away."""
    stats = []
    for file in [path, *path.rglob("*")]:
        with suppress(FileNotFoundError):
            stats.append(file.lstat())
    return stats


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:,.1f} MB"


def counted(names: Iterable[str]) -> dict[str, int]:
    """How many artifacts of each stage are named, in the order of the stages."""
    stages = [name.split("/")[0] for name in names]
    return {stage: stages.count(stage) for stage in STAGES if stage in stages}
