"""all-MiniLM-L6-v2 in OpenVINO, exported directly and fed as well as we know how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fusemine.tasks.core.vectors import unit
from fusemine.tasks.embed.encoders.batches import plan_batches
from fusemine.tasks.embed.encoders.tokens import FastTokenizer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_TOKENS = 256
BATCH_TOKENS = 2048


def exported(folder: Path, hint: str) -> Callable[[list[str]], np.ndarray]:
    """A function from texts to unit vectors.

    Args:
        folder: Folder of the model.
        hint: OpenVINO's name of the precision.
    """
    compiled = _compile(folder, hint)
    tokenizer = FastTokenizer(folder / "tokenizer.json").inner
    tokenizer.enable_truncation(MAX_TOKENS)

    def encode(texts: list[str]) -> np.ndarray:
        ids = [found.ids for found in tokenizer.encode_batch_fast(texts)]
        vectors = np.empty((len(texts), 384), np.float32)
        for batch in plan_batches(texts, list(map(len, ids)), BATCH_TOKENS, padded=True):
            longest = max(len(ids[number]) for number in batch)
            tokens = np.zeros((len(batch), longest), np.int64)
            mask = np.zeros_like(tokens)
            for row, number in enumerate(batch):
                tokens[row, : len(ids[number])] = ids[number]
                mask[row, : len(ids[number])] = 1
            hidden = compiled([tokens, mask])[0]
            weights = mask[:, :, None].astype(np.float32)
            vectors[batch] = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        return unit(vectors)

    return encode


def _compile(folder: Path, hint: str) -> Any:
    import openvino as ov
    import torch
    from transformers import AutoModel

    class Hidden(torch.nn.Module):
        """The last hidden states alone."""

        def __init__(self) -> None:
            super().__init__()
            self.model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            found = self.model(input_ids=input_ids, attention_mask=attention_mask)
            return found.last_hidden_state  # type: ignore[no-any-return]

    example = (torch.ones(2, 16, dtype=torch.long), torch.ones(2, 16, dtype=torch.long))
    with torch.inference_mode():
        model = ov.convert_model(Hidden(), example_input=example)
    # One request at a time, on all cores; with THROUGHPUT it would have one of them.
    settings = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
    return ov.Core().compile_model(model, "CPU", settings)
