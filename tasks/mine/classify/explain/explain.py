"""Explaining the predictions of single rows, by column and by word; and which rows to explain."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from fusemine.tasks.fuse.categories import MISSING
from fusemine.tasks.mine.classify.decision import predict_classes
from fusemine.tasks.mine.classify.explain.importance import Kind, Player, Predict, players
from fusemine.tasks.mine.classify.explain.occlusion import Encode, Word, occlude, shorten
from fusemine.tasks.mine.classify.explain.shapley import ExplainedOutput, shapley_values
from fusemine.tasks.stats.intervals import json_number
from fusemine.tasks.table.cells import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.fuse.transformers import Rows
    from fusemine.tasks.stats.target import Floats

Positions: TypeAlias = "NDArray[np.intp]"
Why: TypeAlias = Literal["surest", "mistake", "close", "highest", "error", "typical"]

FEATURES, VALUE = 10, 60
"""Columns that an explanation lists, and characters of a value."""


@dataclass(frozen=True)
class Pick:
    """A row that is worth explaining."""

    row: int
    why: Why


@dataclass(frozen=True)
class Feature:
    """What a column, or the text as a whole, adds to the prediction of one row."""

    name: str
    kind: Kind
    value: str
    """At most `VALUE` characters."""
    contribution: float
    """The Shapley value, on the scale of the explanation."""


@dataclass(frozen=True)
class RowExplanation:
    """Why the model predicts what it does for one row."""

    row_id: str
    why: Why | None
    """Why the row was chosen."""
    output: str | None
    """The class that is explained; None for a number."""
    scale: str
    """Of `base`, `prediction`, contributions and weights: number or log-odds."""
    base: float
    """The mean over the background, and what all contributions add up from."""
    prediction: float
    features: tuple[Feature, ...]
    """The columns that add most, the largest contribution first."""
    others: float
    """What all other columns add: base + contributions + others = prediction."""
    words: tuple[Word, ...]
    """The text in order, see `occlusion.shorten`; none without a text."""
    vectors: Literal["recomputed", "kept"]
    """Whether texts with words left out got vectors of their own."""

    def to_json(self) -> dict[str, Any]:
        """Plain values, rounded to six digits; null for what is not finite."""
        rounded: dict[str, Any] = _plain(asdict(self))
        return rounded


def pick_rows(
    predictions: Floats,
    truth: NDArray[Any],
    count: int,
    seed: int = 0,
    positive: int | None = None,
    threshold: float | None = None,
) -> list[Pick]:
    """Rows to explain, in equal parts, as far as there are any.

    Of classes: the surest positives (without positive class: the surest of all) that are not known
    to be mistakes; the surest mistakes, for each predicted class in turn; and those closest to
    another prediction. Of numbers: the highest predictions, the largest errors, and those next to
    the median prediction.

    Args:
        predictions: Probabilities (n, classes), or numbers (n, 1).
        truth: Classes (n,), below 0 where not known, or numbers (n,), NaN where not known.
        count: How many rows are wanted; fewer if there are no more.
        seed: Decides between equals.
        positive: The class that a binary label is about.
        threshold: From which probability on a row is called positive; by default the likeliest.
    """
    if predictions.shape[1] == 1:
        scores = _of_numbers(predictions[:, 0], truth)
    else:
        scores = _of_classes(predictions, truth, positive, threshold)
    # Equal scores are ordered at random, so that the first rows are not preferred.
    order = np.random.default_rng(seed).permutation(len(predictions))
    ranked = {why: _ranked(score, order) for why, score in scores.items()}
    return sorted(islice(_in_turn(ranked), count), key=lambda pick: list(ranked).index(pick.why))


def explain_rows(
    predict: Predict,
    rows: Rows,
    training: Rows,
    explained: ExplainedOutput,
    encode: Encode | None = None,
    whys: Sequence[Why] | None = None,
    seed: int = 0,
) -> list[RowExplanation]:
    """Explain the predictions of these rows, column by column and word by word.

    Args:
        predict: The fitted model; its prediction of a row must not depend on the rows beside it.
        rows: The rows to explain; two of them may be equal.
        training: Rows of the same columns, at least one, that the explained ones are compared
            with; as many as are needed are drawn evenly.
        explained: What is explained.
        encode: Embeds texts with words left out, see `occlude`.
        whys: Why each row was chosen.
        seed: Where the random numbers start.
    """
    if not len(rows):
        return []
    predictions = predict(rows)
    outputs = explained.outputs(predictions)

    def output(altered: Rows, owners: Positions) -> Floats:
        return explained.values(predict(altered), outputs[owners])

    texts = occlude(output, rows, encode)
    whom = players(rows)
    base, contributions = shapley_values(predict, rows, training, explained, outputs, seed)
    values = explained.values(predictions, outputs)
    return [
        RowExplanation(
            row_id=rows.clean["row_id"][k],
            why=whys[k] if whys else None,
            output=explained.names[outputs[k]] if explained.names else None,
            scale=explained.scale,
            base=float(base[k]),
            prediction=float(values[k]),
            **_top_features(rows.take(np.array([k])), whom, contributions[k]),
            words=shorten(texts[k]),
            vectors="kept" if encode is None else "recomputed",
        )
        for k in range(len(rows))
    ]


def _of_classes(
    predictions: Floats, truth: NDArray[Any], positive: int | None, threshold: float | None
) -> dict[Why, Floats]:
    """For each reason to choose a row how good it is (n,); minus infinity where it is none."""
    if positive is not None and threshold is None and predictions.shape[1] == 2:
        threshold = 0.5
    # Rows without label are never counted as mistakes.
    called = predict_classes(predictions, positive, threshold)
    wrong = (called != truth) & (truth >= 0)
    second, top = np.sort(predictions, axis=1)[:, -2:].T
    margin, sure = top - second, top
    if positive is not None:
        sure = predictions[:, positive]
        margin = margin if threshold is None else _margin(sure, threshold)
    return {
        "surest": np.where(wrong, -np.inf, sure),
        "mistake": np.where(wrong, _by_turns(margin, np.where(wrong, called, -1)), -np.inf),
        "close": -margin,
    }


def _by_turns(margin: Floats, group: NDArray[np.int64]) -> Floats:
    """Scores by which the best of each group come first, then the second best, and so on.

    Mistakes for a rare class are hardly ever as sure as others, and would not be shown otherwise.
    """
    order = np.lexsort((-margin, group))
    starts = np.searchsorted(group[order], group[order])
    # The rank within the group outweighs the margin, which is at most one half.
    ranks = np.empty(len(group))
    ranks[order] = np.arange(len(group)) - starts
    return np.clip(margin, 0, 1) / 2 - ranks


def _margin(probability: Floats, threshold: float) -> Floats:
    """How far on its side of the threshold a probability is, from 0 to 1."""
    below, above = max(threshold, 1e-9), max(1 - threshold, 1e-9)
    return np.maximum((probability - threshold) / above, (threshold - probability) / below)


def _of_numbers(numbers: Floats, truth: NDArray[Any]) -> dict[Why, Floats]:
    errors = np.abs(numbers - truth)
    return {
        "highest": numbers,
        "error": np.where(np.isnan(errors), -np.inf, errors),
        "typical": -np.abs(numbers - np.median(numbers)) if len(numbers) else numbers,
    }


def _ranked(scores: Floats, order: Positions) -> Iterator[int]:
    """Rows from the highest score down, equals in this order, without those of minus infinity."""
    best = order[np.argsort(-scores[order], kind="stable")]
    return iter([int(row) for row in best if scores[row] > -np.inf])


def _in_turn(ranked: Mapping[Why, Iterator[int]]) -> Iterator[Pick]:
    """The next row of each ranking in turn that none has given yet, until all are used up."""
    seen: set[int] = set()
    left = dict(ranked)
    for why in cycle(ranked):
        row = next((row for row in left.get(why, ()) if row not in seen), None)
        if row is None:
            left.pop(why, None)
        else:
            seen.add(row)
            yield Pick(row, why)
        if not left:
            return


def _top_features(row: Rows, whom: Sequence[Player], contributions: Floats) -> dict[str, Any]:
    """The features of one row that are listed, and the sum of the others."""
    order = np.argsort(-np.abs(contributions), kind="stable")
    features = [
        Feature(whom[k].name, whom[k].kind, _shown(row, whom[k]), float(contributions[k]))
        for k in order[:FEATURES]
    ]
    return {"features": tuple(features), "others": float(contributions[order[FEATURES:]].sum())}


def _shown(row: Rows, player: Player) -> str:
    """The value of a column in a single row, on one line and cut at `VALUE` characters."""
    column = row.clean["text" if player.kind == "text" else player.columns[0]]
    text: str | None = as_text(column)[0]
    if text is None:
        return MISSING
    if player.kind == "number":
        return f"{column[0]:.10g}"
    line = " ".join(text[: VALUE * 4].split())
    return line if len(line) <= VALUE else line[: VALUE - 1] + "…"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(held) for name, held in value.items()}
    if isinstance(value, tuple):
        return [_plain(held) for held in value]
    return json_number(value) if isinstance(value, float) else value
