"""A response's body: read a piece at a time, decompressed, and never more than was asked for."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

ENCODINGS = "gzip"
"""The compressions that requests allow; others have no bound on what a few bytes become."""
ERROR_BYTES = 2**16
"""Bytes that are read of an error's body."""
_GZIP = 31  # zlib's name for gzip with a window of any size


class TooLongError(Exception):
    """A body has more bytes than it may have."""


def decoded(response: httpx.Response, most: int, cut: bool = False) -> bytes:
    """The body of a response whose content has not been read yet.

    Args:
        response: The response.
        most: Bytes that the body may have, decompressed.
        cut: Whether a longer one is cut instead of refused.

    Raises:
        TooLongError: It has more.
        httpx.DecodingError: It is not compressed as its header states.
    """
    found = bytearray()
    for piece in _pieces(response, most):
        found += piece
        if len(found) > most:
            if cut:
                break
            raise TooLongError
    return bytes(found[:most])


def _pieces(response: httpx.Response, most: int) -> Iterator[bytes]:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        yield from response.iter_raw()
    elif encoding in ("gzip", "x-gzip"):
        yield from _unzipped(response, most)
    else:
        raise httpx.DecodingError("an encoding that was not asked for", request=response.request)


def _unzipped(response: httpx.Response, most: int) -> Iterator[bytes]:
    """The pieces decompressed; of one that becomes too long only so much as shows it."""
    unzip = zlib.decompressobj(_GZIP)
    try:
        for piece in response.iter_raw():
            yield unzip.decompress(piece, most + 1)
    except zlib.error as error:
        raise httpx.DecodingError(str(error), request=response.request) from error
    if not unzip.eof:
        raise httpx.DecodingError("the end is missing", request=response.request)
