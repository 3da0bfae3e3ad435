"""Errors say what came, what was expected and what to do."""

from __future__ import annotations

import pickle

import pytest

from fusemine.tasks.core.errors import (
    ArtifactError,
    ContractError,
    FusemineError,
    ModelError,
    QualityError,
    RunError,
    ServerError,
    SettingsError,
    SourceError,
    StageError,
    nearest,
)

USERS, OURS = (
    (SettingsError, SourceError, ModelError),
    (
        ContractError,
        ArtifactError,
        StageError,
        QualityError,
        RunError,
        ServerError,
    ),
)


def test_the_message_holds_what_came_what_was_expected_and_the_fix() -> None:
    error = FusemineError(got="3 rows", expected="4 rows", fix="add one")
    assert str(error) == "3 rows\n  expected: 4 rows\n  to fix:   add one"


@pytest.mark.parametrize("kind", USERS)
def test_mistakes_that_the_user_can_mend_exit_with_2(kind: type[FusemineError]) -> None:
    assert issubclass(kind, FusemineError)
    assert kind.exit_code == 2


@pytest.mark.parametrize("kind", OURS)
def test_failures_exit_with_1(kind: type[FusemineError]) -> None:
    assert issubclass(kind, FusemineError)
    assert kind.exit_code == 1


@pytest.mark.parametrize("kind", [FusemineError, *USERS, *OURS])
def test_an_error_survives_pickling_on_its_way_out_of_a_worker(kind: type[FusemineError]) -> None:
    error = kind(got="a", expected="b", fix="c")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.got, again.expected, again.fix) == ("a", "b", "c")
    assert str(again) == str(error)


def test_the_nearest_name_is_offered_as_a_hint() -> None:
    assert nearest("remark", ["date", "remarks", "sky"]) == "did you mean 'remarks'? "


def test_no_hint_is_given_when_no_name_is_near() -> None:
    assert nearest("remark", ["date", "sky"]) == ""
    assert nearest("remark", []) == ""


def test_names_may_come_from_any_iterable() -> None:
    assert nearest("skyy", iter(["sky"])) == "did you mean 'sky'? "
