"""Where texts are computed, and how much at a time."""

from __future__ import annotations

from tasks.errors import ModelError

_CPU_TOKENS = 1024
_MOST_TOKENS = 65_536
# Of a GPU's free memory; the rest is for what torch and other processes need besides.
_SHARE = 0.5
# Values that a layer holds for each token, in units of the hidden size: its input, queries, keys,
# values, context, residuals and the four-fold inner layer before and after its activation.
_VALUES = 16


def resolve_device(device: str) -> str:
    """The device that `auto` means on this machine; others stay.

    Raises:
        ModelError: The device is not here.
    """
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    here = {"cpu": True, "cuda": torch.cuda.is_available()}
    here["mps"] = torch.backends.mps.is_available()
    if not here[device.partition(":")[0]]:
        raise ModelError(
            got=f"embed.device {device!r}, but torch sees no such device here",
            expected="a device of this machine",
            fix="set embed.device to auto or cpu, or install a torch that has it",
        )
    return device


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


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch failed for want of memory, on a GPU or on the CPU."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
