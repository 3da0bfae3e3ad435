"""Training a network: early stopping, one thread, the same bits each time."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic

import numpy as np

from fusemine.tasks.mine.classify.learners.network import (
    A,
    Network,
    fit_outcome,
    fit_scaling,
    one_torch_thread,
)
from fusemine.tasks.stats.folds import deal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from fusemine.tasks.mine.classify.learners.network import Arrays, Blocks, Dropout, Outcome
    from fusemine.tasks.stats.target import Floats, Target

LEAST_TO_VALIDATE = 50
"""With fewer rows none are held back, and training takes its full course."""
FOLDS, HELD = 20, 3
"""So many of so many folds are held back for early stopping: 15 %."""
MOST_HELD = 10_000
"""More rows than this would not tell better when to stop."""
BINS = 10
"""Numbers are held back evenly from so many ranges."""
RISE = 0.15
"""The share of the steps in which the learning rate rises. With a share that is one over a whole
number, torch divides by zero in a course of that many steps."""
SMALLEST = 1e-15
"""A probability that counts as 0, whose logarithm is still finite."""


@dataclass(frozen=True)
class Course:
    """How long and how boldly a network is trained.

    Args:
        epochs: How often every row is seen, if `least` and `most` allow.
        rate: The largest learning rate of the cycle (Smith and Topin 2019, "Super-convergence").
        decay: Weight decay of AdamW (Loshchilov and Hutter 2019).
        dropout: The share of hidden values that are dropped.
        batch: Rows per step, at most.
        least: Steps, at least, so that a few rows are seen more often.
        most: Steps, at most.
        looks: How often the rows held back are looked at.
        patience: Training ends after so many looks without improvement.
    """

    epochs: int
    rate: float
    decay: float
    dropout: float
    batch: int = 256
    least: int = 200
    most: int = 3000
    looks: int = 12
    patience: int = 3

    def size(self, rows: int) -> int:
        """Rows per step: few of a few, so that steps differ."""
        return min(self.batch, max(8, rows // 8), rows)

    def steps(self, rows: int) -> int:
        """Steps on so many rows."""
        return min(self.most, max(self.least, math.ceil(self.epochs * rows / self.size(rows))))


def train(
    design: Callable[[Sequence[int], int], A],
    blocks: Blocks,
    target: Target,
    sample_weights: Floats | None,
    course: Course,
    seed: int,
    device: str = "cpu",
) -> Network[A]:
    """Train a network on all rows given but those that it holds back to know when to stop.

    Args:
        design: Makes the architecture for blocks of these widths and so many outputs.
        blocks: Dense features of the n rows, each float32 (n, d).
        target: Their classes or numbers.
        sample_weights: How much each row counts (n,), not negative; all alike if None.
        course: How it is trained.
        seed: Where the random numbers start.
        device: Where it is computed: cpu, cuda, cuda:N or mps.

    Raises:
        ValueError: No row counts, or no block has a column.
    """
    import torch

    counts = np.ones(len(target)) if sample_weights is None else sample_weights
    used = np.flatnonzero(counts > 0)
    blocks, target, counts = _take(blocks, used), target.take(used), counts[used]
    scaling, outcome = fit_scaling(blocks), fit_outcome(target, counts)
    architecture = design(list(scaling.widths.values()), outcome.outputs)
    draft = Network(architecture, scaling, outcome, {}, device)
    held = held_back(target, seed)
    exam = _Exam(_take(blocks, held), target.take(held), counts[held])
    with one_torch_thread(), torch.enable_grad():
        examples = _examples(draft, _take(blocks, ~held), target.take(~held), counts[~held])
        return _learn(draft, examples, exam, course, seed)


def held_back(target: Target, seed: int) -> NDArray[np.bool_]:
    """Which rows are held back to know when to stop (n,): 15 % of each class or range of numbers.

    The first row of each class is not, so that every class is learnt from.
    """
    if len(target) < LEAST_TO_VALIDATE:
        return np.zeros(len(target), dtype=bool)
    codes = target.values
    if target.is_number:
        codes = codes.argsort(kind="stable").argsort(kind="stable") * BINS // len(codes)
    folds = max(FOLDS, math.ceil(len(codes) * HELD / MOST_HELD))
    held = deal(codes, folds, seed) < HELD
    held[np.unique(codes, return_index=True)[1]] = False
    return held


@dataclass(frozen=True)
class _Examples:
    """What is learnt from: n rows on the device."""

    inputs: Tensor
    present: Tensor
    truth: Tensor
    weights: Tensor
    """Of mean 1."""

    def take(self, index: Tensor) -> _Examples:
        """The rows at these positions."""
        parts = (self.inputs, self.present, self.truth, self.weights)
        return _Examples(*(part[index] for part in parts))

    def loss(self, outcome: Outcome, outputs: Tensor) -> Tensor:
        """The mean loss of these outputs, each row counted by its weight."""
        return (outcome.losses(outputs, self.truth) * self.weights).mean()


@dataclass(frozen=True)
class _Exam:
    """The rows held back; there may be none."""

    blocks: Blocks
    target: Target
    weights: Floats

    def error(self, network: Network[A]) -> float:
        """The log loss of the predicted probabilities, or the mean squared error; 0 of no rows."""
        if not len(self.target):
            return 0.0
        found = network.predict(self.blocks)
        if self.target.is_number:
            errors = np.square(found[:, 0] - self.target.values)
        else:
            chosen = found[np.arange(len(found)), self.target.values]
            errors = -np.log(np.maximum(chosen, SMALLEST))
        return float(np.average(errors, weights=self.weights))


@dataclass
class _Best(Generic[A]):
    """The latest of the networks with the least error."""

    exam: _Exam
    network: Network[A]
    error: float = math.inf
    since: int = 0

    def look(self, network: Network[A]) -> None:
        """Keep this network if none was better."""
        error = self.exam.error(network)
        if error <= self.error or not self.network.weights:
            self.network, self.error, self.since = network, error, 0
        else:
            self.since += 1


def _learn(
    draft: Network[A], examples: _Examples, exam: _Exam, course: Course, seed: int
) -> Network[A]:
    import torch

    generator = torch.Generator().manual_seed(seed)
    start = draft.architecture.start(generator)
    weights = {name: value.to(draft.device).requires_grad_() for name, value in start.items()}
    batches = _batches(len(examples.truth), course, generator).to(draft.device)
    optimizer, schedule = _optimizer(list(weights.values()), course, len(batches))
    dropout = _dropping(course.dropout, seed, draft.device)
    looks = set(np.linspace(0, len(batches), course.looks + 1).astype(int).tolist())
    best = _Best(exam, draft)
    for step, batch in enumerate(batches, 1):
        part = examples.take(batch)
        outputs = draft.architecture.run(weights, part.inputs, part.present, dropout)
        optimizer.zero_grad()
        torch.autograd.backward(part.loss(draft.outcome, outputs))
        optimizer.step()
        schedule.step()
        if step in looks:
            best.look(replace(draft, weights=_arrays(weights)))
        if best.since == course.patience:
            break
    return best.network


def _examples(draft: Network[A], blocks: Blocks, target: Target, counts: Floats) -> _Examples:
    import torch

    inputs, present = draft.scaling.apply(blocks)
    weights = (counts / counts.mean()).astype(np.float32)
    values = (inputs, present, draft.outcome.encode(target), weights)
    return _Examples(*(torch.tensor(value, device=draft.device) for value in values))


def _batches(rows: int, course: Course, generator: torch.Generator) -> Tensor:
    """Positions of the rows of each step (steps, rows of a step), all rows in turn."""
    import torch

    size, steps = course.size(rows), course.steps(rows)
    epochs = math.ceil(steps * size / rows)
    order = torch.cat([torch.randperm(rows, generator=generator) for _ in range(epochs)])
    return order[: steps * size].view(steps, size)


def _optimizer(weights: list[Tensor], course: Course, steps: int) -> tuple[Any, Any]:
    import torch

    optimizer = torch.optim.AdamW(weights, course.rate, weight_decay=course.decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, course.rate, steps, pct_start=RISE, cycle_momentum=False
    )
    return optimizer, schedule


def _dropping(share: float, seed: int, device: str) -> Dropout:
    """Dropout by a generator of its own, because torch's function has only the global one."""
    import torch

    generator = torch.Generator(device).manual_seed(seed)

    def drop(values: Tensor) -> Tensor:
        kept = torch.empty_like(values).bernoulli_(1 - share, generator=generator)
        return values * kept.div_(1 - share)

    return drop


def _take(blocks: Blocks, index: NDArray[Any]) -> Blocks:
    return {name: block[index] for name, block in blocks.items()}


def _arrays(weights: dict[str, Tensor]) -> Arrays:
    # A copy, or later steps would change it.
    return {name: value.detach().cpu().clone().numpy() for name, value in weights.items()}
