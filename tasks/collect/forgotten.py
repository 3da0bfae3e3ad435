"""Row ids that must not come back: rows that were forgotten on request are left out of collecting.

Only a hash of each id is kept, below the root in `forgotten.json`.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.core.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusemine.tasks.core.storage.store import Store

FILE = "forgotten.json"
RULE = "forgotten"
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_PLAIN = re.compile(r":\s*([^\s\",{}\[\]]+)")  # the value of a JSON field that is no text

Record = tuple[str, str, str, str, str]
"""A rejected row: its id, the stage, the rule, the reason, and the row as JSON."""


def id_hash(row_id: str) -> str:
    """What is kept of the id of a forgotten row, in hexadecimal."""
    return hashlib.blake2b(row_id.encode(), digest_size=16).hexdigest()


def read_forgotten(store: Store) -> frozenset[str]:
    """Hashes of the row ids that were forgotten.

    Raises:
        ArtifactError: The list cannot be read.
    """
    try:
        return frozenset(json.loads(store.read(FILE))["row_ids"])
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ArtifactError(
            got=f"{FILE} below {store.root}, which cannot be read ({type(error).__name__})",
            expected="the list of the rows that are not collected again",
            fix="restore the file from a backup; without it, rows that were forgotten come back",
        ) from error


def add_forgotten(store: Store, *row_ids: str) -> None:
    """Leave rows out of all collecting from now on."""
    known = read_forgotten(store)
    added = known | {id_hash(row_id) for row_id in row_ids}
    if added != known:
        content = json.dumps({"row_ids": sorted(added)}, indent=1)
        store.replace(FILE, content.encode() + b"\n")


def is_forgotten(row_ids: pl.Series, forgotten: frozenset[str]) -> pl.Series:
    """Which rows must be left out."""
    lost = [bool(forgotten) and id_hash(row_id) in forgotten for row_id in row_ids]
    return pl.Series(lost, dtype=pl.Boolean)


def forgotten_records(row_ids: Iterable[str]) -> list[Record]:
    """The records of forgotten rows: that there were some, and nothing of what they held.

    Their order is that of the hashes, because the order of the rows cannot be known once one of
    them is gone.
    """
    return sorted(_record(id_hash(row_id)) for row_id in row_ids)


def blank_forgotten(
    records: pl.DataFrame, id_column: str | None, forgotten: frozenset[str]
) -> pl.DataFrame:
    """Records that belong to no partition, those of forgotten rows without what they held.

    Args:
        records: Records by the contract `unassigned`.
        id_column: The stored name of the id column, if there is one.
        forgotten: Hashes of row ids that must be left out.
    """
    if not forgotten or records.is_empty():
        return records
    rows = [_blanked(row, id_column, forgotten) for row in records.iter_rows()]
    return pl.DataFrame(rows, schema=records.schema, orient="row")


def content_hash(row: str) -> str:
    """What identifies the content of a row, given as JSON."""
    return hashlib.blake2b(row.encode(), digest_size=10).hexdigest()


def content_id(row: str) -> str:
    """An id for a record that belongs to no partition; its number in its file may change.

    Args:
        row: The record as JSON.
    """
    return f"{content_hash(row)}-0"


def _blanked(
    row: tuple[str, ...], id_column: str | None, forgotten: frozenset[str]
) -> tuple[str, ...]:
    names = {content_id(row[-1]), *_ids_in(json.loads(row[-1]), id_column)}
    found = sorted({id_hash(name) for name in names} & forgotten)
    return _record(found[0]) if found else row


def _ids_in(record: object, id_column: str | None) -> set[str]:
    """What may be the id of a record: of a malformed one, which has no columns, any field."""
    if id_column is None:
        return set()
    if isinstance(record, dict):
        value = record.get(id_column)
        return set() if value is None else {str(value)}
    text = str(record)
    fields = [field.strip() for mark in ",;|\t" for field in text.split(mark)]
    if text.lstrip().startswith("{"):
        fields += _QUOTED.findall(text) + _PLAIN.findall(text)
    return set(fields)


def _record(hashed: str) -> Record:
    return (f"forgotten-{hashed[:12]}", "collect", RULE, "forgotten on request", "{}")
