"""The models in use as Prefect tasks: training one, scoring a partition, comparing, watching."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import polars as pl

from fusemine.tasks.core.artifact import MAIN, ArtifactRef, Draft, Job, read_frame
from fusemine.tasks.core.contract import CHALLENGE, PREDICTIONS, TRAINED, WATCH
from fusemine.tasks.core.key import Stage, digest, recipe
from fusemine.tasks.core.task import execute, stage_task
from fusemine.tasks.core.window import read_window, window_inputs
from fusemine.tasks.core.windowed import LIBRARIES, MODULES, WindowRefs, finish
from fusemine.tasks.embed.task import api_key
from fusemine.tasks.mine.classify.corrections.apply import correct_labels
from fusemine.tasks.mine.classify.refit import refit
from fusemine.tasks.mine.topic_chain.stored import read_state
from fusemine.tasks.serving.challenge.compare import compare, losses, unseen
from fusemine.tasks.serving.monitor.evaluate import is_due, watch
from fusemine.tasks.serving.predict.predict import predict
from fusemine.tasks.serving.stored import TEST, TRAIN, load, read_about, read_packed, write_model
from fusemine.tasks.serving.train.about import Ingredients, scored_by
from fusemine.tasks.serving.train.fit import fit_scorer

if TYPE_CHECKING:
    from pathlib import Path

    from fusemine.tasks.core.window import Window, WindowRules
    from fusemine.tasks.mine.classify.classifier import Classifier
    from fusemine.tasks.serving.monitor.watched import Watching
    from fusemine.tasks.serving.predict.predict import Request
    from fusemine.tasks.serving.registry import Entry
    from fusemine.tasks.serving.settings import ModelSettings

_LIBRARIES = (*LIBRARIES, "skops", "torch")
MODEL = Stage(
    "model",
    (
        "fusemine.tasks.serving.train.about",
        "fusemine.tasks.serving.train.fit",
        "fusemine.tasks.serving.stored",
        "fusemine.tasks.mine.classify.refit",
        *MODULES,
    ),
    (*_LIBRARIES, "safetensors"),
)
SCORE = Stage(
    "score",
    ("fusemine.tasks.serving.train.about", "fusemine.tasks.serving.stored", *MODULES),
    _LIBRARIES,
)
COMPARE = Stage("challenge", ("fusemine.tasks.serving.stored", *MODULES), _LIBRARIES)
WATCHED = Stage("watch", ("fusemine.tasks.serving.monitor.watched", *MODULES), LIBRARIES)


def model_job(root: Path, partition: str, window: WindowRefs, made: Ingredients) -> Job:
    """The job of fitting the model of a window.

    Args:
        root: Folder of the pipeline's artifacts.
        partition: Last partition of the window.
        window: What the window is read from.
        made: What goes into the model besides the window's rows.
    """
    refs = [made.classes, made.topics]
    inputs = window_inputs(window.cleaned, window.embedded, window.rules)
    values = {"settings": made.settings, "corrections": window.corrections_hash}
    made_of = recipe(MODEL, (*inputs, *(ref.sha256 for ref in refs)), values, made.encoder)
    names = (ref.name for ref in [*window.cleaned, *window.embedded, *refs])
    return Job(root, MODEL.name, partition, made_of, tuple(names))


@stage_task("train", "train-{job.partition}")
def train_model(job: Job, window: WindowRefs, made: Ingredients) -> ArtifactRef:
    """Fit the model of a window and store it, without searching anew for how to learn."""

    def work(draft: Draft) -> None:
        rows = read_window(window.cleaned, window.embedded, window.rules)
        classifier = _classifier(rows, window, made)
        predictions = read_frame(made.classes, PREDICTIONS)
        new = None
        if len(window.cleaned) > 1:
            new = (rows.clean["partition"] == job.partition).to_numpy()
        zone = window.rules.timezone
        scorer = fit_scorer(
            rows.clean, rows.matrix, classifier, made.anomaly, made.fusing, new, zone
        )
        about = made.about(job, classifier, predictions)
        write_model(draft, scorer, read_state(made.topics), about)
        trained = predictions.filter(pl.col("split") == TRAIN).select("row_id")
        draft.table(MAIN, trained, TRAINED)
        draft.count(rows.clean.height, trained.height, rows.clean.height - trained.height)

    return execute(job, work)


def _classifier(rows: Window, window: WindowRefs, made: Ingredients) -> Classifier | None:
    chosen = read_packed(made.classes, "choice")
    if chosen is None:
        return None
    corrected = correct_labels(rows.clean, window.corrections).rows
    return refit(
        corrected,
        rows.matrix,
        made.classifying,
        made.fusing,
        chosen,
        window.rules.timezone,
        made.number,
    )


def score_job(
    root: Path,
    partition: str,
    cleaned: ArtifactRef,
    embedded: ArtifactRef,
    rules: WindowRules,
    model: Entry,
) -> Job:
    """The job of scoring the rows of one partition with a model that was trained before it."""
    inputs = (*window_inputs([cleaned], [embedded], rules), model.sha256)
    names = (cleaned.name, embedded.name, model.artifact)
    return Job(root, SCORE.name, partition, recipe(SCORE, inputs, {}), names)


@stage_task("score", "score-{job.partition}")
def score_partition(
    job: Job, cleaned: ArtifactRef, embedded: ArtifactRef, rules: WindowRules, model: ArtifactRef
) -> ArtifactRef:
    """Foretell the label of a partition's rows with the model that was in use before it."""

    def work(draft: Draft) -> None:
        rows = read_window([cleaned], [embedded], rules)
        found = load(model).predictions(rows.clean, rows.matrix)
        draft.table(MAIN, found, PREDICTIONS)
        finish(draft, cleaned.rows, found.height, scored_by(read_about(model)))

    return execute(job, work)


def challenge_job(
    root: Path,
    partition: str,
    window: WindowRefs,
    classes: ArtifactRef,
    models: tuple[ArtifactRef, ArtifactRef],
    settings: ModelSettings,
) -> Job:
    """The job of holding a new model, which `classes` is of, against the one in use."""
    inputs = window_inputs(window.cleaned, window.embedded, window.rules)
    refs = [classes, *models]
    values = {"margin": settings.margin, "corrections": window.corrections_hash}
    made_of = recipe(COMPARE, (*inputs, *(ref.sha256 for ref in refs)), values)
    names = (ref.name for ref in [*window.cleaned, *window.embedded, *refs])
    return Job(root, COMPARE.name, partition, made_of, tuple(names))


@stage_task("challenge", "challenge-{job.partition}")
def challenge(
    job: Job,
    window: WindowRefs,
    classes: ArtifactRef,
    models: tuple[ArtifactRef, ArtifactRef],
    settings: ModelSettings,
) -> ArtifactRef:
    """Compare the model in use with a new one on the new one's test rows that neither has seen.

    Args:
        job: The job.
        window: The window of the new model.
        classes: What the new model foretold of its window.
        models: The one in use, and the new one.
        settings: How much worse is not worse.
    """

    def work(draft: Draft) -> None:
        champion, challenger = (read_about(model) for model in models)
        rows = read_window(window.cleaned, window.embedded, window.rules)
        new = read_frame(classes, PREDICTIONS)
        stored = load(models[0])
        tested = (new["split"] == TEST).to_numpy() & unseen(rows.clean, stored.trained)
        clean, labels = rows.clean.filter(tested), new["label"].filter(tested)
        old = stored.predictions(clean, rows.matrix[tested])
        number = bool(challenger["label"]["number"])
        pair = (losses(old, labels, number), losses(new.filter(tested), labels, number))
        groups = clean["group"] if "group" in clean.columns else None
        found = compare(*pair, settings.margin, number, groups)
        table = {"row_id": clean["row_id"], "champion": pair[0], "challenger": pair[1]}
        draft.table(MAIN, pl.DataFrame(table), CHALLENGE)
        summary = {"champion": champion["id"], "challenger": challenger["id"], **asdict(found)}
        finish(draft, rows.clean.height, clean.height, summary)

    return execute(job, work)


def watch_job(root: Path, partition: str, window: WindowRefs, watching: Watching) -> Job:
    """The job of judging the models in use on the partitions that came after them."""
    values = {
        "partitions": list(watching.scored),
        "since": watching.since,
        "rule": watching.rule.model_dump(mode="json"),
        "corrections": digest(watching.corrections.content()),
    }
    refs = [*watching.scored.values(), *watching.cleaned.values()]
    inputs = (*(ref.sha256 for ref in refs), str(window.rules.end))
    names = tuple(ref.name for ref in refs)
    return Job(root, WATCHED.name, partition, recipe(WATCHED, inputs, values), names)


@stage_task("watch", "watch-{job.partition}")
def watch_models(job: Job, window: WindowRefs, watching: Watching) -> ArtifactRef:
    """Judge the models in use, and say whether the last one is due to be trained anew."""

    def work(draft: Draft) -> None:
        parts = [watching.part(partition, window.rules.end) for partition in watching.scored]
        scored = [part for part in parts if part is not None]
        found = watch(scored)
        last = watching.last
        loss = last["label"]["test_loss"] if last["label"] else None
        due = is_due(watching.rule, last["model"], loss, watching.since, found)
        draft.table(MAIN, found.rows, WATCH)
        summary = {
            **last,
            "since": list(watching.since),
            "due": due.due,
            "reasons": list(due.reasons),
        }
        rows = sum(part.predictions.height for part in scored)
        finish(draft, rows, rows, summary)

    return execute(job, work)


@stage_task("predict", "predict-{job.partition}")
def predict_file(job: Job, request: Request) -> ArtifactRef:
    """Score the rows of a file."""
    endpoint = request.embed.endpoint
    return execute(job, lambda draft: predict(draft, request, lambda: api_key(endpoint)))
