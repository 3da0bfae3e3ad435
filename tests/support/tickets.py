"""A made-up table of support tickets and the pipeline that describes it."""

from __future__ import annotations

import csv
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fusemine.tasks.core.storage.store import Store, store_at

OPENINGS = {
    "billing": ["the invoice shows", "my card was charged", "please refund", "the payment of"],
    "login": ["I cannot log in", "the password reset", "two-factor code never", "locked out of"],
    "crash": ["the app crashes", "it freezes when", "an error appears", "the screen stays black"],
}
ENDINGS = ["since monday", "after the update", "on my phone", "again today", "for order", "on web"]


def tickets(rows: int, months: int = 3) -> list[dict[str, str]]:
    """Made-up tickets over the first months of 2024; crashes are mostly urgent."""
    chance = random.Random(7)
    table = []
    for number in range(rows):
        topic = chance.choice(sorted(OPENINGS))
        urgent = chance.random() < (0.8 if topic == "crash" else 0.15)
        text = f"{chance.choice(OPENINGS[topic])} {chance.choice(ENDINGS)} {number % 17}"
        day = f"2024-{1 + number * months // rows:02d}-{1 + number % 28:02d}"
        table.append(
            {
                "ticket": f"T{number:04d}",
                "opened": day,
                "body": text,
                "product": chance.choice(["web", "phone", "desk"]),
                "minutes": str(chance.randint(1, 300)),
                "urgent": "yes" if urgent else "no",
            }
        )
    return table


def file_in(artifact: Path, name: str = "part-00000.parquet") -> Path:
    """Where an artifact keeps one of its files, whose name has the content's hash in it."""
    stored = json.loads((artifact / "manifest.json").read_text())["files"][name]["name"]
    return artifact / (stored or name)


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


QUICK = {"test_from": "2024-03", "strategy": "early", "explain": 0, "checks": False}
"""Learning without what takes seconds, for tests of other things."""
SETTINGS: dict[str, Any] = {
    "version": 1,
    "name": "tickets",
    "source": {"path": "tickets.csv"},
    "columns": {
        "id": "ticket",
        "time": "opened",
        "text": "body",
        "category": "product",
        "number": "minutes",
        "label": {"column": "urgent", "positive": ["yes"]},
    },
    "partition": {"by": "month", "timezone": "Europe/Berlin"},
    "embed": {"precision": "float32"},  # so that no root has to find out which is the fastest
    "classify": QUICK,
}


@dataclass
class Table:
    """A folder with a table and the pipeline.yaml that describes it."""

    folder: Path

    @property
    def pipeline(self) -> Path:
        return self.folder / "pipeline.yaml"

    @property
    def root(self) -> Path:
        return self.folder / "artifacts" / "tickets"

    @property
    def store(self) -> Store:
        return store_at(self.root)

    def set(self, **changes: Any) -> None:
        """Write the pipeline.yaml with some settings changed; None leaves one out."""
        settings = {**SETTINGS, **changes}
        kept = {name: value for name, value in settings.items() if value is not None}
        self.pipeline.write_text(yaml.safe_dump(kept, allow_unicode=True), encoding="utf-8")

    def roles(self, **changes: Any) -> None:
        """The same for the columns' roles."""
        columns = {**SETTINGS["columns"], **changes}
        self.set(columns={name: role for name, role in columns.items() if role is not None})
