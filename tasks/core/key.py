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
_NOT_COUNTED = frozenset(
    {
        "device", "errors", "inputs", "key", "progress", "request", "settings", "stage", "storage",
        "task",
    }
)  # fmt: skip
"""Modules of the core that store, name and report results, and change none."""
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
    """The installed versions of distributions; `name?` may be absent."""
    named = {name.removesuffix("?"): not name.endswith("?") for name in libraries}
    return {name: version(name) for name, needed in named.items() if needed or find_spec(name)}


@cache
def code_of(modules: tuple[str, ...]) -> dict[str, str]:
    """The code that runs when modules do: they and all that they import from their own package.

    An import counts wherever it is, inside a function too. Comments, layout, docstrings and imports
    for type checking do not count, because they change nothing that runs. Neither do the modules
    that store, name and report results. A package whose `__init__` has a `CODE_VERSION` counts by
    that number alone.

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
        elif name not in found and name.partition(f"{_CORE}.")[2].split(".")[0] not in _NOT_COUNTED:
            found[name], imported = _read(name)
            todo += imported
    return dict(sorted(found.items()))


@cache
def package_code(package: str) -> dict[str, str]:
    """All modules' files of a package as one: quicker than `code_of`, but comments count.

    Raises:
        ModuleNotFoundError: There is no such package.
    """
    folder = _path(package)
    files = sorted(folder.rglob("*.py"))
    if not files:
        raise ModuleNotFoundError(package)
    content = {path.relative_to(folder).as_posix(): file_digest(path) for path in files}
    return {package: digest(content)[:SHORT]}


def _versioned(module: str) -> tuple[str, str] | None:
    """The package with a `CODE_VERSION` that a module is in, and that number."""
    parts = module.split(".")
    packages = [".".join(parts[:size]) for size in range(2, len(parts) + 1)]
    versioned = [(p, f"version {_code_version(p)}") for p in packages if _code_version(p)]
    return versioned[0] if versioned else None


@cache
def _code_version(package: str) -> Any:
    path = _path(package) / "__init__.py"
    for node in ast.parse(path.read_text(encoding="utf-8")).body if path.is_file() else ():
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CODE_VERSION":
            return ast.literal_eval(node.value)
    return None


@cache
def _read(module: str) -> tuple[str, tuple[str, ...]]:
    """A module's hash and the modules of its own package that it imports."""
    file = _file(module)
    if not file.is_file():
        raise ModuleNotFoundError(module)
    tree = _RunningCode().visit(ast.parse(file.read_text(encoding="utf-8")))
    imported = sorted(_imports(tree, module.partition(".")[0]))
    return digest(ast.dump(tree))[:SHORT], tuple(imported)


class _RunningCode(ast.NodeTransformer):
    """Removes what does not run: docstrings, and what is for type checkers alone."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt] | None:
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            return self.generic_visit(node)
        return [self.visit(statement) for statement in node.orelse]


def _imports(tree: ast.AST, package: str) -> set[str]:
    """Modules of `package` that a module imports, at its top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{package}."):
            found |= {_imported(str(node.module), alias.name) for alias in node.names}
    return {name for name in found if name.startswith(f"{package}.")}


def _imported(module: str, name: str) -> str:
    """The module that `from module import name` takes its code from."""
    return f"{module}.{name}" if _file(f"{module}.{name}").is_file() else module


def _file(module: str) -> Path:
    path = _path(module)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _path(module: str) -> Path:
    """Where a module is, without its suffix; nothing but the top of its package is imported."""
    top, *rest = module.split(".")
    return _top(top).joinpath(*rest)


@cache
def _top(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(package)
    return Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin)
