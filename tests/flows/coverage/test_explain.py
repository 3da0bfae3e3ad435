"""`fusemine explain` names what differs between a result's key and today's."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.small_root import SmallRoot, row

from fusemine.flows.coverage.explain import explain
from fusemine.tasks.core.errors import SettingsError


@pytest.fixture
def small(tmp_path: Path) -> SmallRoot:
    made = SmallRoot(tmp_path)
    days = ("2024-01-05", "2024-02-05")
    made.write(*(row(number, days[number % 2]) for number in range(6)))
    made.run("2024-02")
    return made


def text_of(small: SmallRoot, stage: str, partition: str = "2024-02") -> str:
    return "\n".join(explain(small.loaded, stage, partition))


def test_what_is_complete_is_called_so(small: SmallRoot) -> None:
    assert text_of(small, "topics").startswith("topics of 2024-02: complete\n  key ")


def test_a_changed_setting_is_named_with_both_values(small: SmallRoot) -> None:
    small.more = {"anomalies": {"top": 2}}
    text = text_of(small, "anomalies")
    assert text.startswith("anomalies of 2024-02: stale")
    assert "settings.anomalies.top: not set → 2" in text
    assert "code" not in text


def test_a_result_that_reads_what_is_stale_is_led_back_to_it(small: SmallRoot) -> None:
    small.required = ("body",)
    lines = explain(small.loaded, "report", "2024-02")
    assert lines[0] == "report of 2024-02: stale"
    assert "    clean of 2024-01 and 1 more" in lines
    assert "clean of 2024-01: stale" in lines
    assert any("settings.clean.required" in line for line in lines)


def test_new_rows_in_the_source_are_named_by_their_file(small: SmallRoot) -> None:
    small.write(*(row(number, "2024-02-05") for number in range(9)))
    text = text_of(small, "collect")
    assert "collect of 2024-02: stale" in text
    assert "resources.source.pieces: 1 new, 1 gone of 1" in text
    assert "t.csv" in text


def test_what_was_never_made_is_called_so(small: SmallRoot) -> None:
    assert "no result of it has been made" in text_of(small, "topics", "2024-01")


@pytest.mark.parametrize(
    ("stage", "partition", "hint"),
    [("topcs", "2024-02", "did you mean 'topics'?"), ("topics", "2024-03", "2024-01, 2024-02")],
)
def test_what_there_is_not_is_refused(
    small: SmallRoot, stage: str, partition: str, hint: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        explain(small.loaded, stage, partition)
    assert hint in f"{refused.value.expected} {refused.value.fix}"
