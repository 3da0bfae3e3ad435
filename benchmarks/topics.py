"""How well texts are grouped into topics, against BERTopic on the same texts and vectors.

    python benchmarks/topics.py wildlife reviews --peer-python /tmp/peers/bin/python
    python benchmarks/topics.py reviews --peer-python none --methods auto,kmeans,hdbscan
    python benchmarks/topics.py --many 500000        # wildlife's vectors, repeated with noise

The tables' rows are fetched by the `fetch.py` in their folder below data/. Both sides get all
rows that have a text, with the same vectors, and find topics, their words and a map: fusemine
with its usual settings, BERTopic with its own (UMAP to five dimensions, HDBSCAN, class-based
TF-IDF; the map by UMAP, as its documentation draws one), and once more with `nr_topics` so that
it has as many as fusemine. BERTopic needs an environment of its own:

    python3 -m venv /tmp/peers && /tmp/peers/bin/pip install bertopic==0.17.4

Groups are held against columns that neither side read: V-measure (Rosenberg and Hirschberg 2007)
and adjusted mutual information (Vinh, Epps and Bailey 2010), which does not grow with the number
of groups as the V-measure does. Texts that BERTopic leaves out are a group of their own there.
Coherence (NPMI, Bouma 2009) and diversity (Dieng et al. 2020) are of the ten words with the highest
class-based TF-IDF of every topic, counted alike for both. The last column is the adjusted
Rand index between two runs: with two seeds of fusemine, and of BERTopic two runs, since it takes
no seed unless one is set.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl
from fusion_data import embed, read_table
from topics_peers import Side, ask, peak_memory, write
from topics_words import Words

from fusemine.tasks.core.storage.artifact import MAIN
from fusemine.tasks.core.vectors import unit
from fusemine.tasks.mine.topic_chain.advance import advance
from fusemine.tasks.mine.topic_chain.grouping.quality import diversity
from fusemine.tasks.mine.topic_chain.registry import State
from fusemine.tasks.mine.topic_chain.settings import TopicsSettings
from fusemine.tasks.mine.topics.compute import assign_topics
from fusemine.tasks.text.distinct import distinct_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

Truth: TypeAlias = "dict[str, NDArray[np.str_]]"
TABLES: dict[str, dict[str, Callable[[pl.DataFrame], pl.Series]]] = {
    "wildlife": {
        "kind of animal": lambda rows: _kinds(rows["category.species"]),
        "phase of flight": lambda rows: rows["category.phase_of_flt"],
        "effect": lambda rows: rows["label"],
    },
    "reviews": {
        "condition": lambda rows: rows["category.condition"],
        "drug": lambda rows: rows["category.drugName"],
    },
}
"""The tables, and the columns that groups are held against."""
KINDS = {
    "gull": "gull",
    "raptor": "hawk|kestrel|falcon|eagle|osprey|kite",
    "duck": "duck|mallard|pintail|teal|waterfowl",
    "goose": "goose|geese",
    "dove": "dove|pigeon",
    "sparrow": "sparrow|finch|bunting|meadowlark|junco",
    "swallow": "swallow|martin|swift",
    "owl": "owl",
    "blackbird": "blackbird|starling|grackle|cowbird",
    "deer": "deer|elk|moose",
    "small mammal": "coyote|fox|dog|raccoon|skunk|rabbit|opossum|woodchuck",
    "vulture": "vulture",
    "heron": "heron|egret|crane|stork",
    "crow": "crow|raven",
    "wader": "killdeer|plover|lark|sandpiper",
    "bat": r"\bbat",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", metavar="table", help=" or ".join(TABLES))
    parser.add_argument("--peer-python", default=sys.executable, help="none for no peer")
    parser.add_argument("--methods", default="auto", help="of fusemine; one side for each")
    parser.add_argument("--topics", type=int, default=0, help="as many topics, fusemine and peer")
    parser.add_argument("--many", type=int, default=0, help="time so many vectors of 384 numbers")
    parser.add_argument("--json", type=Path, help="write all figures here")
    options = parser.parse_args()
    if unknown := [name for name in options.tables if name not in TABLES]:
        parser.error(f"{unknown[0]!r} is none of {', '.join(TABLES)}")
    print(f"{os.cpu_count()} cores", file=sys.stderr)
    figures = {name: compare(name, options) for name in options.tables}
    if options.many:
        figures["many"] = many(options.many)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


def compare(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """All figures of a table by side; prints them as a Markdown table."""
    clean, vectors = texts_of(name)
    truth = {what: read(clean).fill_null("").to_numpy() for what, read in TABLES[name].items()}
    words = Words(clean["text"].to_list())
    told = {}
    for side, runs in sides(clean, vectors, options):
        print(f"{name}: {side} done", file=sys.stderr)
        told[side] = judged(runs, truth, words)
    print(f"\n{name}: {clean.height:,} texts, {clean['text'].n_unique():,} distinct\n")
    print(markdown(told))
    return told


def texts_of(name: str) -> tuple[pl.DataFrame, NDArray[np.float32]]:
    """A table's rows that have a text, and their vectors."""
    clean = read_table(name).clean.filter("has_text")
    return clean, embed(clean["text"])[0]


def sides(
    clean: pl.DataFrame, vectors: NDArray[np.float32], options: argparse.Namespace
) -> Iterator[tuple[str, list[Side]]]:
    """Each side's name with its two runs."""
    asked: dict[str, Any] = {"topics": options.topics} if options.topics else {}
    ours = 0
    for method in options.methods.split(","):
        runs = [mine(clean, vectors, {"method": method, "seed": s, **asked}) for s in (0, 1)]
        ours = ours or len(set(_topics(runs[0]).tolist()))
        yield "fusemine" if method == "auto" else f"fusemine, {method}", runs
    if options.peer_python == "none":
        return
    with TemporaryDirectory() as name:
        write(Path(name), clean["text"].to_list(), vectors)
        for count in (options.topics, ours) if not options.topics else (options.topics,):
            # BERTopic counts the texts that it leaves out as a topic.
            number = count + 1 if count else 0
            runs = [ask(Path(name), number, Path(options.peer_python)) for _ in range(2)]
            yield f"BERTopic, nr_topics={number}" if count else "BERTopic", runs


def mine(clean: pl.DataFrame, vectors: NDArray[np.float32], chosen: Mapping[str, Any]) -> Side:
    """Fusemine's topics in a process of their own, so that its memory is known too."""
    with ProcessPoolExecutor(1, get_context("forkserver")) as pool:
        return pool.submit(_mine, clean, vectors, dict(chosen)).result()


def _mine(clean: pl.DataFrame, vectors: NDArray[np.float32], chosen: dict[str, Any]) -> Side:
    import_module("umap")  # whose import takes seconds, and is not timed of the peer either
    settings = TopicsSettings.model_validate(chosen)
    started = time.perf_counter()
    texts = distinct_texts(clean, vectors)
    state = advance(State(), texts, lambda: texts, "all", settings)
    tables, _ = assign_topics(clean, vectors, state, lambda *_: None)
    seconds = round(time.perf_counter() - started, 1)
    topics = tables[MAIN]["topic"].to_numpy().astype(np.int64)
    return Side(topics, seconds, peak=peak_memory())


def _topics(side: Side) -> NDArray[np.int64]:
    assert side.topics is not None
    return side.topics


def judged(runs: list[Side], truth: Truth, words: Words) -> dict[str, Any]:
    """The figures of one side, of its first run but for the agreement of the two."""
    from sklearn.metrics import (
        adjusted_mutual_info_score,
        adjusted_rand_score,
        v_measure_score,
    )

    failed = [run.failed for run in runs if run.topics is None]
    if failed:
        return {"failed": failed[0]}
    topics, again = (_topics(run) for run in runs)
    listed = words.leading(topics)
    figures: dict[str, Any] = {
        "topics": len(listed),
        "left out": round(float((topics < 0).mean()), 3),
        "seconds": min(run.seconds for run in runs),
        "map": min(run.drawing for run in runs),
        "peak": runs[0].peak,
        "NPMI": round(words.coherence(listed), 3),
        "diversity": diversity(listed),
        "two runs": round(float(adjusted_rand_score(topics, again)), 3),
        "versions": runs[0].versions,
    }
    for what, values in truth.items():
        has = values != ""
        figures[what] = [
            round(float(measure(values[has], topics[has])), 3)
            for measure in (v_measure_score, adjusted_mutual_info_score)
        ]
    return figures


def markdown(told: dict[str, dict[str, Any]]) -> str:
    """The sides as a Markdown table."""
    first = next(figures for figures in told.values() if "failed" not in figures)
    columns = [what for what, value in first.items() if isinstance(value, list)]
    head = ["side", "topics", "left out", *(f"{what}: V / AMI" for what in columns)]
    head += ["NPMI", "diversity", "two runs, ARI", "seconds", "of a map besides", "peak, MiB"]
    lines = [_line(head), _line(["---", *["---:"] * (len(head) - 1)])]
    for side, figures in told.items():
        if "failed" in figures:
            lines.append(_line([side, f"no result: {figures['failed']}".replace("|", "/")]))
            continue
        cells = [side, figures["topics"], f"{figures['left out']:.0%}"]
        cells += [" / ".join(f"{value:.3f}" for value in figures[what]) for what in columns]
        cells += [f"{figures['NPMI']:.3f}", f"{figures['diversity']:.2f}"]
        cells += [f"{figures['two runs']:.2f}", f"{figures['seconds']:.0f}"]
        cells += [f"{figures['map']:.0f}" if figures["map"] else "—", f"{figures['peak']:,.0f}"]
        lines.append(_line(cells))
    return "\n".join(lines)


def _line(cells: list[Any]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _kinds(species: pl.Series) -> pl.Series:
    """The kind of animal that a species' name speaks of, empty for others."""
    known = {name: _kind(name) for name in species.drop_nulls().unique()}
    return species.replace_strict(known, default="", return_dtype=pl.String)


def _kind(species: str) -> str:
    found = (kind for kind, words in KINDS.items() if re.search(words, species.lower()))
    return next(found, "")


def many(size: int) -> dict[str, Any]:
    """Seconds and memory of very many texts: wildlife's, repeated with noise until there are so."""
    clean, vectors = texts_of("wildlife")
    places = np.arange(size) % clean.height
    # Nearer to its original than any other text is, and no copy of it.
    noise = np.random.default_rng(0).normal(scale=0.01, size=(size, vectors.shape[1]))
    repeated = unit(vectors[places] + noise.astype(np.float32))
    rows = clean[places].with_columns(
        row_id=pl.Series([f"r{i}" for i in range(size)]),
        text=pl.col("text") + pl.Series([f" {i}" for i in range(size)]),
    )
    side = mine(rows, repeated, {})
    topics = len(set(_topics(side).tolist()))
    print(f"\n{size:,} texts with {vectors.shape[1]} numbers each: {topics} topics")
    print(f"{side.seconds:,.0f} s, peak {side.peak:,.0f} MiB")
    return {"topics": topics, "seconds": side.seconds, "peak": side.peak}


if __name__ == "__main__":
    main()
