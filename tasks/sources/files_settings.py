"""What can be set of files as a source."""

from __future__ import annotations

import codecs
from enum import StrEnum
from typing import Literal

from pydantic import Field, field_validator

from fusemine.tasks.sources.source import SourceSettings


class Format(StrEnum):
    """The form of a source's files."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class FilesSettings(SourceSettings):
    """Files on a disk."""

    not_in_keys = frozenset({"kind", "path"})

    kind: Literal["files"] = "files"
    """Kind of the source; it may be left out for files."""
    path: str
    """A file or a glob pattern, relative to the pipeline.yaml. Compressed files (.gz, .bz2,
    .zst, .lz4) are read as they are."""
    format: Format | None = None
    """Form of the files; by default their name tells."""
    separator: str | None = Field(default=None, min_length=1, max_length=1)
    """Character between the fields of a CSV file; by default a comma, in TSV a tab."""
    encoding: str = "utf-8"
    """Character encoding of CSV and TSV files."""

    @field_validator("separator")
    @classmethod
    def _separates(cls, mark: str | None) -> str | None:
        if mark is not None and mark in '"\r\n\x02\x03':
            raise ValueError(f"{mark!r} cannot be a separator; name a character such as ';'")
        return mark

    @field_validator("encoding")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            "".encode(name)
            codecs.lookup(name)
        except LookupError as error:
            raise ValueError(f"{name!r} is not a text encoding such as utf-8 or cp1252") from error
        return name
