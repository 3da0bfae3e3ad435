"""Which precision `auto` means: the fastest here that leaves the vectors as they are."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from fusemine.tasks.core.device import device_lock, resolve_device
from fusemine.tasks.core.key import digest
from fusemine.tasks.core.storage.records import parse, write_record
from fusemine.tasks.core.vectors import unit
from fusemine.tasks.embed.encoders.models import load_encoder
from fusemine.tasks.embed.settings import Precision

if TYPE_CHECKING:
    import numpy as np

    from fusemine.tasks.core.storage.store import Store
    from fusemine.tasks.embed.encoders.models import ModelFiles
    from fusemine.tasks.embed.settings import EmbedSettings

NAME = "store/precision.json"
"""Where it is recorded below the root."""
COSINE = 0.999
"""The least cosine to float32 that `auto` accepts for a probe text's vector."""

# Processors that compute bfloat16 at twice the speed of float32 or more.
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}

PROBE = (
    "gull hit the engine", "BIRDS SEEN ON TAKEOFF RUN. NO DAMAGE FOUND.", "Invoice 4711 is due.",
    "The patient was given 5 mg twice a day and reported a mild headache after the second dose.",
    "Cannot log in since the update; error 0x80070005, restarted twice!", "ok", "3.14159",
    "Sehr freundliches Personal, aber das Zimmer war laut.", "客户对送货速度非常满意。",
    "Le produit est arrivé cassé et le service ne répond pas.", "отличное качество", "🙂 👍",
    "Shares fell 3.2% on Monday after the company cut its outlook for the year, citing costs.",
    "pump p-101 bearing temperature high, vibration 7.1 mm/s, stopped for inspection",
    "Water damage in the kitchen after a pipe burst on the second floor; the insured asks for an "
    "advance, the adjuster has seen the place and puts the loss at about twelve thousand.",
    " ".join(["The committee met again and nothing was decided about the budget."] * 30),
)  # fmt: skip
"""Texts of many kinds and lengths."""


class Measured(BaseModel, frozen=True):
    """What `auto` means for a model and its settings on a type of machine.

    Args:
        precision: The precision.
        tried: The one that was tried.
        cosine: The least cosine of a probe text's vector in it to that in float32.
        machine: The type of machine.
    """

    precision: Precision
    tried: str
    cosine: float
    machine: str


class Measurements(BaseModel):
    """All that was measured, by a hash of model, settings and machine."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Measured]

    def get(self, name: str) -> Measured | None:
        """What was measured under a name."""
        return self.__pydantic_extra__.get(name)


def precision_of(store: Store, settings: EmbedSettings, model: ModelFiles) -> Precision:
    """The precision that a run would compute with; before a probe, the one that would be tried.

    Args:
        store: Where the pipeline keeps things.
        settings: They name one, or `auto`.
        model: The encoder.
    """
    if settings.precision != "auto":
        return settings.precision
    machine = machine_type(settings.device)
    record = _read(store).get(_name(machine, settings, model))
    return record.precision if record else candidate(machine, model)


def resolve_precision(store: Store, settings: EmbedSettings, model: ModelFiles) -> None:
    """Resolve `auto` once for this pipeline, model and type of machine, and record it.

    Loads the model twice where there is a faster precision than float32, to compare them.
    """
    machine = machine_type(settings.device)
    name = _name(machine, settings, model)
    tried = candidate(machine, model)
    if settings.precision != "auto" or tried == "float32" or _read(store).get(name):
        return
    cosine = fidelity(settings, model, tried)
    chosen = tried if cosine >= COSINE else "float32"
    found = Measured(precision=chosen, tried=tried, cosine=cosine, machine=machine)
    write_record(store, NAME, _read(store).model_copy(update={name: found}))


def fidelity(settings: EmbedSettings, model: ModelFiles, precision: Precision) -> float:
    """The least cosine of the probe's vectors at a precision to those in float32."""
    with device_lock(resolve_device(settings.device), lambda _: None):
        exact, lower = (_probe(settings, model, each) for each in ("float32", precision))
    return float((exact * lower).sum(axis=1).min())


def _probe(settings: EmbedSettings, model: ModelFiles, precision: Precision) -> np.ndarray:
    encoder = load_encoder(model, settings, precision)
    return unit(encoder.encode(encoder.prepare(PROBE)))


def candidate(machine: str, model: ModelFiles) -> Precision:
    """What `auto` tries on a type of machine."""
    if model.kind in ("static", "endpoint"):
        return "float32"
    if machine.startswith("cuda"):
        return "float16"
    return "bfloat16" if _BFLOAT16_FLAGS & set(machine.split()) else "float32"


def machine_type(device: str) -> str:
    """What computes here, as far as it decides which precision is fast."""
    kind = device.partition(":")[0]
    if kind in ("auto", "cuda") and Path("/dev/nvidiactl").exists():
        import torch

        if torch.cuda.is_available():
            return f"cuda {torch.cuda.get_device_name()}"
    if kind == "mps" or (kind == "auto" and platform.system() == "Darwin"):
        return "mps"
    return " ".join(["cpu", platform.machine(), *sorted(_BFLOAT16_FLAGS & _cpu_flags())])


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def _name(machine: str, settings: EmbedSettings, model: ModelFiles) -> str:
    return digest([machine, model.fingerprint, settings.key_values()])[:16]


def _read(store: Store) -> Measurements:
    """What was measured before; nothing where the record is damaged: it is measured again."""
    try:
        return parse(store.read(NAME), Measurements)
    except (OSError, ValueError):
        return Measurements()
