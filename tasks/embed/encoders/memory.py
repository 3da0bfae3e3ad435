"""How much is computed at a time: what the memory of a device holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from fusemine.tasks.core.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")

_CPU_TOKENS = 1024
_MOST_TOKENS = 65_536
# Of a GPU's free memory; the rest is for what torch and other processes need besides.
_SHARE = 0.5
# Values that a layer holds for each token, in units of the hidden size: its input, queries, keys,
# values, context, residuals and the four-fold inner layer before and after its activation.
_VALUES = 16


def tokens_at_a_time(device: str, hidden: int, itemsize: int) -> int:
    """Tokens in a batch: on a GPU what its free memory holds, elsewhere what caches hold.

    Args:
        device: A resolved device.
        hidden: Length of a token's vector.
        itemsize: Bytes of a value.
    """
    if not device.startswith("cuda"):
        return _CPU_TOKENS
    import torch

    free, _ = torch.cuda.mem_get_info(torch.device(device))
    return max(_CPU_TOKENS, min(_MOST_TOKENS, int(_SHARE * free / (_VALUES * hidden * itemsize))))


_UNMADE = "could not create a primitive"
"""What oneDNN says when it finds no memory for its own code, but of other troubles as well: those
remain when a single text is left."""


class Budget:
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

        Raises:
            ModelError: One item alone does not fit.
        """
        try:
            return compute(items)
        except RuntimeError as error:
            if not _is_out_of_memory(error) and not (_UNMADE in str(error) and len(items) > 1):
                raise
            if len(items) == 1:
                raise ModelError(
                    got=f"no memory on {self._device} for one text of {sizes[0]} tokens",
                    expected="room for at least one text at a time",
                    fix="free memory there, set embed.max_tokens lower or embed.device to cpu",
                ) from error
        self.tokens = max(1, min(self.tokens, sum(sizes)) // 2)
        half = len(items) // 2
        parts = [(items[:half], sizes[:half]), (items[half:], sizes[half:])]
        return np.concatenate([self.run(compute, some, theirs) for some, theirs in parts])


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch failed for want of memory, on a GPU or on the CPU."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
