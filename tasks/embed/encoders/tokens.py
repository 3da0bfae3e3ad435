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
    """What an encoder needs of a tokenizer.

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
        self._path, self._add_specials = path, specials
        whole = self.inner.encode("a", add_special_tokens=specials)
        marks = whole.special_tokens_mask if specials else [0] * len(whole.ids)
        last = max((n for n, mark in enumerate(marks) if not mark), default=-1)
        self.specials: int = sum(marks)
        self.end: list[int] = whole.ids[last + 1 :]

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """See the protocol."""
        encodings = self.inner.encode_batch_fast(list(texts), add_special_tokens=self._add_specials)
        return [encoding.ids for encoding in encodings]

    def spans(self, text: str) -> list[Span]:
        """See the protocol."""
        return list(self.inner.encode(text, add_special_tokens=False).offsets)

    def check_vocabulary(self, tokens: int, of: str) -> None:
        """Refuse a tokenizer that makes ids which the model has no vectors for.

        Args:
            tokens: How many have one.
            of: What has them; in the message it follows the tokenizer's highest id.

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


class Preprocessor:
    """Tokenises texts, and cuts those that are longer than an encoder reads.

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
        """Tokenise texts and cut the long ones; see `Encoder`."""
        whole = [decodable(text) for text in texts]
        if self._max_tokens is None:
            ids = self._ids(whole)
            sizes = list(map(len, ids))
            return Prepared(whole, list(range(len(whole))), sizes, sizes, ids)
        return self._cut(whole, self._max_tokens)

    def _cut(self, texts: list[str], limit: int) -> Prepared:
        heads = [readable(text, limit, self._settings) for text in texts]
        ids = self._ids(heads)
        # A text that is not even tokenised to its end counts as at least one token too long.
        tokens = [
            max(len(known), limit + 1) if len(head) < len(text) else len(known)
            for known, head, text in zip(ids, heads, texts, strict=True)
        ]
        pieces: list[str] = []
        owners: list[int] = []
        piece_ids: list[list[int]] = []
        for number, head in enumerate(heads):
            is_cut = tokens[number] > limit and self._settings.long_text != "truncate"
            parts = self._pieces(head, limit) if is_cut else [head]
            pieces += parts
            owners += [number] * len(parts)
            piece_ids += self._ids(parts) if is_cut else [ids[number]]
        kept = [self._truncated(one, limit) for one in piece_ids]
        return Prepared(pieces, owners, list(map(len, kept)), tokens, kept)

    def _pieces(self, text: str, limit: int) -> list[str]:
        spans = self._tokenizer.spans(text)
        prompt = len(self._tokenizer.spans(self._prompt))
        size = max(_SLACK + 1, limit - self._tokenizer.specials - prompt - _SLACK)
        return cut(text, spans, size, self._settings) if spans else [text]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return self._tokenizer.ids([self._prompt + text for text in texts])

    def _truncated(self, ids: list[int], limit: int) -> list[int]:
        end = self._tokenizer.end
        return ids if len(ids) <= limit else [*ids[: limit - len(end)], *end]


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
