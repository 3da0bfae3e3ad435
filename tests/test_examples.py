"""The examples in docstrings run, and give what they show."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules() -> list[str]:
    files = [p for top in ("tasks", "flows") for p in sorted((REPOSITORY / top).rglob("*.py"))]
    names = [".".join(path.relative_to(REPOSITORY).with_suffix("").parts) for path in files]
    texts = [path.read_text(encoding="utf-8") for path in files]
    return [name for name, text in zip(names, texts, strict=True) if ">>> " in text]


# The examples of the API need a Prefect server: tests/integration/test_api.py runs them.
@pytest.mark.parametrize("name", [name for name in modules() if name != "flows.api"])
def test_examples(name: str) -> None:
    done = doctest.testmod(importlib.import_module(f"fusemine.{name}"), optionflags=FLAGS)
    assert done.attempted
    assert not done.failed
