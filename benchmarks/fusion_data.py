"""The tables that the fusion benchmark compares on, cleaned as their pipeline.yaml says.

`prices` is the products of `groceries` with another label: the logarithm of the shelf price, from
all but the prices.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from embedding import SETTINGS, engine, packed
from local import HERE

from fusemine.flows.config.pipeline import load_pipeline
from fusemine.tasks.clean.compute import clean
from fusemine.tasks.embed.encoders.models import find_model
from fusemine.tasks.embed.precision import candidate, machine_type
from fusemine.tasks.table.roles import CATEGORY, NUMBER, LabelRule

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

    from fusemine.flows.config.pipeline import Pipeline
    from fusemine.tasks.table.roles import Columns

Kind: TypeAlias = Literal["binary", "classes", "number"]
TABLES: dict[str, Kind] = {
    "wildlife": "binary",
    "reviews": "classes",
    "groceries": "binary",
    "prices": "number",
}
"""What the label of each table is."""
PRICE, PRICES = "shelf_price", ("shelf_price", "paid_price")


@dataclass(frozen=True)
class Table:
    """A table with a label, and the rows that judge."""

    name: str
    kind: Kind
    clean: pl.DataFrame
    """n rows by the contract `clean`, all with a label; one of numbers as text."""
    tested: NDArray[np.bool_]
    """Which rows judge (n,); the others teach."""
    test_from: date
    timezone: str

    @property
    def classes(self) -> list[str]:
        """The classes in alphabetical order, of two the positive one last; none of numbers."""
        names = [] if self.kind == "number" else sorted(self.clean["label"].unique())
        return (
            sorted(names, key=lambda name: name == "positive") if self.kind == "binary" else names
        )

    @property
    def truth(self) -> NDArray[np.float64]:
        """The label of the rows that judge (tests,): places in `classes`, or numbers."""
        labels = self.clean["label"].filter(self.tested)
        if self.kind == "number":
            return labels.cast(pl.Float64).to_numpy()
        places = range(len(self.classes))
        return labels.replace_strict(self.classes, places, return_dtype=pl.Float64).to_numpy()

    def peer_rows(self, tested: bool) -> pl.DataFrame:
        """The rows that judge or teach, with what may be learnt from and the label."""
        mined = [c for c in self.clean.columns if c.startswith((CATEGORY, NUMBER))]
        rows = self.clean.filter(self.tested == tested).select(
            "text", *mined, pl.col("event_time").dt.replace_time_zone(None), "label"
        )
        return rows.cast({"label": pl.Float64}) if self.kind == "number" else rows


def read_table(name: str, most: int | None = None) -> Table:
    """Read and clean a table.

    Args:
        name: One of `TABLES`.
        most: Take so many of its rows, drawn alike from those that teach and those that judge.

    Raises:
        SystemExit: Its rows have not been fetched.
    """
    folder = HERE / "data" / ("groceries" if name == "prices" else name)
    pipeline = load_pipeline(folder / "pipeline.yaml").pipeline
    columns = _of_prices(pipeline.columns) if name == "prices" else pipeline.columns
    rows = clean(_raw(folder, columns), columns, pipeline.clean, pipeline.partition.timezone).rows
    rows = rows.filter(pl.col("label").is_not_null())
    if name == "prices":
        logarithms = np.log(rows["label"].cast(pl.Float64).to_numpy())
        rows = rows.with_columns(label=pl.Series([repr(float(v)) for v in logarithms]))
    return _cut(name, _thinned(rows, most), pipeline)


def _of_prices(columns: Columns) -> Columns:
    """The roles of the columns where the price is to be learnt."""
    return columns.model_copy(
        update={
            "category": (*columns.category, "manufacturer_id", "brand"),
            "number": tuple(name for name in columns.number if name not in PRICES),
            "label": LabelRule(column=PRICE, kind="number"),
        }
    )


def _raw(folder: Path, columns: Columns) -> pl.DataFrame:
    """All rows of a table's inbox as text cells, in the order of the files' names."""
    files = sorted(folder.glob("inbox/*.csv"))
    if not files:
        raise SystemExit(f"no rows in {folder}/inbox: run {folder}/fetch.py, its README says how")
    rows = pl.concat([pl.read_csv(file, infer_schema_length=0) for file in files], how="diagonal")
    assert columns.id is not None
    where = {"partition": pl.lit("all"), "source": pl.lit("inbox")}
    return rows.with_columns(row_id=pl.col(columns.id), **where)


def _thinned(rows: pl.DataFrame, most: int | None) -> pl.DataFrame:
    """At most so many rows, in their order; at random, so of both sides of any date alike."""
    if most is None or most >= rows.height:
        return rows
    chosen = np.random.default_rng(0).choice(rows.height, most, replace=False)
    # A row of which this was a copy may be gone, and then it is none.
    there = rows[np.sort(chosen)]
    known = pl.col("duplicate_of").is_in(there["row_id"].to_list())
    return there.with_columns(duplicate_of=pl.when(known).then("duplicate_of"))


def _cut(name: str, rows: pl.DataFrame, pipeline: Pipeline) -> Table:
    test_from, timezone = pipeline.classify.test_from, pipeline.partition.timezone
    assert test_from is not None
    start = datetime.combine(test_from, datetime.min.time(), ZoneInfo(timezone))
    tested = (rows["event_time"] >= start.astimezone(UTC)).fill_null(value=False).to_numpy()
    return Table(name, TABLES[name], rows, tested, test_from, timezone)


def embed(texts: pl.Series) -> tuple[NDArray[np.float32], float]:
    """Vectors of the texts (n, 384), zero where there is none, by our engine.

    Also the seconds that it took, loading the model included.
    """
    distinct = texts.filter(texts.str.strip_chars() != "").unique(maintain_order=True)
    started = time.perf_counter()
    encode = engine(packed(candidate(machine_type("cpu"), find_model(SETTINGS, Path("/")))))
    found = encode(distinct.to_list())
    seconds = time.perf_counter() - started
    # One more row than there are texts: the zeros of those without any.
    found = np.vstack([found, np.zeros((1, found.shape[1]), np.float32)]).astype(np.float32)
    places = texts.replace_strict(distinct, range(len(distinct)), default=len(distinct))
    return found[places.cast(pl.Int64).to_numpy()], seconds
