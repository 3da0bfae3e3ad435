"""Errors state what came, what was expected and what to do."""

from __future__ import annotations

import pickle

import pytest

from fusemine.tasks.core import errors
from fusemine.tasks.core.errors import FusemineError, nearest

USERS = (errors.SettingsError, errors.SourceError, errors.ModelError)
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and "Error" in str(kind)]


def test_the_message_holds_what_came_what_was_expected_and_the_fix() -> None:
    error = FusemineError(got="3 rows", expected="4 rows", fix="add one")
    assert str(error) == "3 rows\n  expected: 4 rows\n  to fix:   add one"


@pytest.mark.parametrize("kind", KINDS)
def test_mistakes_that_the_user_can_mend_exit_with_2_and_failures_with_1(
    kind: type[FusemineError],
) -> None:
    assert issubclass(kind, FusemineError)
    assert kind.exit_code == (2 if kind in USERS else 1)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_pickling_on_its_way_out_of_a_worker(kind: type[FusemineError]) -> None:
    error = kind(got="a", expected="b", fix="c")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.got, again.expected, again.fix) == ("a", "b", "c")
    assert str(again) == str(error)


def test_the_nearest_name_is_offered_as_a_hint_if_one_is_near() -> None:
    assert nearest("remark", ["date", "remarks", "sky"]) == "did you mean 'remarks'? "
    assert nearest("skyy", iter(["sky"])) == "did you mean 'sky'? "
    assert nearest("remark", ["date", "sky"]) == nearest("remark", []) == ""
