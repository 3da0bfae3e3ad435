"""Writing a commented pipeline.yaml for a table."""

from __future__ import annotations

import glob
import os
import re
from datetime import datetime
from typing import TYPE_CHECKING

import yaml

from fusemine.flows.config.output import check_output, writing
from fusemine.flows.config.pipeline import VERSION, read_pipeline
from fusemine.tasks.core.errors import SourceError
from fusemine.tasks.core.partition import By
from fusemine.tasks.sources.detect import find_source
from fusemine.tasks.sources.files import COMPRESSIONS
from fusemine.tasks.table.profile import Guess, Role, guess_roles
from fusemine.tasks.table.roles import TimeColumn
from fusemine.tasks.table.times import parse_times

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from fusemine.tasks.sources.files import FilesSettings


_MINED = (Role.TEXT, Role.CATEGORY, Role.NUMBER)


def write_pipeline(table: Path, output: Path | None, force: bool) -> list[str]:
    """Profile a table and write its pipeline.yaml; lines that say what was guessed and why.

    Args:
        table: The table.
        output: Where to write; None for the table's name with `.pipeline.yaml`, beside it.
        force: Whether a file that is there may be overwritten.

    Raises:
        SourceError: The table cannot be read or has nothing to mine.
        SettingsError: The output is there already, or nothing may be written there.
    """
    name = _bare_name(table)
    output = output or table.with_name(f"{name}.pipeline.yaml")
    check_output(output, force, endings=(".yaml", ".yml"), reads={"the table": table})
    relative = os.path.relpath(table.resolve(), output.resolve().parent)
    source, rows = find_source(table, glob.escape(relative))
    guesses = guess_roles(rows.frame)
    _check_minable(table, rows.frame, guesses)
    with writing(output) as draft:
        draft.write_text(_document(name, source, rows.frame, guesses), encoding="utf-8")
        read_pipeline(draft)  # what is written must be readable
    lines = [f"{guess.column}: {guess.role} ({guess.why})" for guess in guesses]
    return [*lines, f"wrote {output}", f"next: fusemine run {output}"]


def _bare_name(table: Path) -> str:
    name = table.name
    for suffix in COMPRESSIONS:
        name = name.removesuffix(suffix)
    return name.rsplit(".", 1)[0] or name


def _check_minable(table: Path, frame: pl.DataFrame, guesses: list[Guess]) -> None:
    if not any(guess.role in _MINED for guess in guesses):
        raise SourceError(
            got=f"{table.name}: {frame.height} rows and no column to mine",
            expected="at least one column of text, categories or numbers with differing values",
            fix="check that this is the right file; if it is, write the pipeline.yaml by hand",
        )


def _document(name: str, source: FilesSettings, frame: pl.DataFrame, guesses: list[Guess]) -> str:
    lines = [
        f"# What fusemine knows about {_quoted(name)}. The roles of the columns are guesses:",
        "# correct what is wrong, then `fusemine check` this file and `fusemine run` it.",
        f"version: {VERSION}",
        f"name: {_quoted(slug(name))}",
        "",
        *_source_lines(source),
        "",
        "columns:",
        *_role_lines(guesses),
        "",
        *_partition_lines(frame, guesses),
    ]
    return "\n".join(lines) + "\n"


def slug(name: str) -> str:
    """A pipeline's name, made of what a table is called.

    >>> slug("Tickets 2024 (final)")
    'tickets-2024-final'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60].strip("-") or "table"


def _source_lines(source: FilesSettings) -> list[str]:
    lines = [
        "source:",
        f"  path: {_quoted(source.path)} # a file, or a pattern such as inbox/*.csv",
    ]
    if source.separator:
        lines.append(f"  separator: {_quoted(source.separator)}")
    if source.encoding != "utf-8":
        lines.append(f"  encoding: {source.encoding}")
    return lines


def _role_lines(guesses: list[Guess]) -> list[str]:
    lines = [line for guess in guesses for line in _single_lines(guess)]
    for role in _MINED:
        chosen = [guess for guess in guesses if guess.role is role]
        lines += [f"  {role}:"] if chosen else []
        lines += [f"    - {_quoted(g.column)} # {_comment(g.why)}" for g in chosen]
    if not any(guess.role is Role.LABEL for guess in guesses):
        lines.append(
            "  # label: a column to learn, or {column: NAME, positive: [VALUE]}; a number:"
        )
        lines.append("  # label: {column: NAME, kind: number}")
    left = [guess for guess in guesses if guess.role is Role.NONE]
    lines += ["  # Without a role, and so kept but not mined:"] if left else []
    return [*lines, *(f"  #   {_quoted(g.column)}: {_comment(g.why)}" for g in left)]


def _single_lines(guess: Guess) -> list[str]:
    why = _comment(guess.why)
    if guess.role is Role.TIME and guess.formats:
        formats = ", ".join(_quoted(pattern) for pattern in guess.formats)
        return [
            f"  time: # {why}",
            f"    column: {_quoted(guess.column)}",
            f"    formats: [{formats}]",
        ]
    if guess.role in {Role.ID, Role.TIME, Role.LABEL}:
        return [f"  {guess.role}: {_quoted(guess.column)} # {why}"]
    return []


def _partition_lines(frame: pl.DataFrame, guesses: list[Guess]) -> list[str]:
    time = next((guess for guess in guesses if guess.role is Role.TIME), None)
    if time is None:
        return ["# Without a time column all rows are one partition."]
    by, days = cut(frame, TimeColumn(column=time.column, formats=time.formats))
    return [
        "partition:",
        f"  by: {by} # the rows span {days} days; or day, week, month, year",
        "window: all # or how many partitions a run mines, up to its own",
    ]


def cut(frame: pl.DataFrame, time: TimeColumn) -> tuple[By, int]:
    """How long a table's partitions should be, and how many days its rows span."""
    times = parse_times(frame.get_column(time.column), time, "UTC").drop_nulls()
    first, last = times.min(), times.max()
    days = (last - first).days if isinstance(first, datetime) and isinstance(last, datetime) else 0
    return next(by for most, by in _LENGTHS if days <= most), days


_LENGTHS = ((31, By.DAY), (180, By.WEEK), (365 * 15, By.MONTH), (10**9, By.YEAR))


def _quoted(text: str) -> str:
    """A string as YAML, on one line and always in quotes."""
    return yaml.safe_dump(text, allow_unicode=True, default_style='"', width=10**9).strip()


def _comment(text: str) -> str:
    return " ".join(text.split())
