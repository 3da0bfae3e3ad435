"""Groups of unit vectors by their cosine to a centre (Dhillon and Modha 2001)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from fusemine.tasks.mine.topic_chain.grouping.graph import Floats, Labels

STARTS, ROUNDS = 5, 50
MANY = 50_000
"""Of more vectors centres are fitted to batches (Sculley 2010), from one start."""
_BATCH, _BATCHES = 8_192, 200
_GRID = 2.0**18
"""Similarities are rounded to such fractions of one: beyond them lies the noise of float32."""


def spherical_kmeans(vectors: Floats, count: int, seed: int, device: str = "cpu") -> Labels:
    """Group (n, d) unit vectors into at most `count` groups.

    Centres begin as k-means++ draws them (Arthur and Vassilvitskii 2007); of `STARTS` starts the
    one whose vectors are the most similar to their centres is kept.

    Args:
        vectors: The vectors.
        count: From 1 to n.
        seed: Of the draws.
        device: Where torch computes: cpu, cuda or cuda:N.

    Returns:
        (n,) groups from 0.
    """
    import torch

    draw = np.random.default_rng(seed)
    points = torch.from_numpy(np.require(vectors, np.float32, ["C", "W"])).to(device)
    many = len(points) > MANY
    # K-means finds a local optimum only, which depends on where it begins.
    best, found = -np.inf, np.zeros(len(points), np.int64)
    with torch.inference_mode():
        for _ in range(1 if many else STARTS):
            centres = _kmeans_plus_plus(points, count, draw)
            centres = _mini_batches(points, centres, draw) if many else _lloyd(points, centres)
            labels, similar = _assign(points, centres)
            if float(similar.sum()) > best:
                best, found = float(similar.sum()), labels.cpu().numpy()
    return found.astype(np.int32)


def _kmeans_plus_plus(points: Tensor, count: int, draw: np.random.Generator) -> Tensor:
    """Centres drawn with probabilities by the squared distance to the nearest one so far."""
    import torch

    among = points
    if len(points) > MANY:
        # A sample of many vectors has room for all centres.
        some = np.sort(draw.choice(len(points), MANY, replace=False))
        among = points[torch.from_numpy(some).to(points.device)]
    places = [int(draw.integers(len(among)))]
    distances = torch.full((len(among),), torch.inf, dtype=torch.float64, device=points.device)
    for _ in range(count - 1):
        distances = torch.minimum(distances, 1 - _round(among @ among[places[-1]]).double())
        # One minus the cosine is half the squared distance, by which k-means++ draws.
        cumulated = distances.clamp(min=0).cumsum(0).cpu().numpy()
        places.append(int(np.searchsorted(cumulated, draw.random() * cumulated[-1], "right")))
        places[-1] = min(places[-1], len(among) - 1)
    return among[places].clone()


def _lloyd(points: Tensor, centres: Tensor) -> Tensor:
    """Lloyd's iterations until no vector changes its group."""
    import torch

    before = None
    for _ in range(ROUNDS):
        labels, similar = _assign(points, centres)
        if before is not None and torch.equal(labels, before):
            break
        before, centres = labels, _means(points, labels, similar, centres)
    return centres


def _mini_batches(points: Tensor, centres: Tensor, draw: np.random.Generator) -> Tensor:
    """Centres that move to the vectors of one batch after the other, by ever smaller steps."""
    import torch

    seen = torch.zeros(len(centres), 1, device=points.device)
    for _ in range(_BATCHES):
        rows = torch.from_numpy(draw.integers(len(points), size=_BATCH)).to(points.device)
        member = _one_hot(_assign(points[rows], centres)[0], len(centres))
        own = member.sum(dim=1, keepdim=True)
        # The mean direction of all vectors that the centre has had so far.
        moved = centres * seen + member @ points[rows]
        seen += own
        centres = torch.where(own > 0, torch.nn.functional.normalize(moved), centres)
    return centres


def _assign(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """The centre that each vector is most similar to, ties to the first, and how similar it is."""
    import torch

    # In parts, so that the similarities of many vectors fit into memory.
    parts = [_round(part @ centres.T).max(dim=1) for part in torch.split(points, _BATCH)]
    return torch.cat([part.indices for part in parts]), torch.cat([part.values for part in parts])


def _means(points: Tensor, labels: Tensor, similar: Tensor, centres: Tensor) -> Tensor:
    """The mean directions; a centre without vectors goes to one that fits its own worst."""
    import torch

    member = _one_hot(labels, len(centres))
    # A centre that has lost all its vectors would stay lost.
    empty = torch.nonzero(member.sum(dim=1) == 0).ravel()
    means = torch.nn.functional.normalize(member @ points)
    means[empty] = points[torch.argsort(similar, stable=True)[: len(empty)]]
    return means


def _one_hot(labels: Tensor, count: int) -> Tensor:
    """(k, n) which vector is in which group. A product with it adds in one order on any device."""
    import torch

    return torch.nn.functional.one_hot(labels, count).T.float()


def _round(similar: Tensor) -> Tensor:
    return (similar * _GRID).round() / _GRID
