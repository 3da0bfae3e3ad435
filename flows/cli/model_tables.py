"""`fusemine models`: what is printed of all models, of one, or of two compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusemine.flows.cli.terminal import cell
from fusemine.tasks.core.storage.artifact import manifest_of, read_json, ref_of
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.serving.registry import Entry, Event, Registry, differences, read_registry
from fusemine.tasks.serving.stored import find_model, read_about

if TYPE_CHECKING:
    from rich.table import Table

    from fusemine.flows.cli.terminal import View
    from fusemine.flows.config.pipeline import Loaded

SHOWN = 20
"""Decisions that are printed, the newest ones."""
DIGITS = 4


def list_models(loaded: Loaded) -> View:
    """All models, the newest last, and the last decisions."""
    registry = read_registry(loaded.store)
    rows = [_row(loaded, registry, entry) for entry in registry.entries.values()]
    events = [event.model_dump(mode="json") for event in registry.events]
    value = {"pipeline": loaded.pipeline.name, "models": rows, "events": events}
    if not rows:
        return None, [f"no model yet; train one: fusemine run {loaded.path}"], value
    lines = [_event_line(event) for event in registry.events[-SHOWN:]]
    return _table(rows), lines, value


_WORDS = {
    "first": "{model} is used",
    "promoted": "{model} is used from now on",
    "kept": "{before} stays in use",
    "chosen": "{model} is used from now on",
    "rolled back": "back to {model}",
}


def _event_line(event: Event) -> str:
    what = _WORDS[event.action].format(model=event.model, before=event.before)
    return f"{event.at:%Y-%m-%d %H:%M} UTC: {what}: {event.why}"


def _row(loaded: Loaded, registry: Registry, entry: Entry) -> dict[str, Any]:
    current = registry.current
    there = manifest_of(loaded.store.root, entry.artifact) is not None
    used = [event for event in registry.events if event.current == entry.id]
    state = "in use" if current and current.id == entry.id else "was in use" if used else "not used"
    return {
        "model": entry.id,
        "state": state if there else f"{state}, files gone",
        "trained": f"{entry.made_at:%Y-%m-%d %H:%M}",
        "metric": entry.metric,
        "value": entry.value,
        "interval": entry.interval,
        "train_rows": entry.train_rows,
        "test_rows": entry.test_rows,
        "scored": [name for name, turn in registry.turns.items() if turn.champion == entry.id],
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    table = Table()
    names = ("model", "state", "trained", "metric", "on test rows", "train rows", "test rows")
    for name in (*names, "partitions scored"):
        table.add_column(name, justify="right" if "rows" in name or "scored" in name else "left")
    for row in rows:
        style = "bold green" if row["state"] == "in use" else None
        table.add_row(
            cell(row["model"]),
            row["state"],
            row["trained"],
            cell((row["metric"] or "").replace("_", " ")),
            _with_interval(row["value"], row["interval"]),
            f"{row['train_rows']:,}",
            f"{row['test_rows']:,}",
            f"{len(row['scored']):,}",
            style=style,
        )
    return table


def _with_interval(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "-"
    figure, *bounds = (f"{number:.{DIGITS}g}" for number in (value, *(interval or ())))
    return f"{figure} ({' to '.join(bounds)})" if bounds else figure


def describe_model(loaded: Loaded, name: str) -> View:
    """One model: what it is, what was decided on it, and what it was made of.

    Raises:
        SettingsError: There is none of that id.
        ModelError: Its files are gone or changed.
    """
    from fusemine.tasks.upkeep.lineage import lines, trace_from

    registry = read_registry(loaded.store)
    entry = registry.get(name)
    ref = find_model(loaded.store.root, entry)
    about, lineage = read_about(ref), trace_from(loaded.store.root, entry.artifact, GRAPH)
    decided = [event for event in registry.events if entry.id in (event.model, event.before)]
    facts = {key: value for key, value in differences(about, {}).first.items() if value != []}
    shown = [f"{key}: {_short(value)}" for key, value in facts.items()]
    shown += [_event_line(event) for event in decided]
    value = {
        "about": about,
        "events": [event.model_dump(mode="json") for event in decided],
        "lineage": lineage.as_json(),
    }
    return None, [*shown, "made of:", *lines(lineage)], value


def compare_models(loaded: Loaded, first: str, second: str) -> View:
    """What differs between two models, and how they did where they were compared.

    Raises:
        SettingsError: One is not there.
        ModelError: Its files are gone or changed.
    """
    from rich.table import Column, Table

    registry = read_registry(loaded.store)
    entries = [registry.get(name) for name in (first, second)]
    abouts = [read_about(find_model(loaded.store.root, entry)) for entry in entries]
    found = differences(*abouts)
    table = Table("", *(Column(cell(entry.id)) for entry in entries))
    for name in (name for name in found.first if not name.endswith("sha256")):
        cells = (name, _short(found.first[name]), _short(found.second[name]))
        table.add_row(*map(cell, cells))  # a class may be called what rich takes for markup
    tests = _tests(loaded, registry, {entry.id for entry in entries})
    lines = [event["why"] for event in tests] or ["they were never compared"]
    value = {"models": [e.id for e in entries], "differences": vars(found), "challenges": tests}
    return table, lines, value


def _tests(loaded: Loaded, registry: Registry, ids: set[str]) -> list[dict[str, Any]]:
    """The comparisons of two models that runs have made."""
    found = []
    for event in registry.events:
        if {event.model, event.before} == ids and event.challenge is not None:
            ref = ref_of(loaded.store.root, event.challenge)
            test = read_json(ref) if ref else None
            found.append({"why": event.why, "action": event.action, "test": test})
    return found


def _short(value: object) -> str:
    text = f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
