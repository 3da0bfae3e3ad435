"""What a run is called before its pipeline is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusemine.flows.engine.plan import pipeline_name


@pytest.mark.parametrize("path", ["pipeline.yaml", "./pipeline.yaml", "../birds/pipeline.yaml"])
def test_a_pipeline_is_called_after_its_folder_wherever_one_stands(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "birds").mkdir()
    monkeypatch.chdir(tmp_path / "birds")
    assert pipeline_name(Path(path)) == "birds"


def test_a_file_of_another_name_gives_its_own() -> None:
    assert pipeline_name(Path("data/tickets.pipeline.yaml")) == "tickets"
