"""What an encoder is: the protocol that every kind follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

Advance = Callable[[int, int], None]
"""Called with how many more texts, or pieces of texts, are done, and how many tokens they took."""


def no_progress(_texts: int, _tokens: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Prepared:
    """Texts as an encoder will read them.

    Args:
        pieces: What is computed; a long text may be several pieces, all others are one.
        owners: For each piece the number of its text, ascending.
        sizes: For each piece its tokens, as far as the encoder reads it.
        tokens: For each text its tokens before any cut; 0 where the encoder does not count them.
        ids: For each piece its token ids, for encoders that need them.
    """

    pieces: list[str]
    owners: list[int]
    sizes: list[int]
    tokens: list[int]
    ids: list[list[int]] = field(default_factory=list)


class Encoder(Protocol):
    """Turns texts into vectors."""

    @property
    def path(self) -> str:
        """How it computes, for the manifest."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    def max_tokens(self) -> int | None:
        """Tokens that it reads of a text; None for all."""

    @property
    def invariant(self) -> bool:
        """Whether a vector is the same to the last bit whatever else is computed with it."""

    def prepare(self, texts: Sequence[str]) -> Prepared:
        """Cut and tokenise; may run while another call computes."""

    def encode(self, prepared: Prepared, advance: Advance = no_progress) -> np.ndarray:
        """Vectors of the pieces, float32 of shape (pieces, dimension), of any length."""


def decodable(text: str) -> str:
    """The text with question marks for unpaired surrogates, which no tokenizer and no server takes.

    They come from sources that cut texts in the middle of a character.

    >>> decodable("caf\\u00e9 \\ud83d")
    'café ?'
    """
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
