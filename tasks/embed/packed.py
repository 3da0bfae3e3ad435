"""Encoders of the BERT kind, computed without padding and without loading transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.embed.batches import plan_batches
from tasks.embed.blueprint import read_blueprint
from tasks.embed.device import is_out_of_memory, resolve_device, tokens_at_a_time
from tasks.embed.sharing import Workers
from tasks.embed.tokens import Reader
from tasks.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tasks.embed.encoder import Prepared, Tell
    from tasks.embed.network import Network
    from tasks.embed.settings import EmbedSettings, Precision


class PackedEncoder:
    """A model that the padding-free path covers; see `tasks.embed.encoder.Encoder`.

    Args:
        folder: Its files.
        settings: How to use it.
        precision: Of the computation.

    Raises:
        ModelError: The files do not make a model.
    """

    path = "packed"

    def __init__(self, folder: Path, settings: EmbedSettings, precision: Precision) -> None:
        blueprint = read_blueprint(folder)
        assert blueprint is not None  # noqa: S101  (the kind of the model says so)
        self._device = resolve_device(settings.device)
        self.max_tokens = min(settings.max_tokens or blueprint.max_tokens, blueprint.max_tokens)
        prompt = blueprint.prompt if settings.prompt is None else settings.prompt
        self._reader = Reader(folder, settings, self.max_tokens, prompt)
        self._network = _load(folder, self._device, precision)
        self._reader.check_vocabulary(self._network.vocabulary)
        self.dimension = self._network.dimension
        self.invariant = self._network.invariant
        self._budget = settings.batch_tokens or tokens_at_a_time(
            self._device, self.dimension, self._network.itemsize
        )

    def prepare(self, texts: Sequence[str]) -> Prepared:
        """Tokenise; see the protocol."""
        return self._reader.prepare(texts)

    def encode(self, prepared: Prepared, tell: Tell) -> np.ndarray:
        """Compute; see the protocol.

        Raises:
            ModelError: One text alone does not fit the memory.
        """
        vectors = np.empty((len(prepared.pieces), self.dimension), np.float32)
        batches = list(plan_batches(prepared.pieces, prepared.sizes, self._budget))

        def compute(batch: list[int]) -> tuple[int, int]:
            vectors[batch] = self._run([prepared.ids[number] for number in batch])
            return len(batch), sum(prepared.sizes[number] for number in batch)

        with Workers(self._device) as workers:
            for pieces, tokens in workers.map(compute, batches):
                tell(pieces, tokens)
        return vectors

    def _run(self, ids: list[list[int]]) -> np.ndarray:
        """Compute a batch; in halves, now and later, if it does not fit the memory."""
        try:
            return np.asarray(self._network.run(ids).numpy())
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if len(ids) == 1:
                raise ModelError(
                    got=f"no memory on {self._device} for one text of {len(ids[0])} tokens",
                    expected="room for at least one text at a time",
                    fix="free memory there, set embed.max_tokens lower or embed.device to cpu",
                ) from error
        self._budget = max(1, min(self._budget, sum(map(len, ids))) // 2)
        half = len(ids) // 2
        return np.concatenate([self._run(ids[:half]), self._run(ids[half:])])


def _load(folder: Path, device: str, precision: Precision) -> Network:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from tasks.embed.network import Network

    blueprint = read_blueprint(folder)
    assert blueprint is not None  # noqa: S101
    try:
        weights = load_file(folder / "model.safetensors")
        return Network(weights, blueprint, device, getattr(torch, precision))
    except (SafetensorError, OSError, KeyError, RuntimeError) as error:
        raise ModelError(
            got=f"the model in {folder} cannot be loaded ({type(error).__name__}: "
            f"{str(error)[:100]})",
            expected="weights in safetensors that fit its config.json",
            fix="fetch the model again or name another one",
        ) from error
