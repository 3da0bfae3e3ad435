"""A model as an artifact, in files that hold no code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import polars as pl

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.core.pack.pack import pack, unpack
from fusemine.tasks.core.storage.artifact import (
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
from fusemine.tasks.mine.topic_chain.contracts import ANCHORS
from fusemine.tasks.mine.topic_chain.reference_texts import from_table, to_table
from fusemine.tasks.mine.topic_chain.registry import ANCHORED
from fusemine.tasks.serving.compare import unseen
from fusemine.tasks.serving.contracts import TRAINED
from fusemine.tasks.serving.registry import Entry
from fusemine.tasks.serving.scorer import Scorer, TopicNames

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from fusemine.tasks.mine.topic_chain.registry import State

FORM = 2
"""Version of the files; models of another version cannot be read."""
ABOUT, TOPICS = "about.json", "topics.json"
PARTS = ("classifier", "blocks", "detectors", "levels")
KINDS = ("json", "safetensors", "skops")
PINNED = ("scikit-learn", "fusemine")
"""Only the minor version that fitted an object can read it."""
TRAIN, TEST = "train", "test"


@dataclass(frozen=True)
class StoredModel:
    """A model that was read back.

    Attributes:
        scorer: Scores rows.
        topics: Its topics.
        about: Its description: settings, versions, metrics.
        trained: `row_id` of the rows that its classifier was trained on.
    """

    scorer: Scorer
    topics: TopicNames
    about: dict[str, Any]
    trained: pl.DataFrame

    def predictions(self, clean: pl.DataFrame, vectors: NDArray[np.float32]) -> pl.DataFrame:
        """The predicted labels of rows, by the contract `predictions`.

        The split of a row that the model was trained on, or of a copy of one, is `train`.

        Args:
            clean: The clean table of n rows.
            vectors: Their texts' unit vectors (n, d).
        """
        new = pl.Series(unseen(clean, self.trained))
        split = pl.when(new).then("split").otherwise(pl.lit(TRAIN)).alias("split")
        return self.scorer.predictions(clean, vectors).with_columns(split)


def model_files(scorer: Scorer, topics: State, about: dict[str, Any]) -> dict[str, bytes]:
    """The files of a model: its parts, the names of the topics, and its description."""
    files = {
        f"{part}.{kind}": content
        for part in PARTS
        for kind, content in pack(getattr(scorer, part)).items()
    }
    names = {str(topic.topic): topic.name for topic in topics.alive}
    versions = {name: version(name) for name in (*PINNED, "numpy", "polars")}
    form = {"form": FORM, "timezone": scorer.timezone, "versions": versions}
    return {**files, TOPICS: to_json(names), ABOUT: to_json({**form, **about})}


def model_tables(topics: State) -> dict[str, pa.Table]:
    """The tables of a model besides the main one: its own copy of the topics' texts."""
    return {} if topics.references is None else {ANCHORED: to_table(topics.references)}


def read_about(ref: ArtifactRef) -> dict[str, Any]:
    """The description of a model.

    Raises:
        ModelError: It is of another form.
    """
    about = read_json(ref, ABOUT)
    if about.get("form") != FORM:
        raise ModelError(
            got=f"a model of form {str(about.get('form'))[:20]}: {ref.name}",
            expected=f"form {FORM}, which this version of fusemine reads",
            fix="retrain it: fusemine run PIPELINE --retrain",
        )
    return about


def find_model(root: str, entry: Entry) -> ArtifactRef:
    """The artifact of a model whose files are as they were written.

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
def load_model(ref: ArtifactRef) -> StoredModel:
    """Read a model; the last two stay loaded.

    Raises:
        ModelError: It is of another version, or has an object of a class that is not allowed.
    """
    about = read_about(ref)
    _check_version(ref, about)
    parts = {part: read_packed(ref, part) for part in PARTS}
    scorer = Scorer(**parts, timezone=about["timezone"])
    return StoredModel(scorer, _topics(ref), about, read_frame(ref, TRAINED))


def _check_version(ref: ArtifactRef, about: dict[str, Any]) -> None:
    for name in PINNED:
        trained, here = about["versions"][name], version(name)
        if trained.split(".")[:2] != here.split(".")[:2]:
            raise ModelError(
                got=f"a model, {ref.name}, that was trained with {name} {trained}",
                expected=f"{name} {here}, which is installed here",
                fix=f"install {name} {trained}, or retrain it: fusemine run PIPELINE --retrain",
            )


def read_packed(ref: ArtifactRef, name: str) -> Any:
    """The object that was packed into an artifact under a name.

    Raises:
        ModelError: It has an object of a class that is not allowed.
    """
    there = [kind for kind in KINDS if has_file(ref, f"{name}.{kind}")]
    return unpack({kind: read_bytes(ref, f"{name}.{kind}") for kind in there})


def _topics(ref: ArtifactRef) -> TopicNames:
    names = {int(number): name for number, name in read_json(ref, TOPICS).items()}
    there = has_file(ref, f"{ANCHORED}.parquet")
    references = from_table(read_table(ref, ANCHORS, ANCHORED)) if there else None
    return TopicNames(references, names)


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
