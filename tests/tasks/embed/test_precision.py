"""`precision: auto` is resolved once, by what a probe shows, and recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fusemine.tasks.core.storage.store import store_at
from fusemine.tasks.embed import precision
from fusemine.tasks.embed.encoders.encoder import Encoder
from fusemine.tasks.embed.encoders.models import ModelFiles, load_encoder
from fusemine.tasks.embed.precision import (
    candidate,
    fidelity,
    machine_type,
    precision_of,
    resolve_precision,
)
from fusemine.tasks.embed.settings import EmbedSettings, Precision

AUTO = EmbedSettings(device="cpu")
NATIVE = "cpu x86_64 avx512_bf16"


def test_only_what_is_faster_on_a_machine_is_tried(model_files: ModelFiles) -> None:
    other = ModelFiles(None, "x", "endpoint")
    assert candidate("cpu x86_64", model_files) == "float32"
    assert candidate(NATIVE, model_files) == "bfloat16"
    assert candidate("cpu x86_64 amx_bf16", model_files) == "bfloat16"
    assert candidate("cuda NVIDIA H100", model_files) == "float16"
    assert candidate("mps", model_files) == candidate(NATIVE, other) == "float32"


def test_a_machine_is_known_by_what_makes_a_precision_fast_on_it() -> None:
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    for name in ("avx512_bf16", "amx_bf16"):
        assert (name in machine_type("cpu")) == (name in flags)
    assert machine_type("mps") == "mps"


def test_what_the_settings_name_is_taken_without_a_probe(
    tmp_path: Path, model_files: ModelFiles
) -> None:
    named, store = EmbedSettings(precision="bfloat16"), store_at(tmp_path)
    resolve_precision(store, named, model_files)
    assert precision_of(store, named, model_files) == "bfloat16"
    assert list(tmp_path.iterdir()) == []


def test_bfloat16_keeps_the_probe_nearly_as_it_is(model_files: ModelFiles) -> None:
    assert 0.999 < fidelity(AUTO, model_files, "bfloat16") < 1
    assert fidelity(AUTO, model_files, "float32") == pytest.approx(1, abs=1e-6)


def test_the_probe_holds_the_device(
    model_files: ModelFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    @contextmanager
    def lock(device: str, _report: object) -> Iterator[None]:
        steps.append(device)
        yield
        steps.append("free")

    def load(model: ModelFiles, settings: EmbedSettings, way: Precision) -> Encoder:
        steps.append(way)
        return load_encoder(model, settings, way)

    monkeypatch.setattr(precision, "device_lock", lock)
    monkeypatch.setattr(precision, "load_encoder", load)
    fidelity(AUTO, model_files, "bfloat16")
    assert steps == ["cpu", "float32", "bfloat16", "free"]


@pytest.mark.parametrize(("cosine", "chosen"), [(0.9991, "bfloat16"), (0.998, "float32")])
def test_the_faster_precision_is_taken_if_it_is_faithful_and_remembered(
    tmp_path: Path,
    model_files: ModelFiles,
    monkeypatch: pytest.MonkeyPatch,
    cosine: float,
    chosen: str,
) -> None:
    probes: list[str] = []
    store = store_at(tmp_path)

    def probed(_settings: object, _model: object, way: str) -> float:
        probes.append(way)
        return cosine

    monkeypatch.setattr(precision, "machine_type", lambda _device: NATIVE)
    monkeypatch.setattr(precision, "fidelity", probed)
    assert precision_of(store, AUTO, model_files) == "bfloat16"
    for _ in range(2):
        resolve_precision(store, AUTO, model_files)
    assert probes == ["bfloat16"]
    assert precision_of(store, AUTO, model_files) == chosen
    [record, _] = json.loads((tmp_path / "store" / "precision.json").read_text()).values()
    assert record == {
        "precision": chosen, "tried": "bfloat16", "cosine": cosine, "machine": NATIVE
    }  # fmt: skip
    shorter = EmbedSettings(device="cpu", max_tokens=16)
    resolve_precision(store, shorter, model_files)
    assert len(probes) == 2
    monkeypatch.setattr(precision, "machine_type", lambda _device: "cpu x86_64")
    assert precision_of(store, AUTO, model_files) == "float32"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 5}', "\xff"])
def test_a_damaged_record_is_made_again(
    tmp_path: Path, model_files: ModelFiles, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "precision.json").write_text(content)
    monkeypatch.setattr(precision, "machine_type", lambda _device: NATIVE)
    monkeypatch.setattr(precision, "fidelity", lambda *_: 0.5)
    resolve_precision(store_at(tmp_path), AUTO, model_files)
    assert precision_of(store_at(tmp_path), AUTO, model_files) == "float32"
