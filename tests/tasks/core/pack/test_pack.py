"""Fitted objects as files that hold no code, and back."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from functools import cache, cached_property
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.incidents import incidents

from fusemine.tasks.core.errors import ModelError
from fusemine.tasks.core.pack.pack import pack, unpack
from fusemine.tasks.fuse.blocks import Block, fit_blocks
from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.fuse.transformers import Rows
from fusemine.tasks.mine.classify.problem import TABLE, Problem, make_problem
from fusemine.tasks.mine.classify.selection import combine
from fusemine.tasks.mine.classify.selection.candidates import LEARNERS, Spec
from fusemine.tasks.mine.classify.selection.trainer import Trainer
from fusemine.tasks.mine.classify.settings import ClassifySettings
from fusemine.tasks.stats.target import Target, TargetScaler

BLOCKS = ("terms", "text", *TABLE)
WIDE = {f"category.{name}": [f"{name} {i % 60}" for i in range(160)] for name in ("place", "kind")}
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.dictionaries(st.tuples(st.integers()) | st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)
SCALER = "fusemine.tasks.stats.target.TargetScaler"
NUMBERS = ["float64", "float32", "int64", "int32", "uint64", "bool"]


def back(value: object) -> Any:
    """What is unpacked of what was packed, which packs to the same bytes again."""
    files = pack(value)
    result = unpack(files)
    assert pack(result) == files
    return result


@given(PLAIN)
def test_plain_values_come_back_as_they_were(value: object) -> None:
    assert repr(back(value)) == repr(value)


@given(st.sampled_from(NUMBERS), st.lists(st.integers(0, 3), max_size=3), st.binary(max_size=300))
def test_arrays_come_back_bit_for_bit(kind: str, shape: list[int], noise: bytes) -> None:
    size = int(np.prod(shape))
    raw = np.resize(np.frombuffer(noise or b"0", np.uint8), size * np.dtype(kind).itemsize)
    array = (raw % 2 if kind == "bool" else raw).view(kind)[:size].reshape(shape)
    found = back(array)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()


def test_an_array_lies_in_memory_as_it_did() -> None:
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    assert back(array).flags.f_contiguous
    np.testing.assert_array_equal(back(array), array)


def test_equal_arrays_are_stored_once() -> None:
    one, two = np.arange(1000.0), np.arange(1000.0)
    assert len(pack([one, two])["safetensors"]) < 1.2 * len(pack([one])["safetensors"])


def test_numbers_of_numpy_keep_their_type() -> None:
    found = back([np.float32(0.1), np.int64(3), np.bool_(True)])
    assert [type(value) for value in found] == [np.float32, np.int64, np.bool_]


def test_settings_and_objects_of_ours_come_back() -> None:
    assert back(FuseSettings(scaling="robust")) == FuseSettings(scaling="robust")
    scaler = {"scaler": TargetScaler(2.0, float("inf"))}
    assert back(scaler) == scaler


def test_only_what_is_needed_is_written() -> None:
    assert set(pack([1, "two"])) == {"json"}
    assert set(pack(np.zeros(2))) == {"json", "safetensors"}


def test_what_a_cached_property_holds_is_not_stored() -> None:
    rows = Rows(*incidents())
    block = fit_blocks(rows, {"terms": 1.0}, FuseSettings())[0][0]
    assert isinstance(vars(Block)["features"], cached_property)
    assert block.features == back(block).features
    assert "terms.word.engine" in block.features
    assert b"terms.word.engine" not in pack(block)["json"]


@cache
def problem(kind: str) -> Problem:
    """A label of two or three classes, or of numbers, with all blocks there are."""
    columns: dict[str, Any] = dict(WIDE)
    if kind == "three":
        columns["label"] = [str(i % 3) for i in range(160)]
    if kind == "number":
        columns["label"] = [str(float(i % 7)) for i in range(160)]
    rows = Rows(*incidents(**columns))
    made = make_problem(rows, ClassifySettings(), kind == "number")
    assert isinstance(made, Problem)
    return made


def fit(made: Problem, specs: tuple[Spec, ...]) -> Any:
    return Trainer(made, ClassifySettings(), FuseSettings()).fit(made.split.train, specs)


@pytest.mark.parametrize("kind", ["two", "three", "number"])
def test_every_learner_predicts_the_same_afterwards(kind: str) -> None:
    made = problem(kind)
    networks = {"network", "gated"} if kind != "three" else set()  # they take longest
    specs = tuple(Spec(learner, BLOCKS) for learner in LEARNERS if learner not in networks)
    fitted = fit(made, specs)
    again = back(fitted)
    rows = made.rows.take(made.split.test)
    before, after = fitted.predict(rows, specs), again.predict(rows, specs)
    for spec, was, now in zip(specs, before, after, strict=True):
        assert was.tobytes() == now.tobytes(), spec.learner


@pytest.mark.parametrize("scaling", ["quantile", "robust", "periodic"])
@pytest.mark.parametrize("reduce", ["none", "pca", "pls"])
def test_every_block_has_the_same_features_afterwards(scaling: Any, reduce: Any) -> None:
    made = problem("three")
    settings = FuseSettings(scaling=scaling, reduce=reduce, dimensions=3)
    fitted = fit_blocks(made.rows, dict.fromkeys(BLOCKS, 1.0), settings, made.target)
    assert len(fitted) == len(BLOCKS)
    for block, _ in fitted:
        was, now = (one.transform(made.rows) for one in (block, back(block)))
        dense = [m.toarray() if hasattr(m, "toarray") else m for m in (was, now)]
        assert dense[0].tobytes() == dense[1].tobytes(), block.name
        assert back(block).features == block.features


@pytest.mark.parametrize("classes", [0, 2, 3])
@pytest.mark.parametrize("name", ["mean", "late", "stacked", "mixture"])
def test_every_combiner_predicts_the_same_afterwards(name: str, classes: int) -> None:
    random = np.random.default_rng(0)
    drawn = random.random((2, 60, max(classes, 1)))
    found = list(drawn / drawn.sum(axis=2, keepdims=True) if classes else drawn)
    target = Target(random.integers(0, classes, 60) if classes else random.random(60), classes)
    combiner = getattr(combine, f"fit_{name}")(found, target)
    assert back(combiner).apply(found).tobytes() == combiner.apply(found).tobytes()


def test_the_same_model_gives_the_same_bytes_when_it_is_fitted_again() -> None:
    made = problem("two")
    specs = (Spec("boosted", BLOCKS), Spec("forest", BLOCKS))
    assert pack(fit(made, specs)) == pack(fit(made, specs))


class Stranger:
    """A class that is not trusted."""


@pytest.mark.parametrize("value", [Stranger(), {1, 2}, np.array(["a"]), np.array([None]), b"x"])
def test_what_is_not_trusted_is_not_written(value: object) -> None:
    with pytest.raises(ModelError, match="to be stored"):
        pack([value])


def test_an_estimator_with_something_that_is_not_trusted_is_not_written() -> None:
    from sklearn.preprocessing import FunctionTransformer

    with pytest.raises(ModelError, match=r"os.*system"):
        pack(FunctionTransformer(os.system))


def stored(value: object) -> dict[str, bytes]:
    return {"json": json.dumps({"version": 1, "value": value}).encode()}


@pytest.mark.parametrize(
    "value",
    [
        {"object": ["subprocess.Popen", {"dict": {"args": "touch /tmp/x"}}]},
        {"object": ["os.system", {"dict": {}}]},
        {"object": ["fusemine.tasks.fuse.blocks.fit_blocks", {"dict": {}}]},
        {"object": ["fusemine.tasks.core.storage.locks.shared", {"dict": {}}]},
        {"settings": [SCALER, {"dict": {}}]},
        {"settings": ["fusemine.tasks.fuse.settings.FuseSettings", {"dict": {"scaling": "none"}}]},
        {"object": [SCALER, {"dict": {"mean": 1.0, "__class__": "x"}}]},
        {"object": ["fusemine.tasks.fuse.tfidf.WordTfidf", {"dict": {"min_df": 1}}]},
        {"object": SCALER},
        {"array": "0"},
        {"estimator": "0"},
        {"float": "many"},
        {"tuple": 3},
        {"unknown": 1},
        {},
        {"tuple": [], "dict": {}},
    ],
)
def test_a_file_that_nobody_wrote_is_refused(value: object) -> None:
    with pytest.raises(ModelError, match="to fix"):
        unpack(stored(value))


def test_a_class_that_is_not_listed_is_not_even_imported() -> None:
    assert "antigravity" not in sys.modules
    with pytest.raises(ModelError, match=r"antigravity\.fly"):
        unpack(stored({"object": ["antigravity.fly", {"dict": {}}]}))
    assert "antigravity" not in sys.modules


def test_an_untrusted_function_within_an_estimator_is_refused_unrun() -> None:
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    files = stored({"estimator": "0"})
    files["skops"] = skops.io.dumps({"0": FunctionTransformer(os.system)})
    with pytest.raises(ModelError, match=r"system.*\n.*trusted"):
        unpack(files)


@pytest.mark.parametrize(
    "text", [b"", b"[", b"\xff", b"[]", b"{}", b'{"version": 2, "value": 1}', b"[" * 100_000]
)
def test_json_that_is_broken_or_of_another_version_is_refused(text: bytes) -> None:
    with pytest.raises(ModelError, match="expected"):
        unpack({"json": text})
    with pytest.raises(ModelError, match="expected"):
        unpack({})


@cache
def whole() -> dict[str, bytes]:
    from sklearn.linear_model import LogisticRegression

    estimator = LogisticRegression().fit(np.eye(4), [0, 1, 0, 1])
    return pack([np.arange(9.0), {"e": estimator}])


@settings(max_examples=60)
@given(st.sampled_from(["json", "safetensors", "skops"]), st.floats(0, 0.999))
def test_a_file_that_is_cut_off_is_refused(kind: str, share: float) -> None:
    cut = whole()[kind][: int(share * len(whole()[kind]))]
    with pytest.raises(ModelError, match="expected"):
        unpack({**whole(), kind: cut})


def test_a_document_whose_schema_is_damaged_is_refused() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as target:
        target.writestr("schema.json", '{"protocol": 2, "__loader__": "ObjectNode"}')
    with pytest.raises(ModelError, match="expected"):
        unpack({**whole(), "skops": written.getvalue()})


def test_a_model_without_networks_is_read_without_torch(tmp_path: Any) -> None:
    made = problem("two")
    specs = (Spec("logistic", BLOCKS), Spec("boosted", BLOCKS))
    fitted = fit(made, specs)
    for kind, content in pack(fitted).items():
        (tmp_path / kind).write_bytes(content)
    code = (
        "import sys, pathlib; from fusemine.tasks.core.pack.pack import unpack;"
        f"unpack({{p.name: p.read_bytes() for p in pathlib.Path({str(tmp_path)!r}).iterdir()}});"
        "print({'torch', 'lightgbm', 'pytest'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
