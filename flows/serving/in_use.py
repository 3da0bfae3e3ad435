"""The part that models play in a run: the one in use scores the new rows, a new one may follow."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from fusemine.flows.engine.outcome import ModelOutcome
from fusemine.flows.serving.champions import Champions
from fusemine.tasks.core.partition import ALL
from fusemine.tasks.core.request import make_request
from fusemine.tasks.core.stage import Read
from fusemine.tasks.core.storage.artifact import read_json
from fusemine.tasks.core.storage.own import delete_artifact
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.serving.compare import Comparison, describe
from fusemine.tasks.serving.registry import (
    Event,
    Turn,
    begin_registry,
    change_registry,
    read_registry,
)
from fusemine.tasks.serving.settings import ModelSettings
from fusemine.tasks.serving.stored import entry_of, read_about

if TYPE_CHECKING:
    from fusemine.flows.engine.session import Session
    from fusemine.flows.engine.walk import Refs, Walk
    from fusemine.tasks.core.request import Request
    from fusemine.tasks.core.storage.artifact import ArtifactRef
    from fusemine.tasks.serving.registry import Entry, Registry

Train = Literal["due", "now", "never"]
"""Whether a run trains a new model: when the rule says so, in any case, or not at all."""


@dataclass(frozen=True)
class Use:
    """What a run did about models; it counts once the run has ended well.

    Attributes:
        shown: What the report reads.
        turns: The model of each partition that was scored.
        entry: The model that was trained.
        event: What was decided on it.
    """

    shown: dict[str, Refs]
    turns: dict[str, Turn] = field(default_factory=dict)
    entry: Entry | None = None
    event: Event | None = None

    def settle(self, session: Session) -> ModelOutcome | None:
        """Note it below the root, and say which model is in use then.

        What was decided against a model that is not in use any more is not carried out: somebody
        has taken another one into use meanwhile.
        """
        after = change_registry(session.loaded.store, self.applied_to)
        if after.current is None:
            return None
        if self.event is None:
            trained = self.entry.id if self.entry else None
            return ModelOutcome(in_use=after.current.id, trained=trained)
        last = next(e for e in reversed(after.events) if e.model == self.event.model)
        session.log(logging.INFO, "model %s %s: %s", last.model, last.action, last.why)
        return ModelOutcome(
            in_use=after.current.id, trained=last.model, decision=last.action, why=last.why
        )

    def applied_to(self, registry: Registry) -> Registry:
        """The registry with what the run did."""
        for partition, turn in self.turns.items():
            registry = registry.with_turn(partition, turn)
        if self.entry is not None:
            registry = registry.with_entry(self.entry)
        current = registry.current
        if self.event is None or (current is not None and current.id == self.event.model):
            return registry
        if self.event.action == "kept" and registry.decided(self.event.model):
            return registry
        if current is None or current.id == self.event.before:
            return registry.with_event(self.event)
        why = f"{current.id} was taken into use meanwhile"
        late = {"action": "kept", "before": current.id, "why": why}
        return registry.with_event(self.event.model_copy(update=late))


def use_models(walk: Walk, train: Train) -> Use:
    """Score the new partition with the model in use, and train a new one where that is due.

    Args:
        walk: The run, whose window is mined.
        train: Whether a new model is trained.
    """
    return _Run(walk, read_registry(walk.session.loaded.store)).use(train)


class _Run(Champions):
    """The models in use, and the one that a run may train."""

    def use(self, train: Train) -> Use:
        scored, shown = self._scored(), self._compared()
        watched = self._made(self.monitoring(scored)) if scored else None
        if watched is not None:
            shown["monitor"] = (watched,)
        use = Use(shown, self._turns(scored))
        if train == "now" or (train == "due" and self._is_due(scored, watched)):
            use = self._trained(use)
        return use

    @property
    def _target(self) -> str:
        return self.walk.plan.target

    def _compared(self) -> dict[str, Refs]:
        """The comparison that an earlier run of the partition made, again where it is damaged."""
        models = self.comparable()
        if models is None:
            return self.compared_before()
        return {"challenge": (self._made(self._over_window("challenge", models)),)}

    def _scored(self) -> dict[str, ArtifactRef]:
        """What the models in use say of the partitions; a new one that cannot be used is logged."""
        found = {p: self.scored(p) for p in self.walk.plan.history}
        entry = self.registry.in_use_for(self._target)
        if entry is not None and found[self._target] is None:
            self.walk.session.log(
                logging.WARNING,
                "the model in use, %s, cannot score %s: its files are gone or changed, or it is of "
                "another version, or reads other columns, or texts by another encoder",
                entry.id, self._target,
            )  # fmt: skip
        return {partition: ref for partition, ref in found.items() if ref is not None}

    def _made(self, request: Request) -> ArtifactRef:
        session = self.walk.session
        return session.run(request, found=session.find(request))

    def _turns(self, scored: dict[str, ArtifactRef]) -> dict[str, Turn]:
        """The partitions whose model, or what it predicted, was settled by this run."""
        turns = {}
        for partition in [*scored, self._target]:
            before = self.registry.turns.get(partition)
            entry, ref = self.registry.in_use_for(partition), scored.get(partition)
            turn = before or Turn(champion=entry.id if entry else None)
            turn = turn.model_copy(update={"score": ref.name if ref else turn.score})
            if turn != before:
                turns[partition] = turn
        return turns

    def _is_due(self, scored: dict[str, ArtifactRef], watched: ArtifactRef | None) -> bool:
        """Whether the model in use should be followed by a new one."""
        current = self.registry.current
        if current is None or self._target == ALL or not self.whole(current):
            return True
        if self._target <= current.partition:
            return False
        if self._target not in scored or watched is None:
            return True
        summary = read_json(watched)
        return bool(summary["model"] == current.id and summary["due"])

    def _trained(self, use: Use) -> Use:
        """Train a model, hold it against the one in use, and decide."""
        begin_registry(self.walk.session.loaded.store)
        request = self._over_window("train")
        self._discard_changed(request)
        ref = self._made(request)
        entry = entry_of(ref, read_about(ref))
        current = self.registry.current
        if current is not None and current.id == entry.id:
            return use if current.sha256 == entry.sha256 else replace(use, entry=entry)
        compared = self._challenged(current, ref, entry) if current else None
        event = self._decide(current, entry, compared)
        if compared is None:
            return replace(use, entry=entry, event=event)
        turn = use.turns.get(self._target) or self.registry.turns[self._target]
        turn = turn.model_copy(update={"challenge": compared.name})
        shown = {**use.shown, "challenge": (compared,)}
        return Use(shown, {**use.turns, self._target: turn}, entry, event)

    def _over_window(self, stage: str, models: Refs = ()) -> Request:
        """The request for a result over the run's window."""
        walk = self.walk
        others = [read.stage for read in map(Read.of, GRAPH[stage].reads) if read.stage != "train"]
        reads = {name: walk.refs(name) or () for name in others}
        return make_request(
            GRAPH[stage],
            walk.session.context,
            self._target,
            {**reads, "train": models},
            rules=walk.plan.rules(self._target),
            partitions=walk.plan.window,
        )

    def _discard_changed(self, request: Request) -> None:
        """Make a model again whose files are not those that the registry knows."""
        entries = self.registry.entries.values()
        entry = next((e for e in entries if e.artifact == request.job.name), None)
        if entry is not None and self.whole(entry) is None:
            delete_artifact(request.job.root, request.job.name)

    def _challenged(self, current: Entry, ref: ArtifactRef, entry: Entry) -> ArtifactRef | None:
        """The comparison with the model in use, where both predict a label of these rows."""
        champion = self.readable(current)
        if champion is None or not (current.label and entry.label):
            return None
        return self._made(self._over_window("challenge", (champion, ref)))

    def _decide(
        self, current: Entry | None, entry: Entry, compared: ArtifactRef | None
    ) -> Event | None:
        """What becomes of a new model; nothing if that was decided before and still holds."""
        if self.registry.decided(entry.id) and (current is None or self.whole(current)):
            return None
        now = datetime.now(UTC)
        if current is None:
            why = "there was no model before"
            return Event(at=now, action="first", model=entry.id, before=None, why=why)
        better, why = _verdict(current, entry, compared, self)
        settings = self.walk.plan.settings.section(ModelSettings)
        # Where nothing is left that could be used there is nothing to decide.
        auto = settings.promote == "auto" or not self.whole(current)
        older = self._target < current.partition
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
        summary = read_json(compared)
        values = {name: summary[name] for name in Comparison.__dataclass_fields__}
        found = Comparison(**values)
        return found.not_worse, describe(found, current.id, entry.id)
    if champions.whole(current) is None:
        why = "is gone or changed, or cannot be read by what is installed"
        return True, f"{current.id} {why}, so the new one is used"
    if current.label and not entry.label:
        return False, f"{entry.id} predicts no label, as {current.id} does"
    if champions.readable(current) is None:
        return False, (
            f"{current.id} does not read these rows, so nothing could be compared; to use the new "
            f"one: fusemine promote PIPELINE {entry.id}"
        )
    what = "neither predicts a label" if not entry.label else f"{current.id} predicts no label"
    return True, f"{what}, so the newer one is used"
