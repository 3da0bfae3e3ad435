"""The models in use, by the partitions that they score, and what they predicted for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusemine.tasks.core.errors import ArtifactError, ModelError
from fusemine.tasks.core.request import make_request
from fusemine.tasks.core.storage.artifact import ArtifactRef, ref_of
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.serving.input_contract import input_contract
from fusemine.tasks.serving.registry import read_registry
from fusemine.tasks.serving.stored import find_model, load_model, read_about

if TYPE_CHECKING:
    from fusemine.flows.engine.walk import Refs, Walk
    from fusemine.tasks.core.request import Request
    from fusemine.tasks.serving.registry import Entry, Registry


@dataclass(frozen=True)
class Champions:
    """The models in use, by the partitions of a run's history that they score.

    Attributes:
        walk: The run.
        registry: The models that there are.
    """

    walk: Walk
    registry: Registry

    def readable(self, entry: Entry) -> ArtifactRef | None:
        """A model, if its files are whole and it reads rows as the pipeline does today."""
        found: ArtifactRef | None = self.walk.session.context.once(
            f"readable {entry.id} {entry.sha256}", lambda: self._read(entry)
        )
        return found

    def whole(self, entry: Entry) -> ArtifactRef | None:
        """A model, if its files are as they were written and can be read by what is installed."""
        try:
            ref = find_model(self.walk.session.context.root, entry)
            load_model(ref)
        except (ModelError, ArtifactError):
            return None
        return ref

    def found(self, partition: str) -> ArtifactRef | None:
        """What the model in use predicted for a partition, if it was asked before."""
        model = self.registry.in_use_for(partition)
        request = None if model is None else self._request(partition, model)
        return None if request is None else self.walk.session.find(request)

    def predicted_then(self, partition: str) -> ArtifactRef | None:
        """What it predicted for the partition as it was then; its rows may have changed since."""
        turn = self.registry.turns.get(partition)
        return ref_of(self.walk.session.context.root, turn.score) if turn and turn.score else None

    @property
    def comparison(self) -> str | None:
        """The name of the comparison that an earlier run of the partition made."""
        turn = self.registry.turns.get(self.walk.plan.target)
        return turn.challenge if turn else None

    def compared_before(self) -> dict[str, Refs]:
        """That comparison, as what the report reads; nothing where its files are not whole."""
        name = self.comparison
        found = ref_of(self.walk.session.context.root, name) if name else None
        return {"challenge": (found,)} if found else {}

    def comparable(self) -> Refs | None:
        """The two models of that comparison, if it is damaged or gone and can be made again.

        A report is the same whenever it is made, so it must not lose what it once showed.
        """
        if self.comparison is None or self.compared_before():
            return None
        about = [event for event in self.registry.events if event.challenge == self.comparison]
        ids = [name for event in about[:1] for name in (event.before, event.model) if name]
        refs = [self.readable(self.registry.entries[name]) for name in ids]
        whole = tuple(ref for ref in refs if ref is not None)
        return whole if len(whole) == 2 else None

    def scored(self, partition: str) -> ArtifactRef | None:
        """What the model in use predicts for a partition; None if there is none, or none to ask."""
        found, model = self.found(partition), self.registry.in_use_for(partition)
        if model is None or (found is not None and partition != self.walk.plan.target):
            return found
        ref, request = self.readable(model), self._request(partition, model)
        if ref is None or request is None:
            return found or self.predicted_then(partition)
        return self.walk.session.run(request, found=found)

    def monitoring(self, scored: dict[str, ArtifactRef]) -> Request:
        """The request for judging the models in use on the partitions that they scored.

        Args:
            scored: What was predicted, by partition, oldest first.
        """
        walk, last = self.walk, self.registry.in_use_for(max(scored))
        own = last.partition if last else ""
        cleaned = (walk.result(GRAPH["clean"], partition) for partition in scored)
        return make_request(
            GRAPH["monitor"],
            walk.session.context,
            walk.plan.target,
            {"score": tuple(scored.values()), "clean": tuple(ref for ref in cleaned if ref)},
            rules=walk.plan.rules(walk.plan.target),
            parameters={"since": [p for p in walk.plan.history if p > own]},
            partitions=tuple(scored),
        )

    def _request(self, partition: str, model: Entry) -> Request | None:
        """The request for what a model predicts for a partition."""
        walk, root = self.walk, self.walk.session.context.root
        cleaned, embedded = (walk.result(GRAPH[name], partition) for name in ("clean", "embed"))
        if cleaned is None or embedded is None:
            return None
        # Of a model whose files are gone, what it predicted can still be found.
        trained = ArtifactRef(root, model.artifact, model.sha256, 0)
        reads = {"clean": (cleaned,), "embed": (embedded,), "train": (trained,)}
        rules = walk.plan.rules(partition)
        return make_request(GRAPH["score"], walk.session.context, partition, reads, rules=rules)

    def _read(self, entry: Entry) -> ArtifactRef | None:
        ref = self.whole(entry)
        if ref is None:
            return None
        from fusemine.tasks.embed.engine import provide

        about, context = read_about(ref), self.walk.session.context
        same = about["settings"]["reading"] == input_contract(context.pipeline)
        return ref if same and about["encoder"] == provide(context, ()).value.fingerprint else None


def serving_found(walk: Walk) -> dict[str, Refs] | None:
    """What a run's report shows of models, as it was made; None where some of it is missing."""
    registry = read_registry(walk.session.loaded.store)
    champions = Champions(walk, registry)
    shown = champions.compared_before()
    if champions.comparable():
        return None
    history = walk.plan.history
    found = {name: champions.found(name) or champions.predicted_then(name) for name in history}
    scored = {partition: ref for partition, ref in found.items() if ref is not None}
    if not scored:
        return shown
    monitored = walk.session.find(champions.monitoring(scored))
    return None if monitored is None else {**shown, "monitor": (monitored,)}
