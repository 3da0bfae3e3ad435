"""The embedding store: each distinct text's vector once, shared by runs and backfills.

One folder per space (model and settings that change a vector). Part files never change: processes
add parts and compact small ones into larger ones, so that any number of them can read and fill a
space at once. Only the keys of a space are held in memory; vectors are read from the row groups
that hold them.
"""

from __future__ import annotations

import fcntl
import hashlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np
import pyarrow as pa

from fusemine.tasks.core import vectors
from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.core.storage.locks import acquire
from fusemine.tasks.core.vectors import unit
from fusemine.tasks.embed.contracts import STORED_VECTORS
from fusemine.tasks.embed.store import parts
from fusemine.tasks.embed.store.parts import KEY_BYTES, Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusemine.tasks.core.storage.store import Store

_CLAIMS = ".claims"
_COMPACTION = ".compaction"
# What rounding may take from a vector's cosine to itself.
_ROUNDING = 1e-3
# A place is a part's number and a row's number in one integer.
_ROW_BITS = 32
_ROW = (1 << _ROW_BITS) - 1


def text_hash(text: str) -> bytes:
    """What a text is stored under: 16 bytes."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


def keys_of(texts: Sequence[str]) -> np.ndarray:
    """The hashes of texts, S16 of shape (texts,)."""
    return np.frombuffer(b"".join(map(text_hash, texts)), f"S{KEY_BYTES}")


@dataclass(frozen=True)
class StoredVectors:
    """What the store has of some texts.

    Args:
        known: Whether it has each text, of shape (texts,).
        matrix: Their vectors in the stored dtype, of shape (texts, dimension); zero where unknown.
        tokens: Their tokens before any cut, of shape (texts,).
        languages: Their languages, empty where unknown.
    """

    known: np.ndarray
    matrix: np.ndarray
    tokens: np.ndarray
    languages: np.ndarray


class EmbeddingStore:
    """Vectors by the keys of their texts.

    Args:
        store: Where it is kept.
        space: Name of the space there.
        dtype: `float16` or `float32`, of the stored vectors.

    Attributes:
        damaged: The parts that were found damaged and set aside.
    """

    def __init__(self, store: Store, space: str, dtype: str = "float16") -> None:
        self.store, self.space = store, space
        self.damaged: list[str] = []
        self._dtype = dtype
        self._parts: dict[int, Part] = {}
        self._opened = 0
        # The index, in the order of the keys.
        self._keys = keys_of([])
        self._places = np.empty(0, np.int64)
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
        names = set(parts.names(self.store, self.space))
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
        every = np.concatenate(keys)
        # The sort is stable: of a text in several parts, the vector that came first is found.
        order = np.argsort(every, kind="stable")
        self._keys, self._places = every[order], np.concatenate(places)[order]

    def has(self, keys: np.ndarray) -> np.ndarray:
        """Whether each text is stored.

        Args:
            keys: S16 of shape (texts,).

        Returns:
            bool of shape (texts,).
        """
        return self._look_up(keys) >= 0

    def fetch(self, keys: np.ndarray) -> StoredVectors:
        """Read what is stored of some texts.

        A part that turns out to be damaged is set aside; one that another process has compacted
        is found again in its new place.

        Args:
            keys: S16 of shape (texts,).
        """
        while True:
            places = self._look_up(keys)
            try:
                return self._read(places)
            except FileNotFoundError:
                self.refresh()
            except parts.DamagedError as error:
                self._set_aside(error.name)
                self.refresh()

    def add(
        self, keys: np.ndarray, matrix: np.ndarray, tokens: Sequence[int], languages: Sequence[str]
    ) -> None:
        """Store new vectors as one part, whole or not at all; those already there stay.

        Args:
            keys: S16 of shape (texts,).
            matrix: Their unit vectors, of shape (texts, dimension).
            tokens: Their tokens before any cut.
            languages: Their languages, empty where unknown.

        Raises:
            ModelError: The vectors would lose too much in the stored dtype.
        """
        new = ~self.has(keys)
        if not new.any():
            return
        with np.errstate(over="ignore"):  # what overflows is refused below
            rounded = matrix.astype(self._dtype)
        if self._dtype != "float32":
            _check_rounding(matrix, rounded)
        table = pa.table(
            {
                "text_hash": parts.to_column(keys),
                "embedding": vectors.to_arrow(rounded),
                "tokens": pa.array(tokens, pa.int32()),
                "language": pa.array(languages, pa.string()),
            }
        ).filter(pa.array(new))
        STORED_VECTORS.check(table)
        typed = table.replace_schema_metadata({"dtype": self._dtype})
        parts.write(self.store, self.space, [typed])
        self.refresh()

    def compact(self) -> None:
        """Merge small parts into larger ones, unless another process does so already."""
        if not parts.to_merge(self._parts):
            return
        path = self.store.lock_file(f"{self.space}/{_COMPACTION}")
        with path.open("ab") as file:
            if acquire(file, fcntl.LOCK_EX | fcntl.LOCK_NB, path):
                self.refresh()
                for group in parts.to_merge(self._parts):
                    self._merge(group)
        self.refresh()

    def claims(self) -> Claims:
        """Claims of this process on texts that it is about to embed."""
        return Claims(self.store.lock_file(f"{self.space}/{_CLAIMS}").open("ab"))

    def _open(self, name: str) -> np.ndarray:
        """Take in a part under a new number; its keys, none if it is damaged or gone again."""
        self._opened += 1
        try:
            part = Part(self.store, name)
            keys = part.keys()
        except FileNotFoundError:
            return keys_of([])
        except parts.DamagedError as error:
            self._set_aside(error.name)
            return keys_of([])
        self._parts[self._opened] = part
        return keys

    def _set_aside(self, name: str) -> None:
        self.damaged.append(name)
        self.store.set_aside(name)

    def _look_up(self, keys: np.ndarray) -> np.ndarray:
        """The place of each text, part number and row in one integer, or -1."""
        if not len(self._keys):
            return np.full(len(keys), -1, np.int64)
        at = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        return np.where(self._keys[at] == keys, self._places[at], -1)

    def _first_places(self) -> np.ndarray:
        """The place of every distinct text."""
        first = np.ones(len(self._keys), bool)
        first[1:] = self._keys[1:] != self._keys[:-1]
        return self._places[first]

    def _read(self, places: np.ndarray) -> StoredVectors:
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
        return StoredVectors(known, matrix, tokens, languages)

    def _merge(self, numbers: list[int]) -> None:
        """Write some parts as one, each text once, then remove them."""
        firsts = self._first_places()
        chosen = {self._parts[n]: firsts[firsts >> _ROW_BITS == n] & _ROW for n in numbers}
        tables = (
            table.take(pa.array(rows))
            for part, kept in chosen.items()
            for _, table, rows in part.read(np.sort(kept))
        )
        try:
            merged = parts.write(self.store, self.space, tables)
        except parts.DamagedError as error:
            self._set_aside(error.name)
            return
        # Where the others were copies, the merged rows are those of one part, under its own name.
        for name in {part.name for part in chosen} - {merged}:
            self.store.delete(name)


def _check_rounding(matrix: np.ndarray, rounded: np.ndarray) -> None:
    exact, kept = unit(matrix), unit(rounded)
    lost = np.where(exact.any(axis=1), 1 - (exact * kept).sum(axis=1), 0)
    if not lost.max(initial=0) < _ROUNDING:
        raise ModelError(
            got=f"vectors that lose {lost.max():.2g} in cosine when stored as {rounded.dtype}",
            expected=f"less than {_ROUNDING:g}",
            fix="set embed.storage to float32",
        )


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
    digest = hashlib.blake2b(keys.tobytes(), digest_size=5).digest()
    return int.from_bytes(digest, "big")
