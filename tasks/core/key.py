"""The key of a result: one hash of everything that the result depends on.

A key covers the content of what is read, the settings that change the result, the code that
computes, and the versions of the libraries that compute. Paths, devices, thread counts, retries
and rate limits are not in it.
"""

from __future__ import annotations

import ast
import hashlib
import json
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

KEY_LENGTH = 16
_CORE = "fusemine.tasks.core"
_AROUND = frozenset(
    {
        "artifact", "device", "errors", "inputs", "key", "locks", "parquet", "progress", "request",
        "rewrite", "settings", "stage", "store", "task",
    }
)  # fmt: skip
"""Modules of the core that store, name and report results."""
SHORT = 12
"""Characters of a hash that stands for one module's code."""


@dataclass(frozen=True)
class Recipe:
    """All that a key is made of, kept in the manifest so that the key can be explained.

    Args:
        inputs: Content hashes of what is read, by the name of its stage.
        settings: The settings that change the result, by their place in the pipeline.yaml.
        resources: What else is read, such as the encoder, by its name.
        versions: Versions of the libraries that compute.
        code: The code that runs: a short hash of each module.
    """

    inputs: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    key: str = field(init=False)

    def __post_init__(self) -> None:
        parts = [self.inputs, self.settings, self.resources, self.versions, self.code]
        object.__setattr__(self, "key", digest(parts)[:KEY_LENGTH])


def digest(value: object) -> str:
    """SHA-256 of a JSON-ready value, in hexadecimal, whatever the order of its keys.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def versions(libraries: tuple[str, ...]) -> dict[str, str]:
    """The installed versions of distributions."""
    return {name: version(name) for name in libraries}


@cache
def code_of(modules: tuple[str, ...]) -> dict[str, str]:
    """The code that runs when modules do: they and all that they import from their own package.

    An import counts wherever it stands, inside a function too. Comments, layout, docstrings and
    imports for type checking do not count, because they change nothing that runs. Nor does what
    stores, names and reports results, because it changes none. A package whose `__init__` has a
    `CODE_VERSION` counts by that number alone.

    Args:
        modules: Dotted names.

    Returns:
        A short hash of each module's code, by its name.

    Raises:
        ModuleNotFoundError: There is no such module.
    """
    found: dict[str, str] = {}
    todo = list(modules)
    while todo:
        name = todo.pop()
        package = _versioned(name)
        if package is not None:
            found[package[0]] = package[1]
        elif name not in found and name.partition(f"{_CORE}.")[2] not in _AROUND:
            found[name], imported = _read(name)
            todo += imported
    return dict(sorted(found.items()))


@cache
def package_code(package: str) -> dict[str, str]:
    """All modules' files of a package as one: quicker than `code_of`, but comments count.

    Raises:
        ModuleNotFoundError: There is no such package.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(package)
    (folder,) = map(Path, spec.submodule_search_locations)
    files = sorted(folder.rglob("*.py"))
    content = {path.relative_to(folder).as_posix(): file_digest(path) for path in files}
    return {package: digest(content)[:SHORT]}


@cache
def _versioned(module: str) -> tuple[str, str] | None:
    """The package with a `CODE_VERSION` that a module is in, and that number."""
    parts = module.split(".")
    for size in range(2, len(parts) + 1):
        package = ".".join(parts[:size])
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations or spec.origin is None:
            return None
        for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CODE_VERSION":
                return package, f"version {ast.literal_eval(node.value)}"
    return None


@cache
def _read(module: str) -> tuple[str, tuple[str, ...]]:
    """A module's hash and the modules of its own package that it imports."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    tree = _Running().visit(ast.parse(Path(spec.origin).read_text(encoding="utf-8")))
    imported = sorted(_imports(tree, module.partition(".")[0]))
    return digest(ast.dump(tree))[:SHORT], tuple(imported)


class _Running(ast.NodeTransformer):
    """Leaves what runs: no docstrings, and nothing for type checkers alone."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:  # noqa: N802  (ast's own convention)
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt] | None:  # noqa: N802
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            return self.generic_visit(node)
        return [self.visit(statement) for statement in node.orelse]


def _imports(tree: ast.AST, package: str) -> set[str]:
    """Modules of `package` that a module imports, at its top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {_imported(node.module, alias.name) for alias in node.names}
    return {name for name in found if name.startswith(f"{package}.")}


@cache
def _imported(module: str, name: str) -> str:
    """The module that `from module import name` takes its code from."""
    package = module.partition(".")[0]
    if not module.startswith(f"{package}."):
        return module
    spec = find_spec(module)
    is_package = spec is not None and spec.submodule_search_locations
    submodule = f"{module}.{name}"
    return submodule if is_package and find_spec(submodule) else module
