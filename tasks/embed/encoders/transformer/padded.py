"""Any other model, through sentence-transformers: texts of like length, padded to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.core.device import resolve_device
from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.embed.encoders.batches import TokenBudget, plan_batches, tokens_at_a_time
from fusemine.tasks.embed.encoders.encoder import no_progress
from fusemine.tasks.embed.encoders.tokens import Preprocessor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fusemine.tasks.embed.encoders.encoder import Advance, Prepared
    from fusemine.tasks.embed.encoders.pieces import Span
    from fusemine.tasks.embed.settings import EmbedSettings, Precision


class PaddedEncoder:
    """A sentence-transformers model; see `fusemine.tasks.embed.encoders.encoder.Encoder`.

    Args:
        folder: Its files.
        settings: How to use it.
        precision: Of the computation.

    Raises:
        ModelError: The folder holds no model that can be loaded from safetensors.
    """

    path = "padded"
    invariant = False

    def __init__(
        self, folder: Path, settings: EmbedSettings, precision: Precision, **_: object
    ) -> None:
        device = resolve_device(settings.device)
        self._model = _load(folder, device, precision)
        limit = min(_positions(self._model), int(self._model.max_seq_length or 512))
        if settings.max_tokens is not None:
            limit = min(settings.max_tokens, _positions(self._model))
        self._model.max_seq_length = self.max_tokens = limit
        own = (self._model.prompts or {}).get(self._model.default_prompt_name)
        self._prompt = str(own or "") if settings.prompt is None else settings.prompt
        tokenizer = _Tokenizer(self._model.tokenizer)
        self._texts = Preprocessor(tokenizer, settings, limit, self._prompt)
        self.dimension = int(self._model.get_embedding_dimension())
        itemsize = next(self._model.parameters()).element_size()
        tokens = settings.batch_tokens or tokens_at_a_time(device, self.dimension, itemsize)
        self._budget = TokenBudget(tokens, device)

    def prepare(self, texts: Sequence[str]) -> Prepared:
        """Count tokens and cut what is long; see the protocol."""
        return self._texts.prepare(texts)

    def encode(self, prepared: Prepared, advance: Advance = no_progress) -> np.ndarray:
        """Compute; see the protocol.

        Raises:
            ModelError: One text alone does not fit the memory.
        """
        vectors = np.empty((len(prepared.pieces), self.dimension), np.float32)
        sizes = prepared.sizes
        for batch in plan_batches(prepared.pieces, sizes, self._budget.tokens, padded=True):
            texts = [prepared.pieces[number] for number in batch]
            tokens = [sizes[number] for number in batch]
            vectors[batch] = self._budget.run(self._run, texts, tokens)
            advance(len(batch), sum(tokens))
        return vectors

    def _run(self, texts: list[str]) -> np.ndarray:
        found = self._model.encode(
            texts,
            prompt=self._prompt or None,
            batch_size=len(texts),
            convert_to_tensor=True,
            show_progress_bar=False,
        )
        return np.asarray(found.float().cpu().numpy())


class _Tokenizer:
    """A tokenizer of transformers; see `fusemine.tasks.embed.encoders.tokens.Tokenizer`.

    Args:
        tokenizer: It. The model cuts by itself, so where a cut text ends does not matter.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.specials = int(tokenizer.num_special_tokens_to_add())
        self.end: list[int] = []

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        found = self._tokenizer(list(texts), truncation=False, verbose=False)
        return list(found["input_ids"])

    def spans(self, text: str) -> list[Span]:
        if not self._tokenizer.is_fast:
            raise ModelError(
                got="a model whose tokenizer does not say where its tokens are",
                expected="a fast tokenizer, to cut long texts into pieces",
                fix="set embed.long_text to truncate",
            )
        found = self._tokenizer(
            text, add_special_tokens=False, verbose=False, return_offsets_mapping=True
        )
        return [(first, last) for first, last in found["offset_mapping"]]


def _positions(model: Any) -> int:
    """How many tokens the model has positions for; longer input would fail in the middle."""
    config = getattr(getattr(model[0], "auto_model", None), "config", None)
    return int(getattr(config, "max_position_embeddings", None) or 2**31)


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
