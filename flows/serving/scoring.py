"""Scoring a file with the model in use: what is asked, and what there is to say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusemine.flows.serving.input_contract import reading_of
from fusemine.tasks.core.artifact import read_json, read_manifest
from fusemine.tasks.core.errors import ModelError, SettingsError
from fusemine.tasks.core.windowed import SUMMARY
from fusemine.tasks.embed.encoders.files import find_model
from fusemine.tasks.embed.precision import settle_precision
from fusemine.tasks.serving.predict.predict import Request
from fusemine.tasks.serving.records import read_registry
from fusemine.tasks.serving.stored import find_stored, read_about
from fusemine.tasks.core.errors import quote

if TYPE_CHECKING:
    from pathlib import Path

    from fusemine.flows.engine.config import Loaded
    from fusemine.tasks.core.artifact import ArtifactRef

SHOWN = 8


def request_of(loaded: Loaded, file: Path) -> Request:
    """What scoring a file with the model in use needs.

    Raises:
        SettingsError: There is no model yet.
        ModelError: It cannot be used, or was trained with another encoder.
    """
    entry = read_registry(loaded.root).current
    if entry is None:
        raise SettingsError(
            got=f"no model below {loaded.root}",
            expected="one that a run has trained",
            fix=f"train it: fusemine run {loaded.path}",
        )
    ref = find_stored(loaded.root, entry)
    about, settings = read_about(ref), loaded.pipeline.embed
    encoder = find_model(settings, loaded.base)
    _check_encoder(about, reading_of(loaded.pipeline)["embed"], encoder.fingerprint)
    settle_precision(loaded.root, settings, encoder)
    source = loaded.pipeline.source
    return Request(loaded.root, loaded.base, file.resolve(), source, settings, encoder, ref)


def _check_encoder(about: dict[str, Any], embed: dict[str, Any], encoder: str) -> None:
    trained = about["settings"]["reading"]["embed"]
    changed = [name for name in trained if trained[name] != embed.get(name)]
    if about["encoder"] == encoder and not changed:
        return
    what = f"embed.{changed[0]}" if changed else "the encoder's files"
    raise ModelError(
        got=f"model {about['id']} was trained with other vectors: {what} changed since",
        expected="the encoder, and its settings, that the model was trained with",
        fix="set embed as it was, or train a model with the new one: fusemine run PIPELINE "
        "--retrain; then take it into use: fusemine promote",
    )


def scored_lines(scored: ArtifactRef) -> list[str]:
    """What scoring a file found, for people."""
    summary = read_json(scored, SUMMARY)
    lost = summary["rejected"]
    rejected = sum(lost.values())
    why = ", ".join(f"{count:,} {rule}" for rule, count in lost.items())
    what = "row" if summary["rows"] == 1 else "rows"
    lines = [
        f"{summary['rows']:,} {what} of {summary['file']} scored by {summary['model']}, "
        f"{rejected:,} rejected{f' ({why})' if why else ''}"
    ]
    called = sorted(summary["predictions"].items(), key=lambda pair: -pair[1])
    if called:
        more = f" and {len(called) - SHOWN} more" if len(called) > SHOWN else ""
        told = ", ".join(f"{quote(name)} {count:,}" for name, count in called[:SHOWN])
        lines.append(f"predictions: {told}{more}")
    if summary["learnt_from"]:
        lines.append(f"rows that the model has learnt the label from: {summary['learnt_from']:,}")
    lines.append(f"unusual rows: {summary['flagged']:,}")
    for name, what in (
        ("unseen_levels", "values that were not there in training, read as rare ones"),
        ("unreadable_numbers", "values that are no numbers, read as missing"),
    ):
        cells = [f"{column} {count:,}" for column, count in summary[name].items()]
        lines += [f"{what}: {', '.join(cells[:SHOWN])}"] if cells else []
    return [*lines, f"results: {scored.path}"]


def scored_json(scored: ArtifactRef) -> dict[str, Any]:
    """The same, JSON-ready."""
    seconds = read_manifest(scored.path).seconds
    return {**read_json(scored, SUMMARY), "results": scored.path, "seconds": seconds}
