"""Outputs: whatever name is given to `-o`, what a pipeline reads and keeps is there afterwards."""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING

from fault_kinds.case import Case, Ran, fault

if TYPE_CHECKING:
    from pathlib import Path

MODEL_ROWS = "tickets-2024-04.csv"


def state(folder: Path) -> dict[str, str]:
    """Hashes of all files, but those that a command may renew."""
    files = [path for path in folder.rglob("*") if path.is_file() and "/.prefect" not in str(path)]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def refused(case: Case, *arguments: str | Path, says: str) -> None:
    """The command ends as a user's mistake, and rows, settings and artifacts are as they were."""
    before = state(case.inbox) | state(case.root)
    settings = case.pipeline.read_bytes()
    done = case.run(*arguments)
    assert done.code == 2, f"exit code {done.code}: {done.text[-300:]}"
    assert says in done.text, f"not named: {done.text[-300:]}"
    after = state(case.inbox) | state(case.root)
    assert all(after.get(name) == found for name, found in before.items()), "a file was lost"
    assert case.pipeline.read_bytes() == settings, "the pipeline.yaml was lost"


def register(what: str, place: str, says: str) -> None:
    """An export to a place in the case's folder."""

    @fault(f"an export over {what}")
    def plain(case: Case) -> None:
        output = case.folder / place
        (case.folder / "down").mkdir()
        case.folder.joinpath("link.csv").symlink_to(output)
        crooked = case.folder / "down" / ".." / place
        for name in (output, crooked, case.folder / "link.csv"):
            refused(case, "export", case.pipeline, "-o", name, "--force", says=says)


register("a file of the source, also by .. and a link", "inbox/tickets-2024-02.csv", "holds rows")
register("a name that the source would read tomorrow", "inbox/new.csv", "names")
register("a new file below the root", "artifacts/tickets/new.csv", "below the root")


@fault("an export over a hard link to a file of the source")
def hard_link(case: Case) -> None:
    output = case.folder / "mine.csv"
    output.hardlink_to(case.inbox / "tickets-2024-02.csv")
    refused(case, "export", case.pipeline, "-o", output, "--force", says="holds rows")


@fault("vectors over an artifact")
def vectors(case: Case) -> None:
    [artifact, *_] = case.files("embed/**/*.parquet")
    refused(case, "export", case.pipeline, "--vectors", "-o", artifact, "--force", says="below")
    hard = case.folder / "hard.parquet"
    hard.hardlink_to(artifact)
    refused(case, "export", case.pipeline, "--vectors", "-o", hard, "--force", says="below")


@fault("labels over the source and over the corrections in use", model=True)
def labels(case: Case) -> None:
    corrections = case.folder / "corrections.csv"
    corrections.write_text("row_id,corrected\n")
    refused(
        case, "export", case.pipeline, "--labels", "-o", case.inbox / MODEL_ROWS, "--force",
        says="holds rows",
    )  # fmt: skip
    text = case.pipeline.read_text()
    assert "positive:" in text
    case.pipeline.write_text(
        text.replace("    positive:", "    corrections: corrections.csv\n    positive:")
    )
    refused(
        case, "export", case.pipeline, "--labels", "-o", corrections, "--force",
        says="holds the corrections",
    )  # fmt: skip
    assert corrections.read_text() == "row_id,corrected\n", "the corrections were lost"


@fault("predictions over the rows that are scored, the source and the model", model=True)
def predictions(case: Case) -> None:
    rows = case.folder / "rows.csv"
    shutil.copyfile(case.inbox / MODEL_ROWS, rows)
    content = rows.read_bytes()
    refused(case, "predict", case.pipeline, rows, "-o", rows, "--force", says="rows to score")
    assert rows.read_bytes() == content, "the rows were lost"
    source = case.inbox / MODEL_ROWS
    refused(
        case, "predict", case.pipeline, rows, "-o", source, "--force", says="rows of the source"
    )
    [model, *_] = case.files("train/**/*.parquet")
    refused(case, "predict", case.pipeline, rows, "-o", model, "--force", says="below the root")


@fault("an export to a file that is there: kept, and replaced by force alone")
def there(case: Case) -> None:
    output = case.folder / "results.csv"
    output.write_text("mine")
    refused(case, "export", case.pipeline, "-o", output, says="--force")
    assert output.read_text() == "mine", "a file was replaced"
    for _ in range(2):  # a job that writes every day
        done(case.run("export", case.pipeline, "-o", output, "--force"))
    assert output.read_text().startswith("row_id,"), "nothing was written"


def done(ran: Ran) -> None:
    assert ran.code == 0, f"exit code {ran.code}: {ran.text[-300:]}"


@fault("an export to a folder, a pipe, a device, a link in a circle and a folder that is not there")
def no_file(case: Case) -> None:
    (case.folder / "folder.csv").mkdir()
    os.mkfifo(case.folder / "pipe.csv")
    (case.folder / "circle.csv").symlink_to("circle.csv")
    for name, says in (
        ("folder.csv", "a folder"),
        ("pipe.csv", "a pipe or a device"),
        ("/dev/stdout", "a pipe or a device"),
        ("/dev/null", "a pipe or a device"),
        ("circle.csv", "cannot be used"),
        ("no/new.csv", "folder that is not there"),
        ("new.xlsx", "ends in .csv or .parquet"),
    ):
        refused(case, "export", case.pipeline, "-o", case.folder / name, "--force", says=says)
    assert (case.folder / "pipe.csv").is_fifo(), "the pipe was replaced"


@fault("an export through a link: the link stays")
def through(case: Case) -> None:
    target, link = case.folder / "real.csv", case.folder / "link.csv"
    link.symlink_to(target)
    done(case.run("export", case.pipeline, "-o", link))
    assert link.is_symlink(), "the link was replaced"
    assert target.read_text().startswith("row_id,"), "nothing was written"


@fault("an export to standard output on a full disk")
def full_stdout(case: Case) -> None:
    before = ["sh", "-c", 'exec "$@" > /dev/full', "sh"]
    ran = case.run("export", case.pipeline, before=before)
    assert ran.code == 1, f"exit code {ran.code}"
    assert "standard output, which cannot be written" in ran.text, ran.text[-300:]


@fault("an output that a reader of standard output closes early")
def closed_pipe(case: Case) -> None:
    before = ["bash", "-c", 'set -o pipefail; "$@" | head -1', "bash"]
    ran = case.run("export", case.pipeline, before=before)
    assert ran.out.startswith("row_id,"), ran.text[-300:]
    assert "error" not in ran.err, ran.err[-300:]


@fault("init over its table, over a pipeline.yaml and over another file")
def init(case: Case) -> None:
    table = case.inbox / MODEL_ROWS
    refused(case, "init", table, "-o", table, "--force", says="expected")
    refused(case, "init", table, "-o", case.pipeline, says="--force")
    other = case.folder / "notes.txt"
    other.write_text("mine")
    refused(case, "init", table, "-o", other, "--force", says="ends in .yaml or .yml")
    assert other.read_text() == "mine", "another file was replaced"
