"""Cells as text and as numbers, whatever a source gave."""

from __future__ import annotations

import json

import polars as pl


def as_text(values: pl.Series) -> pl.Series:
    """Values as text; null and NaN become null.

    Times with a zone are written in UTC with its offset, so that they can be read back.

    >>> as_text(pl.Series([0.5, float("nan"), 2])).to_list()
    ['0.5', None, '2.0']
    """
    dtype = values.dtype
    if dtype.is_nested():
        plain = (v.to_list() if isinstance(v, pl.Series) else v for v in values)
        texts = [None if v is None else json.dumps(v, default=_shown) for v in plain]
        return pl.Series(values.name, texts, dtype=pl.String)
    if dtype == pl.Binary:
        return values.bin.encode("hex")
    if dtype == pl.Duration:
        return values.dt.to_string("iso")
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return values.dt.convert_time_zone("UTC").dt.to_string("%Y-%m-%dT%H:%M:%S%.f%:z")
    return (values.fill_nan(None) if dtype.is_float() else values).cast(pl.String)


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def parse_numbers(cells: pl.Series, decimal: str) -> pl.Series:
    """Numbers as people write them, as Float64; what is not a finite number becomes null.

    Args:
        cells: Trimmed text, or null.
        decimal: The decimal mark. The other mark is dropped where it separates whole thousands,
            so that `1,234.5` is read and `1,2` is not taken for 12.

    >>> parse_numbers(pl.Series(["1,234.5", "1,2", "many"]), ".").to_list()
    [1234.5, None, None]
    """
    thousands = "," if decimal == "." else "."
    point, comma = rf"\{decimal}", rf"\{thousands}"
    pattern = rf"^[+-]?\d{{1,3}}({comma}\d{{3}})+({point}\d*)?$"
    grouped = cells.str.contains(pattern).fill_null(False)
    plain = cells.str.replace_all(thousands, "", literal=True).zip_with(grouped, cells)
    if decimal == ",":
        # A point that separates no thousands is no decimal mark here.
        misread = (cells.str.contains(r"\.") & ~grouped).fill_null(False)
        plain = plain.str.replace(",", ".", literal=True).set(misread, None)
    numbers = plain.str.replace(r"^\+([\d.])", "${1}").cast(pl.Float64, strict=False)
    return numbers.set(~numbers.is_finite().fill_null(True), None).alias(cells.name)
