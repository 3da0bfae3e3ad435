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

Many people may read what a server or a webhook is sent, and an error may quote a row. `withheld`
makes one print as its kind, until `told` makes it whole again.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Iterable


WHERE = "`fusemine status` and the command line show them"
"""Where the words are that a server is not sent."""
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
    quotes: ClassVar[bool] = True
    """Whether its words may be those of a row."""
    stage: str | None = None
    """The stage that raised it, once it has left a task."""
    cause: BaseException | None = None
    """What it was raised from, kept where no traceback shows it while its words are withheld."""
    is_withheld: bool = False

    def __init__(self, got: str, expected: str, fix: str) -> None:
        self.got, self.expected, self.fix = got, expected, fix
        # All three go to args, so that the error survives pickling on its way out of a worker.
        super().__init__(got, expected, fix)

    def __str__(self) -> str:
        return self.public() if self.is_withheld else self.whole()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})" if self.is_withheld else super().__repr__()

    def whole(self) -> str:
        """What came, what was expected and what to do, whoever reads it."""
        return f"{self.got}\n  expected: {self.expected}\n  to fix:   {self.fix}"

    def public(self) -> str:
        """The same where nothing of it is of a row, else only where to read it."""
        if not self.quotes:
            return self.whole()
        where = f" of {self.stage}" if self.stage else ""
        return f"a {type(self).__name__}{where}, whose words may quote rows: {WHERE}"

    def withheld(self) -> Self:
        """The same error, which prints no words that may quote a row, nor those of its cause.

        Raise it `from None`.
        """
        if not self.is_withheld:
            self.is_withheld, self.cause = True, self.__cause__
            self.__cause__, self.__suppress_context__ = None, True
        return self

    def told(self) -> Self:
        """The same error, which prints all of its words again."""
        if self.is_withheld:
            self.is_withheld, self.__cause__ = False, self.cause
        return self


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

    quotes = False


class StageError(FusemineError):
    """A stage failed, and not because of what it was given."""


class QualityError(FusemineError):
    """A partition breaks a quality gate; its artifacts stay for inspection."""

    quotes = False


class RunError(FusemineError):
    """A run of several partitions did not end well."""

    quotes = False


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
