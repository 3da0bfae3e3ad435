"""The stages, in order: each after those that it reads."""

from __future__ import annotations

from fusemine.tasks import clean, collect, embed, fuse, inventory, report
from fusemine.tasks.core.stage import Graph
from fusemine.tasks.mine import anomalies, classify, topic_chain, topics
from fusemine.tasks.serving import challenge, monitor, predict, score, train

GRAPH = Graph(
    [
        inventory.STAGE,
        collect.STAGE,
        clean.STAGE,
        embed.STAGE,
        topic_chain.STAGE,
        fuse.STAGE,
        classify.STAGE,
        train.STAGE,
        score.STAGE,
        challenge.STAGE,
        monitor.STAGE,
        topics.STAGE,
        anomalies.STAGE,
        report.STAGE,
        predict.STAGE,
    ]
)
