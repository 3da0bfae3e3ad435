"""Cells as text, whatever type a source gave them."""

from __future__ import annotations

import json

import polars as pl


def as_text(values: pl.Series) -> pl.Series:
    """Values as text; null and NaN become null.

    Times with a zone are written in UTC with its offset, so that they can be read back.
    """
    dtype = values.dtype
    if dtype.is_nested():
        texts = [None if v is None else json.dumps(_plain(v), default=_shown) for v in values]
        return pl.Series(values.name, texts, dtype=pl.String)
    if dtype == pl.Binary:
        return values.bin.encode("hex")
    if dtype == pl.Duration:
        return values.dt.to_string("iso")
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return values.dt.convert_time_zone("UTC").dt.to_string("%Y-%m-%dT%H:%M:%S%.f%:z")
    return (values.fill_nan(None) if dtype.is_float() else values).cast(pl.String)


def _plain(value: object) -> object:
    return value.to_list() if isinstance(value, pl.Series) else value


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
