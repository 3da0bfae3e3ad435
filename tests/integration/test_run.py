"""The main flow on a real server, with the real encoder."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.served import PATIENCE
from support.stage_runs import computed
from support.tickets import Table, file_in, tickets, write_csv

from fusemine.flows.engine.parallel import VARIABLE

Mine = Callable[..., Any]
STAGES = [
    "collect", "clean", "embed", "topic_chain", "fuse", "classify", "topics", "anomalies", "report",
]  # fmt: skip


def parquet_hashes(root: Path) -> dict[str, str]:
    files = sorted(root.rglob("*.parquet"))
    return {str(f.relative_to(root)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_every_stage_accounts_for_its_rows_and_hands_on_what_it_kept(
    table: Table, mine: Mine
) -> None:
    outcome = mine(table.pipeline)
    assert list(outcome.stages) == STAGES
    assert outcome.partition == "2024-03"
    kept = 90
    for name, stage in outcome.stages.items():
        if name == "topic_chain":  # it advances by the rows that are new
            assert (stage.rows_in, stage.rows_kept) == (30, 30)
            continue
        assert stage.rows_in == kept
        assert stage.rows_in == stage.rows_kept + stage.rows_rejected
        kept = stage.rows_kept
    metrics = outcome.metrics["classify"]
    for view in ("table", "text", "both"):
        low, high = metrics[view]["average_precision_interval"]
        assert low <= metrics[view]["average_precision"] <= high
    assert len(outcome.lines) == 5


def test_results_hold_the_own_columns_beside_what_was_mined(table: Table, mine: Mine) -> None:
    outcome = mine(table.pipeline)
    results = pl.read_parquet(file_in(outcome.report.parent))
    assert results.height == 90
    assert results["ticket"].to_list() == results["row_id"].to_list()
    assert set(results["prediction"]) <= {"positive", "negative"}
    assert results["topic"].null_count() == 0
    assert results.filter(pl.col("anomaly_reason").is_not_null()).height >= 1


def test_a_second_run_reuses_every_stage(table: Table, mine: Mine) -> None:
    first = mine(table.pipeline)
    second = mine(table.pipeline)
    assert computed(first) == STAGES
    assert computed(second) == []
    assert {n: s.key for n, s in first.stages.items()} == {
        n: s.key for n, s in second.stages.items()
    }


def test_two_fresh_roots_hold_the_same_bytes_with_one_miner_at_a_time_and_with_several(
    table: Table, mine: Mine, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.set(classify={"test_from": "2024-03"})  # all that is done by default
    report = mine(table.pipeline).report.read_bytes()
    first = parquet_hashes(table.root)
    shutil.rmtree(table.root)
    monkeypatch.setenv(VARIABLE, "3")
    assert mine(table.pipeline).report.read_bytes() == report
    assert parquet_hashes(table.root) == first
    assert len(first) > 10


def test_rows_are_explained_by_embedding_what_is_left_of_their_text(
    table: Table, mine: Mine
) -> None:
    table.set(classify={"test_from": "2024-03", "strategy": "early", "explain": 2})
    outcome = mine(table.pipeline)
    [path] = table.root.glob("classify/2024-03/*/summary.*.json")
    explained = json.loads(path.read_text())["explanations"]
    assert [row["vectors"] for row in explained] == ["recomputed"] * 2
    page = outcome.report.read_text(encoding="utf-8")
    assert all(row["row_id"] in page for row in explained)
    stored = sum(pl.read_parquet(f).height for f in table.root.glob("store/*/*.parquet"))
    assert stored <= 90  # what was altered is not kept


def test_a_setting_of_one_miner_leaves_the_others_alone(table: Table, mine: Mine) -> None:
    mine(table.pipeline)
    table.set(topics={"topics": 2})
    assert computed(mine(table.pipeline)) == ["topic_chain", "topics", "report"]


def test_new_rows_leave_old_partitions_as_they_are(table: Table, mine: Mine) -> None:
    mine(table.pipeline, "2024-03")
    before = sorted(str(p) for p in table.root.glob("embed/*/*"))
    late = {**tickets(1)[0], "ticket": "T9999", "opened": "2024-04-02"}
    write_csv(table.folder / "tickets.csv", [*tickets(90), late])
    outcome = mine(table.pipeline)
    assert outcome.partition == "2024-04"
    after = sorted(str(p) for p in table.root.glob("embed/*/*"))
    assert set(before) < set(after)
    assert len(after) == len(before) + 1


def test_a_past_partition_is_mined_as_if_later_rows_did_not_exist(table: Table, mine: Mine) -> None:
    backfilled = mine(table.pipeline, "2024-02").report.read_bytes()
    shutil.rmtree(table.root)
    known = [row for row in tickets(90) if row["opened"] < "2024-03"]
    write_csv(table.folder / "tickets.csv", known)
    on_the_day = mine(table.pipeline, "2024-02")
    assert on_the_day.stages["collect"].rows_in == len(known)
    assert on_the_day.report.read_bytes() == backfilled


def test_a_row_that_became_known_later_is_left_out(table: Table, mine: Mine) -> None:
    rows = [{**row, "seen": row["opened"]} for row in tickets(90)]
    rows[0]["seen"] = "2024-03-05"  # a January ticket
    write_csv(table.folder / "tickets.csv", rows)
    table.roles(known_at="seen")
    early, late = mine(table.pipeline, "2024-02"), mine(table.pipeline, "2024-03")
    assert early.stages["fuse"].rows_rejected == 1
    assert late.stages["fuse"].rows_rejected == 0


def test_a_changed_artifact_is_made_again(table: Table, mine: Mine) -> None:
    mine(table.pipeline)
    embeddings = next(table.root.glob("embed/2024-02/*/part-00000.*.parquet"))
    good = embeddings.read_bytes()
    embeddings.write_bytes(good[:-1] + b"?")
    raw = next(table.root.glob("collect/2024-01/*/part-00000.*.parquet"))
    raw.unlink()
    outcome = mine(table.pipeline)
    assert embeddings.read_bytes() == good
    assert raw.is_file()
    assert {"collect", "embed"} <= set(computed(outcome))


def test_a_partition_without_rows_completes_without_a_report(table: Table, mine: Mine) -> None:
    outcome = mine(table.pipeline, "2023-05")
    assert outcome.report is None
    assert "2023-05" in outcome.as_text()


def test_the_newest_report_stays_when_an_old_partition_is_mined(table: Table, mine: Mine) -> None:
    newest = mine(table.pipeline, "2024-03").report.read_bytes()
    mine(table.pipeline, "2024-01")
    assert (table.root / "report" / "latest.html").read_bytes() == newest
    record = json.loads((table.root / "latest" / "2024-01.json").read_text())
    assert (table.root / record["report"]).is_file()


def test_markup_in_a_cell_reaches_the_report_as_text(table: Table, mine: Mine) -> None:
    rows = tickets(90)
    hostile = "<script>alert(1)</script> {{7*7}} </script><img src=x onerror=alert(1)>"
    rows[5]["body"] = rows[50]["product"] = rows[51]["minutes"] = hostile
    write_csv(table.folder / "tickets.csv", rows)
    html = mine(table.pipeline).report.read_text(encoding="utf-8")
    assert "<script>alert(1)" not in html
    assert "<img src=x" not in html
    assert "{{7*7}}" in html
    assert "49" not in html.split("{{7*7}}")[0][-40:]


def test_the_run_page_shows_summary_metrics_and_progress(table: Table, mine: Mine) -> None:
    from prefect.client.orchestration import get_client

    mine(table.pipeline)
    with get_client(sync_client=True) as client:
        kinds = {artifact.type for artifact in client.read_artifacts()}
    assert {"markdown", "table", "progress"} <= kinds


def test_a_reused_stage_is_shown_as_reused(table: Table, mine: Mine) -> None:
    mine(table.pipeline)
    mine(table.pipeline)
    # The server takes in what is told of tasks after the flow has ended.
    until = time.monotonic() + PATIENCE
    while len(names := _states_of_newest_run()) < 9 and time.monotonic() < until:
        time.sleep(0.2)
    assert names == ["Reused"] * 9


def _states_of_newest_run() -> list[str]:
    """The last states of the newest flow run's task runs."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    from prefect.client.schemas.sorting import FlowRunSort

    with get_client(sync_client=True) as client:
        (newest,) = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)
        which = FlowRunFilter(id=FlowRunFilterId(any_=[newest.id]))
        runs = client.read_task_runs(flow_run_filter=which)
    return [run.state.name for run in runs if run.state and run.state.is_final()]
