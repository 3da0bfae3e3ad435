"""The part that models play in a run: the one in use scores the new rows, a new one may follow."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from prefect import get_run_logger

from fusemine.flows.engine.outcome import ModelOutcome
from fusemine.flows.serving.champions import Champions, compared_before
from fusemine.flows.serving.input_contract import reading_of
from fusemine.tasks.core.artifact import ArtifactRef, read_json
from fusemine.tasks.core.partition import ALL
from fusemine.tasks.core.windowed import SUMMARY
from fusemine.tasks.report.task import InUse
from fusemine.tasks.serving.challenge.compare import Comparison, told
from fusemine.tasks.serving.records import change_registry, read_registry
from fusemine.tasks.serving.registry import Event, Turn
from fusemine.tasks.serving.stored import read_about
from fusemine.tasks.serving.task import (
    challenge,
    challenge_job,
    model_job,
    train_model,
    watch_job,
    watch_models,
)
from fusemine.tasks.serving.train.about import Ingredients, entry_of
from fusemine.tasks.upkeep.places import discard, name_of

if TYPE_CHECKING:
    from fusemine.flows.engine.config import Loaded
    from fusemine.flows.engine.plan import Plan
    from fusemine.flows.engine.prepare import Prepared
    from fusemine.tasks.core.artifact import Job
    from fusemine.tasks.report.task import Made
    from fusemine.tasks.serving.registry import Entry, Registry

Train = Literal["due", "now", "never"]
"""Whether a run trains a new model: when the rule says so, in any case, or not at all."""


@dataclass(frozen=True)
class Use:
    """What a run did about models; it counts once the run has ended well.

    Attributes:
        shown: What the report shows.
        turns: The model of each partition that was scored.
        entry: The model that was trained.
        event: What was decided on it.
    """

    shown: InUse
    turns: dict[str, Turn] = field(default_factory=dict)
    entry: Entry | None = None
    event: Event | None = None

    def settle(self, loaded: Loaded) -> ModelOutcome | None:
        """Note it below the root, and say which model is in use then.

        What was decided against a model that is not in use any more is not carried out: somebody
        has taken another one into use meanwhile.
        """
        after = change_registry(loaded.root, self._noted)
        if after.current is None:
            return None
        if self.event is None:
            trained = self.entry.id if self.entry else None
            return ModelOutcome(in_use=after.current.id, trained=trained)
        last = next(e for e in reversed(after.events) if e.model == self.event.model)
        get_run_logger().info("model %s %s: %s", last.model, last.action, last.why)
        return ModelOutcome(
            in_use=after.current.id, trained=last.model, decision=last.action, why=last.why
        )

    def _noted(self, registry: Registry) -> Registry:
        for partition, turn in self.turns.items():
            registry = registry.with_turn(partition, turn)
        if self.entry is not None:
            registry = registry.with_entry(self.entry)
        if self.event is None or registry.decided(self.event.model):
            return registry
        current = registry.current
        if current is None or current.id == self.event.before:
            return registry.with_event(self.event)
        why = f"{current.id} was taken into use meanwhile"
        late = {"action": "kept", "before": current.id, "why": why}
        return registry.with_event(self.event.model_copy(update=late))


def use_models(plan: Plan, prepared: Prepared, made: Made, train: Train) -> Use:
    """Score the new partition with the model in use, and train a new one where that is due.

    Args:
        plan: The run.
        prepared: The prepared partitions.
        made: What was mined.
        train: Whether a new model is trained.
    """
    return _Run(plan, prepared, made, read_registry(plan.root)).use(train)


@dataclass(frozen=True)
class _Run:
    plan: Plan
    prepared: Prepared
    made: Made
    registry: Registry

    @property
    def champions(self) -> Champions:
        return Champions(self.plan, self.prepared, self.registry)

    def use(self, train: Train) -> Use:
        scored = self._scored()
        watched = self._watch(scored) if scored else None
        use = Use(InUse(watched, compared_before(self.plan, self.registry)), self._turns(scored))
        if train == "now" or (train == "due" and self._is_due(scored, watched)):
            use = self._trained(use)
        return use

    def _scored(self) -> dict[str, ArtifactRef]:
        """What the models in use say of the partitions; a new one that cannot be used is told."""
        found = {partition: self.champions.scored(partition) for partition in self.plan.history}
        entry = self.registry.in_use_for(self.plan.target)
        if entry is not None and found[self.plan.target] is None:
            get_run_logger().warning(
                "the model in use, %s, cannot score %s: its files are gone or changed, or it is of "
                "another version, or reads other columns, or texts by another encoder",
                entry.id, self.plan.target,
            )  # fmt: skip
        return {partition: ref for partition, ref in found.items() if ref is not None}

    def _watch(self, scored: dict[str, ArtifactRef]) -> ArtifactRef:
        watching, window = self.champions.watching(scored), self.made.window
        job = watch_job(self.plan.root, self.plan.target, window, watching)
        return watch_models(job, window, watching)

    def _turns(self, scored: dict[str, ArtifactRef]) -> dict[str, Turn]:
        """The partitions whose model, or what it foretold, was settled by this run."""
        turns = {}
        for partition in [*scored, self.plan.target]:
            before = self.registry.turns.get(partition)
            entry, ref = self.registry.in_use_for(partition), scored.get(partition)
            turn = before or Turn(champion=entry.id if entry else None)
            turn = turn.model_copy(update={"score": ref.name if ref else turn.score})
            if turn != before:
                turns[partition] = turn
        return turns

    def _is_due(self, scored: dict[str, ArtifactRef], watched: ArtifactRef | None) -> bool:
        """Whether the model in use should be followed by a new one."""
        current, target = self.registry.current, self.plan.target
        if current is None or target == ALL or not self.champions.whole(current):
            return True
        if target <= current.partition:
            return False
        if target not in scored or watched is None:
            return True
        summary = read_json(watched, SUMMARY)
        return bool(summary["model"] == current.id and summary["due"])

    def _trained(self, use: Use) -> Use:
        """Train a model, hold it against the one in use, and decide."""
        made, window = self._ingredients(), self.made.window
        job = model_job(self.plan.root, self.plan.target, window, made)
        self._discard_changed(job)
        ref = train_model(job, window, made)
        entry = entry_of(ref, read_about(ref))
        current = self.registry.current
        if current is not None and current.id == entry.id:
            return use if current.sha256 == entry.sha256 else replace(use, entry=entry)
        compared = self._challenged(current, ref, entry) if current else None
        event = self._decide(current, entry, compared)
        turns = use.turns
        if compared is not None:
            use = replace(use, shown=replace(use.shown, challenge=compared))
            target = self.plan.target
            turn = turns.get(target) or self.registry.turns[target]
            turn = turn.model_copy(update={"challenge": compared.name})
            turns = {**turns, target: turn}
        return replace(use, turns=turns, entry=entry, event=event)

    def _discard_changed(self, job: Job) -> None:
        """Make a model anew whose files are not those that the registry knows."""
        entry = next(
            (e for e in self.registry.entries.values() if e.artifact == name_of(job.folder)), None
        )
        if entry is not None and self.champions.whole(entry) is None and job.folder.is_dir():
            discard(job.folder)

    def _ingredients(self) -> Ingredients:
        settings = self.plan.settings
        return Ingredients(
            classes=self.made.classes,
            topics=self.made.topics,
            classifying=settings.classify,
            fusing=settings.fuse,
            anomaly=settings.anomaly,
            number=settings.columns.label_kind == "number",
            reading=reading_of(settings),
            encoder=self.prepared.encoder,
        )

    def _challenged(self, current: Entry, ref: ArtifactRef, entry: Entry) -> ArtifactRef | None:
        """The comparison with the model in use, where both foretell a label of these rows."""
        champion = self.champions.readable(current)
        if champion is None or not (current.label and entry.label):
            return None
        plan, window, classes = self.plan, self.made.window, self.made.classes
        pair, settings = (champion, ref), plan.settings.models
        job = challenge_job(plan.root, plan.target, window, classes, pair, settings)
        return challenge(job, window, classes, pair, settings)

    def _decide(
        self, current: Entry | None, entry: Entry, compared: ArtifactRef | None
    ) -> Event | None:
        """What becomes of a new model; nothing if that was decided before."""
        if self.registry.decided(entry.id):
            return None
        now = datetime.now(UTC)
        if current is None:
            why = "there was no model before"
            return Event(at=now, action="first", model=entry.id, before=None, why=why)
        better, why = _verdict(current, entry, compared, self.champions)
        # Where nothing is left that could be used there is nothing to decide.
        auto = self.plan.settings.models.promote == "auto" or not self.champions.whole(current)
        older = self.plan.target < current.partition
        if older:
            why = f"{entry.id} is of an earlier partition than {current.id}"
        elif better and not auto:
            why += "; models.promote is hand"
        return Event(
            at=now,
            action="promoted" if better and auto and not older else "kept",
            model=entry.id,
            before=current.id,
            why=why,
            challenge=compared.name if compared else None,
        )


def _verdict(
    current: Entry, entry: Entry, compared: ArtifactRef | None, champions: Champions
) -> tuple[bool, str]:
    """Whether a new model may take the place of the one in use, and why."""
    if compared is not None:
        summary = read_json(compared, SUMMARY)
        values = {name: summary[name] for name in Comparison.__dataclass_fields__}
        found = Comparison(**values)
        return found.not_worse, told(found, current.id, entry.id)
    if champions.whole(current) is None:
        why = "is gone or changed, or cannot be read by what is installed"
        return True, f"{current.id} {why}, so the new one is used"
    if current.label and not entry.label:
        return False, f"{entry.id} foretells no label, as {current.id} does"
    if champions.readable(current) is None:
        return False, (
            f"{current.id} does not read these rows, so nothing could be compared; to use the new "
            f"one: fusemine promote PIPELINE {entry.id}"
        )
    what = "neither foretells a label" if not entry.label else f"{current.id} foretells no label"
    return True, f"{what}, so the newer one is used"
