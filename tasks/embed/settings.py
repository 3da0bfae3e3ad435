"""What can be set of embedding."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from fusemine.tasks.core.settings import Settings
from fusemine.tasks.llm.settings import ServerSettings

DEFAULT_MODEL = "all-MiniLM-L6-v2"

Precision = Literal["float32", "bfloat16", "float16"]
LongText = Literal["truncate", "mean", "max", "first_last"]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]


class EndpointSettings(ServerSettings):
    """A server that answers as OpenAI's `/v1/embeddings` does."""

    not_shown = frozenset(
        {*ServerSettings.model_fields, "batch_texts", "parallel", "requests_per_minute"}
        | {"tokens_per_minute", "retry_seconds"}
    )

    dimensions: int | None = Field(default=None, ge=1)
    """Length of the vectors, for servers that can shorten theirs."""
    batch_texts: int = Field(default=64, ge=1)
    """Texts in a request."""
    parallel: int = Field(default=2, ge=1, le=32)
    """Requests at a time."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    """What the server allows; by default there is no limit."""
    retry_seconds: float = Field(default=300.0, ge=0)
    """Begin no further attempt at a request so long after its first failure; a server that asks
    for a longer pause is not waited for."""
    tokens_per_minute: int | None = Field(default=None, ge=1)
    """What the server allows, by the tokens that its responses count; by default no limit."""


class EmbedSettings(Settings):
    """How texts become vectors."""

    # The model is known by its fingerprint, and keys have the others for themselves.
    not_in_keys = frozenset(
        {"model", "endpoint", "device", "precision", "columns", "weights", "languages"}
    )
    not_shown = frozenset({"device"})

    model: str = DEFAULT_MODEL
    """A model's name, or its folder relative to the pipeline.yaml; of an endpoint its model."""
    endpoint: EndpointSettings | None = None
    """A server that embeds, instead of this machine."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")
    """Where to compute: auto, cpu, cuda, cuda:N or mps."""
    precision: Literal["auto"] | Precision = "auto"
    """Of the computation; auto takes the fastest that keeps a cosine of 0.999 to float32."""
    storage: Literal["float16", "float32"] = "float16"
    """Of the stored vectors; float16 moves a unit vector by less than 1e-6 in cosine."""
    columns: Literal["joined", "apart"] = "joined"
    """Embed the text columns as one text, or each apart and put their vectors side by side."""
    weights: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """With `columns: apart`, how much each text column counts; 1 by default."""
    max_tokens: int | None = Field(default=None, ge=8)
    """Longer texts are long; by default those that the model cannot read whole."""
    long_text: LongText = "truncate"
    """Cut a long text, or embed its pieces and take their mean, maximum, or the first and last."""
    overlap_tokens: int = Field(default=16, ge=0)
    """What one piece of a long text shares with the next."""
    max_pieces: int = Field(default=32, ge=2)
    """A text is cut after so many pieces."""
    prompt: str | None = None
    """Put before every text, for models that want an instruction; by default the model's own."""
    languages: list[Language] | None = None
    """What the model reads, as ISO 639 codes, to warn of other texts; by its README.md if unset."""
    batch_tokens: int | None = Field(default=None, ge=64)
    """Tokens computed at a time; by default what suits the device and its free memory."""

    @model_validator(mode="after")
    def _apart(self) -> EmbedSettings:
        if self.weights and self.columns != "apart":
            raise ValueError("weights of text columns need columns: apart")
        return self

    def check_columns(self, columns: Any) -> None:
        """Refuse weights of what is no text column."""
        unknown = sorted(set(self.weights) - set(columns.text))
        if unknown:
            raise ValueError(f"embed.weights of {', '.join(unknown)}: no text column")
