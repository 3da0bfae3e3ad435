"""Texts that state the label: words that only rows of one class have, and the classes' names.

A text written after the event often states the label ("returned to land"). A model then reads the
label more than it predicts it, and does worse on texts that do not state it yet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fusemine.tasks.core.errors import quote
from fusemine.tasks.mine.classify.leakage.leaking_columns import MIN_ROWS, sample_rows
from fusemine.tasks.stats.intervals import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusemine.tasks.stats.target import Floats, Target

PRECISION, RECALL, AREA = 0.95, 0.2, 0.95
"""A word states a class if so many of its rows are of the class and it is in so many of the
class's rows; or if its presence alone has this area under the ROC curve."""
LISTED, MIN_RECALL = 0.8, 0.01
"""A word with this precision and recall is listed, if it does not state the class."""
ODDS = 10
"""The class must be so many times likelier (in odds) than in all rows: where nine rows in ten are
of a class, a word with 95 % of them means little."""
CHANCE = 0.01
"""How many words of a class chance alone may bring up, of all that were tested."""
MIN_TEXTS, MAX_WORDS, CHARACTERS = 5, 100_000, 20_000
"""Rows a word needs, words and word pairs tested, and characters of a text that are read."""
PER_CLASS, MOST = 8, 80
WORDS = r"(?u)\b\w+\b"

SHARE, TIMES, ROWS = 0.2, 5, 5
"""A name or number states the label if it is in this share of its own rows' texts, in so many
times more than in those of other rows, and in so many rows at least."""
MOST_NAMES = 50
BETWEEN = r"[\W_]+"
NUMBER = r"[0-9][0-9,]*(?:\.[0-9]+)?"
NAME_WORDS, NAME_LENGTH = 10, 200
"""A class's name of more words or characters is not searched for: nobody writes it so."""


@dataclass(frozen=True)
class _Counts:
    """How the w words go with one class."""

    rows: NDArray[np.int64]
    """(w,) rows whose text has the word."""
    hits: NDArray[np.int64]
    """(w,) those of the class."""
    inside: int
    """Rows of the class, and others."""
    outside: int

    @property
    def precision(self) -> Floats:
        return np.asarray(self.hits / self.rows)

    @property
    def recall(self) -> Floats:
        return np.asarray(self.hits / self.inside)

    @property
    def area(self) -> Floats:
        """ROC-AUC of the word's presence."""
        return np.asarray((1 + self.recall - (self.rows - self.hits) / self.outside) / 2)

    @property
    def sure(self) -> NDArray[np.bool_]:
        """Whether the class is far likelier with the word, and not by chance."""
        from scipy.stats import binom

        odds = self.hits * self.outside >= ODDS * self.inside * (self.rows - self.hits)
        base = self.inside / (self.inside + self.outside)
        # Only words of high odds are tested, because the test is slow for many words.
        by_chance = np.ones(len(self.rows))
        by_chance[odds] = binom.sf(self.hits[odds] - 1, self.rows[odds], base)
        return odds & (by_chance * len(self.rows) <= CHANCE)

    @property
    def flagged(self) -> NDArray[np.bool_]:
        """Whether the word states the class."""
        stated = self.sure & (self.precision >= PRECISION) & (self.recall >= RECALL)
        return stated | (self.area >= AREA)

    @property
    def listed(self) -> NDArray[np.intp]:
        """The words to list, those first that most rows of the class have."""
        worth = (self.precision >= LISTED) & (self.recall >= MIN_RECALL)
        chosen = np.flatnonzero(self.flagged | (self.sure & worth))
        return chosen[np.argsort(-self.hits[chosen], kind="stable")]


def find_stated_labels(
    clean: pl.DataFrame, target: Target, names: Sequence[str] = ()
) -> dict[str, Any]:
    """How far the texts state the label; nothing of fewer than 20 rows or of one class.

    Args:
        clean: The n training rows of the clean table, all of them labelled.
        target: Their label.
        names: The classes' names; none for numbers.

    Returns:
        JSON-ready: `rows` that were read; `words` that go with one class nearly surely, whether
        they are `flagged` as stating it, and `why`; `together`, how much of each class such words
        cover, listed or not; and `names`, how often texts hold the name of their own class and
        of others, or the number that is their label.
    """
    clean, target = sample_rows(clean, target)
    found: dict[str, Any] = {"rows": clean.height, "words": [], "together": [], "names": []}
    if clean.height < MIN_ROWS or len(np.unique(target.values)) < 2:
        return found
    texts = clean["text"].str.head(CHARACTERS)
    if target.is_number:
        return {**found, "names": number_mentions(texts, target)}
    words, together = _words(texts.to_list(), target, names)
    mentions = name_mentions(texts, target, names)
    return {**found, "words": words, "together": together, "names": mentions}


def name_mentions(texts: pl.Series, target: Target, names: Sequence[str]) -> list[dict[str, Any]]:
    """How often each class's name, as whole words, is in the texts of its rows and of others.

    Args:
        texts: The n texts.
        target: The classes of the rows.
        names: The classes' names.

    Returns:
        JSON-ready, the flagged ones first; a name that no text holds is left out.
    """
    lower, found = texts.str.to_lowercase(), []
    for code in np.unique(target.values):
        words = re.findall(r"[^\W_]+", names[code].lower())
        if words and len(words) <= NAME_WORDS and len(names[code]) <= NAME_LENGTH:
            held = lower.str.contains(r"\b" + BETWEEN.join(words) + r"\b").to_numpy()
            what = f"The name of the class '{quote(names[code])}'"
            found.append(_mentions(what, names[code], held, target.values == code))
    return _ranked(found)


def number_mentions(texts: pl.Series, target: Target) -> list[dict[str, Any]]:
    """How often the number that is a row's label is in its own text, and in another row's.

    The other row's label is that of half the table away, so that neighbours, which may be alike,
    do not count as strangers.

    Args:
        texts: The n texts.
        target: The numbers of the rows.
    """
    tokens = texts.str.extract_all(NUMBER).list.eval(pl.element().str.replace_all(",", ""))
    # Rows whose own and other label are equal show nothing.
    own, other = target.values, np.roll(target.values, len(target) // 2)
    frame = pl.DataFrame({"n": tokens.cast(pl.List(pl.Float64)), "own": own, "other": other})
    held = frame.filter(own != other).select(
        pl.col("n").list.contains(pl.col(name)).alias(name) for name in ("own", "other")
    )
    if not held.height:
        return []
    both = np.concatenate([held["own"].to_numpy(), held["other"].to_numpy()])
    own_rows = np.repeat([True, False], held.height)
    return _ranked([_mentions("The number that is the label", "", both, own_rows)])


def _mentions(
    what: str, name: str, held: NDArray[np.bool_], own: NDArray[np.bool_]
) -> dict[str, Any]:
    hits, inside, outside = int(held[own].sum()), float(held[own].mean()), float(held[~own].mean())
    return {
        "class": name,
        "rows": hits,
        "own": round(inside, 4),
        "others": round(outside, 4),
        "flagged": hits >= ROWS and inside >= SHARE and inside >= TIMES * outside,
        "why": (
            f"{what} is in {percent(inside)} of its own rows' texts and in {percent(outside)} of "
            f"those of other rows."
        ),
    }


def _ranked(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = [entry for entry in found if entry["rows"]]
    return sorted(known, key=lambda entry: (not entry["flagged"], -entry["own"]))[:MOST_NAMES]


def _words(
    texts: list[str], target: Target, names: Sequence[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    present, words = _presence(texts)
    rows = np.asarray(present.sum(axis=0)).ravel()
    # One product counts the rows of each word and class.
    hits = present.T @ target.columns().astype(np.int64)
    listed, together = [], []
    for code in np.unique(target.values):
        inside = int((target.values == code).sum())
        counts = _Counts(rows, hits[:, code], inside, len(texts) - inside)
        chosen = counts.listed
        own = [_described(words[i], names[code], counts, i) for i in chosen]
        listed += _without_overlaps(own)[:PER_CLASS]
        together += _together(present[:, chosen], target.values == code, names[code])
    listed.sort(key=lambda word: (not word["flagged"], -word["recall"], word["word"]))
    return listed[:MOST], together


def _presence(texts: list[str]) -> tuple[Any, list[str]]:
    """Whether each text has each word or word pair, as CSC (texts, words), and the words."""
    from scipy import sparse
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(
        token_pattern=WORDS,
        ngram_range=(1, 2),
        min_df=MIN_TEXTS,
        max_features=MAX_WORDS,
        binary=True,
        dtype=np.int64,
    )
    try:
        return counter.fit_transform(texts).tocsc(), counter.get_feature_names_out().tolist()
    except ValueError as error:
        # scikit-learn has no other way to report that it found no word, or none often enough.
        if any(part in str(error) for part in ("empty vocabulary", "no terms remain")):
            return sparse.csc_matrix((len(texts), 0), dtype=np.int64), []
        raise


def _described(word: str, name: str, counts: _Counts, i: int) -> dict[str, Any]:
    shown, of_class, pair = quote(word), quote(name), " " in word
    rows = int(counts.rows[i])
    precision, recall = float(counts.precision[i]), float(counts.recall[i])
    return {
        "word": shown,
        "class": name,
        "rows": rows,
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "roc_auc": round(float(counts.area[i]), 4),
        "flagged": bool(counts.flagged[i]),
        "why": (
            f"The word{'s' * pair} '{shown}' {'occur' if pair else 'occurs'} in {rows:,} rows, of "
            f"which {percent(precision)} are '{of_class}'; {percent(recall)} of all '{of_class}' "
            f"rows have {'them' if pair else 'it'}."
        ),
    }


def _without_overlaps(words: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what holds, or is part of, a word named before: "retd to" after "retd"."""
    kept: list[dict[str, Any]] = []
    for word in words:
        parts = set(word["word"].split())
        others = (set(other["word"].split()) for other in kept)
        if not any(parts <= other or other <= parts for other in others):
            kept.append(word)
    return kept


def _together(present: Any, own: NDArray[np.bool_], name: str) -> list[dict[str, Any]]:
    """How many rows have any of a class's words, and how many of these are of the class."""
    has = np.asarray(present.sum(axis=1)).ravel() > 0
    if not has.any():
        return []
    rows, precision, recall = int(has.sum()), float(own[has].mean()), float(has[own].mean())
    why = (
        f"{percent(recall)} of all '{quote(name)}' rows have a word, or a pair of words, that goes "
        f"with this class nearly always; of the {rows:,} rows with one, "
        f"{percent(precision)} are '{quote(name)}'."
    )
    figures = {"rows": rows, "precision": round(precision, 4), "recall": round(recall, 4)}
    return [{"class": name, "words": present.shape[1], **figures, "why": why}]
