"""The embedding store: each distinct text's vector once, shared by runs and backfills.

One folder per space (model and settings that change a vector). Part files never change: processes
add parts and compact small ones into larger ones, so that any number of them can read and fill a
space at once. Only the hashes of a space are held in memory; vectors are read from the row groups
that hold them.
"""

from __future__ import annotations

import fcntl
import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np
import pyarrow as pa

from fusemine.tasks.core import vectors
from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.core.vectors import unit
from fusemine.tasks.embed.contracts import STORE
from fusemine.tasks.embed.store import parts
from fusemine.tasks.embed.store.parts import Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusemine.tasks.core.store import Store

_CLAIMS = ".claims"
_COMPACTION = ".compaction"
# What rounding may take from a vector's cosine to itself.
_ROUNDING = 1e-3
# A place is a part's number and a row's number in one integer.
_ROW_BITS = 32
_ROW = (1 << _ROW_BITS) - 1
_NO_KEYS = np.empty((0, 2), np.uint64)


def text_hash(text: str) -> bytes:
    """What a text is stored under: 16 bytes."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def keys_of(texts: Sequence[str]) -> np.ndarray:
    """The hashes of texts, uint64 of shape (texts, 2)."""
    return parts.as_keys(b"".join(map(text_hash, texts)))


@dataclass(frozen=True)
class Found:
    """What the store has of some texts.

    Args:
        known: Whether it has each text, of shape (texts,).
        matrix: Their vectors in the stored dtype, of shape (texts, dimension); zero where unknown.
        tokens: Their tokens before any cut, of shape (texts,).
        languages: Their languages, empty where untold.
    """

    known: np.ndarray
    matrix: np.ndarray
    tokens: np.ndarray
    languages: np.ndarray


class EmbeddingStore:
    """Vectors by text hash.

    Args:
        store: Where it is kept.
        space: Name of the space there.
        dtype: `float16` or `float32`, of the stored vectors.
    """

    def __init__(self, store: Store, space: str, dtype: str = "float16") -> None:
        self._store, self._space = store, space
        self._dtype = dtype
        self._parts: dict[int, Part] = {}
        self._opened = 0
        self._keys = _NO_KEYS
        self._places = np.empty(0, np.int64)
        self.damaged: list[str] = []
        self.refresh()

    @property
    def dimension(self) -> int | None:
        """Length of a vector; None as long as nothing is stored."""
        widths = {part.width for part in self._parts.values()}
        return max(widths) // np.dtype(self._dtype).itemsize if widths else None

    def __len__(self) -> int:
        """Distinct texts."""
        return len(self._first_places())

    def refresh(self) -> None:
        """Take in the parts that other processes have added, and drop those that are gone."""
        names = set(parts.names(self._store, self._space))
        known = {number: part for number, part in self._parts.items() if part.name in names}
        new = sorted(names - {part.name for part in known.values()})
        if not new and len(known) == len(self._parts):
            return
        stays = np.isin(self._places >> _ROW_BITS, list(known))
        self._parts = known
        keys, places = [self._keys[stays]], [self._places[stays]]
        for found in map(self._open, new):
            keys.append(found)
            places.append((self._opened << _ROW_BITS) + np.arange(len(found)))
        self._sort(np.concatenate(keys), np.concatenate(places))

    def has(self, keys: np.ndarray) -> np.ndarray:
        """Whether each text is stored, of shape (keys,)."""
        return self._look_up(keys) >= 0

    def fetch(self, keys: np.ndarray) -> Found:
        """Read what is stored of some texts.

        A part that turns out to be damaged is set aside; one that another process has compacted
        is found again in its new place.
        """
        while True:
            places = self._look_up(keys)
            try:
                return self._read(places)
            except FileNotFoundError:
                self.refresh()
            except parts.DamagedError as error:
                self._set_aside(error.name)

    def add(
        self, keys: np.ndarray, matrix: np.ndarray, tokens: Sequence[int], languages: Sequence[str]
    ) -> None:
        """Store new vectors as one part, whole or not at all; those already there stay.

        Args:
            keys: Hashes of the texts, of shape (texts, 2).
            matrix: Their unit vectors, of shape (texts, dimension).
            tokens: Their tokens before any cut.
            languages: Their languages, empty where untold.

        Raises:
            ModelError: The vectors would lose too much in the stored dtype.
        """
        new = ~self.has(keys)
        if not new.any():
            return
        with np.errstate(over="ignore"):  # what overflows is refused below
            rounded = matrix.astype(self._dtype)
        if self._dtype != "float32":
            self._check_rounding(matrix, rounded)
        table = pa.table(
            {
                "text_hash": parts.as_column(keys),
                "embedding": vectors.to_arrow(rounded),
                "tokens": pa.array(tokens, pa.int32()),
                "language": pa.array(languages, pa.string()),
            }
        ).filter(pa.array(new))
        STORE.check(table)
        typed = table.replace_schema_metadata({"dtype": self._dtype})
        parts.write(self._store, self._space, [typed])
        self.refresh()

    def compact(self) -> None:
        """Merge small parts into larger ones, unless another process is at it."""
        with self._locked() as alone:
            if not alone:
                return
            self.refresh()
            for group in parts.to_merge(self._parts):
                self._merge(group)
        self.refresh()

    def claims(self) -> Claims:
        """Claims of this process on texts that it is about to embed."""
        return Claims(self._store.lock_file(f"{self._space}/{_CLAIMS}").open("ab"))

    def _open(self, name: str) -> np.ndarray:
        """Take in a part under a new number; its hashes, none if it is damaged or gone again."""
        self._opened += 1
        try:
            part = Part(self._store, name)
            keys = part.keys()
        except FileNotFoundError:
            return _NO_KEYS
        except parts.DamagedError as error:
            self._note_damage(error.name)
            return _NO_KEYS
        self._parts[self._opened] = part
        return keys

    def _sort(self, keys: np.ndarray, places: np.ndarray) -> None:
        """The index: of a text in several parts, the vector that came first stays the one."""
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        self._keys, self._places = keys[order], places[order]

    def _set_aside(self, name: str) -> None:
        self._note_damage(name)
        self.refresh()

    def _note_damage(self, name: str) -> None:
        self.damaged.append(name)
        self._store.set_aside(name)

    def _look_up(self, keys: np.ndarray) -> np.ndarray:
        """The place of each text, part number and row in one integer, or -1."""
        high, low = self._keys[:, 0], self._keys[:, 1]
        at = np.searchsorted(high, keys[:, 0])
        found = np.full(len(keys), -1, np.int64)
        todo = np.arange(len(keys))
        while len(todo):
            todo = todo[at[todo] < len(high)]
            todo = todo[high[at[todo]] == keys[todo, 0]]
            hit = low[at[todo]] == keys[todo, 1]
            found[todo[hit]] = self._places[at[todo[hit]]]
            todo = todo[~hit]  # the same first half by chance: look at the next one
            at[todo] += 1
        return found

    def _first_places(self) -> np.ndarray:
        """The place of every distinct text."""
        first = np.ones(len(self._keys), bool)
        first[1:] = (self._keys[1:] != self._keys[:-1]).any(axis=1)
        return self._places[first]

    def _read(self, places: np.ndarray) -> Found:
        known = places >= 0
        matrix = np.zeros((len(places), self.dimension or 0), self._dtype)
        tokens = np.zeros(len(places), np.int32)
        languages = np.full(len(places), "", object)
        for number in np.unique(places[known] >> _ROW_BITS):
            mine = np.flatnonzero(known & (places >> _ROW_BITS == number))
            for at, table, rows in self._parts[number].read(places[mine] & _ROW):
                matrix[mine[at]] = vectors.to_numpy(table["embedding"], self._dtype)[rows]
                tokens[mine[at]] = table["tokens"].to_numpy()[rows]
                languages[mine[at]] = table["language"].to_numpy()[rows]
        return Found(known, matrix, tokens, languages)

    def _merge(self, numbers: list[int]) -> None:
        """Write some parts as one, each text once, then remove them."""
        firsts = self._first_places()
        chosen = {self._parts[n]: firsts[firsts >> _ROW_BITS == n] & _ROW for n in numbers}
        tables = (
            table.take(pa.array(rows))
            for part, firsts in chosen.items()
            for _, table, rows in part.read(np.sort(firsts))
        )
        try:
            parts.write(self._store, self._space, tables)
        except parts.DamagedError as error:
            self._note_damage(error.name)
            return
        for part in chosen:
            self._store.delete(part.name)

    def _check_rounding(self, matrix: np.ndarray, rounded: np.ndarray) -> None:
        exact, kept = unit(matrix), unit(rounded)
        lost = np.where(exact.any(axis=1), 1 - (exact * kept).sum(axis=1), 0)
        if not lost.max(initial=0) < _ROUNDING:
            raise ModelError(
                got=f"vectors that lose {lost.max():.2g} in cosine when stored as {self._dtype}",
                expected=f"less than {_ROUNDING:g}",
                fix="set embed.storage to float32",
            )

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        """Whether this process alone may compact; the kernel frees the lock when it ends."""
        with self._store.lock_file(f"{self._space}/{_COMPACTION}").open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True


class Claims:
    """Texts that this process is about to embed, so that no other embeds them at the same time.

    Locks of the kernel on single bytes of one file, which end with the process.

    Args:
        file: The file, open for writing.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def take(self, keys: np.ndarray, wait: bool = False) -> bool:
        """Claim some texts; False if another process has the same ones and `wait` is not set."""
        operation = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
        try:
            fcntl.lockf(self._file, operation, 1, _byte(keys))
        except OSError as error:
            if wait or not isinstance(error, BlockingIOError | PermissionError):
                raise
            return False
        return True

    def release(self, keys: np.ndarray) -> None:
        """Give some texts back."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _byte(keys))

    def __enter__(self) -> Claims:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _byte(keys: np.ndarray) -> int:
    digest = hashlib.blake2b(np.ascontiguousarray(keys).tobytes(), digest_size=5).digest()
    return int.from_bytes(digest, "big")
