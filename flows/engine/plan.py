"""What a run will do: its partition, resolved once, and the window up to it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import runtime

from fusemine.tasks.core.artifact import read_json
from fusemine.tasks.core.errors import ArtifactError
from fusemine.tasks.core.partition import (
    ALL,
    PartitionSettings,
    check_key,
    end_of,
    gaps,
    latest,
    scheduled_partition,
    window_of,
)
from fusemine.tasks.core.window import WindowRules
from fusemine.tasks.embed.settings import EndpointSettings
from fusemine.tasks.mine.topics.settings import NamingSettings
from fusemine.tasks.report.task import About
from fusemine.tasks.table.roles import check_places

if TYPE_CHECKING:
    from fusemine.flows.engine.config import Loaded, Pipeline
    from fusemine.flows.engine.prepare import Prepared
    from fusemine.tasks.core.artifact import ArtifactRef
    from fusemine.tasks.inventory.source import Listing
    from fusemine.tasks.table.roles import LabelRule


# What says where and when, and not what: it changes no result. What of models changes one is in
# the keys of their own stages.
_NOT_SHOWN: dict[str, Any] = {
    "root": True,
    "gaps": True,
    "quality": True,
    "retention": True,
    "embed": {
        "device": True,
        "endpoint": {*EndpointSettings.model_fields} - {"dimensions"},
    },
    "cluster": {"naming": {*NamingSettings.model_fields} - {"model", "api"}},
    "partition": {"lag": True},
    "models": {"keep": True, "margin": True, "retrain": True},
}


@dataclass(frozen=True)
class Plan:
    """One run over one window.

    Args:
        loaded: The pipeline.
        listing: The source's partitions.
        partition: The partition that is mined; None if the source has none.
        window: The raw artifact of each partition with rows, oldest first.
        history: The same of all partitions up to the one that is mined: its topics go back to
            the first of them.
        left_out: Partitions with rows that the window leaves out, because they are not prepared.
    """

    loaded: Loaded
    listing: Listing
    partition: str | None
    window: dict[str, ArtifactRef]
    history: dict[str, ArtifactRef] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    @property
    def settings(self) -> Pipeline:
        """The pipeline's settings."""
        return self.loaded.pipeline

    @property
    def root(self) -> Path:
        """Folder of the pipeline's artifacts."""
        return self.loaded.root

    def rules(self, partition: str | None = None) -> WindowRules:
        """What bounds the window besides its partitions, or that of an earlier partition."""
        end = end_of(partition or self.target, self.settings.partition)
        return WindowRules(end, self.settings.source.repeated_id, self.settings.partition.timezone)

    @property
    def target(self) -> str:
        """The partition that is mined."""
        return self.partition or ALL

    def about(self) -> About:
        """What the report says of the pipeline and the run."""
        settings, partitions, left_out = self.settings, tuple(self.window), set(self.left_out)
        return About(
            name=settings.name,
            title=settings.title or settings.name,
            notes=settings.notes,
            label_name=_label_name(settings.columns.label),
            label_note=settings.columns.label.note if settings.columns.label else None,
            partition=self.target,
            window_label=_window_label(settings, self.target),
            partitions=partitions,
            gaps=tuple(sorted({*gaps(list(partitions), settings.partition.by)} - left_out)),
            left_out=self.left_out,
            settings=settings.model_dump(mode="json", exclude=_NOT_SHOWN),
        )


def make_plan(loaded: Loaded, listing: Listing, partition: str) -> Plan:
    """Resolve the partition and its window.

    Raises:
        SettingsError: The partition is not one of this pipeline's form, or a required column is
            not in the source.
        ArtifactError: A raw artifact is gone.
    """
    raw, settings = listing.raw, loaded.pipeline
    headers = read_json(listing.inventory, "files.json") if listing.inventory else {}
    for file, header in headers.items():
        check_places(settings.clean.places(), header, f"file {file!r}")
    target = resolve(partition, settings, list(raw))
    if target is None or target not in raw:
        return Plan(loaded, listing, target, {})
    keys = window_of(target, settings.window, raw, settings.partition.by)
    history = {key: _present(key, raw[key]) for key in sorted(raw) if key <= target}
    return Plan(loaded, listing, target, {key: history[key] for key in keys}, history)


def narrowed(plan: Plan, prepared: Prepared) -> Plan:
    """The plan as its pipeline treats partitions that are not prepared yet."""
    if plan.settings.gaps == "prepare":
        return plan
    stays = {*prepared.complete(plan.history), plan.target}
    window = {key: ref for key, ref in plan.window.items() if key in stays}
    history = {key: ref for key, ref in plan.history.items() if key in stays}
    left_out = tuple(key for key in plan.window if key not in stays)
    return replace(plan, window=window, history=history, left_out=left_out)


def resolve(partition: str, settings: Pipeline, keys: list[str]) -> str | None:
    """The key of a partition given as a key, `latest` or `scheduled`; None if there is none."""
    if settings.columns.time is None:
        return ALL if ALL in keys else None
    if partition == "latest":
        return latest(keys, settings.partition, datetime.now(UTC))
    if partition == "scheduled":
        return _scheduled(settings.partition)
    return check_key(partition, settings.partition)


def resolve_early(partition: str, settings: Pipeline) -> str | None:
    """The partition as far as it is known before the source is read."""
    return None if partition == "latest" else resolve(partition, settings, [ALL])


def run_name() -> str:
    """The name of a flow run: the pipeline and the partition that was asked for."""
    parameters: dict[str, Any] = runtime.flow_run.parameters
    name = pipeline_name(Path(parameters["pipeline"]))
    return f"{name}-{parameters.get('partition', 'latest')}"


def pipeline_name(path: Path) -> str:
    """What a pipeline is called before its file is read."""
    folder = path.absolute().parent.name
    return folder if path.name == "pipeline.yaml" else path.name.split(".")[0]


def _scheduled(settings: PartitionSettings) -> str:
    """From the time that the run was scheduled for, however late it started."""
    planned: datetime = runtime.flow_run.scheduled_start_time
    return scheduled_partition(planned, settings)


def _present(partition: str, ref: ArtifactRef | None) -> ArtifactRef:
    if ref is None:
        raise ArtifactError(
            got=f"the raw rows of {partition} went away while the run went on",
            expected="what was just collected to stay",
            fix="run the pipeline again",
        )
    return ref


def _window_label(settings: Pipeline, target: str) -> str:
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
