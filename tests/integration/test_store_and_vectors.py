"""The embedding store and the vectors of a run as a person asks for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result
from support.tickets import SETTINGS, Table

from fusemine.flows.cli.main import main
from fusemine.tasks.core.storage.locks import shared

Mine = Callable[..., Any]


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(part) for part in arguments])


def told(*arguments: str | Path) -> Any:
    """The JSON object that a command prints."""
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_pipeline_that_never_ran_has_no_store_and_that_is_no_error(table: Table) -> None:
    for arguments in ((), ("--prune",), ("--prune", "--dry-run")):
        shown = call("store", table.pipeline, *arguments)
        assert (shown.exit_code, shown.stderr) == (0, "")
        assert shown.stdout.startswith("nothing in the embedding store below ")
    assert told("store", table.pipeline)["spaces"] == []
    assert told("store", table.pipeline, "--prune")["goes"] == []


def test_a_dry_run_without_pruning_is_a_mistake(table: Table) -> None:
    refused = call("store", table.pipeline, "--dry-run")
    assert refused.exit_code == 2
    assert "--prune" in refused.stderr
    assert call("store", table.pipeline, "--prune", "--unused-for", "-1").exit_code == 2


def test_the_help_says_that_no_result_can_be_lost(table: Table) -> None:
    words = " ".join(call("store", "--help").stdout.split())
    assert "No result needs the store, so pruning it can lose none" in words
    assert "join with the results by row_id and partition" in " ".join(
        call("export", "--help").stdout.split()
    )


def test_the_store_of_other_settings_goes_and_every_result_stays(table: Table, mine: Mine) -> None:
    mine(table.pipeline)
    [first] = told("store", table.pipeline)["spaces"]
    distinct = json.loads(next(table.root.glob("embed/2024-03/*/summary.*.json")).read_text())
    assert first["in_use"]
    assert first["facts"]["dimension"] == distinct["dimension"] == 384
    assert first["texts"] >= distinct["distinct_texts"]
    assert first["looked_up"] > 0
    other = {**SETTINGS["embed"], "prompt": "ticket: "}
    table.set(embed=other)
    mine(table.pipeline)
    lines = call("store", table.pipeline).stdout.splitlines()
    assert lines[0].split()[:3] == ["space", "model", "path"]
    assert [line.split()[-2] for line in lines[1:3]] == ["yes", "no"]
    assert lines[-1].startswith("2 spaces, ")
    assert told("store", table.pipeline, "--prune")["goes"] == []
    always = ("store", table.pipeline, "--prune", "--unused-for", "0")
    assert f"  store/{first['name']}: " in call(*always, "--dry-run").stdout
    assert (table.root / "store" / first["name"]).is_dir()
    with shared(table.root):
        refused = call(*always)
        assert (refused.exit_code, "a run that is going on" in refused.stderr) == (1, True)
    assert [gone["name"] for gone in told(*always)["goes"]] == [f"store/{first['name']}"]
    assert not (table.root / "store" / first["name"]).exists()
    for settings in (other, SETTINGS["embed"]):
        table.set(embed=settings)
        assert all(stage.reused for stage in mine(table.pipeline).stages.values())


def test_the_vectors_of_a_run_are_unit_vectors_of_its_rows(table: Table, mine: Mine) -> None:
    mine(table.pipeline)
    refused = call("export", table.pipeline, "--vectors")
    assert (refused.exit_code, "ends in .parquet" in refused.stderr) == (2, True)
    path = table.folder / "vectors.parquet"
    done = call("export", table.pipeline, "--vectors", "--output", path)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"90 vectors of the window of 2024-03 to {path}\n"
    found = pl.read_parquet(path)
    assert found.schema["embedding"] == pl.Array(pl.Float32, 384)
    assert np.linalg.norm(found["embedding"].to_numpy(), axis=1) == pytest.approx(
        np.ones(90), abs=1e-6
    )
    results = table.folder / "results.parquet"
    assert call("export", table.pipeline, "--output", results).exit_code == 0
    keys = ["row_id", "partition"]
    assert pl.read_parquet(results).join(found, on=keys, how="inner").height == 90
