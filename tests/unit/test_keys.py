"""A key changes when, and only when, something changes that a result depends on."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.core.key import (
    KEY_LENGTH,
    Recipe,
    Stage,
    digest,
    file_digest,
    package_hash,
    recipe,
    source_hash,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
BASE = Recipe(("a", "b"), {"x": 1}, {"polars": "2"}, "source", "model")


@given(JSON, JSON)
def test_two_values_have_one_digest_only_if_their_json_is_the_same(
    one: object, two: object
) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert (digest(one) == digest(two)) is same


@given(st.dictionaries(st.text(max_size=3), st.integers()))
def test_the_order_of_keys_does_not_change_a_digest(value: dict[str, int]) -> None:
    assert digest(dict(reversed(value.items()))) == digest(value)


def test_the_order_of_a_list_changes_its_digest() -> None:
    assert digest([1, 2]) != digest([2, 1])


def test_a_digest_is_the_sha256_of_the_json_text() -> None:
    assert digest({"b": "é", "a": 1}) == hashlib.sha256('{"a":1,"b":"é"}'.encode()).hexdigest()


def test_a_files_digest_is_the_sha256_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc" * 1000)
    assert file_digest(path) == hashlib.sha256(b"abc" * 1000).hexdigest()


def test_equal_recipes_have_equal_keys_of_the_stated_length() -> None:
    again = Recipe(("a", "b"), {"x": 1}, {"polars": "2"}, "source", "model")
    assert again.key == BASE.key
    assert len(BASE.key) == KEY_LENGTH == 16


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": ("a", "c")},
        {"inputs": ("b", "a")},
        {"settings": {"x": 2}},
        {"settings": {"x": 1, "y": None}},
        {"versions": {"polars": "3"}},
        {"source": "other"},
        {"model": "other"},
        {"model": None},
    ],
)
def test_each_part_of_a_recipe_changes_the_key(change: dict[str, object]) -> None:
    assert replace(BASE, **change).key != BASE.key


def test_parts_cannot_take_each_others_place() -> None:
    one = Recipe((), {}, {}, "x", None)
    two = Recipe((), {}, {}, "", "x")
    assert one.key != two.key


def test_a_recipe_takes_the_installed_versions_and_the_stages_source() -> None:
    stage = Stage("vectors", ("fusemine.tasks.core.vectors",), ("numpy", "pyarrow"))
    made = recipe(stage, ("in",), {"a": 1})
    assert made.versions == {"numpy": version("numpy"), "pyarrow": version("pyarrow")}
    assert made.source == source_hash(("fusemine.tasks.core.vectors",))
    assert (made.inputs, made.settings, made.model) == (("in",), {"a": 1}, None)


def package(folder: Path, name: str, **modules: str) -> None:
    """A package of modules in a folder that Python imports from."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text("")
    for module, source in modules.items():
        (folder / name / f"{module}.py").write_text(source)


def hash_of(path: Path, monkeypatch: pytest.MonkeyPatch, **modules: str) -> str:
    """The source hash of `keyed.stage` in a package made of the modules."""
    path.mkdir(exist_ok=True)
    package(path, "keyed", **modules)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(path)
        source_hash.cache_clear()
        value = source_hash(("keyed.stage",))
    source_hash.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] in {"keyed", "foreign"}]:
        del sys.modules[name]
    return value


STAGE = "from keyed.help import f\n\ndef work(x):\n    return f(x)\n"
HELP = "def f(x):\n    return x + 1\n"
SAME = {
    "comments": {"stage": "# why\n" + STAGE, "help": HELP},
    "layout": {"stage": STAGE.replace("\n\n", "\n\n\n"), "help": HELP.replace("x + 1", "(x+1)")},
    "a module that is not imported": {"stage": STAGE, "help": HELP, "other": "y = 1"},
}
DIFFERENT = {
    "the stage's code": {"stage": STAGE.replace("f(x)", "f(x) + 1"), "help": HELP},
    "the code of a module that it imports": {"stage": STAGE, "help": HELP.replace("1", "2")},
    "one more import": {"stage": "import json\n" + STAGE, "help": HELP},
}


@pytest.mark.parametrize("modules", SAME.values(), ids=SAME.keys())
def test_what_changes_no_result_keeps_the_source_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modules: dict[str, str]
) -> None:
    before = hash_of(tmp_path / "1", monkeypatch, stage=STAGE, help=HELP)
    assert hash_of(tmp_path / "2", monkeypatch, **modules) == before


@pytest.mark.parametrize("modules", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_changed_code_changes_the_source_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modules: dict[str, str]
) -> None:
    before = hash_of(tmp_path / "1", monkeypatch, stage=STAGE, help=HELP)
    assert hash_of(tmp_path / "2", monkeypatch, **modules) != before


@pytest.mark.parametrize(
    "stage",
    [
        "def work():\n    from keyed import deep\n    return deep.x\n",
        "import keyed.deep\n\ndef work():\n    return keyed.deep.x\n",
        "from keyed.middle import y\n",
    ],
    ids=["inside a function", "by its dotted name", "through another module"],
)
def test_an_import_counts_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    middle = "from keyed.deep import x as y\n"
    hashes = []
    for number in ("1", "2"):
        modules = {"stage": stage, "middle": middle, "deep": f"x = {number}\n"}
        hashes.append(hash_of(tmp_path / number, monkeypatch, **modules))
    assert hashes[0] != hashes[1]


def test_modules_that_import_each_other_have_a_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    circle = {"stage": "import keyed.help\n", "help": "import keyed.stage\n"}
    assert len(hash_of(tmp_path, monkeypatch, **circle)) == 64


def test_the_code_of_other_packages_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = []
    for number in ("1", "2"):
        (tmp_path / number).mkdir()
        package(tmp_path / number, "foreign", code=f"x = {number}\n")
        stage = "from foreign import code\n"
        hashes.append(hash_of(tmp_path / number, monkeypatch, stage=stage))
    assert hashes[0] == hashes[1]


def test_a_stage_that_names_a_module_that_is_not_there_is_refused() -> None:
    with pytest.raises((ModuleNotFoundError, ValueError)):
        source_hash(("tasks.no_such_module",))


def test_the_hash_of_a_package_is_that_of_all_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for number, source in enumerate(["x = 1", "x = 1", "x = 1  # why"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        package(folder, "hashed", module=source)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(folder)
            package_hash.cache_clear()
            found.append(package_hash("hashed"))
        sys.modules.pop("hashed", None)
        sys.path_importer_cache.clear()
    package_hash.cache_clear()
    assert found[0] == found[1] != found[2]
    with pytest.raises(ModuleNotFoundError):
        package_hash("hashed")
