"""What the key of learning a label takes, and what it leaves out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.contexts import context_of

from fusemine.tasks.core.errors import StageError
from fusemine.tasks.core.request import Reads, Resource, make_request
from fusemine.tasks.embed.settings import EmbedSettings
from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.mine.classify import STAGE
from fusemine.tasks.mine.classify.settings import ClassifySettings
from fusemine.tasks.table.roles import Columns

NOTHING: Reads = {"clean": (), "embed": ()}


def key(kind: str = "class", fuse: Any = None, encoder: str = "one", **chosen: Any) -> str:
    """The key over an empty window."""
    columns = {"text": "t", "label": {"column": "l", "kind": kind}}
    context = context_of(
        Path("/root"),
        classify=ClassifySettings.model_validate(chosen),
        fuse=FuseSettings.model_validate(fuse or {}),
        embed=EmbedSettings.model_validate({"model": "m"}),
        columns=Columns.model_validate(columns),
    )
    stage = replace(STAGE, resources={})
    given = {"encoder": Resource(None, encoder)}
    return make_request(stage, context, "all", NOTHING, given=given).job.recipe.key


@pytest.mark.parametrize(
    "changed",
    [
        {"strategy": "late"},
        {"budget": 1},
        {"decision": {"precision": 0.9}},
        {"learner": "lightgbm"},
        {"kind": "number"},
        {"encoder": "another"},
        {"fuse": {"scaling": "robust"}},
    ],
)
def test_what_changes_the_result_changes_the_key(changed: dict[str, Any]) -> None:
    assert key(**changed) != key()


def test_the_device_does_not() -> None:
    assert key(device="cuda:1") == key()


def test_a_request_without_what_its_stage_reads_is_refused() -> None:
    with pytest.raises(StageError, match="without what it reads of embed"):
        make_request(replace(STAGE, resources={}), context_of(Path("/root")), "all", {"clean": ()})
