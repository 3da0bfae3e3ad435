"""Two networks as learners: TabM, and one that gates the blocks row by row.

TabM is many small networks in one, which share their weight matrices (Gorishniy, Kotelnikov and
Babenko 2024, "TabM: Advancing tabular deep learning with parameter-efficient ensembling", arXiv
2410.24210). Each member scales what goes into and comes out of each shared layer in its own way
(BatchEnsemble, Wen et al. 2020), and has an output layer of its own. All are trained at once, and
their mean is the prediction.

The gated network projects each block to one width; a gate, which sees them all, gives each a
weight, and the rest of the network reads the weighted sum (gated multimodal fusion, Arevalo et al.
2017, "Gated multimodal units for information fusion", arXiv 1702.01992, with a softmax over
blocks).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fusemine.tasks.core.device import device_lock, resolve_device
from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.classify.learners.dense import DenseBlocks, fit_dense_blocks
from fusemine.tasks.mine.classify.learners.network import Architecture, Network, per_member, uniform
from fusemine.tasks.mine.classify.learners.network_training import Examples, TrainingConfig, train

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor

    from fusemine.tasks.fuse.transformers import BlockName, Rows
    from fusemine.tasks.mine.classify.learners.network import Blocks, Dropout, Weights
    from fusemine.tasks.mine.classify.learners.training_set import Matrices, TrainingSet
    from fusemine.tasks.stats.target import Floats

TABM = TrainingConfig(epochs=10, learning_rate=3e-3, weight_decay=1e-2, dropout=0.3)
GATED = TrainingConfig(epochs=6, learning_rate=2e-3, weight_decay=1e-2, dropout=0.5, min_steps=300)
EMPTY = -1e9
"""The logit of a block that is all zero in a row."""


@storable
@dataclass(frozen=True)
class TabM(Architecture):
    """The architecture of TabM.

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
            # Only the matrix is shared; scales and offsets are each member's own.
            inputs = width if layer else self.inputs
            weights[f"{layer}.matrix"] = uniform((inputs, width), inputs, generator)
            weights[f"{layer}.r"] = torch.ones(members, inputs)
            weights[f"{layer}.s"] = torch.ones(members, width)
            weights[f"{layer}.b"] = uniform((1, width), inputs, generator).repeat(members, 1)
        # Random signs make the members differ from the first layer on.
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


@storable
@dataclass(frozen=True)
class Gate(Architecture):
    """The architecture of the gated network: a few of the same form, that share nothing.

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

        # Gates of zero logits start as plain means of the blocks.
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

        # The gated sum is the only way from the blocks to the rest of the network.
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
        # Normalised, so that no block wins the gate by its size alone.
        normed = F.layer_norm(torch.stack(parts, dim=2), (self.width,))
        return dropout(F.gelu(normed * weights["scale"] + weights["shift"]))

    def _gates(self, weights: Weights, projected: Tensor, present: Tensor) -> Tensor:
        """The weights of the blocks (n, members, blocks)."""
        filled = present[:, None, :]
        logits = per_member((projected * filled[..., None]).flatten(2), weights, "gate")
        # The product is for rows whose blocks are all empty.
        return logits.masked_fill(filled == 0, EMPTY).softmax(-1) * filled


def fit_tabm(
    examples: Examples, seed: int = 0, device: str = "cpu", max_steps: int = TABM.max_steps
) -> Network[TabM]:
    """Train TabM on all blocks given.

    Args:
        examples: The rows.
        seed: Where the random numbers start.
        device: Where it is computed: cpu, cuda, cuda:N or mps.
        max_steps: Steps of the optimizer, at most.

    Raises:
        ValueError: No row counts, or no block has a column.
    """
    config = replace(TABM, max_steps=max_steps)
    return train(lambda w, n: TabM(n, sum(w) + len(w)), examples, config, seed, device)


def fit_gated(
    examples: Examples, seed: int = 0, device: str = "cpu", max_steps: int = GATED.max_steps
) -> Network[Gate]:
    """Train the gated network on all blocks given; the arguments are those of `fit_tabm`."""
    config = replace(GATED, max_steps=max_steps)
    return train(lambda w, n: Gate(n, tuple(w)), examples, config, seed, device)


def block_gates(network: Network[Gate], blocks: Blocks) -> Floats:
    """The weight of each block in each row (n, blocks), in the order of `scaling.widths`.

    It is 0 where a block is all zero, and a row's sum is 1 unless all are.

    Args:
        network: A trained gated network.
        blocks: Dense features of the n rows, each float32 (n, d).

    Raises:
        KeyError: A block that was learnt from is not there.
    """
    return network.compute(blocks, network.architecture.gates)


@storable
@dataclass(frozen=True)
class FittedNetwork:
    """A network as a fitted learner, with the projections of the blocks that it reads."""

    dense: DenseBlocks
    names: tuple[BlockName, ...]
    network: Network[Any]
    gates: dict[str, float]
    """Mean weight of each block over the rows that it was fitted on; empty without gates."""

    def predict(self, _: Rows, matrices: Matrices) -> Floats:
        """Probabilities or numbers (n, outputs) of rows whose blocks are `matrices`."""
        return self.network.predict(self.dense.transform({n: matrices[n] for n in self.names}))


def fit_tabm_learner(training: TrainingSet) -> FittedNetwork | None:
    """The learner `network`: an ensemble in one network."""
    return _fit(training, fit_tabm)


def fit_gated_learner(training: TrainingSet) -> FittedNetwork | None:
    """The learner of the strategy `gated`: a network that weighs the blocks row by row."""
    return _fit(training, fit_gated)


def _fit(
    training: TrainingSet, fit: Callable[[Examples, int, str], Network[Any]]
) -> FittedNetwork | None:
    if not training.matrices:
        return None
    # Networks read dense blocks only; wide sparse ones are reduced first.
    dense, device = fit_dense_blocks(training), resolve_device(training.device)
    blocks = dense.transform(training.matrices)
    examples, gates = Examples(blocks, training.target, training.sample_weights), {}
    with device_lock(device, lambda _: None):
        network = fit(examples, training.seed, device)
        if isinstance(network.architecture, Gate):
            mean = block_gates(network, blocks).mean(axis=0).tolist()
            gates = dict(zip(network.scaling.widths, mean, strict=True))
    return FittedNetwork(dense, tuple(training.matrices), network, gates)
