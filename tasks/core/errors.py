"""Errors that a user can act on.

FusemineError
├── SettingsError   the pipeline.yaml or a command's arguments
├── SourceError     the rows that came in
├── ModelError      the encoder
├── ContractError   a table that breaks its contract, or rows that are not accounted for
├── ArtifactError   a stored file that is gone, damaged or cannot be written
├── StageError      a stage that failed for a reason of its own
├── QualityError    a partition that breaks a gate of its pipeline
└── RunError        partitions that failed
    └── ServerError a Prefect server that does not answer

The first three are for the user to correct (exit code 2), the others are failures (exit code 1).
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


QUOTED = 40
"""Characters of a value, a word or a column's name that a sentence quotes."""
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


class FusemineError(Exception):
    """An error that says what came, what was expected and what to do about it.

    Args:
        got: What came, with its place.
        expected: What would have been right.
        fix: The next step for the reader.
    """

    exit_code: ClassVar[int] = 1
    stage: str | None = None
    """The stage that raised it, once it has left a task."""

    def __init__(self, got: str, expected: str, fix: str) -> None:
        self.got, self.expected, self.fix = got, expected, fix
        # All three go to args, so that the error survives pickling on its way out of a worker.
        super().__init__(got, expected, fix)

    def __str__(self) -> str:
        return f"{self.got}\n  expected: {self.expected}\n  to fix:   {self.fix}"


class SettingsError(FusemineError):
    """The pipeline.yaml or a command's arguments cannot be used."""

    exit_code = 2


class SourceError(FusemineError):
    """The source's files or rows cannot be used."""

    exit_code = 2


class ModelError(FusemineError):
    """The encoder cannot be loaded or does not fit."""

    exit_code = 2


class ContractError(FusemineError):
    """A table breaks its contract, or rows are not accounted for."""


class ArtifactError(FusemineError):
    """A stored artifact is gone, damaged or of another version."""


class StageError(FusemineError):
    """A stage failed, and not because of what it was given."""


class QualityError(FusemineError):
    """A partition breaks a quality gate; its artifacts stay for inspection."""


class RunError(FusemineError):
    """A run of several partitions did not end well."""


class ServerError(RunError):
    """The Prefect server that a run is seen on does not answer."""


def nearest(name: str, names: Iterable[str]) -> str:
    """The valid name most like `name`, as a hint that can follow a sentence, or nothing."""
    close = get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}? " if close else ""


def quote(text: str) -> str:
    """A text of the user's on one line, at most `QUOTED` characters."""
    line = _BLANKS.sub(" ", text[: QUOTED * 4]).strip()
    return line if len(line) <= QUOTED else line[: QUOTED - 1].rstrip() + "…"
