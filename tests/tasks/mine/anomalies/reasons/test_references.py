"""Known texts without their text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.mine.anomalies.reasons.references import Lookup


@given(st.dictionaries(st.text(), st.integers(0, 99)), st.lists(st.text()))
def test_a_lookup_gives_the_numbers_of_its_texts(
    numbers: dict[str, int], others: list[str]
) -> None:
    sought = [*numbers, *others]
    found = Lookup.of(numbers.keys(), numbers.values()).get(sought, -1)
    assert found.tolist() == [numbers.get(text, -1) for text in sought]
