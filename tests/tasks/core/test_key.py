"""A key changes when, and only when, something changes that a result depends on."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.core import key
from fusemine.tasks.core.key import KEY_LENGTH, Recipe, code_of, digest, file_digest, package_code
from fusemine.tasks.core.settings import Settings

Codes = Callable[..., dict[str, str]]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
BASE = Recipe({"raw": ["a", "b"]}, {"x": 1}, {"encoder": "e"}, {"polars": "2"}, {"module": "code"})


@given(JSON, JSON)
def test_two_values_have_one_digest_only_if_their_json_is_the_same(
    one: object, two: object
) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert (digest(one) == digest(two)) is same


def test_a_digest_is_the_sha256_of_the_json_text_or_of_a_files_bytes(tmp_path: Path) -> None:
    text = '{"a":1,"b":"é"}'
    path = tmp_path / "f"
    path.write_text(text, "utf-8")
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    assert digest({"b": "é", "a": 1}) == file_digest(path) == sha256


def test_equal_recipes_have_equal_keys_of_the_stated_length() -> None:
    assert replace(BASE, settings={"x": 1}).key == BASE.key
    assert len(BASE.key) == KEY_LENGTH == 16


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": {"raw": ["b", "a"]}},
        {"inputs": {"rows": ["a", "b"]}},
        {"settings": {"x": 1, "y": None}},
        {"resources": {}},
        {"versions": {"polars": "3"}},
        {"code": {"module": "other"}},
        {"settings": {"encoder": "e"}, "resources": {"x": 1}},
    ],
)
def test_each_part_of_a_recipe_changes_the_key(change: dict[str, object]) -> None:
    assert replace(BASE, **change).key != BASE.key


def test_the_versions_are_those_that_are_installed() -> None:
    assert key.versions(("numpy", "pyarrow")) == {n: version(n) for n in ("numpy", "pyarrow")}
    assert key.versions(("numpy?", "absent?")) == {"numpy": version("numpy")}
    with pytest.raises(PackageNotFoundError):
        key.versions(("absent",))


def test_settings_that_change_no_result_are_not_in_keys() -> None:
    class Inner(Settings):
        not_in_keys = frozenset({"path"})
        path: str = "here"
        depth: int = 1

    class Outer(Settings):
        not_in_keys = frozenset({"device"})
        device: str = "auto"
        inner: Inner = Inner()

    assert Outer().key_values() == {"inner": {"depth": 1}}
    assert Outer(device="cuda", inner=Inner(path="there")).key_values() == Outer().key_values()
    assert Outer(inner=Inner(depth=2)).key_values() != Outer().key_values()


@pytest.fixture
def codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Codes]:
    """A function that gives the code of `keyed.stage` in a package of some modules."""
    caches = [f for f in vars(key).values() if hasattr(f, "cache_clear")]
    folders = (tmp_path / str(number) for number in count())

    def of(read: Any = lambda: code_of(("keyed.stage",)), **modules: str) -> dict[str, str]:
        folder = next(folders)
        for name, source in {"keyed/__init__": "", **modules}.items():
            path = folder / f"{name if '/' in name else f'keyed/{name}'}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(folder)
            for cached in caches:
                cached.cache_clear()
            return read()

    yield of
    for cached in caches:
        cached.cache_clear()
    assert "keyed" not in sys.modules, "code is read and never imported"


STAGE = "from keyed.help import f\n\ndef work(x):\n    return f(x)\n"
HELP = "def f(x):\n    return x + 1\n"
DOC = '"""What it does."""\n'
CHECKED = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from keyed.{} import A\n"
SAME = {
    "comments": {"stage": "# why\n" + STAGE, "help": HELP},
    "layout": {"stage": STAGE.replace("\n\n", "\n\n\n"), "help": HELP.replace("x + 1", "(x+1)")},
    "docstrings": {"stage": DOC + STAGE, "help": HELP.replace("    r", f"    {DOC}    r")},
    "a module that is not imported": {"stage": STAGE, "help": HELP, "other": "y = 1"},
}
DIFFERENT = {
    "the stage's code": {"stage": STAGE.replace("f(x)", "f(x) + 1"), "help": HELP},
    "the code of a module that it imports": {"stage": STAGE, "help": HELP.replace("1", "2")},
    "one more import": {"stage": "import json\n" + STAGE, "help": HELP},
}


@pytest.mark.parametrize("name", [*SAME, *DIFFERENT])
def test_only_what_may_change_a_result_changes_the_code(codes: Codes, name: str) -> None:
    changed = codes(**{**SAME, **DIFFERENT}[name])
    assert (changed == codes(stage=STAGE, help=HELP)) is (name in SAME)


def test_imports_for_type_checking_do_not_count(codes: Codes) -> None:
    typed = codes(stage=CHECKED.format("shapes"), shapes="A = int\n")
    assert list(typed) == ["keyed.stage"]
    assert typed == codes(stage=CHECKED.format("others"), others="A = str\n")


@pytest.mark.parametrize(
    "stage",
    [
        "def work():\n    from keyed import deep\n    return deep.x\n",
        "import keyed.deep\n\ndef work():\n    return keyed.deep.x\n",
        "from keyed.middle import y\n",
    ],
    ids=["inside a function", "by its dotted name", "through another module"],
)
def test_an_import_counts_wherever_it_stands(codes: Codes, stage: str) -> None:
    middle = "from keyed.deep import x as y\n"
    one, two = (codes(stage=stage, middle=middle, deep=f"x = {number}\n") for number in (1, 2))
    assert {name for name in one if one[name] != two[name]} == {"keyed.deep"}


def test_a_package_with_a_version_counts_by_that_alone(codes: Codes) -> None:
    def versioned(number: int, source: str) -> dict[str, str]:
        parts = {"keyed/fast/__init__": f"CODE_VERSION = {number}\n", "keyed/fast/sums": source}
        return codes(stage="from keyed.fast import sums\n", **parts)

    first = versioned(1, "from keyed import missing\n")
    assert first.pop("keyed.fast") == "version 1"
    assert list(first) == ["keyed.stage"]
    assert versioned(1, "x = 1\n") == versioned(1, "x = 2\n") != versioned(2, "x = 1\n")


def test_modules_that_import_each_other_have_a_hash(codes: Codes) -> None:
    circle = codes(stage="import keyed.help\n", help="import keyed.stage\n")
    assert list(circle) == ["keyed.help", "keyed.stage"]


def test_the_code_of_other_packages_does_not_count(codes: Codes) -> None:
    stage = "from foreign import code\n"
    one, two = (codes(stage=stage, **{"foreign/code": f"x = {n}\n"}) for n in (1, 2))
    assert one == two


def test_a_stage_that_names_a_module_that_is_not_there_is_refused() -> None:
    for name in ("fusemine.tasks.no_such_module", "no_such_package.module"):
        with pytest.raises(ModuleNotFoundError):
            code_of((name,))


def test_the_code_of_a_package_is_that_of_all_its_files(codes: Codes) -> None:
    sources = ("x = 1", "x = 1", "x = 1  # why")
    found = [codes(lambda: package_code("keyed"), other=source) for source in sources]
    assert found[0] == found[1] != found[2]
    assert list(found[0]) == ["keyed"]
    with pytest.raises(ModuleNotFoundError):
        package_code("fusemine.tasks.no_such_package")
