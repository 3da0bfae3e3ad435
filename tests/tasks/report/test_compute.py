"""The report reads the tables and summaries of the stages that have run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.report.watched import NOW, part, table

from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.inputs import Inputs
from fusemine.tasks.core.request import Request
from fusemine.tasks.core.storage.artifact import MAIN, SUMMARY, Job, locate, to_json
from fusemine.tasks.core.storage.writing import new_artifact
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.report.compute import stage_results
from fusemine.tasks.serving.monitor.contracts import MONITOR


def test_a_stage_that_ran_gives_its_tables_and_summary_and_another_none(
    make_job: Callable[..., Job],
) -> None:
    with new_artifact(make_job("monitor", "1990-05")) as draft:
        draft.table(MAIN, table([part("1990-05")]), MONITOR)
        draft.bytes(SUMMARY, to_json({"model": NOW}))
        draft.count(120, 120)
    reads = {"monitor": (draft.ref,), "challenge": ()}
    request = Request(replace(draft.job, stage="report"), reads)
    tables, summaries = stage_results(Inputs(request, GRAPH, draft, lambda *_: None))
    path = Path(locate(draft.ref, f"{MAIN}.parquet"))
    hidden = path.rename(path.with_suffix(".hidden"))
    with pytest.raises(ArtifactError):  # it is read only now
        tables["monitor"][MAIN]()
    hidden.rename(path)
    assert tables["monitor"][MAIN]()["model"].to_list() == [NOW]
    assert summaries == {"monitor": {"model": NOW}}
    nothing = Inputs(replace(request, reads={}), GRAPH, draft, lambda *_: None)
    assert stage_results(nothing) == ({}, {})
