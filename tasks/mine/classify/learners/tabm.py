"""TabM: many small networks in one, which share their weight matrices.

Gorishniy, Kotelnikov and Babenko 2024, "TabM: Advancing tabular deep learning with
parameter-efficient ensembling" (arXiv 2410.24210). Each member scales what goes into and comes out
of each shared layer in its own way (BatchEnsemble, Wen et al. 2020), and has an output layer of
its own. All are trained at once, and their mean is the prediction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.classify.learners.network import (
    Architecture,
    Network,
    per_member,
    uniform,
)
from fusemine.tasks.mine.classify.learners.training import Course, train

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import Tensor

    from fusemine.tasks.mine.classify.learners.network import Blocks, Dropout, Weights
    from fusemine.tasks.stats.target import Floats, Target

COURSE = Course(epochs=10, rate=3e-3, decay=1e-2, dropout=0.3)


@storable
@dataclass(frozen=True)
class TabM(Architecture):
    """The architecture.

    Args:
        outputs: Outputs of each member.
        inputs: Columns of all blocks together, and one more for each block.
        members: How many networks share the matrices.
        width: Values of each hidden layer.
        layers: Hidden layers.
    """

    inputs: int
    members: int = 16
    width: int = 128
    layers: int = 2

    def start(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Random matrices; members differ at first by the signs of their inputs and their heads.

        All other scales begin at 1, which the paper found to be what makes members good.
        """
        import torch

        members, width = self.members, self.width
        weights: dict[str, Tensor] = {}
        for layer in range(self.layers):
            inputs = width if layer else self.inputs
            weights[f"{layer}.matrix"] = uniform((inputs, width), inputs, generator)
            weights[f"{layer}.r"] = torch.ones(members, inputs)
            weights[f"{layer}.s"] = torch.ones(members, width)
            weights[f"{layer}.b"] = uniform((1, width), inputs, generator).repeat(members, 1)
        weights["0.r"] = torch.randint(0, 2, (members, self.inputs), generator=generator) * 2.0 - 1
        weights["head"] = uniform((members, width, self.outputs), width, generator)
        weights["head.b"] = uniform((members, self.outputs), width, generator)
        return weights

    def run(self, weights: Weights, inputs: Tensor, present: Tensor, dropout: Dropout) -> Tensor:
        """The outputs (n, members, outputs)."""
        import torch

        x = torch.cat([inputs, present], dim=1)
        for layer in range(self.layers):
            r, s, b = (weights[f"{layer}.{name}"] for name in "rsb")
            x = dropout((self._shared(x, r, weights[f"{layer}.matrix"]) * s + b).relu())
        return per_member(x, weights, "head")

    def _shared(self, x: Tensor, r: Tensor, matrix: Tensor) -> Tensor:
        """Values (n, members, width) of a layer's inputs after each member's scales `r`."""
        if x.dim() == 3:
            return (x * r) @ matrix
        # The first inputs are the same for all members, and the matrix is smaller than they are.
        scaled = r.T[:, :, None] * matrix[:, None, :]
        return (x @ scaled.flatten(1)).view(len(x), self.members, self.width)


def fit_tabm(
    blocks: Blocks,
    target: Target,
    sample_weights: Floats | None = None,
    seed: int = 0,
    device: str = "cpu",
    steps: int = COURSE.most,
) -> Network[TabM]:
    """Train it on all blocks given.

    Args:
        blocks: Dense features of the n rows, each float32 (n, d).
        target: Their classes or numbers.
        sample_weights: How much each row counts (n,), not negative; all alike if None.
        seed: Where the random numbers start.
        device: Where it is computed: cpu, cuda, cuda:N or mps.
        steps: Steps of the optimizer, at most.

    Raises:
        ValueError: No row counts, or no block has a column.
    """
    course = replace(COURSE, most=steps)
    return train(_design, blocks, target, sample_weights, course, seed, device)


def _design(widths: Sequence[int], outputs: int) -> TabM:
    return TabM(outputs, sum(widths) + len(widths))
