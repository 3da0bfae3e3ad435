"""Trained networks on dense blocks: what they read, what they compute and what their outputs mean.

A network is an architecture, which is a few numbers, and arrays. So it can be stored as JSON and
arrays, and nothing else is needed to predict.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import numpy as np

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.stats.fixed_batches import in_batches, stable_batch_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from fusemine.tasks.stats.target import Floats, Target

Blocks: TypeAlias = "Mapping[str, NDArray[np.float32]]"
Weights: TypeAlias = "Mapping[str, Tensor]"
Dropout: TypeAlias = "Callable[[Tensor], Tensor]"

CLIP = 10.0
"""No standardised feature is farther than this from its mean."""
PADDED_WIDTH = 16
"""Layers have a multiple of so many outputs while they are computed."""
TINY = 1e-6
"""What deviates less than this, relative to its mean, is constant but for rounding."""


@dataclass(frozen=True)
class Architecture(ABC):
    """What a network computes from its weights.

    Args:
        outputs: Outputs of each member.
    """

    outputs: int

    @abstractmethod
    def start(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Random initial weights, float32 on the CPU."""

    @abstractmethod
    def run(self, weights: Weights, inputs: Tensor, present: Tensor, dropout: Dropout) -> Tensor:
        """The outputs (n, members, outputs): logits of the classes seen, or standardised numbers.

        Args:
            weights: As `start` names them.
            inputs: Standardised features of all blocks side by side, float32 (n, d).
            present: 1 where a block of a row holds anything and 0 elsewhere, float32 (n, blocks).
            dropout: Drops values while training, and nothing otherwise.
        """


A = TypeVar("A", bound=Architecture)


@storable
@dataclass(frozen=True)
class Scaling:
    """How blocks are standardised, by the rows that have something in them.

    All columns of a block are divided by the median of their standard deviations: within a block
    sizes mean something, such as the rank of a component, and a column of long tails must not
    make all others small.

    Args:
        widths: Columns of each block, in order; together d.
        mean: Mean of each column (d,).
        deviation: What each column is divided by (d,); never 0.
    """

    widths: dict[str, int]
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    def apply(self, blocks: Blocks) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Standardised features (n, d), and which blocks hold anything, 1 or 0 (n, blocks).

        A block that is all zero in a row, as without text, is so afterwards.
        """
        chosen = [blocks[name] for name in self.widths]
        # A row without text is all zero in its block, and must not look like a row of mean text.
        present = np.column_stack([block.any(axis=1) for block in chosen])
        scaled = (np.hstack(chosen, dtype=np.float32) - self.mean) / self.deviation
        # Standardising moved empty blocks away from zero; this brings them back.
        scaled *= np.repeat(present, list(self.widths.values()), axis=1)
        return np.clip(scaled, -CLIP, CLIP), present.astype(np.float32)


@storable
@dataclass(frozen=True)
class OutputMeaning:
    """What the outputs of a network stand for.

    Args:
        classes: How many classes there are; 0 for numbers.
        seen: The classes that training rows had, in order; each has an output.
        mean: Mean of the numbers.
        deviation: Standard deviation of the numbers; never 0.
    """

    classes: int
    seen: tuple[int, ...]
    mean: float
    deviation: float

    @property
    def outputs(self) -> int:
        """How many outputs a network needs."""
        return len(self.seen) if self.classes else 1

    def encode(self, target: Target) -> NDArray[Any]:
        """Positions in `seen`, int64 (n,), or standardised numbers, float32 (n,)."""
        if self.classes:
            return np.searchsorted(self.seen, target.values)
        return np.asarray((target.values - self.mean) / self.deviation, np.float32)

    def decode(self, outputs: Floats) -> Floats:
        """The prediction (n, classes or 1) of outputs (n, members, outputs)."""
        if not self.classes:
            return np.asarray(outputs.mean(axis=1) * self.deviation + self.mean)
        from scipy.special import softmax

        # Members are averaged as probabilities, which is better calibrated than averaged logits.
        result = np.zeros((len(outputs), self.classes))
        result[:, self.seen] = softmax(outputs, axis=-1).mean(axis=1)
        return result

    def losses(self, outputs: Tensor, truth: Tensor) -> Tensor:
        """Each row's loss (n,), the mean of its members': cross entropy or squared error."""
        if not self.classes:
            return (outputs[..., 0] - truth[:, None]).square().mean(1)
        chosen = truth[:, None, None].expand(-1, outputs.shape[1], 1)
        return -outputs.log_softmax(-1).gather(-1, chosen).mean((1, 2))


@storable
@dataclass(frozen=True)
class Network(Generic[A]):
    """A trained network."""

    architecture: A
    scaling: Scaling
    meaning: OutputMeaning
    weights: dict[str, NDArray[np.float32]]
    device: str = "cpu"

    def __getstate__(self) -> dict[str, Any]:
        """All of it, on the device that every machine has."""
        return {**vars(self), "device": "cpu"}

    def predict(self, blocks: Blocks) -> Floats:
        """Probabilities (n, classes) of sum 1, or numbers (n, 1) in the target's own scale.

        A class that was not seen has probability 0.

        Raises:
            KeyError: A block that was learnt from is not there.
        """
        return self.meaning.decode(self.compute(blocks, self.architecture.run))

    def compute(self, blocks: Blocks, method: Callable[..., Tensor]) -> Floats:
        """What a method of the architecture with the arguments of `run` gives for n rows (n, …)."""
        used = {name: blocks[name] for name in self.scaling.widths}
        rows = min(len(block) for block in used.values())
        weights = self._tensors()
        # Batches of one size, so that a row's bits do not depend on its neighbours.
        parts = [
            self._compute_batch(method, weights, batch)
            for batch in in_batches(used, rows, self._batch)
        ]
        return np.concatenate(parts)[:rows].astype(np.float64)

    @cached_property
    def _batch(self) -> int:
        compute = partial(self._compute_batch, self.architecture.run, self._tensors())
        return stable_batch_size(compute, self.scaling.widths)

    def _compute_batch(
        self, method: Callable[..., Tensor], weights: Weights, batch: Blocks
    ) -> NDArray[np.float32]:
        import torch

        with one_torch_thread(), torch.no_grad():
            inputs, present = map(self._tensor, self.scaling.apply(batch))
            found = method(weights, inputs, present, lambda values: values)
            return np.asarray(found.cpu().numpy(), np.float32)

    def _tensors(self) -> dict[str, Tensor]:
        return {name: self._tensor(value) for name, value in self.weights.items()}

    def _tensor(self, array: NDArray[np.float32]) -> Tensor:
        import torch

        return torch.tensor(array, device=self.device)


def fit_scaling(blocks: Blocks) -> Scaling:
    """The means and deviations of rows, of those blocks that have columns.

    Raises:
        ValueError: There is no row or no column.
    """
    widths = {name: block.shape[1] for name, block in blocks.items() if block.size}
    if not widths:
        raise ValueError("a network needs at least one row that counts and one column")
    means, deviations = zip(*(_moments(blocks[name]) for name in widths), strict=True)
    return Scaling(widths, np.concatenate(means), np.concatenate(deviations))


def fit_output_meaning(target: Target, weights: Floats) -> OutputMeaning:
    """The classes that rows have, or the weighted mean and deviation of their numbers."""
    if not target.is_number:
        return OutputMeaning(target.classes, tuple(np.unique(target.values).tolist()), 0.0, 1.0)
    # Weighted, so that rows that count more also set the scale.
    mean = float(np.average(target.values, weights=weights))
    deviation = float(np.sqrt(np.average(np.square(target.values - mean), weights=weights)))
    return OutputMeaning(0, (), mean, deviation if deviation > TINY * abs(mean) else 1.0)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch compute on one thread, where sums do not depend on how work is shared out."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def uniform(shape: tuple[int, ...], inputs: int, generator: torch.Generator) -> Tensor:
    """Random weights of a layer with so many inputs, as torch's `Linear` has them."""
    import torch

    bound = 1 / np.sqrt(inputs)
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)


def per_member(values: Tensor, weights: Weights, name: str) -> Tensor:
    """A linear layer of its own for each member: (n, members, inputs) to (n, members, outputs)."""
    import torch

    matrix = weights[name]
    outputs = matrix.shape[-1]
    # For a few outputs, MKL computes the last rows of a batch otherwise than the first.
    padded = torch.nn.functional.pad(matrix, (0, -outputs % PADDED_WIDTH))
    return torch.einsum("nki,kio->nko", values, padded)[..., :outputs] + weights[f"{name}.b"]


def _moments(block: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    # Empty rows would pull the mean to zero and shrink the deviation.
    filled = block.any(axis=1)
    values = block[filled] if filled.any() else block
    mean = values.mean(axis=0, dtype=np.float64)
    deviations = values.std(axis=0, dtype=np.float64)
    varying = deviations[deviations > TINY * np.abs(mean)]
    deviation = np.median(varying) if len(varying) else 1.0
    return mean.astype(np.float32), np.full(len(mean), deviation, np.float32)
