"""Figures and records without a guard: counts, manifests, and the small files below a root."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

from fault_kinds.case import Case, Ran, fault

if TYPE_CHECKING:
    from pathlib import Path

MONTH, NEWEST = "2024-03", "2024-04"


def file(case: Case, pattern: str) -> Path:
    """The newest file of a pattern."""
    found = case.files(pattern)
    assert found, f"no {pattern}"
    return found[-1]


def change(path: Path, old: str, new: str) -> None:
    """Change the first of some characters, as a bad disk or a hand may."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"no {old!r} in {path.name}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def told(done: Ran, name: str) -> None:
    """The command refused, named the file, and said what to do."""
    assert done.code in (1, 2), f"code {done.code}: {done.text[-200:]}"
    assert name in done.text, f"does not name {name}: {done.text[-300:]}"
    assert "to fix:" in done.text, "names no way on"


def is_whole(case: Case) -> None:
    """A run makes what is missing, and the results are what they were."""
    done = case.run("run", case.pipeline, "--json")
    assert done.code == 0, done.text[-300:]
    rows = json.loads(done.out)["rows"]
    others = sum(count for name, count in rows.items() if name != "rows_in")
    assert rows["rows_in"] == others == 360, rows
    assert case.results() == case.expected, "other results"


def changed_count(case: Case, name: str) -> None:
    path = file(case, f"clean/{MONTH}/*/manifest.json")
    value = re.search(rf'"{name}": (\d+)', path.read_text(encoding="utf-8"))
    assert value is not None
    change(path, value[0], f'"{name}": {int(value[1]) + 9}')
    state = case.run("status", case.pipeline)
    assert "stale" in state.out or "missing" in state.out, "status takes it for right"
    is_whole(case)


@fault("a count of rows that came in is changed in a manifest")
def _(case: Case) -> None:
    changed_count(case, "rows_in")


@fault("a count of rejected rows is changed in a manifest")
def _(case: Case) -> None:
    changed_count(case, "rows_rejected")


@fault("a count of the main table's rows is changed in a manifest")
def _(case: Case) -> None:
    changed_count(case, "main_rows")


def replaced(case: Case, stage: str) -> None:
    """Put the files of the month before in the place of a month's."""
    here, there = (file(case, f"{stage}/{m}/*/manifest.json").parent for m in (NEWEST, MONTH))
    shutil.rmtree(here)
    shutil.copytree(there, here)


@fault("clean rows of another month lie in a month's place")
def _(case: Case) -> None:
    replaced(case, "clean")
    is_whole(case)


@fault("vectors of another month lie in a month's place")
def _(case: Case) -> None:
    replaced(case, "embed")
    is_whole(case)


@fault("the report of another month lies in a month's place")
def _(case: Case) -> None:
    replaced(case, "report")
    done = case.run("export", case.pipeline, "-o", case.folder / "x.csv")
    told(done, NEWEST)
    is_whole(case)


@fault("ids come in two months, rows have no time, and rows have no text")
def _(case: Case) -> None:
    path = case.inbox / f"tickets-{NEWEST}.csv"
    rows = path.read_text(encoding="utf-8").splitlines()
    more = [row.replace(NEWEST, MONTH, 1) for row in rows[1:13]]
    more += ["late-1,no day,text,low,1,no", "late-2,,text,low,1,no", f"{rows[1]}"]
    path.write_text("\n".join([*rows, *more]) + "\n", encoding="utf-8")
    done = case.run("run", case.pipeline, "--json")
    assert done.code == 0, done.text[-300:]
    found = json.loads(done.out)["rows"]
    assert found["rows_in"] == 360 + len(more), found
    assert found["rows_in"] == sum(n for name, n in found.items() if name != "rows_in"), found
    assert (found["rows_repeated"], found["rows_unassigned"]) == (12, 2), found


@fault("the record of the last run is cut off")
def _(case: Case) -> None:
    path = file(case, f"latest/{NEWEST}.json")
    path.write_bytes(path.read_bytes()[:40])
    told(case.run("export", case.pipeline), f"latest/{NEWEST}.json")
    told(case.run("prune", case.pipeline), f"latest/{NEWEST}.json")
    is_whole(case)


@fault("the record of the last run is that of another month")
def _(case: Case) -> None:
    shutil.copyfile(file(case, f"latest/{MONTH}.json"), file(case, f"latest/{NEWEST}.json"))
    told(case.run("export", case.pipeline), f"latest/{NEWEST}.json")
    is_whole(case)


@fault("a folder lies where the record of the last run was")
def _(case: Case) -> None:
    path = file(case, f"latest/{NEWEST}.json")
    path.unlink()
    path.mkdir()
    told(case.run("export", case.pipeline), f"latest/{NEWEST}.json")
    is_whole(case)


@fault("both lists of forgotten rows are damaged")
def _(case: Case) -> None:
    done = case.run("forget", case.pipeline, f"{MONTH}-005")
    assert done.code == 0, done.text
    for name in ("forgotten.json", "forgotten-copy.json"):
        change(file(case, name), '"row_ids"', '"row_idz"')
    told(case.run("run", case.pipeline), "forgotten.json")
    told(case.run("forget", case.pipeline, f"{MONTH}-006"), "forgotten.json")


@fault("the list of forgotten rows is gone")
def _(case: Case) -> None:
    assert case.run("forget", case.pipeline, f"{MONTH}-005").code == 0
    file(case, "forgotten.json").unlink()
    assert case.run("run", case.pipeline).code == 0
    assert f"{MONTH}-005".encode() not in case.results(), "the row is back"


@fault("the owner of the root is damaged")
def _(case: Case) -> None:
    file(case, "pipeline.json").write_bytes(b'{"pipeline": ')
    told(case.run("run", case.pipeline), "pipeline.json")
    file(case, "pipeline.json").unlink()
    is_whole(case)


@fault("the record of a failure is no text")
def _(case: Case) -> None:
    (case.root / "failed").mkdir()
    (case.root / "failed" / f"{NEWEST}.json").write_bytes(b"\xff\xfe")
    done = case.run("status", case.pipeline)
    assert done.code == 0, done.text
    assert "failed" in done.out, "status does not show it"
    is_whole(case)


@fault("the record of a backfill is changed")
def _(case: Case) -> None:
    done = case.run("backfill", case.pipeline, "--from", NEWEST, "--only", "all", "--pool", "here")
    assert done.code == 0, done.text[-300:]
    path = file(case, "backfills/*.json")
    change(path, '"attempt": 1', '"attempt": 7')
    told(case.run("backfill", case.pipeline, "--resume", path.stem), path.name)
    is_whole(case)


@fault("the facts and uses of a space are nested too deep")
def _(case: Case) -> None:
    for name in ("space.json", "use.json"):
        file(case, f"store/*/{name}").write_bytes(b"[" * 99_999)
    assert case.run("store", case.pipeline).code == 0
    is_whole(case)


@fault("the encoder of the topics is recorded wrongly")
def _(case: Case) -> None:
    path = file(case, "topics/*.json")
    change(path, '"encoder": "', '"encoder": "0')
    told(case.run("run", case.pipeline), f"topics/{path.name}")
    path.unlink()
    is_whole(case)


@fault("the registry of models is gone beside a model", model=True)
def _(case: Case) -> None:
    file(case, "models/registry.json").unlink()
    done = case.run("run", case.pipeline)
    told(done, "models/registry.json")
    named = re.search(r"fusemine promote PIPELINE (\S+)", done.text)
    assert named is not None, "names no command"
    assert case.run("promote", case.pipeline, named[1]).code == 0
    assert case.run("predict", case.pipeline, case.inbox / f"tickets-{MONTH}.csv").code == 0
    is_whole(case)


@fault("a figure of the registry of models is changed", model=True)
def _(case: Case) -> None:
    change(file(case, "models/registry.json"), '"train_rows": ', '"train_rows": 9')
    told(case.run("models", case.pipeline), "models/registry.json")


@fault("forget takes the model in use with it", model=True)
def _(case: Case) -> None:
    done = case.run("forget", case.pipeline, f"{MONTH}-005")
    assert "the model in use" in done.text, "does not say so"
    assert "to train one: fusemine run" in done.text, "names no way on"
    assert case.run("run", case.pipeline).code == 0
    scored = case.run("predict", case.pipeline, case.inbox / f"tickets-{MONTH}.csv")
    assert scored.code == 0, scored.text[-300:]
