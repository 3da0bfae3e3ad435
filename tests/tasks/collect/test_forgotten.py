"""Rows that were forgotten stay out: what is kept of their ids, and records that hold them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fusemine.tasks.collect.forgotten import blank_forgotten, content_id, id_hash, read_forgotten
from fusemine.tasks.core.contract import REJECTED
from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.storage.store import store_at


@pytest.mark.parametrize(
    "record",
    [{"no": "7", "x": None}, {"no": 7}, "1,7,2", "1| 7 |2", '{"no": "7", "x": ', '{"no": 7, "x": '],
)
def test_a_record_is_known_by_its_id_and_by_nothing_like_it(record: Any) -> None:
    schema = dict.fromkeys(REJECTED.columns, pl.String)
    row = ("f:1", "collect", "rule", "reason", json.dumps(record))
    records = pl.DataFrame([row], schema=schema, orient="row")
    blank = blank_forgotten(records, "no", frozenset([id_hash("7")]))
    assert blank.rows()[0][1:] == ("collect", "forgotten", "forgotten on request", "{}")
    for other in ("77", "f:1", "reason"):
        assert blank_forgotten(records, "no", frozenset([id_hash(other)])).equals(records)
    by_content = frozenset([id_hash(content_id(row[-1]))])
    assert blank_forgotten(records, None, by_content)["rule"].to_list() == ["forgotten"]


@pytest.mark.parametrize("content", ["", "[]", '{"row_ids": null}', '{"row_i'])
def test_a_list_of_forgotten_rows_that_cannot_be_read_is_an_error(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "forgotten.json").write_text(content)
    with pytest.raises(ArtifactError, match="damaged") as caught:
        read_forgotten(store_at(tmp_path))
    assert "restore" in caught.value.fix
