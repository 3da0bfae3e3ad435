"""The live source: a ticket for every second, once, whatever stops and starts the generator."""

from __future__ import annotations

import csv
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fusemine.flows.config.pipeline import load_pipeline

LIVE = Path(__file__).parents[2] / "data" / "live"
SCRIPT = LIVE / "generate.py"
MIDNIGHT = int(datetime(2026, 10, 25, tzinfo=UTC).timestamp())
"""An hour before clocks are set back in Europe."""
MOMENTS = st.lists(st.integers(MIDNIGHT - 300, MIDNIGHT + 300), min_size=1, max_size=6).map(sorted)


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


live = load()


def rows_of(inbox: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for path in sorted(inbox.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            rows += csv.DictReader(file)
    return rows


def seconds_of(inbox: Path) -> list[int]:
    return [int(row["ticket"][1:]) for row in rows_of(inbox)]


def reset_unfinished(inbox: Path, since: int, now: int, every: int = 1) -> None:
    """What one run of the generator does that is stopped at some moment."""
    newest = live.newest_second(inbox)
    live.append(inbox, live.due(since if newest is None else newest + 1, now, every))


def run(inbox: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(inbox), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def tickets() -> list[dict[str, str]]:
    begin = MIDNIGHT
    return [dict(zip(live.HEADER, live.ticket(begin + n), strict=True)) for n in range(20_000)]


def test_a_ticket_is_the_same_on_every_machine() -> None:
    written = (
        "T1800000000",
        "2027-01-15T08:00:00+00:00",
        "Export is broken",
        "The exported file cannot be opened. Please call me back today.",
        "mobile",
        "e-mail",
        "63",
        "no",
    )
    assert live.ticket(1_800_000_000) == live.ticket(1_800_000_000) == written


@given(MOMENTS, st.integers(1, 7))
@example([MIDNIGHT - 1, MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + 1], 1)
def test_stopping_and_starting_neither_loses_nor_doubles_a_ticket(
    folders: Callable[[], Path], stops: list[int], every: int
) -> None:
    stopped, straight, since = folders(), folders(), MIDNIGHT - 310
    for stop in stops:
        reset_unfinished(stopped, since, stop, every)
    reset_unfinished(straight, since, stops[-1], every)
    assert seconds_of(stopped) == [s for s in range(since, stops[-1] + 1) if s % every == 0]
    for path in straight.iterdir():
        assert (stopped / path.name).read_bytes() == path.read_bytes()


def test_a_file_holds_one_day_of_utc_and_times_carry_their_offset(tmp_path: Path) -> None:
    reset_unfinished(tmp_path, MIDNIGHT - 2, MIDNIGHT + 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-10-24.csv", "2026-10-25.csv"]
    opened = [datetime.fromisoformat(row["opened"]) for row in rows_of(tmp_path)]
    assert [moment.timestamp() - MIDNIGHT for moment in opened] == [-2, -1, 0, 1]
    assert {moment.utcoffset() for moment in opened} == {UTC.utcoffset(None)}


def test_a_clock_that_is_set_back_doubles_nothing(tmp_path: Path) -> None:
    reset_unfinished(tmp_path, MIDNIGHT, MIDNIGHT + 5)
    reset_unfinished(tmp_path, MIDNIGHT, MIDNIGHT + 2)
    assert seconds_of(tmp_path) == list(range(MIDNIGHT, MIDNIGHT + 6))


@pytest.mark.parametrize("left", [0, 3, 40, 90, -1, -20])
def test_half_a_line_that_a_crash_left_is_written_again(tmp_path: Path, left: int) -> None:
    reset_unfinished(tmp_path, MIDNIGHT - 2, MIDNIGHT)
    path = tmp_path / "2026-10-25.csv"
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    reset_unfinished(tmp_path, MIDNIGHT - 2, MIDNIGHT)
    assert path.read_bytes() == whole
    assert seconds_of(tmp_path) == [MIDNIGHT - 2, MIDNIGHT - 1, MIDNIGHT]


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    script = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000));"
    script += (
        f"sys.argv[1:] = ['{tmp_path}', '--once']; runpy.run_path('{SCRIPT}', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert "the disk is full" in done.stderr
    assert seconds_of(tmp_path) == []
    assert run(tmp_path, "--once").returncode == 0
    assert len(seconds_of(tmp_path)) >= 1200


def test_an_empty_inbox_begins_20_minutes_ago_and_a_full_one_goes_on(tmp_path: Path) -> None:
    before = int(time.time())
    assert run(tmp_path / "inbox", "--once").returncode == 0
    first = seconds_of(tmp_path / "inbox")
    assert before <= first[0] + 1200 <= int(time.time())
    assert run(tmp_path / "inbox", "--once", "--since", "2020-01-01").returncode == 0
    both = seconds_of(tmp_path / "inbox")
    assert both == list(range(first[0], both[-1] + 1))


def test_since_and_every_say_where_it_begins_and_how_often(tmp_path: Path) -> None:
    since = datetime.fromtimestamp(int(time.time()) - 3600, UTC).astimezone()
    assert run(tmp_path, "--once", "--since", since.isoformat(), "--every", "60").returncode == 0
    seconds = seconds_of(tmp_path)
    assert len(seconds) in (60, 61)
    assert all(second % 60 == 0 for second in seconds)
    assert run(tmp_path, "--every", "0").returncode == 2


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_goes_on_until_it_is_stopped_which_is_quiet(
    tmp_path: Path, stop: signal.Signals
) -> None:
    command = [sys.executable, str(SCRIPT), str(tmp_path), "--since", "2999-01-01"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        other = run(tmp_path, "--once")
        process.send_signal(stop)
        assert process.wait(60) == 0
        assert process.stderr.read() == ""
    assert other.returncode == 1
    assert "another generator is at work" in other.stderr


def test_one_ticket_a_second_comes_and_a_reader_sees_whole_lines_only(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        seen: list[int] = []
        end = time.monotonic() + 60  # a busy machine starts it late
        while len(set(seen) - {0}) < 3 and time.monotonic() < end:
            contents = [path.read_bytes() for path in tmp_path.glob("*.csv")]
            assert all(content.endswith(b"\n") for content in contents if content)
            seen.append(sum(content.count(b"\n") for content in contents))
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
    assert len(set(seen) - {0}) == 3
    seconds = seconds_of(tmp_path)
    assert seconds == list(range(seconds[0], seconds[-1] + 1))


def test_the_texts_are_a_few_hundred(tickets: list[dict[str, str]]) -> None:
    assert 200 <= len({(row["subject"], row["body"]) for row in tickets}) <= 400


def test_some_cells_are_empty_but_never_those_that_say_what_and_when(
    tickets: list[dict[str, str]],
) -> None:
    empty = Counter(name for row in tickets for name, cell in row.items() if not cell)
    assert set(empty) == {"body", "product", "minutes_to_answer", "escalated"}
    assert 0.08 < empty["minutes_to_answer"] / len(tickets) < 0.12


@pytest.mark.parametrize(
    ("column", "often", "seldom"),
    [
        ("subject", "Program crashes", "Wish for the next version"),
        ("product", "server", "mobile"),
        ("channel", "phone", "chat"),
    ],
)
def test_the_label_depends_on_text_and_table(
    tickets: list[dict[str, str]], column: str, often: str, seldom: str
) -> None:
    def share(value: str) -> float:
        judged = [row["escalated"] for row in tickets if row[column] == value and row["escalated"]]
        return judged.count("yes") / len(judged)

    assert share(often) > share(seldom) + 0.15


def test_its_pipeline_names_its_columns_and_has_gates() -> None:
    settings = load_pipeline(LIVE / "pipeline.yaml").pipeline
    assert set(settings.columns.places().values()) == set(live.HEADER)
    assert set(settings.quality.max_null) <= set(live.HEADER)
    assert settings.quality.min_rows
