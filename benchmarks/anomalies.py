"""How well planted anomalies are found: by every detector, by the views, by all, by PyOD.

    python benchmarks/anomalies.py --peer-python /tmp/peers/bin/python
    python benchmarks/anomalies.py --parts numbers --seeds 1     # a part, only to see that it runs

`numbers` are scikit-learn's small sets with one class made rare, each class in turn; `texts` are
the remarks of wildlife strikes with drug reviews among them, and the other way round; in
`contradictions` strikes have swapped their remarks; `noise` has nothing to be found. The tables'
`fetch.py` below data/ fetches their rows. The peers are PyOD's ECOD, isolation forest and k-NN with
their defaults, on standardised numbers or on the same vectors, in an environment of their own:

    python3 -m venv /tmp/peers && /tmp/peers/bin/pip install "pyod==3.6.*"

Without it they are left out. AUROC is by scikit-learn; precision is among as many first rows as
were planted; what is flagged is by the default settings.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl
from anomalies_data import Planted, bare, contradictions, numbers, texts
from anomalies_peers import PEERS, ask

from fusemine.tasks.mine.anomalies.ranking import find_anomalies
from fusemine.tasks.mine.anomalies.settings import AnomaliesSettings
from fusemine.tasks.mine.anomalies.views.table_detector import table_view
from fusemine.tasks.mine.anomalies.views.text_detector import text_view
from fusemine.tasks.mine.anomalies.views.view import Table, View
from fusemine.tasks.text.distinct import distinct_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
PARTS = ("numbers", "texts", "contradictions", "noise")
VIEWS = ("text_score", "table_score", "match_score")
SHARES = (0.01, 0.03, 0.05)
NOISE, TIMED = 2_000, 20_000


def main() -> None:
    options = _options()
    if "numbers" in options.parts:
        print(_averages(list(numbers(options.seeds)), options.peer_python))
    if "texts" in options.parts:
        print(_averages(list(texts(SHARES, options.rows)), options.peer_python))
        print(f"text detectors, {TIMED:,} texts: {_seconds():.1f} s\n")
    if "contradictions" in options.parts:
        print(_precisions(contradictions(options.rows)))
    if "noise" in options.parts:
        print(_noise())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", type=lambda asked: asked.split(","), default=PARTS)
    parser.add_argument("--peer-python", type=Path, default=Path(sys.executable))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, help="so many rows of a table instead of all")
    return parser.parse_args()


def _averages(sets: list[Planted], python: Path) -> str:
    """AUROC of every side, averaged over the sets of one name, and what is flagged."""
    sides = [{**_ours(planted), **peers} for planted, peers in _with_peers(sets, python)]
    names = list(dict.fromkeys(planted.name for planted in sets))
    head = ["side", *names, "mean"]
    lines = [_line(head), _line(["---"] * len(head))]
    for side in sides[0]:
        means = [
            np.mean(
                [_auroc(p, s[side]) for p, s in zip(sets, sides, strict=True) if p.name == name]
            )
            for name in names
        ]
        lines.append(_line([side, *(f"{mean:.3f}" for mean in [*means, np.mean(means)])]))
    flagged = [_shown([_flagged(p) for p in sets if p.name == name]) for name in names]
    return "\n".join([*lines, _line(["flagged: planted, false", *flagged, ""]), ""])


def _auroc(planted: Planted, scores: Floats) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(planted.planted, scores))


def _ours(planted: Planted) -> dict[str, Floats]:
    """The detectors of the view that there is, and the view, the more unusual the higher."""
    view = _view(planted)
    found = {**view.detectors, "fusemine": view.p_values}
    return {name: -np.log(p_values) for name, p_values in found.items()}


def _view(planted: Planted) -> View:
    known = np.ones(planted.clean.height, bool)
    if not planted.clean["has_text"].any():
        return table_view(Table(planted.clean, *planted.features()), known)[0]
    return text_view(distinct_texts(planted.clean, planted.vectors), known)[0]


def _with_peers(sets: list[Planted], python: Path) -> list[tuple[Planted, dict[str, Floats]]]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        for number, planted in enumerate(sets):
            np.save(folder / f"{number}.npy", planted.seen)
        if why := ask(folder, python):
            print(f"no peers: {why}", file=sys.stderr)
            return [(planted, {}) for planted in sets]
        return [
            (
                planted,
                {f"PyOD {peer}": np.load(folder / f"{number}.{peer}.scores.npy") for peer in PEERS},
            )
            for number, planted in enumerate(sets)
        ]


def _flagged(planted: Planted) -> tuple[int, int, int]:
    """How many planted rows there are, how many of them are flagged, and how many others."""
    found = (
        find_anomalies(planted.clean, planted.vectors, *planted.features(), AnomaliesSettings())
        .rows["flagged"]
        .to_numpy()
    )
    return int(planted.planted.sum()), *(
        int((found & rows).sum()) for rows in (planted.planted, ~planted.planted)
    )


def _shown(counts: list[tuple[int, int, int]]) -> str:
    there, found, false = np.sum(counts, axis=0)
    return f"{found} of {there}, {false}"


def _precisions(planted: Planted) -> str:
    rows = find_anomalies(
        planted.clean, planted.vectors, *planted.features(), AnomaliesSettings()
    ).rows
    count = int(planted.planted.sum())
    lines = [_line(["view", f"precision at {count}", "AUROC"]), _line(["---"] * 3)]
    for name in (*VIEWS, "score"):
        scores = rows[name].fill_null(-1).to_numpy()
        first = np.argsort(-scores, kind="stable")[:count]
        right = planted.planted[first].mean()
        lines.append(_line([name, f"{right:.3f}", f"{_auroc(planted, scores):.3f}"]))
    return "\n".join([f"{planted.name}, {len(planted.planted):,} rows", "", *lines, ""])


def _noise() -> str:
    lines = [_line(["noise", "rows", "flagged"]), _line(["---"] * 3)]
    draw = np.random.default_rng(0)
    kinds = {
        "gaussian": draw.normal(size=(NOISE, 6)),
        "t with 3 degrees of freedom": draw.standard_t(3, (NOISE, 6)),
        "uniform": draw.uniform(size=(NOISE, 6)),
        "categories": draw.integers(0, 5, (NOISE, 6)).astype(np.float64),
    }
    for kind, values in kinds.items():
        prefix = "category" if kind == "categories" else "number"
        columns = {
            f"{prefix}.f{i}": column if prefix == "number" else column.astype(str)
            for i, column in enumerate(values.T)
        }
        clean = bare([""] * NOISE).with_columns(**{k: pl.Series(v) for k, v in columns.items()})
        planted = Planted(
            kind, clean, np.zeros((NOISE, 1), np.float32), np.zeros(NOISE, bool), values
        )
        lines.append(_line([kind, f"{NOISE:,}", str(_flagged(planted)[2])]))
    return "\n".join([*lines, ""])


def _seconds() -> float:
    """Seconds of the text view for so many random vectors, neighbours included."""
    vectors = np.random.default_rng(0).normal(size=(TIMED, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = distinct_texts(bare([f"text {i}" for i in range(TIMED)]), vectors)
    started = time.perf_counter()
    text_view(texts, np.ones(TIMED, bool))
    return time.perf_counter() - started


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
