"""A network that weighs the blocks of each row: a gated sum of their projections.

Each block is brought to one width; a gate, which sees them all, gives each a weight, and the
weighted sum is what the rest of the network reads (gated multimodal fusion, Arevalo et al. 2017,
"Gated multimodal units for information fusion", arXiv 1702.01992, with a softmax over blocks).
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

COURSE = Course(epochs=6, rate=2e-3, decay=1e-2, dropout=0.5, least=300)
EMPTY = -1e9
"""The logit of a block that is all zero in a row."""


@storable
@dataclass(frozen=True)
class Gate(Architecture):
    """The architecture: a few networks of the same form, that share nothing.

    Args:
        outputs: Outputs of each member.
        widths: Columns of each block.
        members: How many networks there are; their mean is better and steadier than each.
        width: Values that each block is projected to.
        hidden: Values of the hidden layer.
    """

    widths: tuple[int, ...]
    members: int = 4
    width: int = 64
    hidden: int = 128

    def start(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Random matrices; the gates begin with the same weight for all blocks."""
        import torch

        blocks, members, width = len(self.widths), self.members, self.width
        weights: dict[str, Tensor] = {
            "scale": torch.ones(members, blocks, width),
            "shift": torch.zeros(members, blocks, width),
            "gate": torch.zeros(members, blocks * width, blocks),
            "gate.b": torch.zeros(members, blocks),
        }
        for block, inputs in enumerate(self.widths):
            weights[f"block.{block}"] = uniform((inputs, members * width), inputs, generator)
            weights[f"block.{block}.b"] = uniform((members * width,), inputs, generator)
        layers = {"hidden": (width, self.hidden), "head": (self.hidden, self.outputs)}
        for name, (inputs, outputs) in layers.items():
            weights[name] = uniform((members, inputs, outputs), inputs, generator)
            weights[f"{name}.b"] = uniform((members, outputs), inputs, generator)
        return weights

    def run(self, weights: Weights, inputs: Tensor, present: Tensor, dropout: Dropout) -> Tensor:
        """The outputs (n, members, outputs)."""
        from torch.nn import functional as F  # noqa: N812  (torch's own convention)

        projected = self._projected(weights, inputs, dropout)
        mixed = (projected * self._gates(weights, projected, present)[..., None]).sum(2)
        hidden = dropout(F.gelu(per_member(mixed, weights, "hidden")))
        return per_member(hidden, weights, "head")

    def gates(self, weights: Weights, inputs: Tensor, present: Tensor, dropout: Dropout) -> Tensor:
        """The members' mean weight of each block (n, blocks).

        It is 0 for an empty block, and they sum to 1 where not all are empty.
        """
        projected = self._projected(weights, inputs, dropout)
        return self._gates(weights, projected, present).mean(1)

    def _projected(self, weights: Weights, inputs: Tensor, dropout: Dropout) -> Tensor:
        """The blocks at one width (n, members, blocks, width)."""
        import torch
        from torch.nn import functional as F  # noqa: N812  (torch's own convention)

        shape = (len(inputs), self.members, self.width)
        parts = [
            (x @ weights[f"block.{block}"] + weights[f"block.{block}.b"]).view(shape)
            for block, x in enumerate(torch.split(inputs, list(self.widths), dim=1))
        ]
        normed = F.layer_norm(torch.stack(parts, dim=2), (self.width,))
        return dropout(F.gelu(normed * weights["scale"] + weights["shift"]))

    def _gates(self, weights: Weights, projected: Tensor, present: Tensor) -> Tensor:
        """The weights of the blocks (n, members, blocks)."""
        there = present[:, None, :]
        logits = per_member((projected * there[..., None]).flatten(2), weights, "gate")
        # The product is for rows whose blocks are all empty.
        return logits.masked_fill(there == 0, EMPTY).softmax(-1) * there


@storable
@dataclass(frozen=True)
class Gated:
    """A trained network with gates."""

    network: Network[Gate]
    mean: Floats
    """Mean weight of each block over the rows that it was fitted on, in the order of `names`."""

    @property
    def names(self) -> list[str]:
        """The blocks that it reads, those without columns left out."""
        return list(self.network.scaling.widths)

    @property
    def mean_gates(self) -> dict[str, float]:
        """The mean weight of each block over the rows that it was fitted on."""
        return dict(zip(self.names, self.mean.tolist(), strict=True))

    def predict(self, blocks: Blocks) -> Floats:
        """Probabilities (n, classes) of sum 1, or numbers (n, 1) in the target's own scale.

        A class that was not seen has probability 0.

        Raises:
            KeyError: A block that was learnt from is not there.
        """
        return self.network.predict(blocks)

    def gates(self, blocks: Blocks) -> Floats:
        """The weight of each block in each row (n, blocks), in the order of `names`.

        It is 0 where a block is all zero, and a row's sum is 1 unless all are.

        Raises:
            KeyError: A block that was learnt from is not there.
        """
        return _gates(self.network, blocks)


def fit_gated(
    blocks: Blocks,
    target: Target,
    sample_weights: Floats | None = None,
    seed: int = 0,
    device: str = "cpu",
    steps: int = COURSE.most,
) -> Gated:
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
    network = train(_design, blocks, target, sample_weights, course, seed, device)
    return Gated(network, _gates(network, blocks).mean(axis=0))


def _gates(network: Network[Gate], blocks: Blocks) -> Floats:
    return network.compute(blocks, network.architecture.gates)


def _design(widths: Sequence[int], outputs: int) -> Gate:
    return Gate(outputs, tuple(widths))
