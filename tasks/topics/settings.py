"""What can be set of topics."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tasks.settings import Settings


class ClusterSettings(Settings):
    """How texts are grouped into topics."""

    topics: Annotated[int, Field(ge=1, le=200)] | Literal["auto"] = "auto"
    """How many topics there are; `auto` takes the fewest that divide the map well."""
    max_topics: Annotated[int, Field(ge=2, le=100)] = 40
    """The most topics that `auto` may choose."""
    neighbours: Annotated[int, Field(ge=2, le=200)] = 15
    """How many similar texts shape a text's place on the map; more show its broad lines."""
    fit_texts: Annotated[int, Field(ge=100)] = 50_000
    """Distinct texts that the map is made from; of more, an even sample, and the others are
    placed beside the texts that they resemble."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Where the random numbers start: another seed gives another map of the same texts."""
