"""Where the tensors of an encoder are found in its file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusemine.tasks.core.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusemine.tasks.embed.encoders.architecture import Blueprint

_WORDS = "embeddings.word_embeddings.weight"


@dataclass(frozen=True)
class LayerNames:
    """Names of a layer's modules, without `.weight` and `.bias`."""

    qkv: tuple[str, str, str]
    out: str
    attention_norm: str
    up: str
    down: str
    norm: str


@dataclass(frozen=True)
class Names:
    """Names of a model's tensors.

    Args:
        prefix: What all of them begin with.
        mpnet: Whether they are MPNet's.
    """

    prefix: str
    mpnet: bool

    @property
    def words(self) -> str:
        """The vectors of tokens."""
        return f"{self.prefix}{_WORDS}"

    @property
    def positions(self) -> str:
        """The vectors of positions."""
        return f"{self.prefix}embeddings.position_embeddings.weight"

    @property
    def types(self) -> str | None:
        """The vectors of the first and the second text of a pair."""
        return None if self.mpnet else f"{self.prefix}embeddings.token_type_embeddings.weight"

    @property
    def norm(self) -> str:
        """The norm of the embeddings."""
        return f"{self.prefix}embeddings.LayerNorm"

    @property
    def bias(self) -> str | None:
        """The bias of attention by distance."""
        return f"{self.prefix}encoder.relative_attention_bias.weight" if self.mpnet else None

    def layer(self, number: int) -> LayerNames:
        """The modules of a layer."""
        layer = f"{self.prefix}encoder.layer.{number}"
        if self.mpnet:
            attention = f"{layer}.attention.attn"
            q, k, v, out = (f"{attention}.{name}" for name in "qkvo")
            norm = f"{layer}.attention.LayerNorm"
        else:
            attention = f"{layer}.attention"
            q, k, v = (f"{attention}.self.{name}" for name in ("query", "key", "value"))
            out, norm = f"{attention}.output.dense", f"{attention}.output.LayerNorm"
        return LayerNames(
            qkv=(q, k, v),
            out=out,
            attention_norm=norm,
            up=f"{layer}.intermediate.dense",
            down=f"{layer}.output.dense",
            norm=f"{layer}.output.LayerNorm",
        )


def names_of(tensors: Iterable[str], blueprint: Blueprint) -> Names:
    """The names in a file, whatever they begin with there.

    Raises:
        ModelError: It holds no encoder.
    """
    found = [name for name in tensors if name.endswith(_WORDS)]
    if len(found) != 1:
        raise ModelError(
            got=f"weights with {len(found)} tensors named {_WORDS!r}",
            expected="the weights of one encoder",
            fix="fetch the model again",
        )
    return Names(found[0].removesuffix(_WORDS), blueprint.family == "mpnet")
