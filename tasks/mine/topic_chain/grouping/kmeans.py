"""Groups of unit vectors by their cosine to a centre (Dhillon and Modha 2001)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from fusemine.tasks.mine.topic_chain.grouping.graph import Floats, Labels

STARTS, ROUNDS = 5, 50
MANY = 50_000
"""Of more vectors centres are learnt from batches (Sculley 2010), and the best of one start."""
_BATCH, _BATCHES = 8_192, 200
_GRID = 2.0**18
"""Similarities are rounded to such fractions of one: beyond them lies the noise of float32."""


def spherical(vectors: Floats, count: int, seed: int, device: str = "cpu") -> Labels:
    """Group (n, d) unit vectors into at most `count` groups.

    Centres begin as k-means++ draws them (Arthur and Vassilvitskii 2007); of `STARTS` starts the
    one whose vectors are the most similar to their centres is kept.

    Args:
        vectors: The vectors.
        count: From 1 to n.
        seed: Of the draws.
        device: Where torch computes: cpu, cuda or cuda:N.
    """
    import torch

    draw = np.random.default_rng(seed)
    points = torch.from_numpy(np.require(vectors, np.float32, ["C", "W"])).to(device)
    many = len(points) > MANY
    best, found = -np.inf, np.zeros(len(points), np.int64)
    with torch.inference_mode():
        for _ in range(1 if many else STARTS):
            centres = _begun(points, count, draw)
            centres = _batched(points, centres, draw) if many else _settled(points, centres)
            labels, similar = _assigned(points, centres)
            if float(similar.sum()) > best:
                best, found = float(similar.sum()), labels.cpu().numpy()
    return found.astype(np.int32)


def _begun(points: Tensor, count: int, draw: np.random.Generator) -> Tensor:
    """Centres by k-means++, drawn with chances by the squared distance to the nearest centre."""
    import torch

    among = points
    if len(points) > MANY:
        some = np.sort(draw.choice(len(points), MANY, replace=False))
        among = points[torch.from_numpy(some).to(points.device)]
    places = [int(draw.integers(len(among)))]
    apart = torch.full((len(among),), torch.inf, dtype=torch.float64, device=points.device)
    for _ in range(count - 1):
        apart = torch.minimum(apart, 1 - _rounded(among @ among[places[-1]]).double())
        chances = apart.clamp(min=0).cumsum(0).cpu().numpy()
        places.append(int(np.searchsorted(chances, draw.random() * chances[-1], "right")))
        places[-1] = min(places[-1], len(among) - 1)
    return among[places].clone()


def _settled(points: Tensor, centres: Tensor) -> Tensor:
    """Lloyd's rounds until no vector changes its group."""
    import torch

    before = None
    for _ in range(ROUNDS):
        labels, similar = _assigned(points, centres)
        if before is not None and torch.equal(labels, before):
            break
        before, centres = labels, _means(points, labels, similar, centres)
    return centres


def _batched(points: Tensor, centres: Tensor, draw: np.random.Generator) -> Tensor:
    """Centres that move to the vectors of one batch after the other, less and less."""
    import torch

    seen = torch.zeros(len(centres), 1, device=points.device)
    for _ in range(_BATCHES):
        rows = torch.from_numpy(draw.integers(len(points), size=_BATCH)).to(points.device)
        member = _member(_assigned(points[rows], centres)[0], len(centres))
        own = member.sum(dim=1, keepdim=True)
        moved = centres * seen + member @ points[rows]
        seen += own
        centres = torch.where(own > 0, torch.nn.functional.normalize(moved), centres)
    return centres


def _assigned(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """The centre that each vector is most similar to, ties to the first, and how similar it is."""
    import torch

    parts = [_rounded(part @ centres.T).max(dim=1) for part in torch.split(points, _BATCH)]
    return torch.cat([part.indices for part in parts]), torch.cat([part.values for part in parts])


def _means(points: Tensor, labels: Tensor, similar: Tensor, centres: Tensor) -> Tensor:
    """The mean directions; a centre that lost all vectors goes to one that fits its own worst."""
    import torch

    member = _member(labels, len(centres))
    empty = torch.nonzero(member.sum(dim=1) == 0).ravel()
    means = torch.nn.functional.normalize(member @ points)
    means[empty] = points[torch.argsort(similar, stable=True)[: len(empty)]]
    return means


def _member(labels: Tensor, count: int) -> Tensor:
    """(k, n) which vector is in which group. A product with it adds in one order on any device."""
    import torch

    return torch.nn.functional.one_hot(labels, count).T.float()


def _rounded(similar: Tensor) -> Tensor:
    return (similar * _GRID).round() / _GRID
