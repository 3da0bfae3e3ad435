"""Texts as tokens: read, counted, and cut where they are longer than an encoder reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.embed.encoders.encoder import Prepared, decodable
from fusemine.tasks.embed.encoders.pieces import cut, readable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fusemine.tasks.embed.encoders.pieces import Span
    from fusemine.tasks.embed.settings import EmbedSettings

# A piece's tokens can be a few more by itself than they were within its text.
_SLACK = 2


class Tokenizer(Protocol):
    """What the engine asks of a tokenizer.

    Attributes:
        specials: Tokens that it puts around every text.
        end: The ids of those that follow a text, which a cut text ends with as well.
    """

    specials: int
    end: list[int]

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, special ones included."""

    def spans(self, text: str) -> list[Span]:
        """The characters of each token of a text, special ones left out."""


class FastTokenizer:
    """A tokenizer.json of the tokenizers library.

    Args:
        path: The file.
        specials: Whether texts get the model's special tokens.

    Raises:
        ModelError: It cannot be read.
    """

    def __init__(self, path: Path, specials: bool = True) -> None:
        self.inner = _load(path)
        self._path, self._adds = path, specials
        whole = self.inner.encode("a", add_special_tokens=specials)
        marks = whole.special_tokens_mask if specials else [0] * len(whole.ids)
        last = max((n for n, mark in enumerate(marks) if not mark), default=-1)
        self.specials: int = sum(marks)
        self.end: list[int] = whole.ids[last + 1 :]

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """See the protocol."""
        found = self.inner.encode_batch_fast(list(texts), add_special_tokens=self._adds)
        return [one.ids for one in found]

    def spans(self, text: str) -> list[Span]:
        """See the protocol."""
        return list(self.inner.encode(text, add_special_tokens=False).offsets)

    def check_vocabulary(self, tokens: int, of: str) -> None:
        """Refuse a tokenizer that makes ids which the model has no vectors for.

        Args:
            tokens: How many have one.
            of: What has them, to follow the tokenizer's highest id in a sentence.

        Raises:
            ModelError: It does.
        """
        highest = max(self.inner.get_vocab().values(), default=0)
        if highest >= tokens:
            raise ModelError(
                got=f"{self._path} with ids up to {highest}{of} {tokens} tokens",
                expected="the tokenizer that the model was made with",
                fix="fetch the model again, all files from one place",
            )


class Reader:
    """Reads texts as an encoder wants them.

    Args:
        tokenizer: The model's.
        settings: How long texts are read.
        max_tokens: Tokens that the encoder reads of a text, special ones included; None for all.
        prompt: Put before every piece.
    """

    def __init__(
        self, tokenizer: Tokenizer, settings: EmbedSettings, max_tokens: int | None, prompt: str
    ) -> None:
        self._tokenizer, self._settings = tokenizer, settings
        self._max_tokens, self._prompt = max_tokens, prompt

    def prepare(self, texts: Sequence[str]) -> Prepared:
        """Tokenise texts and cut the long ones; see `fusemine.tasks.embed.encoders.encoder.Encoder`."""
        whole = [decodable(text) for text in texts]
        if self._max_tokens is None:
            ids = self._ids(whole)
            sizes = list(map(len, ids))
            return Prepared(whole, list(range(len(whole))), sizes, sizes, ids)
        return self._cut(whole, self._max_tokens)

    def _cut(self, texts: list[str], limit: int) -> Prepared:
        read = [readable(text, limit, self._settings) for text in texts]
        ids = self._ids(read)
        # Of a text that is not even tokenised to its end, at least one more than fit.
        tokens = [
            max(len(found), limit + 1) if len(part) < len(text) else len(found)
            for found, part, text in zip(ids, read, texts, strict=True)
        ]
        pieces: list[str] = []
        owners: list[int] = []
        cut_ids: list[list[int]] = []
        for number, text in enumerate(read):
            is_cut = tokens[number] > limit and self._settings.long_text != "truncate"
            found = self._pieces(text, limit) if is_cut else [text]
            pieces += found
            owners += [number] * len(found)
            cut_ids += self._ids(found) if is_cut else [ids[number]]
        kept = [self._truncated(found, limit) for found in cut_ids]
        return Prepared(pieces, owners, list(map(len, kept)), tokens, kept)

    def _pieces(self, text: str, limit: int) -> list[str]:
        spans = self._tokenizer.spans(text)
        prompt = len(self._tokenizer.spans(self._prompt))
        size = max(_SLACK + 1, limit - self._tokenizer.specials - prompt - _SLACK)
        return cut(text, spans, size, self._settings) if spans else [text]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return self._tokenizer.ids([self._prompt + text for text in texts])

    def _truncated(self, ids: list[int], limit: int) -> list[int]:
        if len(ids) <= limit:
            return ids
        end = self._tokenizer.end
        return [*ids[: limit - len(end)], *end]


def _load(path: Path) -> Any:
    """A fast tokenizer that neither cuts nor pads."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises Exception itself
        raise ModelError(
            got=f"{path}, which cannot be read ({str(error)[:100]})",
            expected="a tokenizer.json as the tokenizers library writes it",
            fix="fetch the model again",
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
