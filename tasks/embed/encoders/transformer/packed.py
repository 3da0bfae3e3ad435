"""Encoders of the BERT kind, computed without padding and without loading transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from fusemine.tasks.core.device import resolve_device
from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.embed.encoders.batches import TokenBudget, plan_batches, tokens_at_a_time
from fusemine.tasks.embed.encoders.encoder import no_progress
from fusemine.tasks.embed.encoders.tokens import FastTokenizer, Preprocessor
from fusemine.tasks.embed.encoders.transformer.architecture import read_architecture
from fusemine.tasks.embed.encoders.transformer.network import Network
from fusemine.tasks.embed.encoders.worker_pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fusemine.tasks.embed.encoders.encoder import Advance, Prepared
    from fusemine.tasks.embed.encoders.transformer.architecture import Architecture
    from fusemine.tasks.embed.settings import EmbedSettings, Precision


class PackedEncoder:
    """A model that the padding-free path covers; see `encoders.encoder.Encoder`.

    Args:
        folder: Its files.
        settings: How to use it.
        precision: Of the computation.

    Attributes:
        budget: The tokens that it computes at a time.

    Raises:
        ModelError: The files do not make a model.
    """

    path = "packed"

    def __init__(
        self, folder: Path, settings: EmbedSettings, precision: Precision, **_: object
    ) -> None:
        architecture = read_architecture(folder)
        assert architecture is not None  # noqa: S101  (otherwise the model is of another kind)
        device = resolve_device(settings.device)
        tokenizer = FastTokenizer(folder / "tokenizer.json")
        longest = architecture.max_tokens
        self.max_tokens = min(settings.max_tokens or longest, longest)
        prompt = architecture.prompt if settings.prompt is None else settings.prompt
        self._texts = Preprocessor(tokenizer, settings, self.max_tokens, prompt)
        self._network = _load(folder, architecture, device, precision)
        tokenizer.check_vocabulary(self._network.vocabulary, " for a model of")
        self.dimension = self._network.dimension
        self.invariant = self._network.invariant
        itemsize = self._network.itemsize
        tokens = settings.batch_tokens or tokens_at_a_time(device, self.dimension, itemsize)
        self._device, self.budget = device, TokenBudget(tokens, device)

    def prepare(self, texts: Sequence[str]) -> Prepared:
        """Tokenise; see the protocol."""
        return self._texts.prepare(texts)

    def encode(self, prepared: Prepared, advance: Advance = no_progress) -> np.ndarray:
        """Compute; see the protocol.

        Raises:
            ModelError: One text alone does not fit the memory.
        """
        vectors = np.empty((len(prepared.pieces), self.dimension), np.float32)
        batches = plan_batches(prepared.pieces, prepared.sizes, self.budget.tokens)

        def compute(batch: list[int]) -> tuple[int, int]:
            sizes = [prepared.sizes[number] for number in batch]
            ids = [prepared.ids[number] for number in batch]
            vectors[batch] = self.budget.run(self._run, ids, sizes)
            return len(batch), sum(sizes)

        with WorkerPool(self._device) as workers:
            for pieces, tokens in workers.map(compute, batches):
                advance(pieces, tokens)
        return vectors

    def _run(self, ids: list[list[int]]) -> np.ndarray:
        return np.asarray(self._network.run(ids).numpy())


def _load(folder: Path, architecture: Architecture, device: str, precision: Precision) -> Network:
    try:
        weights = load_file(folder / "model.safetensors")
        return Network(weights, architecture, device, getattr(torch, precision))
    except (SafetensorError, OSError, KeyError, RuntimeError) as error:
        raise ModelError(
            got=f"the model in {folder} cannot be loaded ({type(error).__name__}: "
            f"{str(error)[:100]})",
            expected="weights in safetensors that fit its config.json",
            fix="fetch the model again or name another one",
        ) from error
