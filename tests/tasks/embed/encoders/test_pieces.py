"""Long texts are cut where sentences end, and their pieces make one vector."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.small_models import unit_vectors

from fusemine.tasks.embed.encoders.encoder import Encoder
from fusemine.tasks.embed.encoders.models import ModelFiles, load_encoder
from fusemine.tasks.embed.encoders.pieces import Span, cut, pool
from fusemine.tasks.embed.settings import EmbedSettings

MEAN = EmbedSettings(long_text="mean", overlap_tokens=2)


def words(text: str) -> list[Span]:
    """Words and marks as tokens."""
    return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]


def pieces(text: str, size: int, settings: EmbedSettings = MEAN) -> list[str]:
    return cut(text, words(text), size, settings)


def test_a_cut_text_is_read_whole_with_an_overlap() -> None:
    text = " ".join(f"w{n}" for n in range(25))
    found = pieces(text, 10)
    assert [len(words(piece)) for piece in found] == [10, 10, 9]
    assert [piece.split()[0] for piece in found] == ["w0", "w8", "w16"]
    assert found[-1].endswith("w24")


def test_a_piece_ends_where_a_sentence_does_if_that_is_near() -> None:
    text = "one two three four five six seven. eight nine ten eleven twelve"
    assert pieces(text, 10) == [
        "one two three four five six seven.",
        "seven. eight nine ten eleven twelve",
    ]
    assert pieces("3.14 " * 8, 10)[0] == "3.14 3.14 3.14 3"
    early = "one. two three four five six seven eight nine ten eleven twelve"
    assert pieces(early, 10)[0].endswith("nine")


def test_a_sentence_of_chinese_ends_without_a_space() -> None:
    text = "一二三四五六七。八九十甲乙"
    characters = [(n, n + 1) for n in range(len(text))]
    assert cut(text, characters, 10, MEAN)[0] == "一二三四五六七。"


def test_the_first_and_the_last_piece_can_be_enough() -> None:
    text = " ".join(f"w{n}" for n in range(100))
    settings = EmbedSettings(long_text="first_last", overlap_tokens=0)
    first, last = pieces(text, 10, settings)
    assert (first.split()[0], first.split()[-1]) == ("w0", "w9")
    assert (last.split()[0], last.split()[-1]) == ("w90", "w99")


def test_a_text_is_cut_after_so_many_pieces() -> None:
    text = " ".join(f"w{n}" for n in range(1000))
    settings = EmbedSettings(long_text="max", max_pieces=3, overlap_tokens=0)
    assert [len(piece.split()) for piece in pieces(text, 10, settings)] == [10, 10, 10]
    assert pieces(text, 10, EmbedSettings()) == [text]


@given(st.text("ab .\n。", max_size=200), st.integers(3, 12), st.integers(0, 20))
def test_no_piece_is_too_long_and_no_token_is_lost(text: str, size: int, overlap: int) -> None:
    tokens = words(text)
    if not tokens:
        return
    settings = EmbedSettings(long_text="mean", overlap_tokens=overlap, max_pieces=500)
    found = cut(text, tokens, size, settings)
    assert all(0 < len(words(piece)) <= size for piece in found)
    assert found[0][0] == text[tokens[0][0]]
    assert found[-1][-1] == text[tokens[-1][1] - 1]
    assert sum(len(words(piece)) for piece in found) >= len(tokens)
    place = 0
    for piece in found:  # each begins within or right after the one before
        place = text.index(piece, place)


def test_pieces_are_weighted_by_their_tokens() -> None:
    vectors = np.array([[2, 0], [0, 9], [0, 1], [1, 1]], np.float32)
    found = pool(vectors, [0, 0, 1, 2], [3, 4, 1, 1], MEAN)
    half = 0.5**0.5
    assert found == pytest.approx(np.array([[0.6, 0.8], [0, 1], [half, half]]), abs=1e-6)
    most = pool(vectors, [0, 0, 1, 2], [3, 4, 1, 1], EmbedSettings(long_text="max"))
    assert most[0] == pytest.approx([half, half], abs=1e-6)


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=6),
    st.sampled_from(["mean", "max", "first_last"]),
)
def test_each_text_is_pooled_from_its_own_pieces_alone(counts: list[int], rule: str) -> None:
    settings = EmbedSettings.model_validate({"long_text": rule})
    vectors = np.random.default_rng(1).standard_normal((sum(counts), 8)).astype(np.float32)
    owners = [text for text, count in enumerate(counts) for _ in range(count)]
    sizes = list(range(1, len(owners) + 1))
    found = pool(vectors, owners, sizes, settings)
    assert found.shape == (len(counts), 8)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(len(counts)), abs=1e-5)
    for text in range(len(counts)):
        own = [n for n, owner in enumerate(owners) if owner == text]
        alone = pool(vectors[own], [0] * len(own), [sizes[n] for n in own], settings)
        assert found[text] == pytest.approx(alone[0], abs=1e-5)


@pytest.mark.parametrize("rule", ["mean", "max", "first_last"])
def test_the_end_of_a_long_text_counts_unless_it_is_cut(
    encoder: Encoder, model_files: ModelFiles, rule: str
) -> None:
    settings = EmbedSettings.model_validate({"long_text": rule, "device": "cpu"})
    reading = load_encoder(model_files, settings, "float32")
    start = "The invoice of last month is still not paid. " * 40
    texts = [start, start + "A gull hit the engine during the climb. " * 40]
    ways = {}
    for name, one in (("cut", encoder), ("whole", reading)):
        prepared = one.prepare(texts)
        assert min(prepared.tokens) > 256
        assert max(prepared.sizes) <= 256
        vectors = one.encode(prepared)
        ways[name] = pool(vectors, prepared.owners, prepared.sizes, settings)
    assert ways["cut"][0] @ ways["cut"][1] == pytest.approx(1, abs=1e-5)
    assert ways["whole"][0] @ ways["whole"][1] < 0.9
    [gull] = unit_vectors(encoder, ["a gull hit the engine"])
    assert ways["whole"][1] @ gull > ways["cut"][1] @ gull + 0.2
