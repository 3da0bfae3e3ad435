"""Levels of a category by their names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.frames import levels

from fusemine.tasks.fuse.categories import LevelNameEncoder
from fusemine.tasks.fuse.settings import FuseSettings
from fusemine.tasks.fuse.transformers import Rows

AIRLINES = [f"{name} {kind}" for name in ("Delta", "United", "Condor", "Iberia", "Qantas")
            for kind in ("Airlines", "Cargo", "Express")]  # fmt: skip


def fit(rows: Rows, many: int = 10) -> LevelNameEncoder:
    return LevelNameEncoder(FuseSettings(many_levels=many)).fit(rows)


def nearness(part: LevelNameEncoder, one: str, other: str) -> float:
    a, b = part.transform(levels(k=[one, other])).astype(float)
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_only_categories_of_more_levels_than_set_are_read() -> None:
    some = levels(k=AIRLINES, few=[f"l{i % 10}" for i in range(15)])
    names = fit(some).get_feature_names_out()
    assert names == [f"k ~ {i}" for i in range(len(names))]
    assert 1 <= len(names) <= 14
    both = fit(some, many=9).get_feature_names_out()
    assert {name.split(" ~ ")[0] for name in both} == {"k", "few"}
    assert fit(some, many=15).get_feature_names_out() == []


def test_null_is_not_a_level() -> None:
    some = levels(k=[*"abcdefghij", None])
    assert fit(some, many=10).get_feature_names_out() == []


def test_there_are_at_most_16_dimensions_for_a_category() -> None:
    random = np.random.default_rng(0)
    names = ["".join(random.choice(list("abcdefgh"), 9)) for _ in range(200)]
    assert len(fit(levels(k=names)).get_feature_names_out()) == 16


def test_like_names_are_alike_even_if_they_were_not_seen() -> None:
    part = fit(levels(k=AIRLINES))
    assert nearness(part, "Delta Airlines", "delta air lines") > 0.8
    assert nearness(part, "Qantas Cargo", "Qantas Cargos Ltd") > 0.8
    assert nearness(part, "Delta Airlines", "Qantas Cargo") < 0.3


def test_how_often_a_level_occurs_does_not_matter() -> None:
    once, often = levels(k=AIRLINES), levels(k=AIRLINES[:1] * 50 + AIRLINES[::-1])
    probe = levels(k=[*AIRLINES, "Delta"])
    np.testing.assert_array_equal(fit(once).transform(probe), fit(often).transform(probe))


def test_rows_of_the_same_level_have_the_same_place() -> None:
    features = fit(levels(k=AIRLINES)).transform(levels(k=["Delta Cargo", "x", "Delta Cargo"]))
    np.testing.assert_array_equal(features[0], features[2])


def test_null_blank_and_names_without_any_known_sequence_are_zero() -> None:
    part = fit(levels(k=AIRLINES))
    features = part.transform(levels(k=[None, "", " \t", "鳥鳥鳥"]))
    assert not features.any()
    assert part.transform(levels(k=[None])).shape == (1, len(part.get_feature_names_out()))


@pytest.mark.parametrize(
    "names",
    [["", " ", "\t", "\n", "  "], ["a", "A", "a ", " a", "A "], ["a", "b", "c", "d", "e"]],
    ids=["blank", "alike", "letters"],
)
def test_names_with_little_in_them_do_no_harm(names: list[str]) -> None:
    some = levels(k=names)
    part = fit(some, many=2)
    features = part.transform(some)
    assert features.shape == (5, len(part.get_feature_names_out()))
    assert np.isfinite(features).all()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.none() | st.text(max_size=6), max_size=12), st.lists(st.text(max_size=6)))
def test_any_names_can_be_fitted_and_any_others_transformed(
    seen: list[str | None], later: list[str]
) -> None:
    part = fit(levels(k=seen), many=2)
    features = part.transform(levels(k=later))
    assert features.shape == (len(later), len(part.get_feature_names_out()))
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
