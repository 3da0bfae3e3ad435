"""What is computed at a time: texts of like length, as many as the memory of a device holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from fusemine.tasks.core.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Item = TypeVar("Item")

_CPU_TOKENS = 1024
_MOST_TOKENS = 65_536
# Of a GPU's free memory; the rest is for what torch and other processes need besides.
_SHARE = 0.5
# Values that a layer holds for each token, in units of the hidden size: its input, queries, keys,
# values, context, residuals and the four-fold inner layer before and after its activation.
_VALUES = 16
# torch's message when a CPU has no memory left; for GPUs it has an error of its own.
_NO_MEMORY = "can't allocate memory"
# oneDNN's message when it finds no memory for its own code, but for other troubles as well: those
# remain when a single text is left.
_NO_PRIMITIVE = "could not create a primitive"


def tokens_at_a_time(device: str, hidden: int, itemsize: int) -> int:
    """Tokens in a batch: on a GPU what its free memory holds, elsewhere what caches hold.

    Args:
        device: A resolved device.
        hidden: Length of a token's vector.
        itemsize: Bytes of a value.
    """
    if not device.startswith("cuda"):
        return _CPU_TOKENS
    free, _ = torch.cuda.mem_get_info(torch.device(device))
    return max(_CPU_TOKENS, min(_MOST_TOKENS, int(_SHARE * free / (_VALUES * hidden * itemsize))))


def plan_batches(
    texts: Sequence[str], sizes: Sequence[int], budget: int, padded: bool = False
) -> Iterator[list[int]]:
    """The numbers of the texts in each batch, longest first.

    Args:
        texts: The texts; they decide between equal lengths, whatever their order.
        sizes: Tokens of each.
        budget: Tokens in a batch; a longer text has a batch of its own.
        padded: Whether each text costs as much as the longest of its batch.

    >>> list(plan_batches(["a", "b", "c", "d"], [2, 9, 3, 4], budget=7))
    [[1], [3, 2], [0]]
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


class TokenBudget:
    """Tokens in a batch; fewer from then on, once a batch did not fit the memory.

    Args:
        tokens: At first.
        device: Where batches are computed, for the error.
    """

    def __init__(self, tokens: int, device: str) -> None:
        self.tokens, self._device = tokens, device

    def run(
        self,
        compute: Callable[[list[Item]], np.ndarray],
        items: list[Item],
        sizes: Sequence[int],
    ) -> np.ndarray:
        """Compute a batch, in halves if it does not fit.

        Args:
            compute: Gives a row for each item.
            items: The batch.
            sizes: The items' tokens.

        Returns:
            What `compute` gives, of shape (items, ...).

        Raises:
            ModelError: One item alone does not fit.
        """
        try:
            return compute(items)
        except RuntimeError as error:
            full = isinstance(error, torch.OutOfMemoryError) or _NO_MEMORY in str(error)
            if not full and not (_NO_PRIMITIVE in str(error) and len(items) > 1):
                raise
            if len(items) == 1:
                raise ModelError(
                    got=f"no memory on {self._device} for one text of {sizes[0]} tokens",
                    expected="room for at least one text at a time",
                    fix="free memory there, set embed.max_tokens lower or embed.device to cpu",
                ) from error
        self.tokens = max(1, min(self.tokens, sum(sizes)) // 2)
        half = len(items) // 2
        halves = [(items[:half], sizes[:half]), (items[half:], sizes[half:])]
        return np.concatenate([self.run(compute, some, theirs) for some, theirs in halves])
