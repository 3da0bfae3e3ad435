"""The registry of topics, made from the first partition on, one partition after the other.

What it knows after a partition follows from what it knew before and from the partition's window.
So the earlier states come first, whatever was asked for, and late rows make the later ones stale.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tasks import progress
from tasks.artifacts import find, read_manifest
from tasks.errors import SettingsError
from tasks.files import replace_file
from tasks.partitions import window_of
from tasks.topics.task import REGISTRY, advance_registry, registry_job
from tasks.windowed import WindowRefs

if TYPE_CHECKING:
    from pathlib import Path

    from flows.plan import Plan
    from flows.prepare import Prepared
    from tasks.artifacts import ArtifactRef, Job


def registry_of(plan: Plan, prepared: Prepared) -> ArtifactRef:
    """The registry after the partition that is mined; what is missing of the chain is made.

    Raises:
        SettingsError: The topics so far were made with another encoder.
    """
    _check_encoder(plan, prepared)
    before: ArtifactRef | None = None
    for number, partition in enumerate(plan.history, start=1):
        window, job = _job(plan, prepared, partition, before)
        found = None if partition == plan.target else _found(prepared, job, before)
        made = found or advance_registry(job, window, before, plan.settings.cluster)
        before = prepared.registries[_place(partition, before)] = made
        progress.report("topics", number, len(plan.history))
    assert before is not None  # noqa: S101  (a plan that is mined has rows)
    return before


def registry_found(plan: Plan, prepared: Prepared) -> ArtifactRef | None:
    """The registry after the partition that is mined, or None while the chain is not complete."""
    before: ArtifactRef | None = None
    for partition in plan.history:
        if partition not in prepared.embedded:
            return None
        before = _found(prepared, _job(plan, prepared, partition, before)[1], before)
        if before is None:
            return None
    return before


def _job(
    plan: Plan, prepared: Prepared, partition: str, before: ArtifactRef | None
) -> tuple[WindowRefs, Job]:
    settings = plan.settings
    keys = window_of(partition, settings.window, plan.history, settings.partition.by)
    window = WindowRefs(
        tuple(prepared.cleaned[key] for key in keys),
        tuple(prepared.embedded[key] for key in keys),
        plan.rules(partition),
    )
    return window, registry_job(plan.root, partition, window, before, settings.cluster)


def _found(prepared: Prepared, job: Job, before: ArtifactRef | None) -> ArtifactRef | None:
    place = _place(job.partition, before)
    known = prepared.registries.get(place) or find(job)
    if known is not None:
        prepared.registries[place] = known
    return known


def _place(partition: str, before: ArtifactRef | None) -> tuple[str, str]:
    return partition, before.sha256 if before else ""


def _check_encoder(plan: Plan, prepared: Prepared) -> None:
    """Numbers and names of topics hold for the encoder that they were made with."""
    name = plan.settings.cluster.registry
    recipe = read_manifest(prepared.embedded[plan.target].path).recipe
    encoder, path = str(recipe["model"]), plan.root / REGISTRY.name / f"{name}.json"
    before = _encoder_at(path)
    if before is None:
        replace_file(path, json.dumps({"encoder": encoder}).encode() + b"\n")
    elif before != encoder:
        raise SettingsError(
            got=f"topics in the registry {name!r} that were made with another encoder "
            f"({before[:8]}, now {encoder[:8]})",
            expected="the encoder that their numbers and names rest on",
            fix="name that encoder in embed again, or begin a new list of topics with another "
            f"name in cluster.registry, such as {name + '-new'!r}: its topics are made from the "
            "first partition on, and the old ones stay below the root until they are pruned",
        )


def _encoder_at(path: Path) -> str | None:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["encoder"])
    except (OSError, ValueError, KeyError):
        return None
