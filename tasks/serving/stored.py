"""A model in an artifact, in files that hold no code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.core.artifact import (
    ArtifactRef,
    has_file,
    manifest_of,
    read_bytes,
    read_frame,
    read_json,
    read_manifest,
    read_table,
    ref_of,
    to_json,
)
from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.core.pack.pack import pack, unpack
from fusemine.tasks.mine.topic_chain.contracts import ANCHORS
from fusemine.tasks.mine.topic_chain.reference_texts import from_table, to_table
from fusemine.tasks.mine.topic_chain.stored import ANCHORED
from fusemine.tasks.serving.challenge.compare import unseen
from fusemine.tasks.serving.registry import Entry
from fusemine.tasks.serving.scorer import Scorer, TopicNames
from fusemine.tasks.serving.train.contracts import TRAINED

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from fusemine.tasks.mine.topic_chain.registry import State

FORM = 2
"""Version of the files' form; of another one they cannot be read."""
ABOUT, TOPICS = "about.json", "topics.json"
PARTS = ("classifier", "blocks", "detectors", "levels")
KINDS = ("json", "safetensors", "skops")
SAME = ("scikit-learn", "fusemine")
"""What fitted objects are read by in the version alone that fitted them, patches aside."""
TRAIN, TEST = "train", "test"


@dataclass(frozen=True)
class Stored:
    """A model that was read back.

    Attributes:
        scorer: What scores rows.
        topics: The topics that there were.
        about: What was written of it: settings, versions, metrics.
        trained: `row_id` of the rows that it has learnt the label from.
    """

    scorer: Scorer
    topics: TopicNames
    about: dict[str, Any]
    trained: pl.DataFrame

    def predictions(self, clean: pl.DataFrame, vectors: NDArray[np.float32]) -> pl.DataFrame:
        """What the label of rows is foretold to be, by the contract `predictions`.

        A row that the model has learnt from, or a copy of one, is told by its split, `train`.

        Args:
            clean: The clean table of n rows.
            vectors: Their texts' unit vectors (n, d).
        """
        new = pl.Series(unseen(clean, self.trained))
        split = pl.when(new).then("split").otherwise(pl.lit(TRAIN)).alias("split")
        return self.scorer.predictions(clean, vectors).with_columns(split)


def model_files(scorer: Scorer, topics: State, about: dict[str, Any]) -> dict[str, bytes]:
    """The files of a model: its parts, the names of the topics, and what there is to say of it."""
    files = {
        f"{part}.{kind}": content
        for part in PARTS
        for kind, content in pack(getattr(scorer, part)).items()
    }
    names = {str(topic.topic): topic.name for topic in topics.alive}
    versions = {name: version(name) for name in (*SAME, "numpy", "polars")}
    form = {"form": FORM, "timezone": scorer.timezone, "versions": versions}
    return {**files, TOPICS: to_json(names), ABOUT: to_json({**form, **about})}


def model_tables(topics: State) -> dict[str, pa.Table]:
    """The tables of a model besides the main one: its own copy of the topics' texts."""
    return {} if topics.anchors is None else {ANCHORED: to_table(topics.anchors)}


def read_about(ref: ArtifactRef) -> dict[str, Any]:
    """What was written of a model.

    Raises:
        ModelError: It is of another form.
    """
    about = read_json(ref, ABOUT)
    if about.get("form") != FORM:
        raise ModelError(
            got=f"a model of form {str(about.get('form'))[:20]}: {ref.name}",
            expected=f"form {FORM}, which this version of fusemine reads",
            fix="train it anew: fusemine run PIPELINE --retrain",
        )
    return about


def find_stored(root: str, entry: Entry) -> ArtifactRef:
    """The artifact of a model, whose files are as they were written.

    Raises:
        ModelError: It is gone, cut off or changed.
    """
    ref = ref_of(root, entry.artifact)
    if ref is None or ref.sha256 != entry.sha256:
        what = "changed or cut off" if manifest_of(root, entry.artifact) else "gone"
        raise ModelError(
            got=f"model {entry.id} is {what}: {entry.artifact} below {root}",
            expected=f"the files that were written, of hash {entry.sha256[:12]}",
            fix="restore them, or choose another model (fusemine models PIPELINE lists them), or "
            "train one: fusemine run PIPELINE --retrain",
        )
    return ref


@lru_cache(maxsize=2)
def load(ref: ArtifactRef) -> Stored:
    """Read a model; the last two stay loaded.

    Raises:
        ModelError: It is of another version, or holds something that may not be built.
    """
    about = read_about(ref)
    _check_version(ref, about)
    parts = {part: read_packed(ref, part) for part in PARTS}
    scorer = Scorer(**parts, timezone=about["timezone"])
    return Stored(scorer, _topics(ref), about, read_frame(ref, TRAINED))


def _check_version(ref: ArtifactRef, about: dict[str, Any]) -> None:
    for name in SAME:
        trained, here = about["versions"][name], version(name)
        if trained.split(".")[:2] != here.split(".")[:2]:
            raise ModelError(
                got=f"a model, {ref.name}, that was trained with {name} {trained}",
                expected=f"{name} {here}, which is installed here",
                fix=f"install {name} {trained}, or train it anew: fusemine run PIPELINE --retrain",
            )


def read_packed(ref: ArtifactRef, name: str) -> Any:
    """What was packed into an artifact under a name.

    Raises:
        ModelError: It holds something that may not be built.
    """
    there = [kind for kind in KINDS if has_file(ref, f"{name}.{kind}")]
    return unpack({kind: read_bytes(ref, f"{name}.{kind}") for kind in there})


def _topics(ref: ArtifactRef) -> TopicNames:
    names = {int(number): name for number, name in read_json(ref, TOPICS).items()}
    there = has_file(ref, f"{ANCHORED}.parquet")
    anchors = from_table(read_table(ref, ANCHORS, ANCHORED)) if there else None
    return TopicNames(anchors, names)


def entry_of(ref: ArtifactRef, about: dict[str, Any]) -> Entry:
    """A model as the registry lists it."""
    label = about["label"] or {}
    metrics, leading = label.get("metrics", {}), label.get("leading")
    rows = label.get("rows", {})
    return Entry(
        id=about["id"],
        partition=about["partition"],
        artifact=ref.name,
        sha256=ref.sha256,
        made_at=read_manifest(ref).created_at,
        label=bool(label),
        metric=leading,
        value=metrics.get(leading),
        interval=metrics.get(f"{leading}_interval"),
        train_rows=rows.get("train", 0),
        test_rows=rows.get("test", 0),
    )
