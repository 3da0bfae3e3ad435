"""Any other model, through sentence-transformers: texts of like length, padded to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.embed.batches import plan_batches
from tasks.embed.device import is_out_of_memory, resolve_device, tokens_at_a_time
from tasks.embed.encoder import Prepared, decodable
from tasks.embed.pieces import cut, readable
from tasks.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tasks.embed.encoder import Tell
    from tasks.embed.settings import EmbedSettings, Precision

_SLACK = 2


class PaddedEncoder:
    """A sentence-transformers model; see `tasks.embed.encoder.Encoder`.

    Args:
        folder: Its files.
        settings: How to use it.
        precision: Of the computation.

    Raises:
        ModelError: The folder holds no model that can be loaded from safetensors.
    """

    path = "padded"
    invariant = False

    def __init__(self, folder: Path, settings: EmbedSettings, precision: Precision) -> None:
        self._settings = settings
        self._device = resolve_device(settings.device)
        self._model = _load(folder, self._device, precision)
        limit = min(_positions(self._model), int(self._model.max_seq_length or 512))
        if settings.max_tokens is not None:
            limit = min(settings.max_tokens, _positions(self._model))
        self._model.max_seq_length = self.max_tokens = limit
        self.dimension = int(self._model.get_embedding_dimension())
        self._prompt = _prompt(self._model) if settings.prompt is None else settings.prompt
        itemsize = next(self._model.parameters()).element_size()
        self._budget = settings.batch_tokens or tokens_at_a_time(
            self._device, self.dimension, itemsize
        )

    def prepare(self, texts: Sequence[str]) -> Prepared:
        """Count tokens and cut what is long; see the protocol."""
        read = [readable(decodable(text), self.max_tokens, self._settings) for text in texts]
        counts = self._count(read)
        shortened = [len(part) < len(text) for part, text in zip(read, texts, strict=True)]
        tokens = [
            max(count, self.max_tokens + 1) if short else count
            for count, short in zip(counts, shortened, strict=True)
        ]
        found = [
            self._pieces(text) if count > self.max_tokens else [text]
            for text, count in zip(read, tokens, strict=True)
        ]
        pieces = [piece for parts in found for piece in parts]
        owners = [number for number, parts in enumerate(found) for _ in parts]
        sizes = counts if len(pieces) == len(texts) else self._count(pieces)
        return Prepared(pieces, owners, [min(n, self.max_tokens) for n in sizes], tokens)

    def encode(self, prepared: Prepared, tell: Tell) -> np.ndarray:
        """Compute; see the protocol.

        Raises:
            ModelError: One text alone does not fit the memory.
        """
        vectors = np.empty((len(prepared.pieces), self.dimension), np.float32)
        plan = plan_batches(prepared.pieces, prepared.sizes, self._budget, padded=True)
        for batch in plan:
            vectors[batch] = self._run([prepared.pieces[number] for number in batch])
            tell(len(batch), sum(prepared.sizes[number] for number in batch))
        return vectors

    def _run(self, texts: list[str]) -> np.ndarray:
        """Compute a batch; in halves if it does not fit the memory."""
        try:
            found = self._model.encode(
                texts,
                prompt=self._prompt or None,
                batch_size=len(texts),
                convert_to_tensor=True,
                show_progress_bar=False,
            )
            return np.asarray(found.float().cpu().numpy())
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if len(texts) == 1:
                raise ModelError(
                    got=f"no memory on {self._device} for one text",
                    expected="room for at least one text at a time",
                    fix="free memory there, set embed.max_tokens lower or embed.device to cpu",
                ) from error
        half = len(texts) // 2
        return np.concatenate([self._run(texts[:half]), self._run(texts[half:])])

    def _pieces(self, text: str) -> list[str]:
        if self._settings.long_text == "truncate":
            return [text]
        found = self._model.tokenizer(text, verbose=False, return_offsets_mapping=True)
        spans = [(first, last) for first, last in found["offset_mapping"] if last > first]
        size = max(_SLACK + 1, self.max_tokens - self._count([""])[0] - _SLACK)
        return cut(text, spans, size, self._settings) if spans else [text]

    def _count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text with its prompt."""
        if not texts:
            return []
        prompted = [self._prompt + text for text in texts]
        found = self._model.tokenizer(prompted, truncation=False, verbose=False)
        return [len(ids) for ids in found["input_ids"]]


def _positions(model: Any) -> int:
    """How many tokens the model has positions for; longer input would fail in the middle."""
    config = getattr(getattr(model[0], "auto_model", None), "config", None)
    return int(getattr(config, "max_position_embeddings", None) or 2**31)


def _prompt(model: Any) -> str:
    return str((model.prompts or {}).get(model.default_prompt_name) or "")


def _load(folder: Path, device: str, precision: Precision) -> Any:
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return SentenceTransformer(
            str(folder),
            device=device,
            local_files_only=True,
            # Weights in a pickle could run code.
            model_kwargs={"use_safetensors": True, "dtype": getattr(torch, precision)},
        )
    except Exception as error:
        raise ModelError(
            got=f"the model in {folder} cannot be loaded ({type(error).__name__})",
            expected="a sentence-transformers model with its weights in safetensors",
            fix="fetch the model again or name another one",
        ) from error
