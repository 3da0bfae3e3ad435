"""Batches of texts of like length."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def plan_batches(
    texts: Sequence[str], sizes: Sequence[int], budget: int, padded: bool = False
) -> Iterator[list[int]]:
    """The numbers of the texts in each batch, longest first.

    Args:
        texts: The texts; they decide between equal lengths, whatever their order.
        sizes: Tokens of each.
        budget: Tokens in a batch; a longer text has a batch of its own.
        padded: Whether each text costs as much as the longest of its batch.
    """
    batch: list[int] = []
    cost = 0
    for number in sorted(range(len(texts)), key=lambda n: (-sizes[n], texts[n])):
        size = sizes[batch[0]] if padded and batch else sizes[number]
        if batch and cost + size > budget:
            yield batch
            batch, cost, size = [], 0, sizes[number]
        batch.append(number)
        cost += size
    if batch:
        yield batch
