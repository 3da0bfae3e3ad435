"""Row ids that must not come back: rows that were forgotten on request are left out of collecting.

Only a hash of each id is kept, below the root in `forgotten.json`, and once more in a copy, because
rows would come back without it. The copy is written first, so each of the two that can be read has
all rows of which `forget` has said that they are gone.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Annotated

import polars as pl
from pydantic import BaseModel, StringConstraints

from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.storage.records import read_record, write_record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusemine.tasks.core.storage.store import Store

FILE, COPY = "forgotten.json", "forgotten-copy.json"
RULE = "forgotten"
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_PLAIN = re.compile(r":\s*([^\s\",{}\[\]]+)")  # the value of a JSON field that is no text

Record = tuple[str, str, str, str, str]
"""A rejected row: its id, the stage, the rule, the reason, and the row as JSON."""


def id_hash(row_id: str) -> str:
    """What is kept of the id of a forgotten row, in hexadecimal."""
    return hashlib.blake2b(row_id.encode(), digest_size=16).hexdigest()


class ForgottenRows(BaseModel, frozen=True):
    """The list: hashes of row ids."""

    row_ids: tuple[Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")], ...]


def read_forgotten(store: Store) -> frozenset[str]:
    """Hashes of the row ids that were forgotten.

    Raises:
        ArtifactError: Neither the list nor its copy can be read, though one of them is there.
    """
    lists, errors = [], []
    for name in (FILE, COPY):
        try:
            lists += [found] if (found := _read(store, name)) else []
        except ArtifactError as error:
            errors.append(error)
    if errors and not lists:
        raise errors[0]
    return frozenset().union(*(found.row_ids for found in lists))


def _read(store: Store, name: str) -> ForgottenRows | None:
    return read_record(
        store,
        name,
        ForgottenRows,
        expected="the list of the rows that are not collected again",
        fix=f"restore {FILE} or {COPY} from a backup: without them the rows would come back. To "
        "begin a new list, remove both, run, and forget each of the rows again",
    )


def add_forgotten(store: Store, *row_ids: str) -> None:
    """Leave rows out of all collecting from now on."""
    hashes = {id_hash(row_id) for row_id in row_ids}
    record = ForgottenRows(row_ids=tuple(sorted(read_forgotten(store) | hashes)))
    for name in (COPY, FILE):
        write_record(store, name, record)


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
