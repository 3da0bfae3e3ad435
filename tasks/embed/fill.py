"""Filling the store with the texts that it lacks, in shards that several processes share out."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.embed.encoders.pieces import pool
from fusemine.tasks.embed.languages import languages_of
from fusemine.tasks.embed.store.space import Facts, read_facts, write_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fusemine.tasks.embed.encoders.encoder import Advance, Encoder, Prepared
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
        vectors: Where vectors are looked up and kept.
        settings: How texts become vectors.
        precision: Of the computation, as resolved.
        languages: What the encoder reads, as ISO 639 codes; none if it is not known or any.
    """

    load: Callable[[], Encoder]
    vectors: EmbeddingStore
    settings: EmbedSettings
    precision: str
    languages: tuple[str, ...] = ()

    def facts(self) -> Facts:
        """What the vectors are; loads the encoder if that was never written down."""
        return read_facts(self.vectors.store, self.vectors.space) or self.describe(self.load())

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
        known = read_facts(self.vectors.store, self.vectors.space)
        if known is not None and known.dimension != facts.dimension:
            raise ModelError(
                got=f"vectors of length {facts.dimension} from {facts.model}, whose stored ones "
                f"have {known.dimension}",
                expected="one model behind one name",
                fix="give the other model another name in embed.model",
            )
        if known != facts:
            write_facts(self.vectors.store, self.vectors.space, facts)
        return facts


def fill(texts: Sequence[str], keys: np.ndarray, engine: Engine, advance: Advance) -> int:
    """Compute and store those texts that the store lacks.

    Shards depend on the texts alone. A process claims each shard that it computes; what another
    has claimed is left to it, and awaited at the end.

    Args:
        texts: Distinct texts.
        keys: Their hashes, S16 of shape (texts,).
        engine: How to embed.
        advance: Called with texts and tokens as soon as they are found or computed.

    Returns:
        How many texts were computed.
    """
    missing = ~engine.vectors.has(keys)
    advance(int((~missing).sum()), 0)
    if not missing.any():
        return 0
    encoder = engine.load()
    engine.describe(encoder)
    with engine.vectors.claims() as claims, ThreadPoolExecutor(1, "prepare") as executor:
        work = _Fill(texts, keys, missing, engine, encoder, claims, executor, advance)
        return work.run([numbers for numbers in _shards(texts) if missing[numbers].any()])


def _shards(texts: Sequence[str]) -> Iterator[np.ndarray]:
    """The numbers of each shard's texts."""
    first, characters = 0, 0
    for number, text in enumerate(texts):
        full = number - first == SHARD_TEXTS or characters + len(text) > SHARD_CHARACTERS
        if full and number > first:
            yield np.arange(first, number)
            first, characters = number, 0
        characters += len(text)
    if len(texts) > first:
        yield np.arange(first, len(texts))


class _Started(NamedTuple):
    """A shard that is being tokenised.

    Args:
        shard: The numbers of its texts.
        todo: Those that are to be computed.
        prepared: Their tokens and languages.
    """

    shard: np.ndarray
    todo: np.ndarray
    prepared: Future[tuple[Prepared, list[str]]]


@dataclass
class _Fill:
    """One pass over the shards; the next one is tokenised while one is computed."""

    texts: Sequence[str]
    keys: np.ndarray
    missing: np.ndarray
    engine: Engine
    encoder: Encoder
    claims: Claims
    executor: Executor
    advance: Advance
    computed: int = 0

    def run(self, shards: list[np.ndarray]) -> int:
        """Compute the shards; how many texts that were."""
        deferred = []
        for started in self._start_ahead(shards):
            if self.claims.take(self.keys[started.shard]):
                self._finish(started)
            else:
                deferred.append(started)
        # Without a claim of its own, so that no two processes wait for each other.
        for started in deferred:
            self.claims.take(self.keys[started.shard], wait=True)
            self._finish(started)
        return self.computed

    def _start_ahead(self, shards: list[np.ndarray]) -> Iterator[_Started]:
        """The shards in order, each with the next one started behind it."""
        ahead: deque[_Started] = deque()
        for shard in shards:
            ahead.append(self._start(shard))
            if len(ahead) > 1:
                yield ahead.popleft()
        yield from ahead

    def _start(self, shard: np.ndarray) -> _Started:
        """Tokenise in the background what is missing of a shard."""
        todo = self._still_missing(shard)
        if len(todo) and not self.encoder.invariant:
            todo = shard  # in the same batches as ever, for the same vectors
        texts = [self.texts[number] for number in todo]
        return _Started(shard, todo, self.executor.submit(self._prepare, texts))

    def _still_missing(self, numbers: np.ndarray) -> np.ndarray:
        self.engine.vectors.refresh()
        return np.asarray(numbers[~self.engine.vectors.has(self.keys[numbers])])

    def _prepare(self, texts: list[str]) -> tuple[Prepared, list[str]]:
        prepared = self.encoder.prepare(texts)
        return prepared, languages_of(texts) if self.engine.languages else [""] * len(texts)

    def _finish(self, started: _Started) -> None:
        """Compute and store a claimed shard, unless another process has done so by now."""
        missing = int(self.missing[started.shard].sum())
        if len(self._still_missing(started.todo)):
            prepared, languages = started.prepared.result()
            progress = _TextProgress(self.advance, missing, len(prepared.pieces))
            vectors = self.encoder.encode(prepared, progress)
            if not np.isfinite(vectors).all():
                raise ModelError(
                    got="vectors that are not finite",
                    expected="a model whose weights are intact, at a precision that they fit",
                    fix="fetch the model again, or set embed.precision to float32",
                )
            matrix = pool(vectors, prepared.owners, prepared.sizes, self.engine.settings)
            self.engine.vectors.add(self.keys[started.todo], matrix, prepared.tokens, languages)
            self.computed += len(started.todo)
        else:
            self.advance(missing, 0)
        self.claims.release(self.keys[started.shard])


class _TextProgress:
    """Turns progress in pieces into progress in texts, so that each missing text counts once."""

    def __init__(self, advance: Advance, texts: int, pieces: int) -> None:
        self._advance, self._texts, self._pieces = advance, texts, pieces
        self._pieces_done = self._texts_done = 0

    def __call__(self, pieces: int, tokens: int) -> None:
        self._pieces_done += pieces
        reached = self._pieces_done * self._texts // self._pieces
        self._advance(reached - self._texts_done, tokens)
        self._texts_done = reached
