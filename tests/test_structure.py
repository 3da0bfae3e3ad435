"""The structure holds: no circles, no import upwards, nothing too large to take in."""

from __future__ import annotations

import ast
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from itertools import takewhile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
LAYERS = [
    ["core"],
    ["stats", "text", "llm"],
    ["table"],
    ["sources"],
    ["collect"],
    ["inventory"],
    ["clean"],
    ["corrections", "embed", "fuse"],
    ["report"],
    ["mine"],
    ["serving"],
    ["graph"],
    ["upkeep"],
]
"""The folders of tasks/, from the lowest up: each imports only what stands before it, or itself."""
LONGEST, LARGEST = 400, 16
"""Lines of a file, and files of a folder."""
Module = tuple[str, ...]


def modules() -> dict[Module, Path]:
    files = (p for top in ("tasks", "flows") for p in (REPOSITORY / top).rglob("*.py"))
    return {path.relative_to(REPOSITORY).with_suffix("").parts: path for path in files}


MODULES = modules()


def imported(path: Path) -> set[Module]:
    """The modules of ours that a file imports, wherever and for whatever it does."""
    found: set[Module] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fusemine."):
            package = tuple(str(node.module).split(".")[1:])
            for alias in node.names:
                named = (*package, alias.name)
                ways = (named, (*named, "__init__"), package, (*package, "__init__"))
                found |= {next(way for way in ways if way in MODULES)}
    return found


IMPORTS = {module: imported(path) - {module} for module, path in MODULES.items()}


def circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_is_in_a_circle_of_imports() -> None:
    assert circle({"/".join(m): {"/".join(o) for o in found} for m, found in IMPORTS.items()}) == []


def test_no_folder_has_a_circle_among_what_is_in_it() -> None:
    """A subfolder counts as one, with all that is in it."""
    levels: dict[Module, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for module, others in IMPORTS.items():
        for other in others:
            pairs = takewhile(lambda pair: pair[0] == pair[1], zip(module, other, strict=False))
            depth = len(list(pairs))
            levels[module[:depth]][module[depth]].add(other[depth])
    circles = {"/".join(place): circle(graph) for place, graph in levels.items()}
    assert {place: found for place, found in circles.items() if found} == {}


def test_no_folder_of_tasks_imports_one_above_it() -> None:
    height = {name: n for n, names in enumerate(LAYERS) for name in names}
    folders = {path.stem for path in (REPOSITORY / "tasks").iterdir() if path.stem[0] != "_"}
    assert folders == set(height)
    upwards = {
        ("/".join(module), "/".join(other))
        for module, others in IMPORTS.items()
        for other in others
        if module[0] == "tasks"
        and len(module) > 1
        and module[1] != other[1]
        and (other[0] == "flows" or height[module[1]] <= height[other[1]])
    }
    assert upwards == set()


def test_prefect_is_known_to_the_flows_and_to_one_module_of_tasks() -> None:
    text = {"/".join(m): path.read_text(encoding="utf-8") for m, path in MODULES.items()}
    knowing = {name for name, source in text.items() if "import prefect" in source}
    knowing |= {name for name, source in text.items() if "from prefect" in source}
    assert {name for name in knowing if name.startswith("tasks/")} == {"tasks/core/task"}


def test_what_is_imported_first_is_light() -> None:
    heavy = ("torch", "sklearn", "scipy", "prefect", "pandas", "transformers")
    source = (REPOSITORY / "flows" / "api.py").read_text(encoding="utf-8")
    tops = [
        node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not [
        ast.unparse(node) for node in tops if any(name in ast.unparse(node) for name in heavy)
    ]


def test_files_and_folders_can_be_taken_in() -> None:
    long = [p for p in MODULES.values() if len(p.read_text("utf-8").splitlines()) > LONGEST]
    assert [path.relative_to(REPOSITORY).as_posix() for path in long] == []
    sizes: dict[Path, int] = defaultdict(int)
    for path in MODULES.values():
        sizes[path.parent] += path.stem != "__init__"
    assert {path for path, size in sizes.items() if size > LARGEST} == set()


@pytest.mark.parametrize("top", ["tests", "benchmarks"])
def test_nothing_outside_touches_private_names(top: str) -> None:
    """What begins with an underscore may change at any time; no test should keep it."""
    found = set()
    for path in (REPOSITORY / top).rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fusemine"):
                found |= {(path.name, a.name) for a in node.names if is_private(a.name)}
            if isinstance(node, ast.Attribute) and is_private(node.attr):
                found |= {(path.name, node.attr)} - own(node, path)
    assert found == set()


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("_")


def own(node: ast.Attribute, path: Path) -> set[tuple[str, str]]:
    """Attributes of a test's own objects, of modules of Python and of named tuples."""
    of = ast.unparse(node.value)
    if of in {"self", "cls", "os", "sys"} or node.attr in {"_replace", "_asdict"}:
        return {(path.name, node.attr)}
    return set()
