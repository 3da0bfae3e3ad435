"""A mistake in the list of stages is an error when it is imported, and names its places."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fusemine.tasks.core.contract import Contract, text
from fusemine.tasks.core.errors import StageError
from fusemine.tasks.core.settings import Settings
from fusemine.tasks.core.stage import Graph, RowColumns, Scope, Stage, load

ROWS = Contract("rows", {"row_id": text()})


def stage(name: str, *reads: str, scope: Scope = Scope.WINDOW, **more: Any) -> Stage:
    """A stage of the module `mining.<its name>`."""
    values = {"compute": f"mining.{name}:run", "tables": {"part-00000": ROWS}, **more}
    return Stage(name=name, scope=scope, reads=reads, **values)


FIRST, SECOND = stage("first"), stage("second", "first", settings=Settings)
MISTAKES = {
    "a stage twice": (
        [FIRST, replace(SECOND, name="first", reads=())],
        ["'first' twice", "mining.first", "mining.second"],
    ),
    "a stage that reads a later one": (
        [SECOND, FIRST],
        ["mining.second reads stage 'first'", "does not come before it", "mining.first"],
    ),
    "a stage that reads itself": ([stage("first", "first")], ["mining.first reads stage 'first'"]),
    "a stage that reads one that is not there": (
        [FIRST, stage("second", "frist")],
        ["mining.second reads stage 'frist'", "no module"],
    ),
    "a table that is not there": (
        [FIRST, stage("second", "first:shares")],
        ["mining.second reads table 'shares'", "mining.first", "one of part-00000"],
    ),
    "no contract of the main table": (
        [FIRST, stage("second", tables={"shares": ROWS})],
        ["'second' in mining.second without a contract of its main table"],
    ),
    "a folder that holds something else": (
        [FIRST, stage("latest")],
        ["'latest' in mining.latest", "a folder of each root"],
    ),
    "a column of the results with two owners": (
        [
            stage("first", row_columns=RowColumns({"a": text()})),
            stage("second", row_columns=RowColumns({"a": text()})),
        ],
        ["column 'a' of mining.first and of mining.second"],
    ),
    "a column of the results that they have anyway": (
        [
            stage("first", row_columns=RowColumns({"id": text()})),
            stage(
                "report", gathers=True, tables={"part-00000": Contract("results", {"id": text()})}
            ),
        ],
        ["column 'id' of mining.first and of mining.report"],
    ),
    "a part of the report behind it": (
        [stage("report", gathers=True), stage("second", section="mining.second:section")],
        ["mining.second adds to what mining.report writes"],
    ),
}


@pytest.mark.parametrize(("stages", "named"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_the_list_names_its_places(stages: list[Stage], named: list[str]) -> None:
    with pytest.raises(StageError) as caught:
        Graph(stages)
    assert [part for part in named if part not in str(caught.value)] == []
    assert caught.value.fix == "correct fusemine.tasks.graph"


def test_the_stages_keep_their_order() -> None:
    graph = Graph([FIRST, SECOND, stage("third", scope=Scope.CHAIN)])
    assert [stage.name for stage in graph] == graph.names == ["first", "second", "third"]
    assert [stage.name for stage in graph.of(Scope.WINDOW)] == ["first", "second"]
    assert [graph.place(name) for name in ("second", "unknown")] == [1, 3]
    assert graph["second"] is SECOND
    assert ("first" in graph, "fourth" in graph) == (True, False)


def test_a_stage_that_gathers_reads_all_before_it_but_the_source() -> None:
    scopes = (Scope.SOURCE, Scope.PARTITION, Scope.CHAIN, Scope.WINDOW, Scope.SERVING)
    before = [stage(scope.value, scope=scope) for scope in scopes]
    graph = Graph([*before, stage("report", "source", gathers=True), FIRST])
    assert graph["report"].reads == ("source", "partition", "chain", "window", "serving?")


def test_what_stages_add_to_the_results_comes_in_their_order() -> None:
    added = {"b": text(), "a": text(nullable=True)}
    columns = [RowColumns({name: column}) for name, column in added.items()]
    stages = [stage("first", row_columns=columns[0]), SECOND, stage("z", row_columns=columns[1])]
    assert list(Graph(stages).row_columns.items()) == list(added.items())


def test_a_function_is_loaded_by_its_module_and_name() -> None:
    assert load("fusemine.tasks.core.stage:load") is load
