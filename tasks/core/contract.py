"""The schema of every Parquet artifact, checked when it is written and when it is read.

A contract speaks Arrow, because that is what a Parquet file holds; readers choose polars or
NumPy. Columns that come from the user's table carry their role as a prefix (`category.sky`),
so that no name of theirs can collide with one of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import pyarrow as pa

from fusemine.tasks.core.errors import ContractError

TEXT, CATEGORY, NUMBER, PROBABILITY = "text.", "category.", "number.", "probability."
"""Prefixes of the columns that are named after the user's columns or classes."""


class Kind(StrEnum):
    """What a column holds, whatever width Arrow gives it."""

    STRING = "string"
    STRINGS = "list of strings"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    TIME = "timestamp"
    VECTOR = "fixed-size binary"


@dataclass(frozen=True)
class Column:
    """One column: what it holds and whether it may be null."""

    kind: Kind
    nullable: bool = False


@dataclass(frozen=True)
class Contract:
    """The columns that an artifact must have, and those that it may have, by name or prefix."""

    name: str
    columns: dict[str, Column]
    prefixes: dict[str, Column] = field(default_factory=dict)
    optional: dict[str, Column] = field(default_factory=dict)
    """Columns that are there only where the user's settings ask for them."""
    open: bool = False
    """Whether the source's own columns may stand beside ours."""

    def check(self, table: pa.Table) -> None:
        """Compare a table with the contract.

        Raises:
            ContractError: A column is missing, unknown, of another kind, or null where it
                must not be.
        """
        missing = [name for name in self.columns if name not in table.column_names]
        if missing:
            raise self._broken(f"no column {', '.join(missing)}")
        for name in table.column_names:
            column = self._column(name)
            if column is not None:
                self._check_column(name, column, table.column(name))
            elif not self.open:
                raise self._broken(f"an unknown column {name!r}")

    def empty(self) -> pa.Table:
        """A table without rows that keeps the contract."""
        types = {name: _ARROW[column.kind] for name, column in self.columns.items()}
        return pa.schema(types).empty_table()

    def _column(self, name: str) -> Column | None:
        named = self.columns.get(name) or self.optional.get(name)
        if named is not None:
            return named
        return next((c for prefix, c in self.prefixes.items() if name.startswith(prefix)), None)

    def _check_column(self, name: str, column: Column, values: pa.ChunkedArray) -> None:
        if kind_of(values.type) is not column.kind:
            raise self._broken(f"column {name!r} of type {values.type}, not {column.kind}")
        if not column.nullable and values.null_count:
            raise self._broken(f"{values.null_count} nulls in column {name!r}")

    def _broken(self, what: str) -> ContractError:
        return ContractError(
            got=f"a table for {self.name!r} with {what}",
            expected=f"the columns {', '.join(self.columns)}",
            fix="this is a fault in fusemine or a file changed by hand; remove it and run again",
        )


def kind_of(dtype: pa.DataType) -> Kind | None:
    """The kind of an Arrow type, or None for one that no contract of ours uses."""
    checks = (
        (Kind.STRING, _is_string),
        (Kind.STRINGS, lambda t: _is_list(t) and _is_string(t.value_type)),
        (Kind.INTEGER, pa.types.is_integer),
        (Kind.FLOAT, pa.types.is_floating),
        (Kind.BOOLEAN, pa.types.is_boolean),
        (Kind.TIME, pa.types.is_timestamp),
        (Kind.VECTOR, pa.types.is_fixed_size_binary),
    )
    return next((kind for kind, matches in checks if matches(dtype)), None)


def _is_string(dtype: pa.DataType) -> bool:
    types = pa.types
    checks = (types.is_string, types.is_large_string, types.is_string_view)
    return any(check(dtype) for check in checks)


def _is_list(dtype: pa.DataType) -> bool:
    return bool(pa.types.is_list(dtype) or pa.types.is_large_list(dtype))


def _string(nullable: bool = False) -> Column:
    return Column(Kind.STRING, nullable)


def _float(nullable: bool = False) -> Column:
    return Column(Kind.FLOAT, nullable)


_INTEGER, _BOOLEAN, _VECTOR = Column(Kind.INTEGER), Column(Kind.BOOLEAN), Column(Kind.VECTOR)
_ARROW = {
    Kind.STRING: pa.string(),
    Kind.STRINGS: pa.list_(pa.string()),
    Kind.INTEGER: pa.int64(),
    Kind.FLOAT: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TIME: pa.timestamp("us", "UTC"),
    Kind.VECTOR: pa.binary(0),
}
_REMOVED = {name: _string() for name in ("row_id", "stage", "rule", "reason", "row")}

RAW = Contract("raw", {"row_id": _string(), "partition": _string(), "source": _string()}, open=True)
INVENTORY = Contract(
    "inventory",
    {"partition": _string(), "key": _string(), "rows": _INTEGER, "rejected": _INTEGER},
)
UNASSIGNED = Contract("unassigned", _REMOVED)
REJECTED = Contract("rejected", _REMOVED)
CLEAN = Contract(
    "clean",
    {
        "row_id": _string(),
        "partition": _string(),
        "event_time": Column(Kind.TIME, nullable=True),
        "known_at": Column(Kind.TIME, nullable=True),
        "text": _string(),
        "has_text": _BOOLEAN,
        "label": _string(nullable=True),
        "duplicate_of": _string(nullable=True),
    },
    prefixes={
        TEXT: _string(),
        CATEGORY: _string(nullable=True),
        NUMBER: _float(nullable=True),
    },
    # A number that is the label stands in `label` as text, so that the column has one kind.
    optional={"group": _string(nullable=True), "split": _string(nullable=True)},
)
EMBEDDINGS = Contract("embeddings", {"row_id": _string(), "embedding": _VECTOR})
STORE = Contract(
    "store",
    {"text_hash": _VECTOR, "embedding": _VECTOR, "tokens": _INTEGER, "language": _string()},
)
# One fixed-size vector per block; the schema's metadata names the features in it.
FEATURES = Contract("features", {"row_id": _string()}, prefixes={"block.": _VECTOR})
# A row that is left undecided has no prediction, and a number no probability.
PREDICTIONS = Contract(
    "predictions",
    {
        "row_id": _string(),
        "split": _string(),
        "label": _string(nullable=True),
        "prediction": _string(nullable=True),
        "probability": _float(nullable=True),
    },
    prefixes={PROBABILITY: _float()},
)
# Rows whose label is doubtful, the most doubtful first; `alike` is a row with the same content.
DOUBTS = Contract(
    "doubts",
    {
        "row_id": _string(),
        "rank": _INTEGER,
        "kind": _string(),
        "label": _string(),
        "suggested": _string(nullable=True),
        "confidence": _float(nullable=True),
        "alike": _string(nullable=True),
    },
)
# `second` is the topic that would come next, `outlier` marks a text like no others.
CLUSTERS = Contract(
    "clusters",
    {
        "row_id": _string(),
        "topic": _INTEGER,
        "strength": _float(nullable=True),
        "second": Column(Kind.INTEGER, nullable=True),
        "outlier": _BOOLEAN,
        "x": _float(nullable=True),
        "y": _float(nullable=True),
    },
)
# `typical` rows have most of the topic's terms, `central` ones the vectors nearest to its mean.
TOPICS = Contract(
    "topics",
    {
        "topic": _INTEGER,
        "name": _string(),
        "theme": _INTEGER,
        "rows": _INTEGER,
        "share": _float(),
        "outliers": _INTEGER,
        "terms": Column(Kind.STRINGS),
        "typical": Column(Kind.STRINGS),
        "central": Column(Kind.STRINGS),
        "coherence": _float(nullable=True),
        "born": _string(),
        "named_by": _string(),
    },
)
THEMES = Contract(
    "themes",
    {"theme": _INTEGER, "name": _string(), "topics": _INTEGER, "rows": _INTEGER, "share": _float()},
)
# A topic's rows in each partition that has rows, with the 95 % interval of its share.
SHARES = Contract(
    "shares",
    {
        "topic": _INTEGER,
        "partition": _string(),
        "rows": _INTEGER,
        "share": _float(),
        "low": _float(),
        "high": _float(),
        "expected": _float(nullable=True),
        "burst": _BOOLEAN,
    },
)
# How often a topic comes with a level of a category, against what chance would give.
CROSSED = Contract(
    "crossed",
    {
        "column": _string(),
        "level": _string(),
        "topic": _INTEGER,
        "rows": _INTEGER,
        "share": _float(),
        "lift": _float(),
        "notable": _BOOLEAN,
    },
)
# What is known of every topic that there was, up to a partition.
REGISTRY = Contract(
    "registry",
    {
        "topic": _INTEGER,
        "name": _string(),
        "named_by": _string(),
        "theme": _INTEGER,
        "born": _string(),
        "gone": _string(nullable=True),
        "into": Column(Kind.INTEGER, nullable=True),
        "rows": _INTEGER,
        "closeness": _float(),
        "spread": _float(),
        "terms": Column(Kind.STRINGS),
        "named_for": Column(Kind.STRINGS),
    },
)
# The texts that topics were made from: their vectors, topics and places on the map.
ANCHORS = Contract(
    "anchors",
    {"vector": _VECTOR, "topic": _INTEGER, "x": _float(), "y": _float()},
)
EVENTS = Contract(
    "events",
    {
        "partition": _string(),
        "kind": _string(),
        "topic": Column(Kind.INTEGER, nullable=True),
        "name": _string(),
        "other": Column(Kind.INTEGER, nullable=True),
        "other_name": _string(nullable=True),
        "rows": _INTEGER,
        "before": _float(nullable=True),
        "now": _float(nullable=True),
        "evidence": _string(),
    },
)
ANOMALIES = Contract(
    "anomalies",
    {
        "row_id": _string(),
        "rank": _INTEGER,
        "score": _float(),
        "p_value": _float(),
        "text_score": _float(nullable=True),
        "table_score": _float(nullable=True),
        "match_score": _float(nullable=True),
        "time_score": _float(nullable=True),
        "new": _BOOLEAN,
        "flagged": _BOOLEAN,
        "group": Column(Kind.INTEGER, nullable=True),
        "reason": _string(nullable=True),
        "near": Column(Kind.STRINGS, nullable=True),
    },
)
# Rows that say the same, such as templates, junk and spam; `example` is the id of one of them.
REPEATS = Contract(
    "repeats",
    {
        "group": _INTEGER,
        "rows": _INTEGER,
        "texts": _INTEGER,
        "share": _float(),
        "first": _string(),
        "last": _string(),
        "peak": _string(),
        "peak_rows": _INTEGER,
        "example": _string(),
        "text": _string(),
        "burst": _BOOLEAN,
    },
)
# Groups with far more rows in a partition than the earlier ones make one expect: `kind` is `burst`
# or `level shift`, and 95 % of the counts usually lie from `low` to `high`.
BURSTS = Contract(
    "bursts",
    {
        "column": _string(),
        "level": _string(),
        "partition": _string(),
        "rows": _INTEGER,
        "expected": _float(),
        "low": _INTEGER,
        "high": _INTEGER,
        "kind": _string(),
        "p_value": _float(),
    },
)
# The texts of scored rows as they were embedded, so that they can be forgotten.
TEXTS = Contract("texts", {"row_id": _string(), "text": _string()}, prefixes={TEXT: _string()})
# The labelled rows that a model has learnt from.
TRAINED = Contract("trained", {"row_id": _string()})
# The losses of the model in use and of a new one, on rows that neither has learnt from.
CHALLENGE = Contract(
    "challenge", {"row_id": _string(), "champion": _float(), "challenger": _float()}
)
# The models in use on partitions that came after them; what has no labels has no metric.
WATCH = Contract(
    "watch",
    {
        "partition": _string(),
        "model": _string(),
        "rows": _INTEGER,
        "labelled": _INTEGER,
        **{
            name + end: _float(nullable=True)
            for name in ("metric", "loss", "gap")
            for end in ("", "_low", "_high")
        },
    },
)
RESULTS = Contract(
    "results",
    {
        "row_id": _string(),
        "partition": _string(),
        "label": _string(nullable=True),
        "prediction": _string(nullable=True),
        "probability": _float(nullable=True),
        "split": _string(nullable=True),
        "topic": _string(nullable=True),
        "anomaly_score": _float(nullable=True),
        "anomaly_flagged": Column(Kind.BOOLEAN, nullable=True),
        "anomaly_reason": _string(nullable=True),
    },
    open=True,
)
