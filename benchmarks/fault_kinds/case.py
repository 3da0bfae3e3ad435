"""What a fault is tried on: a small pipeline of its own that has been mined, and the command."""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import yaml
from local import BIN, HERE, MARK, environment, free_port, wait_for

ROWS, MONTHS = 360, 4
SECRET = "s3cr3t-of-the-encoder"
"""What the environment holds under `FUSEMINE_FAULTS_KEY`; it must show up nowhere."""
OPENINGS = {
    "billing": ["the invoice shows", "my card was charged", "please refund", "the payment of"],
    "login": ["I cannot log in", "the password reset", "two-factor code never", "locked out of"],
    "crash": ["the app crashes", "it freezes when", "an error appears", "the screen stays black"],
}
ENDINGS = ["since monday", "after the update", "on my phone", "again today", "for order", "on web"]
BASE = {
    "version": 1,
    "name": "tickets",
    "source": {"path": "inbox/*.csv"},
    "partition": {"by": "month"},
    "embed": {"precision": "float32"},
}
COLUMNS = {
    "id": "id",
    "time": "opened",
    "text": "body",
    "category": "priority",
    "number": "minutes",
}
LEARNT = {
    "columns": COLUMNS | {"label": {"column": "urgent", "positive": ["yes"]}},
    "classify": {"test_from": "2024-04", "strategy": "early", "explain": 0, "checks": False},
}


@dataclass(frozen=True)
class Ran:
    """What a command did: its exit code, what it printed, and how long it took, in seconds."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def text(self) -> str:
        """All that it printed, lines joined, so that where they break does not matter."""
        return " ".join(f"{self.out} {self.err}".split())


@dataclass
class Case:
    """One fault's own folder with a mined pipeline in it.

    Args:
        folder: Its folder, in which the pipeline and all that it stores are.
        server: What the environment of a command needs to find the Prefect server of all cases.
        expected: What `results` gives as long as nothing is broken.
    """

    folder: Path
    server: dict[str, str]
    expected: bytes = b""
    mark: str = field(default_factory=lambda: uuid4().hex)
    ran: list[Ran] = field(default_factory=list)

    @property
    def pipeline(self) -> Path:
        """The pipeline.yaml."""
        return self.folder / "pipeline.yaml"

    @property
    def root(self) -> Path:
        """Where it keeps its artifacts."""
        return self.folder / "artifacts" / "tickets"

    @property
    def inbox(self) -> Path:
        """The folder of its source."""
        return self.folder / "inbox"

    def environment(self, extra: dict[str, str] | None = None) -> dict[str, str]:
        """The environment of a command."""
        own = {MARK: self.mark, "FUSEMINE_FAULTS_KEY": SECRET, "OMP_NUM_THREADS": "1"}
        return environment(self.folder, {**self.server, **own, **(extra or {})})

    def run(
        self,
        *arguments: str | Path,
        env: dict[str, str] | None = None,
        memory: int | None = None,
        timeout: float = 300,
        before: list[str] | None = None,
    ) -> Ran:
        """Run the command to its end.

        Args:
            *arguments: Of `fusemine`.
            env: What its environment has besides.
            memory: Bytes of address space that it may have.
            timeout: Seconds after which it is killed, and the fault is lost.
            before: A command that it is run by, such as `setpriv …`.
        """
        started = time.monotonic()
        done = subprocess.run(
            [*(before or []), BIN / "fusemine", *arguments],
            env=self.environment(env),
            cwd=self.folder,
            capture_output=True,
            timeout=timeout,
            check=False,
            preexec_fn=partial(_limit, memory) if memory else None,
        )
        out, err = (stream.decode(errors="replace") for stream in (done.stdout, done.stderr))
        self.ran.append(Ran(done.returncode, out, err, time.monotonic() - started))
        return self.ran[-1]

    def start(self, *arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.Popen:
        """Start the command, and leave it running."""
        number = len(list(self.folder.glob("started-*.log")))
        with (self.folder / f"started-{number}.log").open("wb") as log:
            return subprocess.Popen(
                [BIN / "fusemine", *arguments],
                env=self.environment(env),
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def edit(self, **sections: Any) -> None:
        """Change sections of the pipeline.yaml; None removes one."""
        before = yaml.safe_load(self.pipeline.read_text(encoding="utf-8"))
        after = {name: value for name, value in (before | sections).items() if value is not None}
        self.pipeline.write_text(yaml.safe_dump(after, allow_unicode=True), encoding="utf-8")

    def files(self, pattern: str = "**/*") -> list[Path]:
        """Files below the root, in order."""
        return sorted(path for path in self.root.glob(pattern) if path.is_file())

    def add_month(self, month: str = "2024-05", rows: int = 40) -> Path:
        """Write a further month of the source."""
        return write_month(self.inbox, month, rows, seed=len(list(self.inbox.iterdir())))

    def results(self) -> bytes:
        """The rows of the last run with what was mined of them, to compare two states."""
        path = self.folder / f"results-{uuid4().hex}.parquet"
        done = self.run("export", self.pipeline, "-o", path)
        assert done.code == 0, f"export: {done.text[-300:]}"
        content = path.read_bytes()
        path.unlink()
        return content


Check = Callable[[Case], None]


@dataclass(frozen=True)
class Fault:
    """One fault: what is broken, and the check that raises AssertionError if it is lost."""

    group: str
    name: str
    check: Check
    model: bool


FAULTS: list[Fault] = []


def fault(name: str, model: bool = False) -> Callable[[Check], Check]:
    """Register a fault of the file's group.

    Args:
        name: What is broken, in a short phrase.
        model: Whether the pipeline that it is tried on has learnt a label.
    """

    def register(check: Check) -> Check:
        group = check.__module__.rpartition(".")[2]
        FAULTS.append(Fault(group, name, check, model))
        return check

    return register


def write_month(inbox: Path, month: str, rows: int, seed: int) -> Path:
    """Write the tickets of a month; crashes are mostly urgent."""
    chance = random.Random(seed)
    table = []
    for number in range(rows):
        topic = chance.choice(sorted(OPENINGS))
        urgent = chance.random() < (0.8 if topic == "crash" else 0.15)
        table.append(
            {
                "id": f"{month}-{number:03d}",
                "opened": f"{month}-{1 + number % 28:02d}",
                "body": f"{chance.choice(OPENINGS[topic])} {chance.choice(ENDINGS)} {number % 17}",
                "priority": chance.choice(["low", "mid", "high"]),
                "minutes": chance.randint(1, 300),
                "urgent": "yes" if urgent else "no",
            }
        )
    inbox.mkdir(parents=True, exist_ok=True)
    path = inbox / f"tickets-{month}.csv"
    pl.DataFrame(table).write_csv(path)
    return path


def template(folder: Path, server: dict[str, str], model: bool) -> Case:
    """A mined pipeline, which each fault gets a copy of."""
    case = Case(folder, server)
    months = [f"2024-{month:02d}" for month in range(1, MONTHS + 1)]
    for seed, month in enumerate(months):
        write_month(case.inbox, month, ROWS // MONTHS, seed)
    settings = BASE | (LEARNT if model else {"columns": COLUMNS})
    case.pipeline.write_text(yaml.safe_dump(settings), encoding="utf-8")
    for month in months[-2:]:
        done = case.run("run", case.pipeline, "--partition", month)
        assert done.code == 0, done.text[-2000:]
    case.expected = case.results()
    return case


def copy_of(mined: Case, folder: Path) -> Case:
    """A copy of a mined pipeline."""
    shutil.copytree(mined.folder, folder, symlinks=True)
    return Case(folder, mined.server, mined.expected)


@contextmanager
def prefect_server(folder: Path) -> Iterator[dict[str, str]]:
    """A Prefect server, and what the environment of its clients needs."""
    port = free_port()
    address = {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    command = [BIN / "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.log").open("wb") as log:
        settings = environment(folder, address)
        process = subprocess.Popen(command, env=settings, cwd=HERE, stdout=log, stderr=log)
    try:
        wait_for(f"{address['PREFECT_API_URL']}/health")
        yield address
    finally:
        process.terminate()
        process.wait()


def left_running(mark: str, patience: float = 10) -> list[int]:
    """Processes that carry a mark in their environment, after some time to end."""
    until = time.monotonic() + patience
    while True:
        running = [int(p.name) for p in Path("/proc").glob("[0-9]*") if _has(p, mark)]
        if not running or time.monotonic() > until:
            return running
        time.sleep(0.5)


def _has(process: Path, mark: str) -> bool:
    try:
        return mark.encode() in (process / "environ").read_bytes()
    except OSError:
        return False


def _limit(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    os.environ["MALLOC_ARENA_MAX"] = "2"
