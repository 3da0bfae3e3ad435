"""The settings of topics."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fusemine.tasks.core.settings import Settings
from fusemine.tasks.llm.settings import ServerSettings


class NamingSettings(ServerSettings):
    """A language model that names the topics, on a server that answers as OpenAI's do.

    Its answer is a name only if it rests on the topic's words; else the topic keeps the name
    that its words give it.
    """

    not_in_keys = frozenset({*ServerSettings.model_fields, "total_seconds"})
    not_shown = frozenset({*not_in_keys, "max_tokens"})

    model: str = Field(min_length=1)
    """The name of the model on the server."""
    api: Literal["chat", "completions"] = "chat"
    """How to ask: `chat`, which all servers have, or `completions` for base models, which go on
    with a text and follow no instructions."""
    max_tokens: int = Field(default=60, ge=8, le=8_192)
    """The most tokens of an answer; models that think first need some thousand."""
    attempts: int = Field(default=3, ge=1)
    """Ask so often for a name, with growing pauses or those that the server asks for."""
    total_seconds: float = Field(default=600.0, gt=0)
    """Ask no longer than this for all names; those answered are kept for the next run."""


class TopicsSettings(Settings):
    """How texts are grouped into topics."""

    method: Literal["auto", "graph", "kmeans", "hdbscan", "agglomerative"] = "auto"
    """How texts are grouped: communities of the graph of nearest neighbours (`graph`), spherical
    k-means, HDBSCAN on a reduced space, or Ward's method along the graph. `auto` takes the graph,
    which measured best and most stable, and for a few texts Ward's method."""
    topics: Annotated[int, Field(ge=1, le=200)] | Literal["auto"] = "auto"
    """How many topics there are; `auto` takes the finest division that comes out the same again and
    again."""
    max_topics: Annotated[int, Field(ge=2, le=200)] = 100
    """The most topics that `auto` may choose."""
    themes: Annotated[int, Field(ge=1, le=50)] | Literal["auto"] = "auto"
    """How many themes the topics are put together in."""
    neighbours: Annotated[int, Field(ge=2, le=200)] = 15
    """How many similar texts count as a text's neighbours; more give broader topics."""
    fit_texts: Annotated[int, Field(ge=100)] = 20_000
    """Distinct texts that topics and map are made from; of more, an even sample, and the others
    are placed beside the texts that they resemble."""
    refit: Annotated[float, Field(gt=0)] = 0.5
    """Group all texts again once so many were added, as a share of those grouped last; until then
    new texts join the topics that are known."""
    outliers: Annotated[float, Field(ge=0, le=0.1)] = 0.05
    """The largest share of the grouped texts that are marked as like no others; they have a topic
    all the same."""
    registry: str = Field(default="1", pattern=r"^[A-Za-z0-9._-]+$", max_length=40)
    """Name of the list of known topics; another name begins a new list, with new numbers."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Where the random numbers start."""
    naming: NamingSettings | None = None
    """A language model that names the topics; without it their words do."""
