"""Quality gates: figures are gathered from real artifacts, and a breach states them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.small_root import ROLES as ROW_ROLES
from support.small_root import SmallRoot
from support.stage_runs import PlainRunner

from fusemine.flows.config.quality import Facts, QualitySettings, check_quality, quality_facts
from fusemine.flows.engine.plan import make_plan
from fusemine.flows.engine.session import open_session
from fusemine.flows.engine.walk import Walk
from fusemine.tasks.core.errors import SettingsError
from fusemine.tasks.core.storage.artifact import ArtifactRef
from fusemine.tasks.graph import GRAPH

LABEL = {"column": "hit", "positive": "present"}
ROLES = ROW_ROLES | {"text": "said", "category": "sky", "number": "height", "label": LABEL}
TABLE = """id,day,said,sky,height,hit,note
1,1995-03-01,a gull,clear,100,yes,x
2,1995-03-02,,clear,low,,x
3,1995-03-03,a crow,,,,x
3,1995-03-04,again,clear,7,yes,x
4,1995-03-05,an owl,?,1,,x
5,1995-03-06,"  ",clear,2,,x
6,1995-04-01,a swan,clear,3,,x
7,someday,a duck,clear,4,,x
8,,a duck,clear,5,,x
"""


@dataclass
class Stored:
    """The artifacts of a partition and the inventory of its source."""

    inventory: ArtifactRef
    raw: ArtifactRef
    cleaned: ArtifactRef

    def facts(self, **settings: Any) -> Facts:
        gates = QualitySettings.model_validate(settings)
        return quality_facts("1995-03", self.raw, self.cleaned, self.inventory, gates)

    def empty(self, *columns: str) -> list[int]:
        """How many cells of each column are empty."""
        empty = self.facts(max_null=dict.fromkeys(columns, 1.0)).empty
        return [empty[column] for column in columns]


def store(folder: Path, *tables: str, **settings: Any) -> Stored:
    """Collect tables and clean their rows of March 1995."""
    for number, table in enumerate(tables):
        (folder / f"{number}.csv").write_text(table)
    small = SmallRoot(folder, columns=ROLES, more={"clean": settings})
    session = open_session(small.loaded, PlainRunner())
    plan = make_plan(small.loaded, session.listing.raw, "1995-03")
    Walk(session, plan).result(GRAPH["clean"], "1995-03")
    places = ("inventory/all", "collect/1995-03", "clean/1995-03")
    return Stored(*(small.refs(place)[0] for place in places))


FACTS = Facts("1995-03", 150, 148, 1000, 7, {"height": 91}, 149)


def test_the_facts_are_the_partitions_own_and_the_sources(tmp_path: Path) -> None:
    stored = store(tmp_path, TABLE, required=["said"])
    # Of six rows one repeats an id and two have no text; of nine records two have no time.
    assert stored.facts() == Facts("1995-03", 6, 3, 9, 2, {}, 5)


def test_columns_of_every_role_and_of_none_are_counted_by_their_own_names(tmp_path: Path) -> None:
    stored = store(tmp_path, TABLE)
    assert stored.empty("said", "sky", "height", "hit", "note") == [2, 1, 2, 4, 0]


def test_a_cell_that_means_nothing_is_empty(tmp_path: Path) -> None:
    assert store(tmp_path, TABLE, null_values=["?"]).empty("sky") == [2]


@pytest.mark.parametrize("invalid", ["blank", "reject"])
def test_an_unreadable_number_is_empty_whether_or_not_its_row_is_kept(
    tmp_path: Path, invalid: str
) -> None:
    stored = store(tmp_path, TABLE, invalid_number=invalid)
    assert stored.cleaned.rows == (4 if invalid == "reject" else 5)
    assert stored.empty("height") == [2]


def test_rows_that_cleaning_rejected_count_with_their_empty_cells(tmp_path: Path) -> None:
    stored = store(tmp_path, TABLE, required=["said", "sky"])
    assert stored.cleaned.rows == 2
    assert stored.empty("said", "sky") == [2, 1]


def test_a_column_with_a_name_of_ours_is_counted(tmp_path: Path) -> None:
    table = TABLE.replace(",note", ",row_id").replace("clear,100,yes,x", "clear,100,yes,")
    assert store(tmp_path, table).empty("row_id") == [1]


def test_a_delivery_that_lacks_a_column_of_the_source_has_nothing_in_it(tmp_path: Path) -> None:
    lacking = "\n".join(line.rpartition(",")[0] for line in TABLE.splitlines())
    stored = store(tmp_path, TABLE.replace("1995-0", "1994-0"), lacking)
    assert stored.empty("note", "said") == [5, 2]


@pytest.mark.parametrize("rows", [True, False])
def test_a_gate_for_a_column_that_no_file_has_is_refused(tmp_path: Path, rows: bool) -> None:
    stored = store(tmp_path, TABLE)
    gates = QualitySettings(max_null={"heigth": 0.5})
    raw, cleaned = (stored.raw, stored.cleaned) if rows else (None, None)
    with pytest.raises(SettingsError) as caught:
        quality_facts("1995-03", raw, cleaned, stored.inventory, gates)
    assert "'heigth'" in caught.value.got
    assert caught.value.fix.startswith("did you mean 'height'? ")


def test_a_partition_without_rows_breaks_the_gate_of_fewest_rows_alone(tmp_path: Path) -> None:
    stored = store(tmp_path, TABLE)
    gates = QualitySettings(min_rows=1, max_rejected=0, max_unassigned=0.5, max_null={"note": 0})
    facts = quality_facts("1995-05", None, None, stored.inventory, gates)
    assert facts == Facts("1995-05", 0, 0, 9, 2, {}, 0)
    breach = "0 rows of 1995-05 can be mined, fewer than quality.min_rows, 1"
    assert check_quality(gates, facts) == [breach]


@pytest.mark.parametrize(
    ("gates", "breach"),
    [
        (
            {"min_rows": 1149},
            "148 rows of 1995-03 can be mined, fewer than quality.min_rows, 1,149",
        ),
        (
            {"max_rejected": 0.01},
            "2 of 150 rows of 1995-03 are rejected (1.3%), "
            "more than the 1% that quality.max_rejected allows",
        ),
        (
            {"max_unassigned": 0.005},
            "7 of 1,000 records of the source belong to no partition (0.7%), "
            "more than the 0.5% that quality.max_unassigned allows",
        ),
        (
            {"max_null": {"height": 0.5}},
            "91 of 149 rows of 1995-03 have no height (61.1%), "
            "more than the 50% that quality.max_null allows",
        ),
    ],
)
def test_a_breach_states_its_figures(gates: dict[str, Any], breach: str) -> None:
    assert check_quality(QualitySettings.model_validate(gates), FACTS) == [breach]


def test_every_breach_is_named_and_gates_that_are_kept_are_not() -> None:
    gates = QualitySettings(min_rows=149, max_rejected=0.5, max_null={"height": 0.1, "sky": 0})
    breaches = check_quality(gates, FACTS)
    named = [("can be mined" in b, "height" in b) for b in breaches]
    assert named == [(True, False), (False, True)]


def test_without_gates_nothing_breaks() -> None:
    worst = replace(FACTS, kept=0, unassigned=1000, empty={"height": 149})
    assert check_quality(QualitySettings(), worst) == []


SHARES = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n)))


@given(SHARES)
@example((29, 100))
def test_a_share_of_exactly_the_limit_passes_and_one_row_more_does_not(
    share: tuple[int, int],
) -> None:
    part, whole = share
    gates = QualitySettings(max_null={"height": part / whole}, max_rejected=part / whole)
    facts = replace(FACTS, collected=whole, rows=whole)
    assert not check_quality(gates, replace(facts, empty={"height": part}, kept=whole - part))
    more = replace(facts, empty={"height": part + 1}, kept=whole - part - 1)
    assert len(check_quality(gates, more)) == 2


@pytest.mark.parametrize(
    "wrong",
    [{"min_rows": 0}, {"max_rejected": 1.1}, {"max_null": {"a": -0.1}}, {"max_nul": {}},
     {"max_unassigned": 50}],
)  # fmt: skip
def test_a_gate_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        QualitySettings.model_validate(wrong)
