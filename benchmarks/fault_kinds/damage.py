"""Damage: a changed byte or a missing file of any kind is noticed, and made again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fault_kinds.case import Case, fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = (
    "collect/2024-04/*/part-*.parquet",
    "collect/2024-04/*/rejected.*.parquet",
    "inventory/all/*/part-*.parquet",
    "inventory/all/*/files.*.json",
    "clean/2024-04/*/part-*.parquet",
    "clean/2024-04/*/summary.*.json",
    "embed/2024-04/*/part-*.parquet",
    "store/*/part-*.parquet",
    "topic_chain/2024-04/*/part-*.parquet",
    "topics/2024-04/*/topics.*.parquet",
    "topics/2024-04/*/summary.*.json",
    "anomalies/2024-04/*/part-*.parquet",
    "report/2024-04/*/part-*.parquet",
    "report/2024-04/*/report.*.html",
    "report/2024-04/*/lines.*.json",
)
LEARNT = (
    "fuse/2024-04/*/part-*.parquet",
    "classify/2024-04/*/part-*.parquet",
    "classify/2024-04/*/doubts.*.parquet",
    "score/2024-04/*/part-*.parquet",
    "monitor/2024-04/*/summary.*.json",
)
MODEL = (
    "train/*/*/classifier.*.safetensors",
    "train/*/*/classifier.*.skops",
    "train/*/*/detectors.*.json",
    "train/*/*/blocks.*.safetensors",
    "train/*/*/topics.*.json",
    "train/*/*/anchors.*.parquet",
)


def change(path: Path) -> None:
    """Change a byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x20
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


DAMAGE: dict[str, Callable[[Path], None]] = {
    "a changed byte in": change,
    "no": remove,
    "the end cut off": cut,
}


def broken(case: Case, pattern: str, how: Callable[[Path], None]) -> None:
    found = case.files(pattern)
    assert found, f"no {pattern}"
    for path in found:
        how(path)


def register(pattern: str, model: bool, what: str) -> None:
    @fault(f"{what} {pattern}", model=model)
    def made_again(case: Case) -> None:
        broken(case, pattern, DAMAGE[what])
        done = case.run("run", case.pipeline, "--partition", "2024-04")
        assert done.code == 0, f"the next run: {done.text[-400:]}"
        assert case.results() == case.expected, "the results are others"


def register_model(pattern: str, what: str) -> None:
    @fault(f"{what} {pattern} of the model in use", model=True)
    def refused(case: Case) -> None:
        rows = case.inbox / "tickets-2024-04.csv"
        broken(case, pattern, DAMAGE[what])
        done = case.run("predict", case.pipeline, rows, "-o", case.folder / "p.csv")
        assert done.code in {1, 2}, f"predict takes it: {done.text[-300:]}"
        assert not (case.folder / "p.csv").exists(), "predictions of a damaged model were written"


for name in FILES:
    for kind in ("a changed byte in", "no"):
        register(name, model=False, what=kind)
for name in LEARNT:
    register(name, model=True, what="a changed byte in")
register(FILES[0], model=False, what="the end cut off")
for name in MODEL:
    register_model(name, "a changed byte in")
register_model(MODEL[0], "no")
