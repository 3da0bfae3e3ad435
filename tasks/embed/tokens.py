"""Texts as token ids, read with the model's own fast tokenizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.embed.encoder import Prepared, decodable
from tasks.embed.pieces import cut, readable
from tasks.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tasks.embed.settings import EmbedSettings

# A piece's tokens can be a few more by itself than they were within its text.
_SLACK = 2


class Reader:
    """A tokenizer that cuts what is too long.

    Args:
        folder: Folder of the model.
        settings: How long texts are read.
        max_tokens: Tokens that the model reads of a text, special ones included.
        prompt: Put before every piece.

    Raises:
        ModelError: The tokenizer cannot be read.
    """

    def __init__(self, folder: Path, settings: EmbedSettings, max_tokens: int, prompt: str) -> None:
        self._tokenizer = load_tokenizer(folder / "tokenizer.json")
        self._settings, self._max_tokens, self._prompt = settings, max_tokens, prompt
        whole = self._tokenizer.encode("a")
        marks = whole.special_tokens_mask
        last = max((n for n, mark in enumerate(marks) if not mark), default=-1)
        self._end = whole.ids[last + 1 :]
        self._specials = sum(marks)

    def check_vocabulary(self, tokens: int) -> None:
        """Refuse a tokenizer that makes ids which the model has no vectors for.

        Raises:
            ModelError: It does.
        """
        highest = max(self._tokenizer.get_vocab().values(), default=0)
        if highest >= tokens:
            raise ModelError(
                got=f"a tokenizer with ids up to {highest} for a model of {tokens} tokens",
                expected="the tokenizer that the model was trained with",
                fix="fetch the model again, all files from one place",
            )

    def prepare(self, texts: Sequence[str]) -> Prepared:
        """Tokenise texts and cut the long ones; see `tasks.embed.encoder.Encoder`."""
        read = [readable(decodable(text), self._max_tokens, self._settings) for text in texts]
        ids = self._ids(read)
        shortened = [len(a) < len(b) for a, b in zip(read, texts, strict=True)]
        tokens = [
            max(len(found), self._max_tokens + 1) if short else len(found)
            for found, short in zip(ids, shortened, strict=True)
        ]
        if self._settings.long_text != "truncate":
            return self._cut(read, ids, tokens)
        ids = [self._truncated(found) for found in ids]
        return Prepared(read, list(range(len(read))), list(map(len, ids)), tokens, ids)

    def _cut(self, texts: list[str], ids: list[list[int]], tokens: list[int]) -> Prepared:
        pieces: list[str] = []
        owners: list[int] = []
        whole: dict[int, list[int]] = {}
        for number, text in enumerate(texts):
            if tokens[number] <= self._max_tokens:
                whole[len(pieces)] = ids[number]
                found = [text]
            else:
                found = self._pieces(text)
            pieces += found
            owners += [number] * len(found)
        new = [n for n in range(len(pieces)) if n not in whole]
        cut_ids = dict(zip(new, self._ids([pieces[n] for n in new]), strict=True)) | whole
        read = [self._truncated(cut_ids[n]) for n in range(len(pieces))]
        return Prepared(pieces, owners, list(map(len, read)), tokens, read)

    def _pieces(self, text: str) -> list[str]:
        spans = self._tokenizer.encode(text, add_special_tokens=False).offsets
        prompt = len(self._tokenizer.encode(self._prompt, add_special_tokens=False).ids)
        size = max(_SLACK + 1, self._max_tokens - self._specials - prompt - _SLACK)
        return cut(text, spans, size, self._settings) if spans else [text]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        prompted = [self._prompt + text for text in texts]
        return [found.ids for found in self._tokenizer.encode_batch_fast(prompted)]

    def _truncated(self, ids: list[int]) -> list[int]:
        if len(ids) <= self._max_tokens:
            return ids
        return [*ids[: self._max_tokens - len(self._end)], *self._end]


def load_tokenizer(path: Path) -> Any:
    """A fast tokenizer that neither cuts nor pads.

    Raises:
        ModelError: The file cannot be read.
    """
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
