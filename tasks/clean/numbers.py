"""Numbers as people write them."""

from __future__ import annotations

import polars as pl


def parse_numbers(cells: pl.Series, decimal: str) -> pl.Series:
    """Numbers as Float64; what is not a finite number becomes null.

    Args:
        cells: Trimmed text, or null.
        decimal: The decimal mark. The other mark is dropped where it parts whole thousands, so
            that `1,234.5` is read and `1,2` is not taken for 12.
    """
    thousands = "," if decimal == "." else "."
    point, comma = rf"\{decimal}", rf"\{thousands}"
    grouped = cells.str.contains(rf"^[+-]?\d{{1,3}}({comma}\d{{3}})+({point}\d*)?$")
    plain = cells.str.replace_all(thousands, "", literal=True).zip_with(
        grouped.fill_null(False), cells
    )
    if decimal == ",":
        misread = cells.str.contains(r"\.") & ~grouped.fill_null(False)
        plain = plain.str.replace(",", ".", literal=True)
        plain = plain.set(misread.fill_null(False), None)
    numbers = plain.str.replace(r"^\+([\d.])", "${1}").cast(pl.Float64, strict=False)
    return numbers.set(~numbers.is_finite().fill_null(True), None).alias(cells.name)
