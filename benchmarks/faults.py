"""Break what a pipeline stores, reads, writes and talks to, and check what it makes of that.

    python benchmarks/faults.py [--jobs 2] [--only TEXT] [--list]

Each fault of `fault_kinds/` gets a copy of a small mined pipeline, breaks something, runs real
commands, and is lost if its check fails. After each one, whatever it was, no command may have
printed a traceback, a "fault in fusemine", a text of a row or a secret, and no process may be left.
Prints each fault, then how many of each kind were tried, held and lost; exits with 1 if one was.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import polars as pl
from fault_kinds.case import (
    FAULTS,
    SECRET,
    Case,
    Fault,
    copy_of,
    left_running,
    prefect_server,
    template,
)

NEVER = ("Traceback (most recent call last)", "fault in fusemine", SECRET)
KINDS = sorted(p.stem for p in (Path(__file__).parent / "fault_kinds").glob("*.py"))


def main() -> None:
    options = arguments()
    for kind in KINDS:
        if kind not in {"case", "__init__"}:
            importlib.import_module(f"fault_kinds.{kind}")
    faults = [f for f in FAULTS if options.only in f"{f.group}: {f.name}"]
    if options.list:
        print(*(f"{f.group}: {f.name}" for f in faults), sep="\n")
        return
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fusemine-faults-") as name:
        lost = try_all(faults, Path(name), options.jobs)
    print(f"{time.monotonic() - started:.0f} s")
    sys.exit(bool(lost))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="faults that are tried side by side")
    parser.add_argument("--only", default="", help="faults whose kind or name contains this")
    parser.add_argument("--list", action="store_true", help="name the faults, and try none")
    return parser.parse_args()


def try_all(faults: list[Fault], folder: Path, jobs: int) -> list[Fault]:
    """Try faults, print what comes of each, and give those that are lost."""
    with prefect_server(folder) as server:
        mined = {
            model: template(folder / f"mined-{model}", server, model)
            for model in sorted({fault.model for fault in faults})
        }
        places = [folder / f"case-{number}" for number in range(len(faults))]
        cases = [mined[fault.model] for fault in faults]
        with ThreadPoolExecutor(jobs) as pool:
            why = list(pool.map(attempt, faults, cases, places))
    lost = [fault for fault, reason in zip(faults, why, strict=True) if reason]
    print_counts(faults, lost)
    return lost


def attempt(fault: Fault, mined: Case, folder: Path) -> str:
    """Why a fault is lost; nothing where it holds."""
    started = time.monotonic()
    case = copy_of(mined, folder)
    try:
        fault.check(case)
        check_promises(case)
        why = ""
    except AssertionError as error:
        why = str(error) or traceback.format_exc(limit=-1)
    except Exception as error:  # a check that breaks has not shown that the fault holds
        why = f"{type(error).__name__}: {error}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    state = "LOST" if why else "held"
    seconds = time.monotonic() - started
    print(f"{state} {seconds:5.1f} s  {fault.group}: {fault.name}", flush=True)
    if why:
        print(f"            {why}", flush=True)
    return why


def check_promises(case: Case) -> None:
    """What holds whatever is broken."""
    logs = [path.read_text(errors="replace") for path in case.folder.glob("started-*.log")]
    printed = "\n".join([*logs, *(f"{ran.out}\n{ran.err}" for ran in case.ran)])
    for never in [*NEVER, *texts_of(case)]:
        assert never not in printed, f"{never!r} was printed: …{around(printed, never)}"
    left = left_running(case.mark)
    assert not left, f"{len(left)} process(es) left: {left}"


def around(printed: str, found: str) -> str:
    place = printed.index(found)
    return printed[max(0, place - 200) : place + 1500]


def texts_of(case: Case) -> list[str]:
    """Whole texts of rows; none may be printed."""
    found: list[str] = []
    for path in filter(Path.is_file, case.inbox.glob("*.csv")):
        try:
            found += pl.read_csv(path, columns=["body"], infer_schema=False)["body"].to_list()
        except (OSError, pl.exceptions.PolarsError):
            continue  # it is what is broken
    return [text for text in found if text and len(text) > 20]


def print_counts(faults: list[Fault], lost: list[Fault]) -> None:
    tried, failed = Counter(f.group for f in faults), Counter(f.group for f in lost)
    print(f"\n{'kind':<12} {'tried':>6} {'held':>6} {'lost':>6}")
    for kind in [*sorted(tried), ""]:
        number = tried[kind] if kind else len(faults)
        broken = failed[kind] if kind else len(lost)
        print(f"{kind or 'all':<12} {number:>6} {number - broken:>6} {broken:>6}")


if __name__ == "__main__":
    main()
