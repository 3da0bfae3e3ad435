"""Giving every text of a window its topic, as a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusemine.tasks.core.artifact import MAIN
from fusemine.tasks.core.inputs import Output
from fusemine.tasks.mine.topic_chain.stored import read_state
from fusemine.tasks.mine.topics.topics import topics

if TYPE_CHECKING:
    import polars as pl

    from fusemine.tasks.core.inputs import Inputs, Progress
    from fusemine.tasks.mine.topics.settings import TopicsSettings


def run(inputs: Inputs, _: TopicsSettings, progress: Progress) -> Output:
    """Place every text beside the known topics, which are those of the chain after the window."""
    window = inputs.window()
    clean = window.frame(["row_id", "partition", "text", "has_text", "label", "category.*"])
    state = read_state(inputs.ref("topic_chain"))
    found = topics(clean, window.vectors(), state, progress)
    return Output(
        tables={
            MAIN: found.rows,
            "topics": found.topics,
            "themes": found.themes,
            "shares": found.shares,
            "crossed": found.crossed,
            "events": found.events,
        },
        rows_in=clean.height,
        rows_kept=found.rows.height,
        summary=found.summary,
    )


def row_columns(rows: pl.DataFrame, topics: pl.DataFrame) -> pl.DataFrame:
    """What the results hold of topics: the name of each row's."""
    names = topics.select("topic", topic_name="name")
    named = rows.select("row_id", "topic").join(names, "topic", "left", maintain_order="left")
    return named.select("row_id", topic="topic_name")
