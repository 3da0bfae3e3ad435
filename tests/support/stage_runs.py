"""Runs of pipelines in this process, without a Prefect server."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from fusemine.flows.config.pipeline import load_pipeline
from fusemine.flows.engine.outcome import Outcome
from fusemine.flows.engine.plan import make_plan
from fusemine.flows.engine.session import open_session
from fusemine.flows.engine.walk import Walk
from fusemine.flows.serving.in_use import Train, use_models
from fusemine.tasks.core.inputs import Progress, execute
from fusemine.tasks.core.request import Request
from fusemine.tasks.core.storage.artifact import ArtifactRef
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.upkeep.latest import Completed, Latest


class PlainRunner:
    """Computes in this process, in no task.

    Attributes:
        requests: The results that it has computed, in order.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def log(self, level: int, text: str, *values: object) -> None:
        """Nothing: nobody reads it."""

    def run(
        self, request: Request, progress: Progress, found: ArtifactRef | None = None
    ) -> ArtifactRef:
        if found is not None:
            return found
        self.requests.append(request)
        return execute(request, GRAPH, progress, lambda *_: None)


def mine_plainly(
    pipeline: Path,
    partition: str = "latest",
    train: Train | None = None,
    runner: PlainRunner | None = None,
) -> Walk:
    """Run all stages over a partition's window and publish its report.

    Args:
        pipeline: The pipeline.yaml.
        partition: The partition.
        train: Whether a model is trained; None leaves models out altogether.
        runner: What computes.
    """
    loaded = load_pipeline(pipeline)
    session = open_session(loaded, runner or PlainRunner())
    walk = Walk(session, make_plan(loaded, session.listing.raw, partition))
    walk.check()
    walk.prepare()
    walk.mine()
    use = use_models(walk, train) if train else None
    walk.serving = use.shown if use else {}
    report = walk.report()
    assert report is not None
    keys = {name: refs[0].key for name, refs in walk.shown().items()}
    record = Completed(pipeline=loaded.pipeline.name, partition=walk.plan.target, keys=keys)
    Latest(loaded.store).publish(record, report, loaded.calendar)
    if use:
        use.settle(session)
    return walk


def computed(outcome: Outcome) -> list[str]:
    """The stages of a run that were computed and not reused."""
    return [name for name, stage in outcome.stages.items() if not stage.reused]


def letters_model(folder: Path, dimension: int = 24) -> Path:
    """A static model with a vector for each letter: a text is the mean of its letters."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {"[UNK]": 0} | {c: n for n, c in enumerate(string.printable, start=1)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text('{"model_type": "model2vec"}')
    matrix: Any = np.random.default_rng(3).normal(size=(len(vocabulary), dimension))
    save_file({"embeddings": matrix.astype(np.float32)}, folder / "model.safetensors")
    return folder
