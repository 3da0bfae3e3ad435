"""Reading YAML within bounds, so that no file takes longer than people wait for one."""

from __future__ import annotations

import re
from typing import Any

import yaml

BYTES = 2**20
"""Bytes that a file may have."""
NODES = 20_000
"""Values that it may hold; one that an alias stands for counts each time."""
DEPTH = 32
"""How deep its values may be nested."""

# In YAML 1.1 colons make a number of base 60, which takes time in the square of its length.
_LONG_NUMBER = re.compile(r"[-+0-9][0-9_:.]{99,}")
# The one of libyaml is ten times as fast.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str) -> tuple[yaml.Node | None, Any]:
    """The nodes of a YAML file, which know their lines, and its values.

    Raises:
        yaml.YAMLError: It is not YAML.
        ValueError: A value cannot be, such as the 31st of June, or the file is beyond a bound.
    """
    if len(text) > BYTES:
        raise ValueError(f"more than {BYTES:,} bytes, which no pipeline.yaml needs")
    _check_bounds(text)
    loader = _LOADER(text)
    try:
        tree = loader.get_single_node()
        return tree, None if tree is None else loader.construct_document(tree)
    finally:
        loader.dispose()


def _check_bounds(text: str) -> None:
    """Refuse what would take long, before any of it is made; this costs a pass over the file.

    The loaders nest calls as deep as the file nests values, and what walks through the values
    later goes through an alias each time it comes.
    """
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    count = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            count += _size_of(event, sizes, open_nodes)
        elif isinstance(event, yaml.NodeEvent):
            count += 1
            if isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append((event.anchor, count - 1))
            elif event.anchor:
                sizes[event.anchor] = 1
            if isinstance(event, yaml.ScalarEvent) and _LONG_NUMBER.fullmatch(event.value):
                raise ValueError(f"line {event.start_mark.line + 1}: a number of that many digits")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor:
                sizes[anchor] = count - before
        _refuse_beyond(event.start_mark.line + 1, count, len(open_nodes))


def _size_of(
    alias: yaml.AliasEvent, sizes: dict[str, int], open_nodes: list[tuple[str | None, int]]
) -> int:
    if alias.anchor in (anchor for anchor, _ in open_nodes):
        raise ValueError(f"line {alias.start_mark.line + 1}: a value that holds itself")
    return sizes.get(alias.anchor, 1)  # an alias of nothing is an error of the loader's


def _refuse_beyond(line: int, count: int, depth: int) -> None:
    if count > NODES:
        raise ValueError(
            f"line {line}: more than {NODES:,} values, those counted that aliases repeat"
        )
    if depth > DEPTH:
        raise ValueError(f"line {line}: values nested more than {DEPTH} deep")
