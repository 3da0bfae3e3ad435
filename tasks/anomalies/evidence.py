"""What speaks for a row being unusual, as its reason is told from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mismatch:
    """A column whose value is not what the row's text makes one expect.

    Attributes:
        column: The column, without its prefix.
        value: What the row has in it; empty where it has nothing.
        suggested: What the text suggests instead: a category, or a number written out.
        probability: How probable the text makes what it suggests, from 0 to 1.
    """

    column: str
    value: str
    suggested: str
    probability: float


@dataclass(frozen=True)
class Burst:
    """A partition in which a group has far more or fewer rows than its history makes one expect.

    Attributes:
        column: The column of categories, without its prefix, or what the groups are called.
        level: The group.
        partition: The partition.
        rows: The rows that the group has in it.
        expected: The rows that the earlier partitions make one expect.
    """

    column: str
    level: str
    partition: str
    rows: int
    expected: float


@dataclass(frozen=True)
class Evidence:
    """What the views found of one row.

    Attributes:
        text: The share of the rows whose text is less unusual; None for a row without text.
        match: The column that contradicts the text most; None where nothing does.
        burst: The burst that the row is part of, if any.
        near: The identifiers of the nearest rows that are not unusual, nearest first.
    """

    text: float | None = None
    match: Mismatch | None = None
    burst: Burst | None = None
    near: tuple[str, ...] = ()
