"""Removing a person's row from everything below a root, and keeping it from coming back.

The caller holds the root alone (`fusemine.tasks.core.locks.exclusive`). A kill at any moment and a second call
end as one call does: the row's text is needed to find its vector, so what holds the text is
rewritten last.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from fusemine.tasks.collect.forgotten import (
    add_forgotten,
    blank_forgotten,
    content_id,
    id_hash,
    read_forgotten,
)
from fusemine.tasks.core.artifact import ref_of
from fusemine.tasks.core.errors import ArtifactError, ContractError, SettingsError
from fusemine.tasks.embed.store.forget import drop_vectors
from fusemine.tasks.mine.topic_chain.naming.cache import NAMES
from fusemine.tasks.upkeep.places import (
    HTML,
    MINED,
    NEWEST,
    RECORDS,
    counted,
    discard,
    folders,
    latest_reports,
    manifests,
    name_of,
)
from fusemine.tasks.upkeep.rewrite import (
    UNPLACED,
    id_column,
    read,
    settle,
    sync_inventory,
    without_row,
)

if TYPE_CHECKING:
    from pathlib import Path

    from fusemine.tasks.core.artifact import Manifest


@dataclass(frozen=True)
class Forgotten:
    """What forgetting touched; nothing of what the row held.

    Args:
        rewritten: Artifacts that lost the row, or count it otherwise, by stage.
        removed: Artifacts that were removed, by stage: results, which may quote the row, and
            damaged artifacts, which may hold it.
        partitions: Partitions whose report has to be made anew.
        vectors: Vectors that were removed from the embedding store.
        leftovers: Drafts of killed processes that were removed.
    """

    rewritten: dict[str, int]
    removed: dict[str, int]
    partitions: tuple[str, ...]
    vectors: int
    leftovers: int

    def lines(self) -> list[str]:
        """What people read."""
        if not any(vars(self).values()):
            return ["nothing of it was left"]
        told = {
            "rewritten": _counts(self.rewritten),
            "removed": _counts(self.removed),
            "vectors removed": f"{self.vectors:,}" if self.vectors else "",
            "leftovers removed": f"{self.leftovers:,}" if self.leftovers else "",
            "reports to be made anew": ", ".join(self.partitions),
        }
        return [f"{what}: {words}" for what, words in told.items() if words]

    def as_json(self) -> dict[str, Any]:
        """The same, JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class _Found:
    """The artifacts of a root, and where the row is.

    Args:
        root: Folder of the pipeline's artifacts.
        names: What the row goes by: its id, and ids of records that belong to no partition.
        whole: Manifests of the artifacts that can be read.
        damaged: Names of those that cannot, which may hold the row.
        holds: Names of the artifacts that hold it.
    """

    root: Path
    names: frozenset[str]
    whole: dict[str, Manifest]
    damaged: list[str]
    holds: frozenset[str]

    def of(self, *stages: str) -> list[str]:
        """The names of the artifacts of some stages, in the order of the stages."""
        return [name for stage in stages for name in self.whole if name.startswith(f"{stage}/")]


def forget(root: Path, row_id: str) -> Forgotten:
    """Remove a row from every artifact and from the embedding store, and never collect it again.

    Results over windows that held it are removed, because their topics, summaries and reports
    may quote it; they can be made anew.

    Args:
        root: Folder of the pipeline's artifacts.
        row_id: The row's id, or the `row_id` of a record in `unassigned`.

    Raises:
        SettingsError: No row has this id, and none was forgotten.
        ArtifactError: A record of a latest run cannot be read, or something cannot be written.
    """
    found = _look(root, row_id)
    records = latest_reports(root)
    if not found.holds and id_hash(row_id) not in read_forgotten(root):
        raise SettingsError(
            got=f"no row with id {row_id!r} below {root}",
            expected="the id of a row that was collected",
            fix="look at the id once more, or at the pipeline that it belongs to",
        )
    try:
        add_forgotten(root, *found.names)
        return _forget(found, row_id, records)
    except OSError as error:
        raise ArtifactError(
            got=f"forgetting stopped below {root}: {error.strerror or error}",
            expected="room on the disk, and the right to write there",
            fix="mend that and forget the row again: what is done stays done",
        ) from error


def _forget(found: _Found, row_id: str, records: dict[str, str]) -> Forgotten:
    root = found.root
    leftovers = settle(root)
    gone = [*found.damaged, *reversed(_results(found))]  # a report before what it was made of
    scored = [name for name in found.of("predict") if ref_of(root / name)]
    going = [root / name for name in scored if name in gone]
    staying = [root / name for name in scored if name not in gone]
    vectors = drop_vectors(root, [root / n for n in found.of("clean")], row_id, going, staying)
    for name in gone:
        discard(root / name)
    if (root / NAMES).is_dir():
        discard(root / NAMES)  # what a language model made of texts, the row's perhaps among them
    partitions = _drop_records(root, records)
    rewritten, unusable = _rewrite(found, row_id)
    return Forgotten(counted(rewritten), counted(gone + unusable), partitions, vectors, leftovers)


def _look(root: Path, row_id: str) -> _Found:
    """Look into every artifact."""
    paths = folders(root)
    whole = {n: m for n, m in manifests(paths).items() if m.stage in MINED or ref_of(paths[n])}
    inventories = [paths[name] for name, made in whole.items() if made.stage == "inventory"]
    names = frozenset([row_id]).union(*(_record_ids(folder, row_id) for folder in inventories))
    hashes = frozenset(map(id_hash, names))
    holds = [n for n, made in whole.items() if _holds(paths[n], made, row_id, hashes)]
    damaged = [name for name in paths if name not in whole]
    return _Found(root, names, whole, damaged, frozenset(holds))


def _record_ids(inventory: Path, row_id: str) -> list[str]:
    """Ids, by their content, of the records without a partition that a row id names."""
    records = read(inventory, UNPLACED).filter(pl.col("row_id") == row_id)
    return [content_id(row) for row in records.get_column("row")]


def _holds(folder: Path, made: Manifest, row_id: str, hashes: frozenset[str]) -> bool:
    """Whether an artifact holds the row; a result that cannot be read may do so."""
    if made.stage == "inventory":
        records = read(folder, UNPLACED)
        return not blank_forgotten(records, id_column(made), hashes).equals(records)
    tables = [folder / name for name in made.files if name.endswith(".parquet")]
    try:
        return any(row_id in _row_ids(path) for path in tables)
    except (OSError, pa.ArrowException):
        return True


def _row_ids(path: Path) -> pl.Series:
    with pq.ParquetFile(path) as file:
        if "row_id" not in file.schema_arrow.names:
            return pl.Series([], dtype=pl.String)
        return pl.Series(file.read(columns=["row_id"]).column(0), dtype=pl.String)


def _results(found: _Found) -> list[str]:
    """Results that the row is in, or that were made of what held it or cannot be looked into."""
    free = set(found.whole) - found.holds
    results = []
    for name in found.of(*MINED):
        if name not in free or not free.issuperset(map(name_of, found.whole[name].inputs)):
            free.discard(name)
            results.append(name)
    return results


def _drop_records(root: Path, records: dict[str, str]) -> tuple[str, ...]:
    """Remove the newest report, if it is a copy of none that stays, and records of none."""
    newest = root / "report" / NEWEST
    stays = (path.read_bytes() for path in root.glob(f"report/*/*/{HTML}"))
    if newest.is_file() and newest.read_bytes() not in stays:
        newest.unlink()
    gone = [partition for partition, name in records.items() if not (root / name).is_dir()]
    for partition in gone:
        (root / RECORDS / f"{partition}.json").unlink()
    return tuple(gone)


def _rewrite(found: _Found, row_id: str) -> tuple[list[str], list[str]]:
    """Rewrite what holds the row; artifacts of another version, which cannot be, are removed."""
    rewritten, unusable = [], []
    for name in found.of("embed", "clean", "collect"):
        if name in found.holds:
            try:
                without_row(found.root / name, row_id)
                rewritten.append(name)
            except ContractError:
                discard(found.root / name)
                unusable.append(name)
    hashes = frozenset(map(id_hash, found.names))
    inventories = found.of("inventory")
    rewritten += [n for n in inventories if sync_inventory(found.root, found.root / n, hashes)]
    return rewritten, unusable


def _counts(stages: dict[str, int]) -> str:
    return ", ".join(f"{number:,} of {stage}" for stage, number in stages.items())
