"""Records: what was changed is told from what is right, and what earlier versions wrote is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.storage.manifest import parse_manifest
from fusemine.tasks.core.storage.records import (
    SEAL,
    parse,
    read_record,
    sealed,
    to_bytes,
    unsealed,
)
from fusemine.tasks.core.storage.store import store_at


class Note(BaseModel, frozen=True):
    what: str = ""
    count: int = 0
    share: float | None = None
    parts: dict[str, Any] = {}


NOTE = Note(what="Zoë", count=90, share=0.1, parts={"a": [1, {"b": None}]})
MANIFEST: dict[str, Any] = {
    "form": 2, "key": "0a", "stage": "clean", "partition": "2024-03", "recipe": {"inputs": {}},
    "rows": {"rows_in": 90, "rows_kept": 82, "rows_rejected": 8}, "main_rows": 82, "columns": {},
    "files": {}, "inputs": [], "seconds": 0.5, "created_at": "2024-04-01T00:00:00Z", "runs": {},
}  # fmt: skip
NAME = "clean/2024-03/0a"


@given(st.text(), st.integers(), st.floats(allow_nan=False), st.dictionaries(st.text(), st.text()))
def test_a_record_comes_back_as_it_was(
    what: str, count: int, share: float, parts: dict[str, str]
) -> None:
    note = Note(what=what, count=count, share=share, parts=parts)
    assert parse(to_bytes(note), Note) == note


def test_any_character_that_is_changed_is_noticed_or_changes_nothing() -> None:
    content = to_bytes(NOTE)
    for place in range(len(content)):
        changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        try:
            assert parse(changed, Note) == NOTE
        except ValueError:
            continue


def test_a_record_without_a_seal_is_read_and_gets_one(tmp_path: Path) -> None:
    old = NOTE.model_dump_json().encode()
    assert parse(old, Note) == NOTE
    assert SEAL in json.loads(to_bytes(parse(old, Note)))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"5", b"\xff{}", b"[" * 99_999, b'{"other": 1}', b'{"seal": "0"}',
     sealed({"other": 1}), b'{"count": "many"}', b'{"count": 9, "sea1": "0"}'],
)  # fmt: skip
def test_what_is_no_record_is_an_error_that_names_it_and_quotes_nothing(
    tmp_path: Path, content: bytes
) -> None:
    store = store_at(tmp_path)
    store.create("notes/a.json", content)
    with pytest.raises(ArtifactError, match=r"notes/a\.json below .*, which is damaged") as caught:
        read_record(store, "notes/a.json", Note, "a note", "write it again")
    assert (caught.value.expected, caught.value.fix) == ("a note", "write it again")
    assert "many" not in str(caught.value)


def test_a_record_of_something_else_and_a_folder_are_errors_and_none_is_none(
    tmp_path: Path,
) -> None:
    store = store_at(tmp_path)
    store.create("a.json", to_bytes(NOTE))
    (tmp_path / "b.json").mkdir()
    assert read_record(store, "c.json", Note, "a note", "none") is None
    with pytest.raises(ArtifactError, match="something else"):
        read_record(store, "a.json", Note, "a note", "none", lambda note: note.count == 1)
    with pytest.raises(ArtifactError, match="a directory"):
        read_record(store, "b.json", Note, "a note", "none")


def test_a_folder_in_the_place_of_a_record_is_set_aside(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    for _ in range(2):
        (tmp_path / "a.json").mkdir()
        (tmp_path / "a.json" / "mine").write_text("x")
        store.replace("a.json", b"{}")
        assert store.read("a.json") == b"{}"
        assert (tmp_path / ".damaged-a.json" / "mine").exists()
        (tmp_path / "a.json").unlink()


@pytest.mark.parametrize(
    ("place", "value"),
    [("rows_in", 99), ("rows_rejected", 0), ("rows_kept", 81), ("rows_rejected", -8)],
)
@pytest.mark.parametrize("is_sealed", [True, False])
def test_a_manifest_whose_counts_were_changed_is_none(
    place: str, value: int, is_sealed: bool
) -> None:
    whole = sealed(MANIFEST) if is_sealed else json.dumps(MANIFEST).encode()
    assert parse_manifest(whole, NAME).rows.rows_in == 90
    changed = json.loads(whole)
    changed["rows"][place] = value
    with pytest.raises(ValueError, match=r"seal|artifact"):
        parse_manifest(json.dumps(changed).encode(), NAME)


@pytest.mark.parametrize("name", ["clean/2024-02/0a", "collect/2024-03/0a", "clean/2024-03/0b"])
def test_a_manifest_in_the_place_of_another_is_none(name: str) -> None:
    with pytest.raises(ValueError, match="another artifact"):
        parse_manifest(sealed(MANIFEST), name)


def test_a_record_that_is_nested_to_any_depth_is_an_error_of_the_record() -> None:
    for depth in range(500, 1100):
        with pytest.raises(ValueError, match=r"seal|deep"):
            unsealed(b'{"seal": "x", "a": ' + b"[" * depth + b"]" * depth + b"}")
