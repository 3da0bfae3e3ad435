"""Make a live source: one made-up support ticket a second, appended to a CSV file a day.

A ticket is a function of its second alone. So it does not matter when this is started, stopped or
started again: the inbox holds each second's ticket once, and the same one on every machine.
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import io
import math
import os
import random
import signal
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

INBOX = Path(__file__).parent / "inbox"
MINUTES_AT_FIRST = 20
HEADER = (
    "ticket", "opened", "subject", "body", "product", "channel", "minutes_to_answer", "escalated",
)  # fmt: skip

# What a ticket is about: its subject, how it begins, and how much that asks for escalation.
TOPICS = {
    "Invoice is wrong": (
        -0.4, "the invoice shows an amount that we did not order",
        "we were charged twice for one month", "the tax on the last invoice is missing",
        "a refund that was promised has not come", "the payment was taken from an old card",
    ),
    "Cannot log in": (
        0.0, "the password reset leads back to the login page", "the second factor is not sent",
        "my account says that it is locked", "single sign-on ends with an error",
        "a colleague who has left can still log in",
    ),
    "Program crashes": (
        0.9, "the window closes as soon as a file is opened", "it freezes when two people edit",
        "the screen stays black after the start", "an error appears and unsaved work is lost",
        "it runs out of memory with large tables",
    ),
    "Parcel has not come": (
        -0.2, "the parcel was to come last week", "tracking has not moved for days",
        "the box came without the charger", "the courier says that the address is unknown",
        "half of the order is missing",
    ),
    "Export is broken": (
        0.3, "the export has fewer rows than the table", "umlauts turn into question marks",
        "the nightly export did not run", "dates in the export have day and month swapped",
        "the exported file cannot be opened",
    ),
    "Wish for the next version": (
        -1.5, "a dark theme would help us at night", "please let us sort by more than one column",
        "we would like to undo more than one step", "keyboard shortcuts should be ours to choose",
        "could reports be sent by mail",
    ),
}  # fmt: skip
# How it ends, and what that adds.
ENDINGS = {
    "Thank you for your help.": -0.7,
    "There is no hurry.": -1.2,
    "It began after the last update.": 0.2,
    "This happens every day.": 0.4,
    "Please call me back today.": 0.8,
    "Nobody here can work any more.": 1.8,
    "I have written three times already.": 1.5,
    "Otherwise we will have to cancel.": 1.7,
}
PRODUCTS = {"web": 0.0, "desktop": 0.0, "mobile": -0.6, "server": 1.3}
CHANNELS = {"e-mail": (0.0, 90), "chat": (-0.3, 5), "phone": (0.7, 12)}
"""What each adds, and its usual minutes to the first answer."""


def ticket(second: int) -> tuple[str, ...]:
    """The ticket of a second since 1970, by `HEADER`; an empty string is an empty cell."""
    chance = random.Random(second)  # noqa: S311  (made-up rows, no secret)
    subject = _pick(chance, list(TOPICS))
    weight, *beginnings = TOPICS[subject]
    beginning, ending = _pick(chance, beginnings), _pick(chance, list(ENDINGS))
    product, channel = _pick(chance, list(PRODUCTS)), _pick(chance, list(CHANNELS))
    more, usual = CHANNELS[channel]
    minutes = 1 + int(-usual * math.log(1 - chance.random()))
    minutes *= 40 if chance.random() < 0.003 else 1  # some are forgotten
    pull = float(weight) + ENDINGS[ending] + PRODUCTS[product] + more + min(minutes / 120, 2) - 1.6
    escalated = "yes" if chance.random() < 1 / (1 + math.exp(-2 * pull)) else "no"
    return (
        f"T{second}",
        datetime.fromtimestamp(second, UTC).isoformat(),
        subject,
        _or_empty(chance, 0.03, f"{beginning[0].upper()}{beginning[1:]}. {ending}"),
        _or_empty(chance, 0.05, product),
        channel,
        _or_empty(chance, 0.10, str(minutes)),
        _or_empty(chance, 0.02, escalated),
    )


def _pick(chance: random.Random, options: Sequence[str]) -> str:
    # Unlike choice(), random() is promised to be the same in all versions of Python.
    return options[int(chance.random() * len(options))]


def _or_empty(chance: random.Random, share: float, value: str) -> str:
    return "" if chance.random() < share else value


def append(inbox: Path, seconds: range) -> None:
    """Append the tickets of some seconds to the files of their days (UTC)."""
    for day, those in groupby(seconds, lambda s: datetime.fromtimestamp(s, UTC).date()):
        _append_rows(inbox / f"{day}.csv", [ticket(second) for second in those])


def _append_rows(path: Path, rows: list[tuple[str, ...]]) -> None:
    """Append whole lines in one call, so that a reader sees no part of one."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(file).st_size
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows if size else [HEADER, *rows])
        content = text.getvalue().encode()
        if os.write(file, content) < len(content):
            os.ftruncate(file, size)
            raise SystemExit(f"the disk is full: {path}")
    finally:
        os.close(file)


def newest_second(inbox: Path) -> int | None:
    """The second of the newest ticket in an inbox, or None; takes half a line at its end away."""
    for path in sorted(inbox.glob("????-??-??.csv"), reverse=True):
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            os.truncate(path, len(whole))
        lines = whole.splitlines()
        if len(lines) > 1:
            return int(lines[-1].split(b",")[0].removeprefix(b"T"))
    return None


def due(begin: int, now: int, every: int) -> range:
    """The seconds from `begin` to `now` that have a ticket: those that `every` divides."""
    return range(begin + -begin % every, now + 1, every)


def follow(inbox: Path, since: int, every: int, once: bool) -> None:
    """Write what is due after the newest ticket, or from `since` in an empty inbox, then go on.

    Args:
        inbox: Folder of the files.
        since: Second that an empty inbox begins with.
        every: Seconds from one ticket to the next.
        once: Whether to end when all that is due is written.
    """
    newest = newest_second(inbox)
    begin, now = since if newest is None else newest + 1, int(time.time())
    append(inbox, due(begin, now, every))
    print(f"the tickets up to {datetime.fromtimestamp(now, UTC)} are in {inbox}", flush=True)
    while not once:
        time.sleep(1 - time.time() % 1)
        begin, now = max(begin, now + 1), int(time.time())
        append(inbox, due(begin, now, every))


@contextmanager
def alone(inbox: Path) -> Iterator[None]:
    """Keep a second generator out of the inbox, which would write every ticket again."""
    inbox.mkdir(parents=True, exist_ok=True)
    folder = os.open(inbox, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise SystemExit(f"another generator is at work in {inbox}") from None
    finally:
        os.close(folder)


def _moment(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _interval(text: str) -> int:
    if int(text) < 1:
        raise ValueError("less than a second")
    return int(text)


def main() -> None:
    """Run from the command line until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description="Append one made-up ticket a second to an inbox.")
    parser.add_argument("inbox", nargs="?", type=Path, default=INBOX)
    parser.add_argument("--every", type=_interval, default=1, metavar="SECONDS")
    parser.add_argument(
        "--since",
        type=_moment,
        default=int(time.time()) - 60 * MINUTES_AT_FIRST,
        metavar="TIME",
        help="where an empty inbox begins (ISO 8601); by default 20 minutes ago",
    )
    parser.add_argument("--once", action="store_true", help="end after catching up")
    given = parser.parse_args()
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda *_: sys.exit(0))
    with alone(given.inbox):
        follow(given.inbox, given.since, given.every, given.once)


if __name__ == "__main__":
    main()
