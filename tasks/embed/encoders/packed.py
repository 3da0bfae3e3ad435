"""Encoders of the BERT kind, computed without padding and without loading transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusemine.tasks.core.device import resolve_device
from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.embed.encoders.architecture import read_blueprint
from fusemine.tasks.embed.encoders.batches import plan_batches
from fusemine.tasks.embed.encoders.memory import Budget, tokens_at_a_time
from fusemine.tasks.embed.encoders.tokens import FastTokenizer, Reader
from fusemine.tasks.embed.encoders.worker_pool import Workers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fusemine.tasks.embed.encoders.architecture import Blueprint
    from fusemine.tasks.embed.encoders.encoder import Prepared, Tell
    from fusemine.tasks.embed.encoders.files import ModelFiles
    from fusemine.tasks.embed.encoders.network import Network
    from fusemine.tasks.embed.settings import EmbedSettings, Precision


class PackedEncoder:
    """A model that the padding-free path covers; see `fusemine.tasks.embed.encoders.encoder.Encoder`.

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
        device = resolve_device(settings.device)
        tokenizer = FastTokenizer(folder / "tokenizer.json")
        self.max_tokens = min(settings.max_tokens or blueprint.max_tokens, blueprint.max_tokens)
        prompt = blueprint.prompt if settings.prompt is None else settings.prompt
        self._reader = Reader(tokenizer, settings, self.max_tokens, prompt)
        self._network = _load(folder, blueprint, device, precision)
        tokenizer.check_vocabulary(self._network.vocabulary, " for a model of")
        self.dimension = self._network.dimension
        self.invariant = self._network.invariant
        tokens = settings.batch_tokens or tokens_at_a_time(
            device, self.dimension, self._network.itemsize
        )
        self._device, self._budget = device, Budget(tokens, device)

    def prepare(self, texts: Sequence[str]) -> Prepared:
        """Tokenise; see the protocol."""
        return self._reader.prepare(texts)

    def encode(self, prepared: Prepared, tell: Tell) -> np.ndarray:
        """Compute; see the protocol.

        Raises:
            ModelError: One text alone does not fit the memory.
        """
        vectors = np.empty((len(prepared.pieces), self.dimension), np.float32)
        batches = list(plan_batches(prepared.pieces, prepared.sizes, self._budget.tokens))

        def compute(batch: list[int]) -> tuple[int, int]:
            sizes = [prepared.sizes[number] for number in batch]
            ids = [prepared.ids[number] for number in batch]
            vectors[batch] = self._budget.run(self._run, ids, sizes)
            return len(batch), sum(sizes)

        with Workers(self._device) as workers:
            for pieces, tokens in workers.map(compute, batches):
                tell(pieces, tokens)
        return vectors

    def _run(self, ids: list[list[int]]) -> np.ndarray:
        return np.asarray(self._network.run(ids).numpy())


def _load(folder: Path, blueprint: Blueprint, device: str, precision: Precision) -> Network:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from fusemine.tasks.embed.encoders.network import Network

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


def fits(folder: Path) -> bool:
    """Whether the padding-free path computes the model in a folder exactly."""
    return read_blueprint(folder) is not None


def load(
    model: ModelFiles, settings: EmbedSettings, precision: Precision, _: str | None
) -> PackedEncoder:
    """The encoder of a model's files."""
    return PackedEncoder(model.there, settings, precision)
