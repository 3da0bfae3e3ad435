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

# In YAML 1.1 colons make a number of base 60, which takes time in the square of its length. One
# of base 16 is read at once, but cannot be shown in an error.
_LONG_NUMBER = re.compile(r"[-+0-9][0-9_:.]{99,}|[-+]?0[bx][0-9a-fA-F_]{98,}")
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
    count = _Count()
    for event in yaml.parse(text, Loader=_LOADER):
        count.take(event)
        _refuse_beyond(_line(event), count.nodes, len(count.open))


class _Count:
    """The values of a file so far, with those that aliases repeat.

    Attributes:
        nodes: How many there are.
        open: The anchors of the collections that have not ended, and the values before each.
    """

    def __init__(self) -> None:
        self.nodes = 0
        self.open: list[tuple[str | None, int]] = []
        self._sizes: dict[str | None, int] = {}

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent):
            self.nodes += self._repeated(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self.open.append((event.anchor, self.nodes))
            self.nodes += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = self.open.pop()
            self._sizes[anchor] = self.nodes - before
        elif isinstance(event, yaml.ScalarEvent):
            self.nodes += 1
            self._sizes[event.anchor] = 1
            if _LONG_NUMBER.fullmatch(event.value):
                raise ValueError(f"line {_line(event)}: a number of that many digits")

    def _repeated(self, alias: yaml.AliasEvent) -> int:
        if alias.anchor in (anchor for anchor, _ in self.open):
            raise ValueError(f"line {_line(alias)}: a value that holds itself")
        return self._sizes.get(alias.anchor, 1)  # an alias of nothing is the loader's error


def _refuse_beyond(line: int, count: int, depth: int) -> None:
    if count > NODES:
        raise ValueError(
            f"line {line}: more than {NODES:,} values, those counted that aliases repeat"
        )
    if depth > DEPTH:
        raise ValueError(f"line {line}: values nested more than {DEPTH} deep")


def _line(event: yaml.Event) -> int:
    mark: Any = event.start_mark
    return int(mark.line) + 1
