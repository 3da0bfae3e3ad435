"""Filling the store with the texts that it lacks, in shards that several processes share out."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.embed.encoders.encoder import Encoder, Prepared, Tell, check_finite
from fusemine.tasks.embed.encoders.pieces import pool
from fusemine.tasks.embed.languages import languages_of
from fusemine.tasks.embed.store.space import Facts, read_facts, write_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fusemine.tasks.core.store import Store
    from fusemine.tasks.embed.settings import EmbedSettings
    from fusemine.tasks.embed.store.store import Claims, EmbeddingStore

# A shard is tokenised, claimed and stored as one: a kill loses at most one or two of them, which
# are some seconds of work on a CPU.
SHARD_TEXTS = 2048
SHARD_CHARACTERS = 65_536


@dataclass(frozen=True)
class Engine:
    """What embedding needs besides texts.

    Args:
        load: Gives the encoder; called only if a text is not stored yet, or nothing is.
        store: Where vectors are looked up and kept.
        place: The pipeline's store, which that is part of.
        space: Name of the space there.
        settings: How texts become vectors.
        precision: Of the computation, as resolved.
        languages: What the encoder reads, as ISO 639 codes; none if it is not known or any.
    """

    load: Callable[[], Encoder]
    store: EmbeddingStore
    place: Store
    space: str
    settings: EmbedSettings
    precision: str
    languages: tuple[str, ...] = ()

    def facts(self) -> Facts:
        """What the vectors are; loads the encoder if that was never written down."""
        return read_facts(self.place, self.space) or self.describe(self.load())

    def describe(self, encoder: Encoder) -> Facts:
        """Write down what the vectors of an encoder are.

        Raises:
            ModelError: Stored ones have another length: the endpoint has changed its model.
        """
        facts = Facts(
            model=self.settings.model,
            path=encoder.path,
            precision=self.precision,
            dimension=encoder.dimension,
            max_tokens=encoder.max_tokens,
            settings=self.settings.key_values(),
        )
        known = read_facts(self.place, self.space)
        if known is not None and known.dimension != facts.dimension:
            raise ModelError(
                got=f"vectors of length {facts.dimension} from {facts.model}, whose stored ones "
                f"have {known.dimension}",
                expected="one model behind one name",
                fix="give the other model another name in embed.model",
            )
        if known != facts:
            write_facts(self.place, self.space, facts)
        return facts


class _Shard(NamedTuple):
    """Numbers of the texts of a shard, and how many of them were missing at first."""

    texts: np.ndarray
    missing: int


class _Begun(NamedTuple):
    """A shard, the texts of it that are to be computed, and their tokens and languages."""

    shard: _Shard
    todo: np.ndarray
    prepared: Future[tuple[Prepared, list[str]]]


def fill(texts: Sequence[str], keys: np.ndarray, engine: Engine, tell: Tell) -> int:
    """Compute and store those texts that the store lacks.

    Shards depend on the texts alone. A process claims each shard that it computes; what another
    has claimed is left to it, and awaited at the end.

    Args:
        texts: Distinct texts.
        keys: Their hashes, of shape (texts, 2).
        engine: How to embed.
        tell: Told of texts and tokens as soon as they are found or computed.

    Returns:
        How many texts were computed.
    """
    missing = ~engine.store.has(keys)
    tell(int((~missing).sum()), 0)
    if not missing.any():
        return 0
    encoder = engine.load()
    engine.describe(encoder)
    shards = (_Shard(numbers, int(missing[numbers].sum())) for numbers in _shards(texts))
    with engine.store.claims() as claims, ThreadPoolExecutor(1, "prepare") as ahead:
        filling = _Filling(texts, keys, engine, encoder, claims, ahead, tell)
        return filling.run([shard for shard in shards if shard.missing])


def _shards(texts: Sequence[str]) -> Iterator[np.ndarray]:
    first, characters = 0, 0
    for number, text in enumerate(texts):
        full = number - first == SHARD_TEXTS or characters + len(text) > SHARD_CHARACTERS
        if full and number > first:
            yield np.arange(first, number)
            first, characters = number, 0
        characters += len(text)
    if len(texts) > first:
        yield np.arange(first, len(texts))


class _Filling:
    """One pass over the shards; the next one is tokenised while one is computed."""

    def __init__(
        self,
        texts: Sequence[str],
        keys: np.ndarray,
        engine: Engine,
        encoder: Encoder,
        claims: Claims,
        ahead: Executor,
        tell: Tell,
    ) -> None:
        self._texts, self._keys, self._tell = texts, keys, tell
        self._engine, self._store, self._encoder = engine, engine.store, encoder
        self._claims, self._ahead = claims, ahead
        self._taken: list[_Begun] = []
        self._computed = 0

    def run(self, shards: list[_Shard]) -> int:
        """Compute the shards; how many texts that were."""
        ahead: deque[_Begun] = deque()
        for shard in shards:
            ahead.append(self._begin(shard))
            if len(ahead) > 1:
                self._finish_if_free(ahead.popleft())
        while ahead:
            self._finish_if_free(ahead.popleft())
        # Without a claim of its own, so that no two processes wait for each other.
        for begun in self._taken:
            self._claims.take(self._keys[begun.shard.texts], wait=True)
            self._finish(begun)
        return self._computed

    def _begin(self, shard: _Shard) -> _Begun:
        """Tokenise in the background what is missing of a shard."""
        todo = self._missing(shard.texts)
        if len(todo) and not self._encoder.invariant:
            todo = shard.texts  # in the same batches as ever, for the same vectors
        texts = [self._texts[number] for number in todo]
        return _Begun(shard, todo, self._ahead.submit(self._prepare, texts))

    def _missing(self, texts: np.ndarray) -> np.ndarray:
        self._store.refresh()
        return np.asarray(texts[~self._store.has(self._keys[texts])])

    def _finish_if_free(self, begun: _Begun) -> None:
        """Claim a shard and compute it; if another process has it, leave it for later."""
        if self._claims.take(self._keys[begun.shard.texts]):
            self._finish(begun)
        else:
            self._taken.append(begun)

    def _prepare(self, texts: list[str]) -> tuple[Prepared, list[str]]:
        prepared = self._encoder.prepare(texts)
        told = languages_of(texts) if self._engine.languages else [""] * len(texts)
        return prepared, told

    def _finish(self, begun: _Begun) -> None:
        if len(self._missing(begun.todo)):
            prepared, languages = begun.prepared.result()
            progress = _Scaled(self._tell, begun.shard.missing, len(prepared.pieces))
            vectors = self._encoder.encode(prepared, progress)
            check_finite(vectors)
            matrix = pool(vectors, prepared.owners, prepared.sizes, self._engine.settings)
            self._store.add(self._keys[begun.todo], matrix, prepared.tokens, languages)
            self._computed += len(begun.todo)
        else:
            self._tell(begun.shard.missing, 0)
        self._claims.release(self._keys[begun.shard.texts])


class _Scaled:
    """Tells of texts where pieces are computed, so that each missing text is told of once."""

    def __init__(self, tell: Tell, texts: int, pieces: int) -> None:
        self._tell, self._texts, self._pieces = tell, texts, pieces
        self._done = self._told = 0

    def __call__(self, pieces: int, tokens: int) -> None:
        self._done += pieces
        reached = self._done * self._texts // self._pieces
        self._tell(reached - self._told, tokens)
        self._told = reached
