"""What can happen to a small file below a root."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[Path, Path], None]
"""Damages a file, given another one of its kind, or of any kind where there is no other."""


def _written(path: Path, content: bytes) -> None:
    path.unlink()  # it may have other links
    path.write_bytes(content)


def _missing(path: Path, _: Path) -> None:
    path.unlink()


def _empty(path: Path, _: Path) -> None:
    _written(path, b"")


def _cut_off(path: Path, _: Path) -> None:
    content = path.read_bytes()
    _written(path, content[: len(content) // 2])


def _one_character(path: Path, _: Path) -> None:
    """The last one but those of the seal, which stands at the end."""
    text, seal, rest = path.read_text().partition('"seal"')
    place = [found.start() for found in re.finditer(r"\w", text)][-1]
    text = f"{text[:place]}{'7' if text[place] == '8' else '8'}{text[place + 1 :]}"
    _written(path, f"{text}{seal}{rest}".encode())


def _list(path: Path, _: Path) -> None:
    _written(path, b"[1]\n")


def _nested(path: Path, _: Path) -> None:
    _written(path, b"[" * 100_000)


def _not_utf8(path: Path, _: Path) -> None:
    _written(path, b"\xff\xfe" + path.read_bytes())


def _of_another(path: Path, other: Path) -> None:
    _written(path, other.read_bytes())


def _folder(path: Path, _: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "x").write_text("x")


DAMAGES: dict[str, Damage] = {
    "missing": _missing,
    "empty": _empty,
    "cut off": _cut_off,
    "one character": _one_character,
    "a list": _list,
    "nested": _nested,
    "not UTF-8": _not_utf8,
    "of another": _of_another,
    "a folder": _folder,
}
