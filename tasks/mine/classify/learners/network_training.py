"""Training a network: early stopping, one thread, the same bits each time."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic

import numpy as np

from fusemine.tasks.mine.classify.learners.network import (
    A,
    Network,
    fit_output_meaning,
    fit_scaling,
    one_torch_thread,
)
from fusemine.tasks.stats.sampling import stratified_folds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from fusemine.tasks.mine.classify.learners.network import Blocks, Dropout
    from fusemine.tasks.stats.target import Floats, Target

MIN_ROWS = 50
"""With fewer rows none are held out, and training runs to its end."""
FOLDS, HELD_FOLDS = 20, 3
"""So many of so many folds are held out for early stopping: 15 %."""
MOST_HELD = 10_000
"""More rows than this would not show better when to stop."""
BINS = 10
"""Numbers are held out evenly from so many ranges."""
WARM_UP = 0.15
"""The share of the steps in which the learning rate rises. With a share that is one over a whole
number, torch divides by zero if training has that many steps."""
SMALLEST = 1e-15
"""A probability that counts as 0, whose logarithm is still finite."""


@dataclass(frozen=True)
class TrainingConfig:
    """How long a network is trained, and with which rates.

    Args:
        epochs: How often every row is seen, if `min_steps` and `max_steps` allow.
        learning_rate: The largest of the cycle (Smith and Topin 2019, "Super-convergence").
        weight_decay: Of AdamW (Loshchilov and Hutter 2019).
        dropout: The share of hidden values that are dropped.
        batch_size: Rows per step, at most.
        min_steps: Steps, at least, so that a few rows are seen more often.
        max_steps: Steps, at most.
        evaluations: How often the held-out rows are evaluated.
        patience: Training ends after so many evaluations without improvement.
    """

    epochs: int
    learning_rate: float
    weight_decay: float
    dropout: float
    batch_size: int = 256
    min_steps: int = 200
    max_steps: int = 3000
    evaluations: int = 12
    patience: int = 3

    def rows_per_step(self, rows: int) -> int:
        """Rows per step: few of a few, so that steps differ."""
        return min(self.batch_size, max(8, rows // 8), rows)

    def steps(self, rows: int) -> int:
        """Steps on so many rows."""
        wanted = math.ceil(self.epochs * rows / self.rows_per_step(rows))
        return min(self.max_steps, max(self.min_steps, wanted))


@dataclass(frozen=True)
class Examples:
    """Rows that a network learns from, or is evaluated on.

    Args:
        blocks: Dense features of the n rows, each float32 (n, d).
        target: Their classes or numbers.
        sample_weights: How much each row counts (n,), not negative; all alike if None.
    """

    blocks: Blocks
    target: Target
    sample_weights: Floats | None = None

    @property
    def weights(self) -> Floats:
        """How much each row counts (n,)."""
        return np.ones(len(self.target)) if self.sample_weights is None else self.sample_weights

    def take(self, index: NDArray[Any]) -> Examples:
        """The rows at these positions, or under this mask."""
        blocks = {name: block[index] for name, block in self.blocks.items()}
        return Examples(blocks, self.target.take(index), self.weights[index])

    def error(self, network: Network[A]) -> float:
        """The log loss of predicted probabilities, or the mean squared error; 0 of no rows."""
        if not len(self.target):
            return 0.0
        predicted = network.predict(self.blocks)
        if self.target.is_number:
            errors = np.square(predicted[:, 0] - self.target.values)
        else:
            own = predicted[np.arange(len(predicted)), self.target.values]
            errors = -np.log(np.maximum(own, SMALLEST))
        return float(np.average(errors, weights=self.weights))


def train(
    design: Callable[[Sequence[int], int], A],
    examples: Examples,
    config: TrainingConfig,
    seed: int,
    device: str = "cpu",
) -> Network[A]:
    """Train a network on all rows given but those that it holds out to know when to stop.

    Args:
        design: Makes the architecture for blocks of these widths and so many outputs.
        examples: The rows.
        config: How it is trained.
        seed: Where the random numbers start.
        device: Where it is computed: cpu, cuda, cuda:N or mps.

    Raises:
        ValueError: No row counts, or no block has a column.
    """
    import torch

    # Rows of weight 0 would still shape the scaling and the batches.
    used = examples.take(np.flatnonzero(examples.weights > 0))
    scaling, meaning = fit_scaling(used.blocks), fit_output_meaning(used.target, used.weights)
    architecture = design(list(scaling.widths.values()), meaning.outputs)
    untrained = Network(architecture, scaling, meaning, {}, device)
    # Chosen by the labels, so that every class or range of numbers is among these rows.
    held = held_out(used.target, seed)
    with one_torch_thread(), torch.enable_grad():
        tensors = _tensors(untrained, used.take(~held))
        return _optimize(untrained, tensors, used.take(held), config, seed)


def held_out(target: Target, seed: int) -> NDArray[np.bool_]:
    """Which rows are held out for early stopping (n,): 15 % of each class or range of numbers.

    The first row of each class is not, so that every class is learnt from.
    """
    if len(target) < MIN_ROWS:
        return np.zeros(len(target), dtype=bool)
    codes = target.values
    if target.is_number:
        # Ranks cut into ranges, so that each range of numbers is held out evenly.
        codes = codes.argsort(kind="stable").argsort(kind="stable") * BINS // len(codes)
    # More folds for a large table, of which the same few then hold fewer rows.
    folds = max(FOLDS, math.ceil(len(codes) * HELD_FOLDS / MOST_HELD))
    held = stratified_folds(codes, folds, seed) < HELD_FOLDS
    held[np.unique(codes, return_index=True)[1]] = False
    return held


@dataclass
class _EarlyStopping(Generic[A]):
    """Keeps the latest of the networks with the least error on the held-out rows."""

    held: Examples
    best: Network[A]
    error: float = math.inf
    since: int = 0
    """Evaluations without improvement."""

    def evaluate(self, network: Network[A]) -> None:
        """Keep this network if none was better."""
        error = self.held.error(network)
        if error <= self.error or not self.best.weights:
            self.best, self.error, self.since = network, error, 0
        else:
            self.since += 1


def _optimize(
    untrained: Network[A], tensors: list[Tensor], held: Examples, config: TrainingConfig, seed: int
) -> Network[A]:
    import torch

    # Random numbers come from generators of our own, so that torch's global state stays as it was.
    generator = torch.Generator().manual_seed(seed)
    start = untrained.architecture.start(generator)
    weights = {name: value.to(untrained.device).requires_grad_() for name, value in start.items()}
    batches = _batches(len(tensors[0]), config, generator).to(untrained.device)
    optimizer, schedule = _optimizer(list(weights.values()), config, len(batches))
    dropout = _dropout(config.dropout, seed, untrained.device)
    evaluated = set(np.linspace(0, len(batches), config.evaluations + 1).astype(int).tolist())
    stopping = _EarlyStopping(held, untrained)
    for step, batch in enumerate(batches, 1):
        inputs, present, truth, counts = (tensor[batch] for tensor in tensors)
        outputs = untrained.architecture.run(weights, inputs, present, dropout)
        losses = untrained.meaning.losses(outputs, truth)
        # Weights of mean 1 keep the size of the gradient, and so the learning rate.
        optimizer.zero_grad()
        torch.autograd.backward((losses * counts).mean())
        optimizer.step()
        schedule.step()
        if step in evaluated:
            # Copies, or later steps would change them.
            arrays = {n: value.detach().cpu().clone().numpy() for n, value in weights.items()}
            stopping.evaluate(replace(untrained, weights=arrays))
        if stopping.since == config.patience:
            break
    return stopping.best


def _tensors(network: Network[A], examples: Examples) -> list[Tensor]:
    """Features, filled blocks, truth and weights (of mean 1) of the n rows, on the device."""
    import torch

    inputs, present = network.scaling.apply(examples.blocks)
    weights = (examples.weights / examples.weights.mean()).astype(np.float32)
    values = (inputs, present, network.meaning.encode(examples.target), weights)
    return [torch.tensor(value, device=network.device) for value in values]


def _batches(rows: int, config: TrainingConfig, generator: torch.Generator) -> Tensor:
    """Positions of the rows of each step (steps, rows of a step), all rows in turn."""
    import torch

    size, steps = config.rows_per_step(rows), config.steps(rows)
    # Whole permutations one after the other, so that every row is seen equally often.
    epochs = math.ceil(steps * size / rows)
    order = torch.cat([torch.randperm(rows, generator=generator) for _ in range(epochs)])
    return order[: steps * size].view(steps, size)


def _optimizer(weights: list[Tensor], config: TrainingConfig, steps: int) -> tuple[Any, Any]:
    import torch

    rate, decay = config.learning_rate, config.weight_decay
    optimizer = torch.optim.AdamW(weights, rate, weight_decay=decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, steps, pct_start=WARM_UP, cycle_momentum=False
    )
    return optimizer, schedule


def _dropout(share: float, seed: int, device: str) -> Dropout:
    """Dropout by a generator of its own, because torch's function has only the global one."""
    import torch

    generator = torch.Generator(device).manual_seed(seed)

    def drop(values: Tensor) -> Tensor:
        kept = torch.empty_like(values).bernoulli_(1 - share, generator=generator)
        return values * kept.div_(1 - share)

    return drop
