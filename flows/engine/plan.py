"""What a run will do: its partition, resolved once, and the window up to it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import runtime

from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.partition import (
    ALL,
    check_partition,
    end_of,
    gaps,
    latest,
    scheduled_partition,
    window_partitions,
)
from fusemine.tasks.core.window import WindowRules
from fusemine.tasks.table.escaping import escape_line

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from fusemine.flows.config.pipeline import Loaded, Sections
    from fusemine.tasks.core.storage.artifact import ArtifactRef
    from fusemine.tasks.table.roles import LabelRule


@dataclass(frozen=True)
class Plan:
    """One run over one window.

    Args:
        loaded: The pipeline.
        partition: The partition that is mined; None if the source has none.
        window: The partitions with rows that are mined, oldest first.
        history: All partitions with rows up to the one that is mined: its topics go back to the
            first of them.
        left_out: Partitions with rows that the window leaves out, because they are not prepared.
    """

    loaded: Loaded
    partition: str | None
    window: tuple[str, ...] = ()
    history: tuple[str, ...] = field(default=(), repr=False)
    left_out: tuple[str, ...] = ()

    @property
    def settings(self) -> Sections:
        """The pipeline's settings."""
        return self.loaded.pipeline

    @property
    def target(self) -> str:
        """The partition that is mined."""
        return self.partition or ALL

    def rules(self, partition: str, chained: bool = False) -> WindowRules:
        """What bounds the window up to a partition besides its partitions.

        Args:
            partition: The partition.
            chained: Whether the rows matter that are new since the partition before.
        """
        settings = self.settings
        place = self.history.index(partition) if chained else 0
        before = self.history[place - 1] if place else None
        return WindowRules(
            end_of(partition, settings.partition),
            settings.source.repeated_id,
            settings.partition.timezone,
            end_of(before, settings.partition) if before else None,
        )

    def window_up_to(self, partition: str) -> tuple[str, ...]:
        """The window of an earlier partition."""
        if partition == self.target:
            return self.window
        window, by = self.settings.window, self.settings.partition.by
        return tuple(window_partitions(partition, window, self.history, by))

    def narrowed(self, stays: Collection[str]) -> Plan:
        """The plan without the partitions that are not prepared, the one to be mined excepted."""
        kept = {*stays, self.target}
        return replace(
            self,
            window=tuple(key for key in self.window if key in kept),
            history=tuple(key for key in self.history if key in kept),
            left_out=tuple(sorted({*self.left_out} | ({*self.window} - kept))),
        )

    def about(self) -> dict[str, Any]:
        """What the report says of the pipeline and the run, JSON-ready."""
        settings, left_out = self.settings, set(self.left_out)
        label = settings.columns.label
        without_rows = {*gaps(list(self.window), settings.partition.by)} - left_out
        return {
            "name": settings.name,
            "title": settings.title or settings.name,
            "notes": settings.notes,
            "label_name": _label_name(label),
            "label_note": label.note if label else None,
            "partition": self.target,
            "window_label": _window_label(settings, self.target),
            "partitions": list(self.window),
            "gaps": sorted(without_rows),
            "left_out": list(self.left_out),
            "settings": settings.shown(),
        }


def make_plan(loaded: Loaded, raw: Mapping[str, ArtifactRef | None], partition: str) -> Plan:
    """Resolve the partition and its window.

    Args:
        loaded: The pipeline.
        raw: The collected rows of each partition of the source.
        partition: A partition's key, `latest` or `scheduled`.

    Raises:
        SettingsError: The partition is not one of this pipeline's form.
        ArtifactError: Collected rows are gone.
    """
    settings = loaded.pipeline
    target = resolve(partition, settings, list(raw))
    if target is None or target not in raw:
        return Plan(loaded, target)
    keys = window_partitions(target, settings.window, raw, settings.partition.by)
    history = tuple(key for key in sorted(raw) if key <= target)
    for key in history:
        if raw[key] is None:
            raise ArtifactError(
                got=f"the raw rows of {key} went away while the run went on",
                expected="what was just collected to stay",
                fix="run the pipeline again",
            )
    return Plan(loaded, target, tuple(keys), history)


def resolve(partition: str, settings: Sections, keys: list[str]) -> str | None:
    """The key of a partition given as a key, `latest` or `scheduled`; None if there is none."""
    if settings.columns.time is None:
        return ALL if ALL in keys else None
    if partition == "latest":
        return latest(keys, settings.partition, datetime.now(UTC))
    if partition == "scheduled":
        # From the time that the run was scheduled for, however late it started.
        return scheduled_partition(runtime.flow_run.scheduled_start_time, settings.partition)
    return check_partition(partition, settings.partition)


def resolve_before_reading(partition: str, settings: Sections) -> str | None:
    """The partition as far as it is known before the source is read."""
    return None if partition == "latest" else resolve(partition, settings, [ALL])


def run_name() -> str:
    """The name of a flow run: the pipeline and the partition that was asked for."""
    parameters: dict[str, Any] = runtime.flow_run.parameters
    name = pipeline_name(Path(parameters["pipeline"]))
    return f"{name}-{parameters.get('partition', 'latest')}"


def pipeline_name(path: Path) -> str:
    """What a pipeline is called before its file is read, as a name on a server."""
    folder = path.absolute().parent.name
    return escape_line(folder if path.name == "pipeline.yaml" else path.name.split(".")[0])


def _window_label(settings: Sections, target: str) -> str:
    if target == ALL:
        return "all rows"
    if settings.window == "all":
        return f"all {settings.partition.by}s up to {target}"
    plural = "s" if settings.window > 1 else ""
    return f"{settings.window} {settings.partition.by}{plural} up to {target}"


def _label_name(rule: LabelRule | None) -> str | None:
    if rule is None:
        return None
    if rule.positive is None:
        return rule.column
    values = "present" if rule.positive == "present" else " or ".join(rule.positive)
    return f"{rule.column} = {values}"
