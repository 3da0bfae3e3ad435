"""What every registered stage keeps to, whatever it computes.

A stage that is added to the graph is held to it without a line here.
"""

from __future__ import annotations

import ast
import inspect
import pickle
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from support.hostile_texts import HOSTILE
from support.small_root import SmallRoot, files_with
from support.stage_runs import PlainRunner, mine_plainly
from support.tickets import SETTINGS, tickets

from fusemine.flows.serving.scoring import request_of
from fusemine.tasks.core.device import resolve_device
from fusemine.tasks.core.inputs import execute
from fusemine.tasks.core.key import code_of
from fusemine.tasks.core.request import Request
from fusemine.tasks.core.settings import Settings
from fusemine.tasks.core.stage import FOLDERS, Scope
from fusemine.tasks.core.storage.artifact import find, manifest_of, read_manifest, ref_of
from fusemine.tasks.embed.engine import EncoderSpec
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.upkeep.forget import forget

FORGOTTEN = "T0033"
SECRET = "zebra crossing at quarter past nine"
MINED = {name: SETTINGS["columns"][name] for name in ("id", "time", "text", "category", "number")}
CHANGE_NOTHING = frozenset(
    {"fusemine", "httpx", "markupsafe", "pyarrow", "pydantic", "pyyaml", "threadpoolctl"}
)
"""Distributions that may be left out of keys."""
IN_RESOURCES = frozenset({"fusemine.tasks.embed.precision"})
"""Modules of which a resource puts into the key what they find: the precision."""
LEARNING = {"test_share": 0.3, "strategy": "early", "explain": 0}


@dataclass(frozen=True)
class Mined:
    """A root that every stage has written to, and what each was asked for last."""

    small: SmallRoot
    requests: dict[str, Request]


def table(rows: int) -> list[dict[str, str]]:
    """Tickets, with texts that nothing may trip over, and one that is to be forgotten."""
    found = tickets(rows)
    for number, text in enumerate(HOSTILE):
        found[(number * 5) % rows]["body"] = text.replace("\x00", "")
    for ticket in found:
        if ticket["ticket"] == FORGOTTEN:
            ticket["body"] = SECRET
    return found


def small_root(folder: Path, rows: list[dict[str, str]], **more: Any) -> SmallRoot:
    columns = {**MINED, "label": {"column": "urgent", "positive": ["yes"]}}
    more = {"classify": LEARNING, "models": {"margin": 0.5}, **more}
    small = SmallRoot(folder, "t.csv", columns=columns, more=more)
    small.write(*rows)
    return small


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory) -> Mined:
    """Three months of tickets: a model trained, used, challenged, and asked about a file."""
    small = small_root(tmp_path_factory.mktemp("stages"), table(90))
    runner = PlainRunner()
    mine_plainly(small.pipeline, "2024-02", "due", runner)
    mine_plainly(small.pipeline, "2024-03", "now", runner)
    requests = [*runner.requests, request_of(small.loaded, small.folder / small.source)]
    execute(requests[-1], GRAPH, lambda *_: None, lambda *_: None)
    return Mined(small, {request.job.stage: request for request in requests})


each = pytest.mark.parametrize("stage", GRAPH.names)


def computed(request: Request) -> Any:
    return execute(request, GRAPH, lambda *_: None, lambda *_: None)


def asked(mined: Mined, stage: str) -> Request:
    """The last request that made something of a stage; the scan makes that of what it lands."""
    return mined.requests.get(stage) or mined.requests["inventory"]


def names_of(root: Path, stage: str) -> list[str]:
    found = sorted((root / stage).glob("*/*/manifest.json"))
    return [path.parent.relative_to(root).as_posix() for path in found]


def test_a_folder_of_a_root_is_a_stages_or_one_that_no_stage_may_have(mined: Mined) -> None:
    folders = {path.name for path in mined.small.root.iterdir() if path.is_dir()}
    assert {"store", "latest", "models"} <= folders
    assert folders <= {*GRAPH.names, *FOLDERS}


@each
def test_it_accounts_for_its_rows_and_keeps_to_its_contracts(mined: Mined, stage: str) -> None:
    names = names_of(mined.small.root, stage)
    assert names
    for name in names:
        ref = ref_of(mined.small.root, name)
        assert ref is not None
        manifest = read_manifest(ref)
        rows = manifest.rows
        assert rows.rows_in == rows.rows_kept + rows.rows_rejected
        tables = {file.removesuffix(".parquet") for file in manifest.files if "parquet" in file}
        assert {"part-00000"} <= tables <= set(GRAPH[stage].tables)


@each
def test_the_same_request_gives_the_same_bytes(mined: Mined, stage: str, tmp_path: Path) -> None:
    request = asked(mined, stage)
    again = replace(request, job=replace(request.job, root=str(tmp_path)))
    made = computed(pickle.loads(pickle.dumps(again)))  # as another process gets it
    first = ref_of(mined.small.root, made.name)
    assert first is not None
    assert read_manifest(made).files == read_manifest(first).files
    for name in names_of(tmp_path, stage):
        one, two = (manifest_of(root, name) for root in (tmp_path, mined.small.root))
        assert one is not None
        assert two is not None
        assert one.files == two.files


@pytest.fixture
def copied(mined: Mined, tmp_path: Path) -> SmallRoot:
    """A copy of it, to change."""
    shutil.copytree(mined.small.folder, tmp_path / "copy")
    return replace(mined.small, folder=tmp_path / "copy")


@each
def test_what_is_damaged_is_made_again(mined: Mined, copied: SmallRoot, stage: str) -> None:
    request = asked(mined, stage)
    request = replace(request, job=replace(request.job, root=str(copied.root)))
    name = names_of(copied.root, stage)[-1]
    before = manifest_of(copied.root, name)
    assert before is not None
    path = copied.root / before.path("part-00000.parquet")
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    assert ref_of(copied.root, name) is None
    if request.job.name == name:
        assert find(request.job) is None
        computed(request)
        after = ref_of(copied.root, name)
        assert after is not None
        assert read_manifest(after).files == before.files


@pytest.fixture(scope="module")
def cleared(mined: Mined, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of it from which a row was forgotten."""
    folder = tmp_path_factory.mktemp("forgotten") / "copy"
    shutil.copytree(mined.small.folder, folder)
    small = replace(mined.small, folder=folder)
    assert files_with(small.root, FORGOTTEN, SECRET)
    forget(small.store, FORGOTTEN, GRAPH)
    return small.root


@each
def test_nothing_is_left_of_a_forgotten_row(mined: Mined, cleared: Path, stage: str) -> None:
    held = files_with(mined.small.root / stage, FORGOTTEN, SECRET)
    assert files_with(cleared / stage, FORGOTTEN, SECRET) == []
    if held and GRAPH[stage].forget.rewrite:
        assert names_of(cleared, stage) == names_of(mined.small.root, stage)


def test_nothing_is_left_of_it_outside_the_stages(cleared: Path) -> None:
    assert files_with(cleared, FORGOTTEN, SECRET) == []


@pytest.mark.parametrize("rows", [0, 1])
def test_every_stage_takes_hardly_any_rows(tmp_path: Path, rows: int) -> None:
    required = {"required": ["body"]}
    tickets = [row | {"body": ""} for row in table(3)]
    if rows:
        tickets[2]["body"] = "the only text"
    small = small_root(tmp_path, tickets, clean=required)
    mine_plainly(small.pipeline, "2024-03", "due")
    made = {name for name in GRAPH.names if names_of(small.root, name)}
    assert made >= {stage.name for stage in GRAPH if stage.scope is not Scope.SERVING}
    assert "train" in made


@contextmanager
def modules_run() -> Iterator[set[str]]:
    """The product's modules of which a function runs within the block, on any thread."""
    ran: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            ran.add(frame.f_globals.get("__name__", ""))

    sys.setprofile(note)
    threading.setprofile(note)
    try:
        yield ran
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]


def is_around(module: str) -> bool:
    """Whether a module stores, checks and reports results, and changes none."""
    return not code_of((module,)) or module == "fusemine.tasks.core.contract"


@each
def test_its_key_covers_the_code_that_runs(mined: Mined, stage: str, tmp_path: Path) -> None:
    request = asked(mined, stage)
    with modules_run() as ran:
        computed(replace(request, job=replace(request.job, root=str(tmp_path))))
    recipe = request.job.recipe
    covered = {*recipe.code, *str(recipe.resources).split("'")}
    ours = {name for name in ran if name.startswith("fusemine.tasks.") and not is_around(name)}
    missed = {
        name for name in ours if not any(name == c or name.startswith(f"{c}.") for c in covered)
    }
    assert missed == set()


DISTRIBUTIONS = packages_distributions()


@cache
def libraries_of(module: str) -> frozenset[str]:
    """The distributions that a module imports, at its top or inside a function."""
    tree, names = ast.parse(inspect.getsource(import_module(module))), set[str]()
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return frozenset(
        found.lower() for name in names for found in DISTRIBUTIONS.get(name.split(".")[0], ())
    )


@each
def test_its_key_covers_the_libraries_that_its_code_imports(mined: Mined, stage: str) -> None:
    recipe = asked(mined, stage).job.recipe
    code = code_of(GRAPH[stage].modules) if GRAPH[stage].package else recipe.code
    imported = {name for module in {*code} - IN_RESOURCES for name in libraries_of(module)}
    declared = {name.removesuffix("?") for name in GRAPH[stage].libraries}
    assert imported - declared - CHANGE_NOTHING == set()


@pytest.mark.parametrize("stage", ["embed", "predict"])
def test_an_encoder_runs_while_its_device_is_held(
    mined: Mined, stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[str] = []

    @contextmanager
    def lock(device: str, _: object) -> Iterator[None]:
        held.append(device)
        yield

    monkeypatch.setattr(EncoderSpec, "uses_device", True)
    monkeypatch.setattr("fusemine.tasks.core.inputs.device_lock", lock)
    request = asked(mined, stage)
    computed(replace(request, job=replace(request.job, root=str(tmp_path))))
    assert held == [resolve_device("auto")]


def changed(section: Settings, field: str) -> Settings:
    """A section with a value that no other has."""
    return section.model_copy(update={field: "another value"})


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize(
    "stage", [stage.name for stage in GRAPH if stage.settings and stage.scope is not Scope.SERVING]
)
def test_only_settings_that_change_results_are_in_its_key(stage: str) -> None:
    kind = GRAPH[stage].settings
    assert kind is not None
    section = kind()
    for field in kind.model_fields:
        same = changed(section, field).key_values() == section.key_values()
        assert same == (field in kind.not_in_keys), field


def test_the_graph_has_the_scopes_in_order() -> None:
    seen = [stage.name for stage in GRAPH]
    for stage in GRAPH:
        for read in stage.reads:
            name = read.partition(":")[0].removesuffix("?")
            assert seen.index(name) < seen.index(stage.name)
