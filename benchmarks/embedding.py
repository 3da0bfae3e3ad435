"""Speed and fidelity of the embedding engine against its peers, and what its store costs.

    python benchmarks/embedding.py                       # all parts
    python benchmarks/embedding.py encode --texts 3000   # one of encode, store, fill, kill

Needs the wildlife data (`make demo` fetches it). `encode` runs all sides in turn in each round and
compares medians; OpenVINO takes part where it is installed. `store` measures a second run over the
same texts and a look-up in a million vectors, `fill` two processes on one store, and `kill` how
many texts are embedded twice after a SIGKILL half-way.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
from embedding_store import fill_together, kill_half_way, million, second_run
from local import DATA

from fusemine.tasks.core.vectors import unit
from fusemine.tasks.embed.encoders.models import find_model
from fusemine.tasks.embed.encoders.transformer.packed import PackedEncoder
from fusemine.tasks.embed.precision import candidate, machine_type
from fusemine.tasks.embed.settings import EmbedSettings, Precision

MEGAFLOP_PER_TOKEN = 21.2
"""Of the linear layers of all-MiniLM-L6-v2."""
SETTINGS = EmbedSettings(device="cpu")

Way = Callable[[list[str]], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["encode", "store", "fill", "kill"])
    parser.add_argument("--texts", type=int, default=1500, help="remarks that `encode` takes")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    remarks = wildlife()
    print(f"{len(remarks):,} distinct remarks; {machine_type('cpu')}, {os.cpu_count()} cores")
    if "encode" in options.parts:
        compare("wildlife remarks", remarks[: options.texts], options.rounds)
        compare("180 tokens", of_length(remarks, 180, options.texts // 8), options.rounds)
    if "store" in options.parts:
        second_run(remarks)
        million()
    if "fill" in options.parts:
        fill_together(remarks[: 3 * options.texts])
    if "kill" in options.parts:
        kill_half_way(remarks[: 3 * options.texts])


def wildlife() -> list[str]:
    """The distinct remarks, shuffled the same way every time."""
    files = sorted(DATA.glob("inbox/*.csv"))
    assert files, "no wildlife data; make demo fetches it"
    frames = [pl.read_csv(file, infer_schema_length=0).select("remarks") for file in files]
    texts = pl.concat(frames)["remarks"].drop_nulls().str.strip_chars().unique(maintain_order=True)
    return texts.filter(texts != "").sample(fraction=1, shuffle=True, seed=0).to_list()


def of_length(texts: list[str], tokens: int, count: int) -> list[str]:
    """Texts of just over so many tokens, each put together from several."""
    encoder = packed("float32")
    made: list[str] = []
    waiting: list[str] = []
    for text in texts:
        waiting.append(text)
        if encoder.prepare([" ".join(waiting)]).tokens[0] >= tokens:
            made.append(" ".join(waiting))
            waiting = []
    return made[:count]


def packed(precision: Precision) -> PackedEncoder:
    folder = find_model(SETTINGS, Path("/")).folder
    assert folder is not None
    return PackedEncoder(folder, SETTINGS, precision)


def compare(name: str, texts: list[str], rounds: int) -> None:
    """Time all ways in turn and print a line for each."""
    encoder = packed("float32")
    tokens = sum(encoder.prepare(texts).sizes)
    print(f"\n{name}: {len(texts):,} texts, {tokens / len(texts):.0f} tokens each")
    ways = {"encode, float32": sentence_transformers(), **fusemine(), **openvino()}
    vectors = {way: run(texts) for way, run in ways.items()}  # warm-up as well
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    limits: list[float] = []
    for _ in range(rounds):
        limits.append(matmul_limit())
        for way, run in ways.items():
            started = time.perf_counter()
            run(texts)
            seconds[way].append(time.perf_counter() - started)
    exact = vectors["encode, float32"]
    limit = statistics.median(limits)
    print(f"float32 matmul limit {limit:.0f} GF/s")
    head = ("way", "texts/s", "tokens/s", "ratio", "of limit", "cosine mean", "min")
    print("{:<24}{:>9}{:>10}{:>7}{:>10}{:>13}{:>12}".format(*head))
    base = statistics.median(seconds["encode, float32"])
    for way, times in seconds.items():
        took = statistics.median(times)
        cosine = (exact * vectors[way]).sum(axis=1)
        share = tokens * MEGAFLOP_PER_TOKEN / took / 1e3 / limit
        print(
            f"{way:<24}{len(texts) / took:>9.0f}{tokens / took:>10,.0f}{base / took:>7.2f}"
            f"{share:>10.0%}{cosine.mean():>13.7f}{cosine.min():>12.7f}",
            flush=True,
        )


def matmul_limit() -> float:
    """What the machine reaches in float32 on the model's own largest matrix, in GFLOP/s.

    One batch per core with one thread each, as the engine computes.
    """
    import torch
    from torch.nn.functional import linear

    from fusemine.tasks.embed.encoders.worker_pool import WorkerPool

    x, weight = torch.randn(1024, 384), torch.randn(1536, 384)

    def multiply(_: int) -> None:
        with torch.inference_mode():
            for _ in range(10):
                linear(x, weight)

    with WorkerPool("cpu") as workers:
        list(workers.map(multiply, range(2)))
        started = time.perf_counter()
        list(workers.map(multiply, range(16)))
        return 16 * 10 * 2 * 1024 * 384 * 1536 / (time.perf_counter() - started) / 1e9


def sentence_transformers() -> Way:
    """The peer with its defaults."""
    from sentence_transformers import SentenceTransformer

    folder = find_model(SETTINGS, Path("/")).folder
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    encode = partial(model.encode, normalize_embeddings=True, show_progress_bar=False)
    return lambda texts: np.asarray(encode(texts))


def fusemine() -> dict[str, Way]:
    """The engine in float32 and, where it is another, in what `auto` takes here."""
    files = find_model(SETTINGS, Path("/"))
    precisions: set[Precision] = {"float32", candidate(machine_type("cpu"), files)}
    return {f"fusemine, {name}": engine(packed(name)) for name in sorted(precisions)}


def engine(encoder: PackedEncoder) -> Way:
    def encode(texts: list[str]) -> np.ndarray:
        return unit(encoder.encode(encoder.prepare(texts)))

    return encode


def openvino() -> dict[str, Way]:
    """OpenVINO on the exported model, texts sorted by length; none where it is not installed."""
    if find_spec("openvino") is None:
        print("openvino is not installed")
        return {}
    from embedding_openvino import exported

    bfloat16 = candidate(machine_type("cpu"), find_model(SETTINGS, Path("/"))) == "bfloat16"
    hints = {"float32": "f32", **({"bfloat16": "bf16"} if bfloat16 else {})}
    folder = find_model(SETTINGS, Path("/")).folder
    assert folder is not None
    return {f"OpenVINO, {name}": exported(folder, hint) for name, hint in hints.items()}


if __name__ == "__main__":
    main()
