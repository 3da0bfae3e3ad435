"""A stage reads what it declares, and of rows those of its window alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from fusemine.tasks.core.contract import Contract, text, time
from fusemine.tasks.core.errors import StageError
from fusemine.tasks.core.inputs import Inputs
from fusemine.tasks.core.request import Request
from fusemine.tasks.core.stage import Graph, Scope, Stage
from fusemine.tasks.core.storage.artifact import MAIN, Job
from fusemine.tasks.core.storage.writing import Draft, new_artifact
from fusemine.tasks.core.window import WindowRules

ROWS = Contract("rows", {"row_id": text(), "known_at": time()})
TABLES = {MAIN: ROWS, "more": ROWS}
GRAPH = Graph(
    [
        Stage("rows", Scope.PARTITION, "fusemine.tasks.a:run", TABLES, window="rows"),
        Stage("vectors", Scope.PARTITION, "fusemine.tasks.b:run", TABLES, window="vectors"),
        Stage("other", Scope.WINDOW, "fusemine.tasks.c:run", TABLES),
        Stage("own", Scope.WINDOW, "fusemine.tasks.d:run", TABLES, reads=("rows", "other:more")),
    ]
)
DAYS = [datetime(1996, 5, 31, tzinfo=UTC), datetime(1996, 6, 1, tzinfo=UTC)]


@pytest.fixture
def inputs(make_job: Callable[..., Job], tmp_path: Path) -> Inputs:
    """Two rows, the second of which became known when the window had ended."""
    refs = {}
    for stage in ("rows", "other"):
        with new_artifact(make_job(stage)) as draft:
            for name in TABLES:
                draft.table(name, pl.DataFrame({"row_id": ["1", "2"], "known_at": DAYS}), ROWS)
            draft.count(2, 2)
        refs[stage] = (draft.ref,)
    own = make_job("own")
    request = Request(own, refs, rules=WindowRules(DAYS[1]))
    return Inputs(request, GRAPH, Draft(own, tmp_path), lambda *_: None)


def test_of_rows_those_of_the_window_are_read(inputs: Inputs) -> None:
    assert inputs.frame("rows")["row_id"].to_list() == ["1"]
    assert inputs.scan("rows", ["row_id"]).collect()["row_id"].to_list() == ["1"]
    assert inputs.frame("rows", "more").height == inputs.frame("other", "more").height == 2


def test_what_a_stage_does_not_declare_is_refused(inputs: Inputs) -> None:
    for read in (inputs.frame, inputs.scan, inputs.refs, inputs.ref):
        with pytest.raises(StageError, match=r"own, which reads .* of other"):
            read("other")
    with pytest.raises(StageError, match="what it declares: rows, other:more"):
        inputs.frame("vectors")
