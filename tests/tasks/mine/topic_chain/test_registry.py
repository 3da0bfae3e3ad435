"""The registry in artifacts."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from support.heaps import SUBJECTS, text_on
from support.present import present
from support.small_root import SmallRoot, row
from support.stage_runs import PlainRunner

from fusemine.flows.engine.plan import make_plan
from fusemine.flows.engine.session import open_session
from fusemine.flows.engine.walk import Walk
from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.storage.artifact import MAIN, ArtifactRef, has_file, read_json
from fusemine.tasks.core.window import Window
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.mine.topic_chain.advance import advance
from fusemine.tasks.mine.topic_chain.reference_texts import to_table
from fusemine.tasks.mine.topic_chain.registry import State, read_state, references_of
from fusemine.tasks.mine.topic_chain.settings import TopicsSettings
from fusemine.tasks.text.distinct import distinct_texts

STAGE = GRAPH["topic_chain"]
ROWS = {"2024-01": 0, "2024-02": 90, "2024-03": 6}
"""Rows with a text in each partition: the second is grouped, the third joins it."""


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    subjects = list(SUBJECTS)
    days = [("2024-01-02", " ")] + [
        (f"{month}-02", text_on(subjects[i % 3], rows + i))
        for month, rows in ROWS.items()
        for i in range(rows)
    ]
    root = SmallRoot(tmp_path_factory.mktemp("root"))
    root.write(*(row(number, day, text) for number, (day, text) in enumerate(days)))
    session = open_session(root.loaded, PlainRunner())
    found = Walk(session, make_plan(root.loaded, session.listing.raw, "latest"))
    found.prepare()
    return found


@pytest.fixture(scope="module")
def chain(walk: Walk) -> list[ArtifactRef]:
    refs = [walk.result(STAGE, partition) for partition in ROWS]
    return [ref for ref in refs if ref is not None]


def test_a_registry_comes_back_as_it_was_computed(walk: Walk, chain: list[ArtifactRef]) -> None:
    for before, ref in pairwise(chain):
        request = present(walk.request(STAGE, ref.partition))
        reads = (request.reads["clean"], request.reads["embed"])
        contracts = (GRAPH[name].tables[MAIN] for name in ("clean", "embed"))
        window = Window(*reads, present(request.rules), *contracts)
        every = distinct_texts(window.frame(), window.vectors())
        new = distinct_texts(window.new().clean, window.new().matrix)
        state = advance(read_state(before), new, lambda t=every: t, ref.partition, TopicsSettings())
        again = read_state(ref)
        for field in ("topics", "events", "fitted"):
            assert getattr(again, field) == getattr(state, field)
        mine, theirs = (to_table(present(one.references)) for one in (again, state))
        assert mine.equals(theirs)


def test_the_grouped_texts_are_stored_once_and_found_from_later_registries(
    chain: list[ArtifactRef],
) -> None:
    _, first, second = chain
    assert [has_file(ref, "anchors.parquet") for ref in chain] == [False, True, False]
    assert references_of(second) == first
    assert read_json(second)["anchors"] == first.name


def test_a_registry_whose_grouped_texts_are_gone_is_an_error(
    chain: list[ArtifactRef], tmp_path: Path
) -> None:
    _, first, second = chain
    copy = shutil.copytree(first.root, tmp_path / "copy")
    shutil.rmtree(copy / first.name)
    with pytest.raises(ArtifactError, match="gone or changed"):
        read_state(replace(second, root=str(copy)))


def test_an_empty_registry_can_be_stored(chain: list[ArtifactRef]) -> None:
    assert read_state(chain[0]) == State()
    assert read_state(None) == State()
