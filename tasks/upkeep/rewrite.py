"""Taking a row out of one artifact: a new version of the folder is written and put in its place.

An artifact keeps its name, because results name it as their input. Its summary stays as it is:
keys are made of content, so no run reads what was rewritten again.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from fusemine.tasks.clean.contracts import CLEAN
from fusemine.tasks.collect.assign import own_name
from fusemine.tasks.collect.contracts import RAW
from fusemine.tasks.collect.forgotten import RULE, blank_forgotten, forgotten_records
from fusemine.tasks.core.artifact import MAIN, MANIFEST, Rows, StoredFile, read_manifest, ref_of
from fusemine.tasks.core.contract import REJECTED, Contract, removed_rows
from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.key import file_digest
from fusemine.tasks.embed.contracts import EMBEDDINGS
from fusemine.tasks.inventory.contracts import INVENTORY, UNASSIGNED
from fusemine.tasks.upkeep.places import discard, leftovers, manifest_of

if TYPE_CHECKING:
    from pathlib import Path

    from fusemine.tasks.core.artifact import Manifest

DRAFT = ".draft-forget-"
LOST, UNPLACED = "rejected", "unassigned"
_CONTRACTS = {
    ("inventory", MAIN): INVENTORY,
    ("inventory", UNPLACED): UNASSIGNED,
    ("collect", MAIN): RAW,
    ("collect", LOST): REJECTED,
    ("clean", MAIN): CLEAN,
    ("clean", LOST): REJECTED,
    ("embed", MAIN): EMBEDDINGS,
}


def settle(root: Path) -> int:
    """Finish or remove what killed processes left; how many drafts were removed."""
    left = leftovers(root)
    for path in left:
        final = path.with_name(path.name.removeprefix(DRAFT))
        if final != path and not final.exists() and ref_of(path) is not None:
            path.rename(final)
        else:
            discard(path)
    return len(left)


def read(folder: Path, name: str) -> pl.DataFrame:
    """A table of an artifact, whatever the folders above it are called."""
    frame = pl.from_arrow(_table(folder, name))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101  (a Table never makes a Series)
    return frame


def without_row(folder: Path, row_id: str) -> None:
    """Take a row out of an artifact of collect, clean or embed, wherever it is in it."""
    make = {"collect": _collect, "clean": _clean, "embed": _embed}
    manifest = read_manifest(folder)
    tables, rows = make[manifest.stage](folder, manifest, row_id)
    _replace(folder, manifest, tables, rows)


def sync_inventory(root: Path, folder: Path, forgotten: frozenset[str]) -> bool:
    """Let an inventory count what its raw artifacts now hold, and blank forgotten records.

    The counts come from the raw artifacts' manifests, so that it can be done again after a kill.
    """
    listing, old = read(folder, MAIN), read(folder, UNPLACED)
    manifest = read_manifest(folder)
    inventory = listing.with_columns(_counts(root, listing))
    unassigned = blank_forgotten(old, id_column(manifest), forgotten)
    if inventory.equals(listing) and unassigned.equals(old):
        return False
    kept, rejected = int(inventory["rows"].sum()), int(inventory["rejected"].sum())
    rejected += unassigned.height
    rows = Rows(rows_in=kept + rejected, rows_kept=kept, rows_rejected=rejected)
    tables = {MAIN: inventory.to_arrow(), UNPLACED: unassigned.to_arrow()}
    _replace(folder, manifest, tables, rows)
    return True


def id_column(inventory: Manifest) -> str | None:
    """The stored name of the id column that an inventory was made with."""
    name = inventory.recipe["settings"].get("columns", {}).get("id")
    return None if name is None else own_name(name)


def _counts(root: Path, listing: pl.DataFrame) -> list[pl.Series]:
    made = [
        manifest_of(root / "collect" / partition / key)
        for partition, key in listing.select("partition", "key").rows()
    ]
    told = zip(made, listing.select("rows", "rejected").rows(), strict=True)
    counts = [(m.rows.rows_kept, m.rows.rows_rejected) if m else old for m, old in told]
    kept, rejected = zip(*counts, strict=True) if counts else ((), ())
    return [pl.Series("rows", kept, pl.Int64), pl.Series("rejected", rejected, pl.Int64)]


Version = tuple[dict[str, pa.Table], Rows]


def _collect(folder: Path, manifest: Manifest, row_id: str) -> Version:
    """As collecting would make it: every row with the id becomes a record of a forgotten one."""
    raw, old = read(folder, MAIN), read(folder, LOST)
    kept, lost = _others(raw, row_id), _others(old, row_id)
    times = raw.height - kept.height + old.height - lost.height
    records = removed_rows(forgotten_records(pl.Series([row_id] * times, dtype=pl.String)))
    is_record = pl.col("rule") == RULE
    first = pl.concat([lost.filter(is_record), records]).sort("row_id")
    rejected = pl.concat([first, lost.filter(~is_record)])
    rows = _fewer(manifest, raw.height - kept.height, old.height - rejected.height)
    return {MAIN: kept.to_arrow(), LOST: rejected.to_arrow()}, rows


def _clean(folder: Path, manifest: Manifest, row_id: str) -> Version:
    clean, old = read(folder, MAIN), read(folder, LOST)
    kept, lost = _renamed(_others(clean, row_id), row_id), _others(old, row_id)
    rows = _fewer(manifest, clean.height - kept.height, old.height - lost.height)
    return {MAIN: kept.to_arrow(), LOST: lost.to_arrow()}, rows


def _embed(folder: Path, manifest: Manifest, row_id: str) -> Version:
    table = _table(folder, MAIN)
    mask = [name != row_id for name in table.column("row_id").to_pylist()]
    kept = table.filter(pa.array(mask, pa.bool_()))
    return {MAIN: kept}, _fewer(manifest, table.num_rows - kept.num_rows, 0)


def _others(frame: pl.DataFrame, row_id: str) -> pl.DataFrame:
    return frame.filter(pl.col("row_id") != row_id)


def _renamed(clean: pl.DataFrame, row_id: str) -> pl.DataFrame:
    """Duplicates of the forgotten row become those of the first one among them."""
    alike = clean.filter(pl.col("duplicate_of") == row_id).get_column("row_id")
    if alike.is_empty():
        return clean
    named = pl.col("duplicate_of") == row_id
    first = pl.when(pl.col("row_id") != alike[0]).then(pl.lit(alike[0]))
    return clean.with_columns(
        duplicate_of=pl.when(named).then(first).otherwise(pl.col("duplicate_of"))
    )


def _fewer(manifest: Manifest, kept: int, rejected: int) -> Rows:
    """The row equation with fewer rows."""
    before = manifest.rows
    return Rows(
        rows_in=before.rows_in - kept - rejected,
        rows_kept=before.rows_kept - kept,
        rows_rejected=before.rows_rejected - rejected,
    )


def _table(folder: Path, name: str) -> pa.Table:
    """A table of an artifact.

    Raises:
        ArtifactError: It cannot be read.
    """
    try:
        with pq.ParquetFile(folder / f"{name}.parquet") as file:
            return file.read()
    except (OSError, pa.ArrowException) as error:
        raise ArtifactError(
            got=f"no readable table at {folder / name}",
            expected="a file of a finished artifact",
            fix="run the pipeline again: what is damaged is made anew",
        ) from error


def _replace(folder: Path, manifest: Manifest, tables: dict[str, pa.Table], rows: Rows) -> None:
    """Write the new version and put it in place; `settle` finishes what is killed in between."""
    draft = folder.with_name(DRAFT + folder.name)
    draft.mkdir()
    for name in manifest.files:
        if name.removesuffix(".parquet") not in tables:
            shutil.copy2(folder / name, draft)
    for name, table in tables.items():
        _write(draft / f"{name}.parquet", table, _CONTRACTS[manifest.stage, name])
    files = {name: _stored(draft / name) for name in manifest.files}
    changes = {"rows": rows, "main_rows": tables[MAIN].num_rows, "files": files}
    content = manifest.model_copy(update=changes).model_dump_json(indent=1) + "\n"
    (draft / MANIFEST).write_text(content, encoding="utf-8")
    draft.chmod(folder.stat().st_mode & 0o777)
    discard(folder)
    draft.rename(folder)


def _write(path: Path, table: pa.Table, contract: Contract) -> None:
    contract.check(table)
    pq.write_table(table, path, compression="zstd")


def _stored(path: Path) -> StoredFile:
    return StoredFile(sha256=file_digest(path), size=path.stat().st_size)
