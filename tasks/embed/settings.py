"""What can be set of embedding."""

from __future__ import annotations

from pydantic import Field

from tasks.settings import Settings

DEFAULT_MODEL = "all-MiniLM-L6-v2"


class EmbedSettings(Settings):
    """How texts become vectors."""

    model: str = DEFAULT_MODEL
    """A sentence-transformers model: a name, or a folder relative to the pipeline.yaml."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")
    """Where to compute: auto, cpu, cuda, cuda:N or mps."""
    max_tokens: int | None = Field(default=None, ge=8)
    """Longer texts are cut here; by default where the model cuts them."""
    prompt: str = ""
    """Put before every text, for models that want an instruction."""
    batch_tokens: int = Field(default=2048, ge=64)
    """Tokens in a batch, padding included."""
