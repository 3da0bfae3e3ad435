"""The keys of the stages cover all code that their tasks use."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

from fusemine.tasks.core import key as keys
from fusemine.tasks.core.key import Stage
from fusemine.tasks.inventory import source

# How results are stored, named and told; what they are does not depend on it.
AROUND = {
    "fusemine.tasks.core.artifact",
    "fusemine.tasks.inventory.source",
    # Which encoder computes, where and how precisely; keys hold its kind, files and precision.
    "fusemine.tasks.embed.encoders.memory",
    "fusemine.tasks.embed.engine",
    "fusemine.tasks.embed.encoders.files",
    "fusemine.tasks.embed.encoders.load",
    "fusemine.tasks.embed.store.path",
    "fusemine.tasks.embed.precision",
    "fusemine.tasks.core.key",
    "fusemine.tasks.core.locks",
    # Its key takes the source of all tasks.
    "fusemine.tasks.serving.predict.predict",
    "fusemine.tasks.core.progress",
    "fusemine.tasks.core.task",
}


@pytest.mark.parametrize(
    "name", ["collect", "clean", "embed", "fuse", "topics", "anomalies", "models", "report"]
)
def test_what_a_task_imports_is_covered_by_the_keys_of_its_stages(name: str) -> None:
    task = import_module(f"tasks.{name}.task")
    covered: dict[str, ast.Module] = {}
    own = [source.STAGE] if name == "collect" else list(getattr(task, "STAGES", {}).values())
    for stage in (value for value in [*own, *vars(task).values()] if isinstance(value, Stage)):
        for module in stage.modules:
            keys._closure(module, covered)
    tree = ast.parse(Path(str(task.__file__)).read_text(encoding="utf-8"))
    used = {m for m in keys._imports(tree, "tasks") if not m.endswith(".task")} - AROUND
    used -= {m for m in used if m.endswith(".settings")}  # their values are in the key
    assert used <= set(covered)
    assert used


def test_the_key_of_embedding_covers_the_code_of_the_encoder_and_of_no_other() -> None:
    for kind, stage in import_module("fusemine.tasks.embed.task").STAGES.items():
        covered: dict[str, ast.Module] = {}
        for module in stage.modules:
            keys._closure(module, covered)
        others = {"packed", "padded", "static", "endpoint"} - {kind}
        assert f"tasks.embed.{kind}" in covered
        assert covered.keys().isdisjoint(f"tasks.embed.{other}" for other in others)


@pytest.mark.parametrize(
    ("place", "stage"), [("learn", "CLASSIFY"), ("topics", "CLUSTER"), ("anomalies", "ANOMALY")]
)
def test_each_miner_depends_on_how_its_window_is_read(place: str, stage: str) -> None:
    covered: dict[str, ast.Module] = {}
    for module in getattr(import_module(f"tasks.{place}.task"), stage).modules:
        keys._closure(module, covered)
    assert "fusemine.tasks.core.window" in covered
