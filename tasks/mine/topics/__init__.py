"""The topics of a window: every row's topic and place, and how the topics went."""

from __future__ import annotations

from fusemine.tasks.core.contract import text
from fusemine.tasks.core.stage import RowColumns, Scope, Stage
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.mine.topic_chain.contracts import EVENTS
from fusemine.tasks.mine.topic_chain.settings import TopicsSettings
from fusemine.tasks.mine.topics.contracts import CLUSTERS, CROSSED, SHARES, THEMES, TOPICS

STAGE = Stage(
    name="topics",
    scope=Scope.WINDOW,
    compute="fusemine.tasks.mine.topics.compute:run",
    tables={
        MAIN: CLUSTERS,
        "topics": TOPICS,
        "themes": THEMES,
        "shares": SHARES,
        "crossed": CROSSED,
        "events": EVENTS,
    },
    reads=("clean", "embed", "topic_chain"),
    settings=TopicsSettings,
    libraries=("numpy", "polars", "scikit-learn", "scipy", "torch"),
    row_columns=RowColumns(
        {"topic": text(nullable=True)},
        "fusemine.tasks.mine.topics.contracts:row_columns",
        ("topics",),
    ),
    section="fusemine.tasks.mine.topics.report.section:section",
    facts="fusemine.tasks.mine.topics.report.section:facts",
)
