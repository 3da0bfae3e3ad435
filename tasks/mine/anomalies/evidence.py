"""What the views found of a row, from which the reason why it is unusual is written."""

from __future__ import annotations

from dataclasses import dataclass

from fusemine.tasks.core.pack.trusted import storable


@dataclass(frozen=True)
class CategoryMismatch:
    """A category that is not what the row's text suggests.

    Attributes:
        column: The column, without its prefix.
        value: What the row has in it; empty where it has nothing.
        suggested: The category that the text suggests instead.
        probability: How probable the text makes what it suggests, from 0 to 1.
    """

    column: str
    value: str
    suggested: str
    probability: float


@dataclass(frozen=True)
class NumberMismatch:
    """A number that is far from the one that the row's text suggests.

    Attributes:
        column: The column, without its prefix.
        value: What the row has in it.
        suggested: The number that the text suggests.
        closer: The share of the known rows whose number is closer to what their text suggests.
        size: How many rows these are shares of.
    """

    column: str
    value: float
    suggested: float
    closer: float
    size: int


@storable
@dataclass(frozen=True)
class Burst:
    """A partition in which a group has far more rows than its history makes one expect.

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
        text: The share of the known rows whose text is less unusual; None for a row without text.
        p_value: How probable so unusual a text is.
        mismatch: The column that contradicts the text most; None where nothing does.
        burst: The burst that the row is part of, if any.
    """

    text: float | None = None
    p_value: float = 1.0
    mismatch: CategoryMismatch | NumberMismatch | None = None
    burst: Burst | None = None
