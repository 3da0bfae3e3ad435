"""Why a result is stale: what differs between the key of the last complete one and today's."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fusemine.flows.coverage.coverage import STAGES, Coverage, coverage_of
from fusemine.tasks.core.errors import SettingsError, nearest
from fusemine.tasks.core.partition import ALL
from fusemine.tasks.core.request import make_request
from fusemine.tasks.core.stage import Scope
from fusemine.tasks.core.storage.artifact import manifest_of
from fusemine.tasks.core.storage.manifest import FORM, Manifest
from fusemine.tasks.graph import GRAPH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusemine.flows.config.pipeline import Loaded
    from fusemine.flows.engine.walk import Walk
    from fusemine.tasks.core.request import Request
    from fusemine.tasks.core.stage import Stage

LONGEST, SHOWN = 60, 3
PARTS = ("inputs", "settings", "resources", "versions", "code")
"""The parts of a recipe."""


def explain(loaded: Loaded, stage: str, partition: str) -> list[str]:
    """What differs between a stage's last complete result for a partition and today's key.

    Args:
        loaded: The pipeline.
        stage: A stage that `status` shows.
        partition: A partition that the source has rows in.

    Returns:
        Lines for people. Where the stage reads what is not complete itself, that is explained.

    Raises:
        SettingsError: There is no such stage or partition.
    """
    coverage = coverage_of(loaded)
    _check(stage, list(STAGES), "stage")
    _check(partition, list(coverage.raw), "partition with rows")
    return list(_explained(coverage, coverage.walk(partition), GRAPH[stage], partition))


def _check(given: str, known: list[str], what: str) -> None:
    if given not in known:
        raise SettingsError(
            got=f"no {what} {given!r}",
            expected=f"one of {', '.join(known[-30:])}" if known else f"a {what}",
            fix=f"{nearest(given, known)}name one of them",
        )


def _explained(coverage: Coverage, walk: Walk, stage: Stage, partition: str) -> Iterator[str]:
    lacks = _lacking(walk, stage)
    found = None if lacks else walk.result(stage, partition)
    yield f"{stage.name} of {partition}: {coverage.state(stage.name, partition, found)}"
    if found is not None:
        yield f"  key {found.key} is that of today's rows, settings, code and versions"
        return
    if missing := lacks or walk.missing(stage, partition):
        yield "  it reads what is not complete:"
        for name, partitions in missing.items():
            more = f" and {len(partitions) - 1} more" if len(partitions) > 1 else ""
            yield f"    {name} of {partitions[0]}{more}"
        name, partitions = next(iter(missing.items()))
        yield from _explained(coverage, walk, GRAPH[name], partitions[0])
        return
    yield from (f"  {line}" for line in _compared(walk, stage, partition))


def _lacking(walk: Walk, stage: Stage) -> dict[str, tuple[str, ...]]:
    """The partitions of the window whose raw rows are not there."""
    whole = stage.scope is Scope.PARTITION or walk.plan.settings.gaps == "report"
    return {} if whole or not walk.plan.left_out else {"collect": walk.plan.left_out}


def _compared(walk: Walk, stage: Stage, partition: str) -> list[str]:
    """The last complete result compared with what would be made today."""
    landed = walk.is_landed(stage)
    if landed:  # made by the scan of the source, with what that reads
        (stage,), partition = GRAPH.of(Scope.SOURCE), ALL
        request: Request | None = make_request(stage, walk.session.context, ALL, {})
    else:
        request = walk.request(stage, partition)
    last = _last(walk, stage.name, partition)
    if last is None:
        return ["no result of it has been made"]
    what = "scan of the source, which makes it" if landed else "one"
    made = f"the last complete {what}, {last.key}, is of {last.created_at:%Y-%m-%d %H:%M} UTC"
    if request is None:
        return [made, "the models in use have not scored all of its rows yet"]
    if last.form < FORM:
        return [made, "an earlier version of fusemine made it, whose keys were made otherwise"]
    recipe = asdict(request.job.recipe)
    lines = [line for part in PARTS for line in _differing(part, last.recipe[part], recipe[part])]
    return [made, *(lines or ["its files are damaged or gone"])]


def _last(walk: Walk, stage: str, partition: str) -> Manifest | None:
    """The newest complete result, under any key."""
    store, place = walk.session.loaded.store, f"{stage}/{partition}"
    found = [manifest_of(store.root, f"{place}/{key}") for key in store.folders(place)]
    return max((m for m in found if m is not None), key=lambda m: m.created_at, default=None)


def _differing(place: str, before: Any, now: Any) -> Iterator[str]:
    """A line for each value that differs, nested names joined by dots."""
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted({*before, *now}):
            yield from _differing(f"{place}.{name}", before.get(name), now.get(name))
    elif "code.fusemine." in place:
        what = "is new" if before is None else "is gone" if now is None else "changed"
        yield f"code: fusemine.{place.partition('code.fusemine.')[2]} {what}"
    elif isinstance(before, list) and isinstance(now, list):
        gone = [value for value in before if value not in now]
        new = [value for value in now if value not in before]
        counts = f"{len(new)} new, {len(gone)} gone" if new or gone else "in another order"
        yield f"{place}: {counts} of {len(now)}{_such_as(place, new or gone)}"
    else:
        yield f"{place}: {_short(before)} → {_short(now)}"


def _such_as(place: str, values: list[Any]) -> str:
    """Some of the values; hashes of artifacts say nothing to a reader."""
    if place.startswith("inputs.") or not values:
        return ""
    names = [value[0] if isinstance(value, list) else value for value in values[:SHOWN]]
    return f", such as {', '.join(map(_short, names))}"


def _short(value: Any) -> str:
    text = "not set" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
