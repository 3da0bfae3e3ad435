"""Numbers are read as people write them, and nothing is taken for a number that is none."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.table.cells import parse_numbers


def read(*cells: str | None, decimal: str = ".") -> list[float | None]:
    numbers = parse_numbers(pl.Series("n", cells, dtype=pl.String), decimal)
    assert (numbers.dtype, numbers.name) == (pl.Float64, "n")
    return numbers.to_list()


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1", 1.0), ("-1.5", -1.5), ("+2", 2.0), (".5", 0.5), ("5.", 5.0), ("007", 7.0),
        ("1e5", 1e5), ("1,234", 1234.0), ("-1,234,567.25", -1_234_567.25), ("+1,000", 1000.0),
    ],
)  # fmt: skip
def test_numbers_with_a_decimal_point_are_read(cell: str, number: float) -> None:
    assert read(cell) == [number]


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1", 1.0), ("1,5", 1.5), ("-0,25", -0.25), ("1.234", 1234.0), ("1,234", 1.234),
        ("1.234.567,5", 1_234_567.5), ("1,5e3", 1500.0),
    ],
)  # fmt: skip
def test_numbers_with_a_decimal_comma_are_read(cell: str, number: float) -> None:
    assert read(cell, decimal=",") == [number]


@pytest.mark.parametrize(
    "cell",
    ["", "x", "1 2", "5 000", "1,2", "12,34", "1,2345", "1,23,456", "1.2.3", "1.234,5", ",5",
     "nan", "NaN", "inf", "-Infinity", "1e999", "0x10", "1_000", "$5", "50%", "--5", "+-5", "++5",
     "+", "."],
)  # fmt: skip
def test_what_is_no_number_with_a_point_becomes_null(cell: str) -> None:
    assert read(cell, "1") == [None, 1.0]


@pytest.mark.parametrize(
    "cell", ["1.5", "1.2", "12.34", "1,234.5", "1,2,3", "1.23.456", "nan", "x"]
)
def test_what_is_no_number_with_a_comma_becomes_null(cell: str) -> None:
    assert read(cell, "1", decimal=",") == [None, 1.0]


def test_null_stays_null_and_an_empty_column_stays_empty() -> None:
    assert read(None, "1", None) == [None, 1.0, None]
    assert read() == []
    assert read(None) == [None]


@given(st.lists(st.none() | st.floats(-1e15, 1e15), max_size=5), st.sampled_from(".,"))
def test_what_python_writes_is_read_back_exactly(values: list[float | None], decimal: str) -> None:
    cells = [None if v is None else repr(v).replace(".", decimal) for v in values]
    assert read(*cells, decimal=decimal) == values


@given(st.integers(-(10**15), 10**15), st.integers(0, 99), st.sampled_from(".,"))
def test_thousands_may_be_parted(whole: int, cents: int, decimal: str) -> None:
    cell = f"{whole:,}.{cents:02d}"
    swap = str.maketrans(".,", ",.") if decimal == "," else {}
    assert read(cell.translate(swap), decimal=decimal) == [float(f"{whole}.{cents:02d}")]


@given(st.lists(st.text(max_size=8), max_size=5), st.sampled_from(".,"))
def test_any_text_gives_a_finite_number_or_null(cells: list[str], decimal: str) -> None:
    for number in read(*cells, decimal=decimal):
        assert number is None or abs(number) < float("inf")
