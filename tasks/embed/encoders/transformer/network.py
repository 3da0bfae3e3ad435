"""A BERT-like encoder over texts that lie one after the other, without padding.

The linear layers, which are nearly all of the work, see one flat batch of tokens; attention runs
once for each group of texts of equal length, so that it needs no mask. Architecture: Devlin et al.
2019 (BERT), Liu et al. 2019 (RoBERTa), Song et al. 2020 (MPNet), as transformers implements them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn import functional as F  # noqa: N812  (torch's own convention)

from fusemine.tasks.core.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from fusemine.tasks.embed.encoders.transformer.architecture import Architecture

    Linear = Callable[[Tensor, Tensor | None], Tensor]
    Weights = dict[str, Tensor]


# Lengths of the texts that show whether the batch matters.
_TRIED = (2, 3, 3, 5, 9, 17, 17, 40, 100, 250)
_WORDS = "embeddings.word_embeddings.weight"
# Names of the tensors of attention in a layer: queries, keys and values; output; norm.
_BERT = (
    ("attention.self.query", "attention.self.key", "attention.self.value"),
    "attention.output.dense",
    "attention.output.LayerNorm",
)
_MPNET = (
    ("attention.attn.q", "attention.attn.k", "attention.attn.v"),
    "attention.attn.o",
    "attention.LayerNorm",
)


class _Group(NamedTuple):
    """Texts of equal length that lie side by side: where they begin, how many, how long."""

    start: int
    texts: int
    length: int

    @property
    def tokens(self) -> slice:
        return slice(self.start, self.start + self.texts * self.length)


class _Layer(NamedTuple):
    qkv: Linear
    out: Linear
    attention_norm: tuple[Tensor, Tensor]
    up: Linear
    down: Linear
    norm: tuple[Tensor, Tensor]


class Network:
    """The weights of a model, ready to compute.

    Args:
        weights: Tensors by name, as the model's safetensors file has them.
        architecture: How it is built.
        device: A resolved device.
        dtype: Of the computation.

    Raises:
        KeyError: A tensor is missing.
        ModelError: They are not those of one encoder.
    """

    def __init__(
        self, weights: Weights, architecture: Architecture, device: str, dtype: torch.dtype
    ) -> None:
        self._architecture, self._device = architecture, device
        # The layers keep what they need, in the form that they need; the rest goes.
        found = {
            name: value.to(device, dtype)
            for name, value in _without_prefix(weights).items()
            if value.is_floating_point()
        }
        onednn = uses_onednn(device, dtype)
        self._linear = _onednn if onednn else _plain
        self._words = found[_WORDS]
        self._positions = found["embeddings.position_embeddings.weight"]
        self._bias = None
        if architecture.family == "mpnet":
            self._bias = found["encoder.relative_attention_bias.weight"]
        else:
            # All tokens are of the first text of a pair.
            types = found["embeddings.token_type_embeddings.weight"]
            self._positions = self._positions + types[0]
        self._norm = _pair(found, "embeddings.LayerNorm")
        self._layers = [self._layer(found, number) for number in range(architecture.layers)]
        self.dimension = int(self._words.shape[1])
        self.itemsize = dtype.itemsize
        self.vocabulary = int(self._words.shape[0])
        self.invariant = onednn and self._is_invariant()

    @torch.inference_mode()
    def run(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """The vectors of some texts, not normalised.

        Args:
            ids: Token ids of each text; texts of equal length lie side by side.

        Returns:
            float32 of shape (texts, dimension), on the CPU.
        """
        groups = _groups(ids)
        x = self._token_vectors(self._layers, ids, groups)
        pooled = [self._pool(x[g.tokens].view(g.texts, g.length, -1).float()) for g in groups]
        return torch.cat(pooled).cpu()

    def _token_vectors(
        self, layers: Sequence[_Layer], ids: Sequence[Sequence[int]], groups: list[_Group]
    ) -> Tensor:
        """The vectors of all tokens after some layers."""
        flat = torch.tensor([token for text in ids for token in text], device=self._device)
        first = self._architecture.first_position
        positions = torch.cat(
            [torch.arange(first, first + g.length).repeat(g.texts) for g in groups]
        ).to(self._device)
        x = F.embedding(flat, self._words) + F.embedding(positions, self._positions)
        x = self._normalise(x, self._norm)
        biases = [self._relative_bias(group.length) for group in groups]
        for layer in layers:
            x = self._run_layer(layer, x, groups, biases)
        return x

    @torch.inference_mode()
    def _is_invariant(self) -> bool:
        """Whether a text's tokens get the same bits alone and among others, with one thread.

        No library promises it, so it is tried on this processor, for batches of many sizes.
        """
        longest = self._architecture.max_tokens
        ids = [
            [(37 * length + at) % self.vocabulary for at in range(min(length, longest))]
            for length in _TRIED
        ]
        layers, threads = self._layers[:1], torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            together = self._token_vectors(layers, ids, _groups(ids))
            alone = [self._token_vectors(layers, [text], _groups([text])) for text in ids]
        finally:
            torch.set_num_threads(threads)
        return torch.equal(together, torch.cat(alone))

    def _run_layer(
        self, layer: _Layer, x: Tensor, groups: list[_Group], biases: list[Tensor | None]
    ) -> Tensor:
        qkv = layer.qkv(x, None)
        context = torch.empty_like(x)
        for group, bias in zip(groups, biases, strict=True):
            context[group.tokens] = self._attend(qkv[group.tokens], group, bias)
        x = self._normalise(layer.out(context, x), layer.attention_norm)
        return self._normalise(layer.down(layer.up(x, None), x), layer.norm)

    def _attend(self, qkv: Tensor, group: _Group, bias: Tensor | None) -> Tensor:
        heads = self._architecture.heads
        # To (3, texts, heads, length, size of a head), as attention wants it.
        q, k, v = qkv.view(group.texts, group.length, 3, heads, -1).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return found.transpose(1, 2).reshape(group.texts * group.length, -1)

    def _normalise(self, x: Tensor, norm: tuple[Tensor, Tensor]) -> Tensor:
        return F.layer_norm(x, norm[0].shape, *norm, eps=self._architecture.eps)

    def _pool(self, tokens: Tensor) -> Tensor:
        if self._architecture.pooling == "cls":
            return tokens[:, 0]
        return tokens.amax(1) if self._architecture.pooling == "max" else tokens.mean(1)

    def _relative_bias(self, length: int) -> Tensor | None:
        """MPNet's bias by distance, of shape (1, heads, length, length); others have none."""
        if self._bias is None:
            return None
        at = torch.arange(length, device=self._device)
        buckets = _buckets(at[None, :] - at[:, None], len(self._bias))
        return self._bias[buckets].permute(2, 0, 1)[None].contiguous()

    def _layer(self, weights: Weights, number: int) -> _Layer:
        layer = f"encoder.layer.{number}"
        qkv, out, norm = _MPNET if self._architecture.family == "mpnet" else _BERT
        # Queries, keys and values in one product.
        weight = torch.cat([weights[f"{layer}.{name}.weight"] for name in qkv])
        bias = torch.cat([weights[f"{layer}.{name}.bias"] for name in qkv])
        return _Layer(
            qkv=self._linear(weight, bias, "none"),
            out=self._linear(*_pair(weights, f"{layer}.{out}"), "none"),
            attention_norm=_pair(weights, f"{layer}.{norm}"),
            up=self._linear(*_pair(weights, f"{layer}.intermediate.dense"), "gelu"),
            down=self._linear(*_pair(weights, f"{layer}.output.dense"), "none"),
            norm=_pair(weights, f"{layer}.output.LayerNorm"),
        )


def _without_prefix(weights: Weights) -> Weights:
    """Tensors by their names within the encoder, whatever its file puts before them.

    Raises:
        ModelError: The file holds no encoder, or several.
    """
    found = [name for name in weights if name.endswith(_WORDS)]
    if len(found) != 1:
        raise ModelError(
            got=f"weights with {len(found)} tensors named {_WORDS!r}",
            expected="the weights of one encoder",
            fix="fetch the model again",
        )
    prefix = found[0].removesuffix(_WORDS)
    return {n.removeprefix(prefix): value for n, value in weights.items() if n.startswith(prefix)}


def _pair(weights: Weights, name: str) -> tuple[Tensor, Tensor]:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]


def _groups(ids: Sequence[Sequence[int]]) -> list[_Group]:
    groups: list[_Group] = []
    start = 0
    for text in ids:
        if groups and groups[-1].length == len(text):
            groups[-1] = groups[-1]._replace(texts=groups[-1].texts + 1)
        else:
            groups.append(_Group(start, 1, len(text)))
        start += len(text)
    return groups


def uses_onednn(device: str, dtype: torch.dtype) -> bool:
    """Whether oneDNN's prepacked linear layers compute this.

    On the processors that we know, their result for a row does not depend on the other rows.
    """
    if device != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    supported: dict[torch.dtype, Callable[[], Any]] = {
        torch.bfloat16: torch.ops.mkldnn._is_mkldnn_bf16_supported,
        torch.float16: torch.ops.mkldnn._is_mkldnn_fp16_supported,
    }
    return bool(supported.get(dtype, lambda: True)())


def _onednn(weight: Tensor, bias: Tensor, activation: str) -> Linear:
    """A layer whose weights lie as the processor wants them, activation and residual fused."""
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)
    algorithm = "none" if activation == "gelu" else ""  # of the GELU: without tanh
    pointwise = torch.ops.mkldnn._linear_pointwise

    def linear(x: Tensor, residual: Tensor | None) -> Tensor:
        y: Tensor
        if residual is None:
            y = pointwise(x, packed, bias, activation, [], algorithm)
        else:
            y = pointwise.binary(x, residual, packed, bias, "add")
        return y

    return linear


def _plain(weight: Tensor, bias: Tensor, activation: str) -> Linear:
    def linear(x: Tensor, residual: Tensor | None) -> Tensor:
        y = F.linear(x, weight, bias)
        if activation == "gelu":
            y = F.gelu(y)
        return y if residual is None else y + residual

    return linear


def _buckets(distance: Tensor, buckets: int, farthest: int = 128) -> Tensor:
    """T5's buckets of relative positions (Raffel et al. 2020), as MPNet uses them.

    Args:
        distance: Of keys from queries, in tokens; of any shape.
        buckets: How many there are; half of them for each direction.
        farthest: Distances from here on share one bucket.
    """
    half = buckets // 2
    exact = half // 2
    # Small distances have a bucket each, larger ones share buckets that widen logarithmically.
    apart = distance.abs()
    scale = (half - exact) / math.log(farthest / exact)
    wide = exact + (torch.log(apart.clamp(min=1).float() / exact) * scale).long()
    near = torch.where(apart < exact, apart, wide.clamp(max=half - 1))
    return near + half * (distance > 0)
