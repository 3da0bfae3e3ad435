"""The stage key: one hash of everything that a stage's result depends on.

A key covers the content of the inputs, the settings that change the result, the source code of
the stage with all that it imports from this project, the versions of the libraries that compute,
and the model's fingerprint. Paths, devices and thread counts are not in it.
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


@dataclass(frozen=True)
class Stage:
    """What identifies a stage's code.

    Args:
        name: Name of the stage and of its folder below the root.
        modules: The modules of its pure work; what they import from us counts as well.
        libraries: Distributions whose version can change the result.
    """

    name: str
    modules: tuple[str, ...]
    libraries: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """All that a key is made of, kept in the manifest so that a key can be explained."""

    inputs: tuple[str, ...]
    settings: dict[str, Any]
    versions: dict[str, str]
    source: str
    model: str | None = None
    key: str = field(init=False)

    def __post_init__(self) -> None:
        parts = [self.inputs, self.settings, self.versions, self.source, self.model]
        object.__setattr__(self, "key", digest(parts)[:KEY_LENGTH])


def recipe(
    stage: Stage, inputs: tuple[str, ...], settings: dict[str, Any], model: str | None = None
) -> Recipe:
    """The recipe of one result of a stage.

    Args:
        stage: The stage.
        inputs: Content hashes of what it reads, in order.
        settings: JSON-ready settings that change the result.
        model: Fingerprint of the model's files, where one is used.
    """
    return Recipe(inputs, settings, _versions(stage), source_hash(stage.modules), model)


@cache
def _versions(stage: Stage) -> dict[str, str]:
    return {name: version(name) for name in stage.libraries}


def digest(value: object) -> str:
    """SHA-256 of a JSON-ready value, in hexadecimal, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def source_hash(modules: tuple[str, ...]) -> str:
    """Hash of modules and of all that they import from their own top-level package.

    Comments and layout do not count, because the syntax tree does not hold them.
    """
    trees: dict[str, ast.Module] = {}
    for module in modules:
        if find_spec(module) is None:
            raise ModuleNotFoundError(module)
        _closure(module, trees)
    return digest({name: ast.dump(tree) for name, tree in trees.items()})


@cache
def package_hash(package: str) -> str:
    """Hash of the files of all modules of a package: quick, and comments count."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(package)
    (folder,) = map(Path, spec.submodule_search_locations)
    files = sorted(folder.rglob("*.py"))
    return digest({path.relative_to(folder).as_posix(): file_digest(path) for path in files})


def _closure(module: str, seen: dict[str, ast.Module]) -> None:
    spec = find_spec(module)
    if module in seen or spec is None or spec.origin is None:
        return
    seen[module] = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    for name in sorted(_imports(seen[module], module.partition(".")[0])):
        _closure(name, seen)


def _imports(tree: ast.Module, package: str) -> set[str]:
    """Modules of `package` that a module imports, at its top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.startswith(f"{package}.") and _is_module(name)}


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # `package.module.attribute`
        return False
