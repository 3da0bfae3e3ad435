"""The kinds of encoders: one entry each, and the keys of their vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fusemine.tasks.core.key import KEY_LENGTH, digest, versions

_HERE = "fusemine.tasks.embed.encoders"
_COMMON = ("numpy", "tokenizers")


@dataclass(frozen=True)
class Kind:
    """A kind of encoder.

    Args:
        encoder: The class, as `module:name`. It is made with the keywords `folder`, `settings`,
            `precision` and `api_key`, and ignores those that it does not need.
        code_version: Stands for its code in keys; a change that moves a vector raises it, and
            any other leaves the stored vectors, which may have been paid for, as they are.
        libraries: Distributions whose version can move a vector.
        reads: The function that reads how a folder's model is built, as `module:name`, and gives
            None where this kind does not cover it; None for a kind that is not known by its files.
        earlier: Hashes of its code in versions of fusemine whose vectors were those of version 1.
        earlier_libraries: The libraries that counted then; None for the same.
    """

    encoder: str
    code_version: int
    libraries: tuple[str, ...] = ()
    reads: str | None = None
    earlier: tuple[str, ...] = ()
    earlier_libraries: tuple[str, ...] | None = None

    def key_values(self) -> dict[str, Any]:
        """What of it counts in keys, JSON-ready."""
        return {"code_version": self.code_version, "versions": versions(self.libraries)}


KINDS = {
    "endpoint": Kind(
        f"{_HERE}.endpoint.endpoint:EndpointEncoder",
        1,
        earlier=("2952de9a51f405bd58baaef1ea5edd33c1af0110470e9a2ae4d10f53837d100e",),
        earlier_libraries=("numpy",),
    ),
    "static": Kind(
        f"{_HERE}.static:StaticEncoder",
        1,
        (*_COMMON, "safetensors", "scipy"),
        f"{_HERE}.static:static_files",
        ("e3cffd2685b470538495bd723dd16158c845077a88af738b1fda237597e2b45d",),
    ),
    "packed": Kind(
        f"{_HERE}.transformer.packed:PackedEncoder",
        1,
        (*_COMMON, "safetensors", "torch"),
        f"{_HERE}.transformer.architecture:read_architecture",
        ("d64bcad0d1face82dc821b28baf44c94a113600e24a3a1159272141b625bd484",),
    ),
    "padded": Kind(
        f"{_HERE}.transformer.padded:PaddedEncoder",
        1,
        (*_COMMON, "sentence-transformers", "torch", "transformers"),
        earlier=("8dc562a941d4f38e33734230010722ddcaf9435c69b3ec88950ca226c88b0fcd",),
    ),
}
"""In the order in which a folder is tried with them; the last one takes any model."""


def space_key(kind: str, values: dict[str, Any], fingerprint: str) -> str:
    """What identifies the vectors of an encoder: kind, code, libraries, settings and model."""
    return digest([kind, KINDS[kind].key_values(), values, fingerprint])[:KEY_LENGTH]


def earlier_keys(kind: str, values: dict[str, Any], fingerprint: str) -> list[str]:
    """What identified the same vectors in earlier versions of fusemine, which hashed the code."""
    entry = KINDS[kind]
    # Vectors of a later version are others.
    codes = entry.earlier if entry.code_version == 1 else ()
    libraries = entry.libraries if entry.earlier_libraries is None else entry.earlier_libraries
    return [
        digest([[], values, versions(libraries), code, fingerprint])[:KEY_LENGTH] for code in codes
    ]
