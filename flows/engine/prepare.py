"""Preparing partitions: those that are not complete are cleaned and embedded."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

from fusemine.flows.engine.corrections import settle_corrections
from fusemine.flows.engine.encoder import check_encoder
from fusemine.tasks.clean.task import clean_job, clean_partition
from fusemine.tasks.core import progress
from fusemine.tasks.core.artifact import ArtifactRef, Job, find, read_json
from fusemine.tasks.core.windowed import SUMMARY, WindowRefs
from fusemine.tasks.embed.ad_hoc import Embedder, embedder
from fusemine.tasks.embed.encoders.files import ModelFiles, find_model
from fusemine.tasks.embed.precision import precision_of, settle_precision
from fusemine.tasks.embed.task import embed_job, embed_partition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fusemine.flows.engine.config import Loaded
    from fusemine.flows.engine.plan import Plan
    from fusemine.tasks.embed.encoders.encoder import Tell
    from fusemine.tasks.mine.classify.corrections.apply import Corrections
    from fusemine.tasks.mine.classify.corrections.read import Settled


@dataclass
class Prepared:
    """The partitions that one process has found complete or prepared, each looked at once.

    Partitions that are complete need no task run of their own, so that a long history costs
    nothing; the one that is mined always shows its own.

    Args:
        loaded: The pipeline.
        cleaned: Cleaned partitions by their key.
        embedded: Embedded partitions by their key.
        registries: Registries of topics by their partition and the content of the one before.
        models: Trained models by their id, None for one that cannot score today's rows.
        scored: What models said of partitions, by partition and the model's content.
    """

    loaded: Loaded
    cleaned: dict[str, ArtifactRef] = field(default_factory=dict)
    embedded: dict[str, ArtifactRef] = field(default_factory=dict)
    registries: dict[tuple[str, str], ArtifactRef] = field(default_factory=dict)
    models: dict[str, ArtifactRef | None] = field(default_factory=dict)
    scored: dict[tuple[str, str], ArtifactRef] = field(default_factory=dict)
    _settled: Settled | None = field(default=None, init=False)

    def prepare(self, raw: dict[str, ArtifactRef], target: str | None = None) -> None:
        """Clean and embed what is not complete, oldest partition first.

        Args:
            raw: Raw artifacts by partition.
            target: The partition that is mined, if one is.
        """
        check_encoder(self.loaded, self.encoder)  # a mistake should not wait for the encoder
        self._clean(raw, target)
        self._embed(list(raw), target)

    def window(self, plan: Plan) -> WindowRefs:
        """The prepared window of a plan."""
        cleaned = tuple(self.cleaned[partition] for partition in plan.window)
        embedded = tuple(self.embedded[partition] for partition in plan.window)
        corrections = self.corrections(plan)
        return WindowRefs(cleaned, embedded, plan.rules(), corrections, self._embedder())

    def corrections(self, plan: Plan, partitions: Iterable[str] | None = None) -> Corrections:
        """The corrected labels that concern some partitions; their file is read once.

        Args:
            plan: The run.
            partitions: Which; those of the window by default.

        Raises:
            SettingsError: They cannot be used.
        """
        if self._settled is None:
            self._settled = settle_corrections(self.loaded, plan.listing)
        return self._settled.of(plan.window if partitions is None else partitions)

    @property
    def encoder(self) -> str:
        """The fingerprint of the encoder."""
        return self._model.fingerprint

    def complete(self, raw: dict[str, ArtifactRef]) -> list[str]:
        """Those partitions that need no preparing."""
        return [partition for partition, ref in raw.items() if self._is_complete(partition, ref)]

    def _is_complete(self, partition: str, raw: ArtifactRef) -> bool:
        cleaned = self.cleaned.get(partition) or find(self._clean_job(partition, raw))
        if cleaned is None:
            return False
        self.cleaned[partition] = cleaned
        embedded = self.embedded.get(partition) or find(self._embed_job(partition, cleaned))
        if embedded is not None:
            self.embedded[partition] = embedded
        return embedded is not None

    def _clean(self, raw: dict[str, ArtifactRef], target: str | None) -> None:
        settings = self.loaded.pipeline
        for number, (partition, ref) in enumerate(raw.items(), start=1):
            if partition not in self.cleaned or partition == target:
                job = self._clean_job(partition, ref)
                found = None if partition == target else find(job)
                self.cleaned[partition] = found or clean_partition(
                    job, ref, settings.columns, settings.clean, settings.partition.timezone
                )
            progress.report("clean", number, len(raw))

    def _embed(self, partitions: list[str], target: str | None) -> None:
        settle_precision(self.loaded.root, self.loaded.pipeline.embed, self._model)
        jobs = {
            partition: self._embed_job(partition, self.cleaned[partition])
            for partition in partitions
            if partition not in self.embedded or partition == target
        }
        found = {p: None if p == target else find(job) for p, job in jobs.items()}
        counter = _Counter(sum(_texts(self.cleaned[p]) for p, ref in found.items() if ref is None))
        settings, model = self.loaded.pipeline.embed, self._model
        for partition, job in jobs.items():
            self.embedded[partition] = found[partition] or counter.count(
                _texts(self.cleaned[partition]),
                partial(embed_partition, job, self.cleaned[partition], settings, model),
            )

    def _embedder(self) -> Embedder | None:
        settings, root = self.loaded.pipeline.embed, self.loaded.root
        return embedder(self._model, settings, precision_of(root, settings, self._model))

    def _clean_job(self, partition: str, raw: ArtifactRef) -> Job:
        settings = self.loaded.pipeline
        timezone = settings.partition.timezone
        return clean_job(
            self.loaded.root, partition, raw, settings.columns, settings.clean, timezone
        )

    def _embed_job(self, partition: str, cleaned: ArtifactRef) -> Job:
        settings = self.loaded.pipeline.embed
        return embed_job(self.loaded.root, partition, cleaned, settings, self._model)

    @cached_property
    def _model(self) -> ModelFiles:
        return find_model(self.loaded.pipeline.embed, self.loaded.base)


@dataclass
class _Counter:
    """Counts texts over all partitions that are embedded, and how fast the encoder is."""

    total: int
    done: int = 0
    computed: int = 0
    tokens: int = 0
    begun: float | None = None

    def count(self, texts: int, embed: Callable[[Tell], ArtifactRef]) -> ArtifactRef:
        """Embed a partition of so many texts.

        Where its columns are embedded apart it tells of another number.
        """
        end = self.done + texts

        def tell(texts: int, tokens: int) -> None:
            self.done = min(self.done + texts, end)
            self._note(texts, tokens)
            if self.done < end:
                self._report()

        made = embed(tell)
        self.done = end
        self._report()
        return made

    def _note(self, texts: int, tokens: int) -> None:
        """Remember what was computed; texts without tokens were found in the store."""
        if self.begun is None:
            self.begun = time.monotonic()
        if tokens:
            self.computed += texts
            self.tokens += tokens

    def _report(self) -> None:
        progress.report("embed", self.done, self.total, self._speed())

    def _speed(self) -> str:
        """Texts and tokens a second since the first ones; empty before these are computed."""
        seconds = time.monotonic() - self.begun if self.begun else 0.0
        if not self.tokens or seconds <= 0:
            return ""
        return f"{self.computed / seconds:,.0f} texts/s, {self.tokens / seconds:,.0f} tokens/s"


def _texts(cleaned: ArtifactRef) -> int:
    return int(read_json(cleaned, SUMMARY)["distinct_texts"])
