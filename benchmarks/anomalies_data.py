"""The sets that the benchmark of anomalies judges on: usual rows with planted ones among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from fusion_data import embed, read_table

from fusemine.tasks.fuse.features import fit_features
from fusemine.tasks.fuse.settings import FuseSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

NUMBERS = ("digits", "wine", "breast_cancer", "iris")
RARE = 0.05
SWAPPED = 200


@dataclass(frozen=True)
class Planted:
    """A clean table of n rows and which of them are planted.

    Attributes:
        name: Sets of one name are averaged.
        clean: The rows.
        vectors: (n, d) their vectors.
        planted: (n,) the truth.
        seen: (n, k) what the peers see.
    """

    name: str
    clean: pl.DataFrame
    vectors: NDArray[np.float32]
    planted: NDArray[np.bool_]
    seen: NDArray[np.float32]

    def features(self) -> tuple[NDArray[np.float32], list[str]]:
        """What the fuse stage makes of the other columns, and their names."""
        blocks = fit_features(self.clean, self.vectors, FuseSettings())
        kept = [block for name, block in blocks.items() if name != "text"]
        empty = np.empty((self.clean.height, 0), np.float32)
        names = [name for block in kept for name in block.names]
        return np.hstack([empty, *(block.matrix for block in kept)]), names


def numbers(seeds: int) -> Iterator[Planted]:
    """scikit-learn's sets, each class in turn made as rare as `RARE` among the others."""
    from sklearn import datasets

    for name in NUMBERS:
        data = getattr(datasets, f"load_{name}")()
        for rare in np.unique(data.target):
            usual, odd = data.data[data.target != rare], data.data[data.target == rare]
            for seed in range(seeds):
                count = max(2, round(len(usual) * RARE / (1 - RARE)))
                chosen = np.random.default_rng(seed).permutation(len(odd))[:count]
                yield _numbers(name, usual, odd[chosen])


def _numbers(name: str, usual: NDArray[np.float64], odd: NDArray[np.float64]) -> Planted:
    values = np.vstack([usual, odd])
    columns = {f"number.f{i}": column for i, column in enumerate(values.T)}
    clean = bare([""] * len(values)).with_columns(**columns)
    planted = np.arange(len(values)) >= len(usual)
    return Planted(name, clean, np.zeros((len(values), 1), np.float32), planted, _scaled(values))


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return ((values - values.mean(axis=0)) / (values.std(axis=0) + 1e-9)).astype(np.float32)


def bare(texts: list[str]) -> pl.DataFrame:
    """A clean table with texts and nothing else."""
    return pl.DataFrame(
        {"row_id": [str(i) for i in range(len(texts))], "text": texts}
    ).with_columns(
        partition=pl.lit("all"),
        event_time=pl.lit(None, pl.Datetime("us", "UTC")),
        has_text=pl.col("text").str.strip_chars() != "",
    )


def texts(shares: tuple[float, ...], most: int | None) -> Iterator[Planted]:
    """Distinct wildlife remarks with drug reviews planted among them, and the other way round."""
    known = {name: _distinct(name, most) for name in ("wildlife", "reviews")}
    draw = np.random.default_rng(0)
    for usual, odd in (("wildlife", "reviews"), ("reviews", "wildlife")):
        for share in shares:
            rows, strangers = known[usual], known[odd]
            kept = draw.permutation(len(rows[0]))[: round(len(strangers[0]) / max(shares) * 0.9)]
            count = round(len(kept) * share / (1 - share))
            chosen = draw.permutation(len(strangers[0]))[:count]
            said = [rows[0][i] for i in kept] + [strangers[0][i] for i in chosen]
            vectors = np.vstack([rows[1][kept], strangers[1][chosen]])
            planted = np.arange(len(said)) >= len(kept)
            name = f"{share:.0%} {odd} in {usual}"
            yield Planted(name, bare(said), vectors, planted, vectors)


def _distinct(name: str, most: int | None) -> tuple[list[str], NDArray[np.float32]]:
    said = read_table(name, most).clean["text"]
    distinct = said.filter(said.str.strip_chars() != "").unique(maintain_order=True)
    return distinct.to_list(), embed(distinct)[0]


def contradictions(most: int | None) -> Planted:
    """Wildlife strikes, `SWAPPED` of which have swapped their remarks among themselves."""
    clean = read_table("wildlife", most).clean
    vectors, _ = embed(clean["text"])
    spoken = np.flatnonzero(clean["has_text"].to_numpy())
    swapped = np.random.default_rng(0).permutation(spoken)[:SWAPPED]
    place = np.arange(clean.height)
    place[swapped] = np.roll(swapped, 1)
    planted = np.isin(np.arange(clean.height), swapped)
    clean = clean.with_columns(text=clean["text"][place.tolist()])
    return Planted(f"{SWAPPED} swapped remarks", clean, vectors[place], planted, vectors[place])
