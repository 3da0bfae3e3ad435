"""Networks as learners: an ensemble in one network, and a gate over the blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fusemine.tasks.core.device import device_lock, resolve_device
from fusemine.tasks.core.pack.trusted import storable
from fusemine.tasks.mine.classify.learners.dense import DenseForm, fit_dense
from fusemine.tasks.mine.classify.learners.gated import fit_gated
from fusemine.tasks.mine.classify.learners.tabm import fit_tabm

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusemine.tasks.fuse.transformers import BlockName, Rows
    from fusemine.tasks.mine.classify.learners.network import Blocks
    from fusemine.tasks.mine.classify.learners.training_set import Floats, Lesson, Matrices


class Trained(Protocol):
    """A trained network."""

    def predict(self, blocks: Blocks, /) -> Floats:
        """Probabilities or numbers (n, outputs)."""


@storable
@dataclass(frozen=True)
class NetworkMember:
    """A network and the form in which it reads rows."""

    form: DenseForm
    names: tuple[BlockName, ...]
    network: Trained

    def predict(self, _: Rows, matrices: Matrices) -> Floats:
        """Probabilities or numbers (n, outputs) of rows whose blocks are `matrices`."""
        return self.network.predict(self.form.blocks({n: matrices[n] for n in self.names}))


def fit_network(lesson: Lesson) -> NetworkMember | None:
    """An ensemble in one network, of the TabM kind."""
    return _fit(lesson, fit_tabm)


def fit_gated_network(lesson: Lesson) -> NetworkMember | None:
    """A network that weighs the blocks row by row."""
    return _fit(lesson, fit_gated)


def _fit(lesson: Lesson, fit: Callable[..., Trained]) -> NetworkMember | None:
    if not lesson.matrices:
        return None
    form, device = fit_dense(lesson), resolve_device(lesson.device)
    blocks = form.blocks(lesson.matrices)
    with device_lock(device, _silent):
        network = fit(blocks, lesson.target, lesson.counts, lesson.seed, device)
    return NetworkMember(form, tuple(lesson.matrices), network)


def _silent(_: str) -> None:
    """Hear that a device is waited for."""
