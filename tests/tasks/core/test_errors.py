"""Errors state what came, what was expected and what to do."""

from __future__ import annotations

import pickle
import traceback

import pytest

from fusemine.tasks.core import errors
from fusemine.tasks.core.errors import FusemineError, nearest

USERS = (errors.SettingsError, errors.SourceError, errors.ModelError)
WORDS = "the words of a row"
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


def _raised(kind: type[FusemineError]) -> FusemineError:
    """An error with a cause, both with a row's words."""
    try:
        try:
            raise ValueError(WORDS)
        except ValueError as cause:
            raise kind(WORDS, "none", "mend it") from cause
    except FusemineError as error:
        return error


def _printed(error: FusemineError) -> str:
    """All that a log could show of an error."""
    return f"{error} {error!r} {''.join(traceback.format_exception(error))}"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.quotes])
def test_an_error_that_is_withheld_prints_no_words_and_tells_them_later(
    kind: type[FusemineError],
) -> None:
    error = _raised(kind)
    error.stage = "clean"
    assert WORDS not in _printed(error.withheld().withheld())
    assert f"{kind.__name__} of clean" in str(error)
    assert WORDS in error.whole()
    assert str(error.told().told()) == error.whole()
    assert isinstance(error.__cause__, ValueError)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.quotes])
def test_an_error_of_counts_and_paths_is_never_withheld(kind: type[FusemineError]) -> None:
    assert str(kind("3 of 4 rows", "all", "see them").withheld()).startswith("3 of 4 rows")


def test_an_error_that_was_never_withheld_keeps_its_cause() -> None:
    error = _raised(errors.SourceError)
    assert isinstance(error.told().__cause__, ValueError)
