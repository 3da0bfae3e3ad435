"""A stage is one folder and one line: with these alone it is everywhere that a stage can be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from support.served import BIN, REPOSITORY, clean_environment, prefect_home
from support.small_root import files_with
from support.tickets import Table, tickets, write_csv

SECRET = "a very long story about one single person, longer than all that the others have to tell"
STAGE = REPOSITORY / "tests" / "support" / "new_stage" / "lengths"
BEFORE, LINE = "        report.STAGE,\n", "        lengths.STAGE,\n"


class Installed:
    """A copy of the source with one folder and one line more, and a table to run it on."""

    def __init__(self, folder: Path, home: Path) -> None:
        for name in ("fusemine", "flows", "tasks"):
            shutil.copytree(REPOSITORY / name, folder / name, symlinks=True)
        shutil.copytree(STAGE, folder / "tasks" / "mine" / "lengths")
        graph = folder / "tasks" / "graph.py"
        text = graph.read_text().replace("anomalies, classify, ", "anomalies, classify, lengths, ")
        graph.write_text(text.replace(BEFORE, LINE + BEFORE))
        self.environment = {
            **clean_environment(), "PYTHONPATH": str(folder), "PREFECT_HOME": str(home),
        }  # fmt: skip
        self.table = Table(folder)
        rows = tickets(60, months=2)
        rows[7] |= {"ticket": "SECRET-1", "body": SECRET}
        write_csv(folder / "tickets.csv", rows)
        self.table.set(lengths={"longest": 2}, classify={"strategy": "early", "explain": 0})

    def call(self, *arguments: object) -> str:
        """What the command prints."""
        command = [sys.executable, BIN / "fusemine", *map(str, arguments)]
        done = subprocess.run(
            command, env=self.environment, cwd=os.sep, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def artifacts(self) -> list[Path]:
        return [path.parent for path in self.table.root.glob("lengths/*/*/manifest.json")]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"), prefect_home(tmp_path_factory))


def test_a_folder_and_a_line_are_all_that_a_stage_takes(installed: Installed) -> None:
    pipeline = installed.table.pipeline
    assert "lengths" in json.loads(installed.call("schema"))["properties"]
    assert "it would run" in installed.call("check", pipeline)

    outcome = json.loads(installed.call("run", pipeline, "--json"))
    assert outcome["stages"]["lengths"]["rows_kept"] == 60
    page = Path(outcome["report"]).read_text(encoding="utf-8")
    assert f"The longest text has {len(SECRET)} characters." in page
    assert 'href="#lengths"' in page

    [partition] = json.loads(installed.call("status", pipeline, "--json"))["partitions"][1:]
    assert partition["lengths"] == "complete"
    results = pl.read_csv(installed.call("export", pipeline).encode())
    assert results["characters"].to_list() == results["body"].str.len_chars().to_list()
    assert "60 rows of" in installed.call("predict", pipeline, pipeline.with_name("tickets.csv"))
    assert "lengths" in installed.call("lineage", installed.table.root / "report/latest.html")

    installed.table.set(lengths={"longest": 1}, classify={"strategy": "early", "explain": 0})
    changed = installed.call("explain", pipeline, "lengths", "2024-02")
    assert "settings.lengths.longest: 2 → 1" in changed
    installed.table.set(
        lengths={"longest": 1}, classify={"strategy": "early", "explain": 0}, retention="P0D"
    )
    again = json.loads(installed.call("run", pipeline, "--json"))["stages"]
    assert [name for name, stage in again.items() if not stage["reused"]] == ["lengths", "report"]
    assert len(installed.artifacts()) == 2
    installed.call("prune", pipeline)
    assert len(installed.artifacts()) == 1

    assert files_with(installed.table.root / "lengths", SECRET)
    installed.call("forget", pipeline, "SECRET-1")
    assert not installed.artifacts()
    assert files_with(installed.table.root, SECRET) == []
