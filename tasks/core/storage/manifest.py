"""Manifests: what an artifact is, what it was made of, and which files it has."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from fusemine.tasks.core.key import digest
from fusemine.tasks.core.storage import records

MANIFEST = "manifest.json"
FORM = 2
"""Version of the manifest; 1 named files as they are called, and hashed the inputs in one list."""


class Rows(BaseModel, frozen=True):
    """The row equation of a stage: what came in was kept or rejected."""

    rows_in: int
    rows_kept: int
    rows_rejected: int

    @property
    def add_up(self) -> bool:
        """Whether each row was either kept or rejected."""
        least = min(self.rows_kept, self.rows_rejected)
        return least >= 0 and self.rows_in == self.rows_kept + self.rows_rejected


class StoredFile(BaseModel, frozen=True):
    """One file of an artifact.

    Args:
        sha256: Hash of its content.
        size: Bytes.
        name: The name that it is stored under, which contains a part of the hash; None in
            manifests of the first version, where it is the one that it goes by.
    """

    sha256: str
    size: int
    name: str | None = None


class Manifest(BaseModel, frozen=True):
    """The truth about one artifact, stored beside its files."""

    form: int = 1
    key: str
    stage: str
    partition: str
    recipe: dict[str, Any]
    rows: Rows
    main_rows: int
    columns: dict[str, str]
    files: dict[str, StoredFile]
    inputs: list[str]
    sources: dict[str, str] = {}
    provisional: bool = False
    seconds: float
    created_at: datetime
    runs: dict[str, str]

    @property
    def name(self) -> str:
        """The artifact's name below the root."""
        return f"{self.stage}/{self.partition}/{self.key}"

    @property
    def sha256(self) -> str:
        """Hash over the content hashes of the files: what downstream keys are made of."""
        return digest({name: file.sha256 for name, file in self.files.items()})

    @property
    def tables(self) -> list[str]:
        """The names of its tables."""
        return [Path(name).stem for name in self.files if name.endswith(".parquet")]

    @property
    def input_names(self) -> list[str]:
        """The artifacts that it was made of; earlier versions named them by their whole path."""
        return ["/".join(name.split("/")[-3:]) for name in self.inputs]

    def path(self, file: str) -> str:
        """Where one of its files is below the root."""
        return f"{self.name}/{self.files[file].name or file}"

    def paths(self) -> list[str]:
        """Where all its files are below the root, the manifest among them."""
        return [*map(self.path, self.files), f"{self.name}/{MANIFEST}"]

    def to_json(self) -> bytes:
        """How it is stored: with a hash over itself."""
        return records.to_bytes(self)


@lru_cache(maxsize=2_000)
def parse_manifest(content: bytes, name: str) -> Manifest:
    """A stored manifest; a run reads the same ones again and again.

    Args:
        content: The file.
        name: Of the artifact that it lies in.

    Raises:
        ValueError: It is not as it was written, or that of another artifact.
    """
    manifest = records.parse(content, Manifest)
    if manifest.name != name or not manifest.rows.add_up:
        raise ValueError(f"the manifest of another artifact than {name}")
    return manifest
