"""What the settings of a server are called, for those who have to change them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A part of the pipeline.yaml that names a server, and what to do about its failures.

    Args:
        name: The part, such as `embed.endpoint`.
        model: The setting that names the model.
        expected: What an answer should have been.
        too_long: What to do if the model cannot read a request.
        too_often: What to do if the server does not take so many requests.
        lighten: What makes it easier for a server that breaks down or is late.
    """

    name: str
    model: str
    expected: str
    too_long: str
    too_often: str
    lighten: str
