"""Each JSON file below a root, damaged in each way, under each command: never taken for right.

A command either ends as it did with the file whole, or names the file and the way on, which works.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.damages import DAMAGES
from support.small_root import SmallRoot
from support.stage_runs import mine_plainly
from support.tickets import SETTINGS, tickets

from fusemine.flows.backfills.state import Backfill, Row, RowState
from fusemine.flows.cli.main import main
from fusemine.flows.engine.failures import record_failure
from fusemine.tasks.collect.forgotten import add_forgotten
from fusemine.tasks.core.errors import FusemineError
from fusemine.tasks.core.storage.records import write_record
from fusemine.tasks.embed.precision import NAME, Measured, Measurements
from fusemine.tasks.serving.registry import read_registry

FEW = ("one character", "of another", "a folder")
"""Damages of files that all are read by one function."""
MINED = ("2024-02", "2024-03")


@dataclass
class Mined:
    """A root with reports, models and records of all kinds, and what each command says of it."""

    small: SmallRoot
    said: dict[str, str]

    @property
    def root(self) -> Path:
        return self.small.root

    def command(self, *arguments: object) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    def commands(self, names: Sequence[str] = ()) -> Iterator[tuple[str, Result]]:
        """What commands that read give, by their names; all of them by default."""
        path = self.small.pipeline
        arguments: dict[str, tuple[object, ...]] = {
            "export 2": ("export", path, "--partition", MINED[0]),
            "models": ("models", path, "--json"),
            "predict": ("predict", path, self.small.folder / self.small.source),
            "explain": ("explain", path, "clean", MINED[0]),
            "lineage": ("lineage", self.root / "report/latest.html"),
            "prune": ("prune", path, "--dry-run"),
            "resume": ("backfill", path, "--resume", "b1", "--dry-run"),
            "forget": ("forget", path, "nobody"),
        }
        for name in names or (*ALL, "store", "forget"):
            yield name, self.command(*arguments.get(name, (name, path)))

    def damage(self, pattern: str, other: str, damage: str) -> str:
        """Damage the newest file of a pattern; its name."""
        file, swapped = (sorted(self.root.glob(each))[-1] for each in (pattern, other))
        DAMAGES[damage](file, swapped)
        return file.relative_to(self.root).as_posix()

    def run(self) -> None:
        for partition in MINED:
            mine_plainly(self.small.pipeline, partition, "due")

    def copy(self, folder: Path) -> Mined:
        """The same in another folder; files are never written in place, so links are enough."""
        shutil.copytree(self.small.folder, folder, copy_function=os.link)
        return Mined(SmallRoot(folder, "t.csv", columns=COLUMNS, more=MORE), self.said)


COLUMNS = {name: SETTINGS["columns"][name] for name in ("id", "time", "text", "category")}
COLUMNS |= {"label": {"column": "urgent", "positive": ["yes"]}}
MORE = {
    "classify": {"test_share": 0.3, "strategy": "early", "explain": 0},
    "models": {"margin": 0.5},
}


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory) -> Mined:
    found = Mined(SmallRoot(tmp_path_factory.mktemp("damaged"), "t.csv", columns=COLUMNS), {})
    found.small.more = MORE
    found.small.write(*tickets(90))
    store, pipeline = found.small.store, found.small.pipeline
    add_forgotten(store, "T0012")
    mine_plainly(pipeline, MINED[0], "due")
    mine_plainly(pipeline, MINED[1], "now")
    record_failure(store, "2024-01", ValueError("no luck"), None)
    measured = Measured(precision="float32", tried="float16", cosine=0.5, machine="cuda 1")
    write_record(store, NAME, Measurements.model_validate({"0a": measured.model_dump()}))
    for name in ("b0", "b1"):
        backfill(name, pipeline).save(store)
    list(found.commands())  # what a first call makes is there from then on
    found.said = {name: _said(found, done) for name, done in found.commands()}
    return found


def backfill(name: str, pipeline: Path) -> Backfill:
    return Backfill.model_validate(
        {
            "id": name,
            "pipeline": pipeline,
            "only": "missing",
            "order": "oldest",
            "max_parallel": 1,
            "max_failures": 3,
            "pool": "here",
            "created_at": "2024-04-01T00:00:00Z",
            "rows": [Row(partition="2024-02", state=RowState.COMPLETE, attempt=1)],
        }
    )


def _said(mined: Mined, done: Result) -> str:
    return done.output.replace(str(mined.small.folder), "")


# The file, another one to be put in its place, and which damages it is tried with.
MANIFESTS = {
    "clean/2024-02/*/manifest.json": "clean/2024-03/*/manifest.json",
    "report/2024-03/*/manifest.json": "report/2024-02/*/manifest.json",
    "train/2024-02/*/manifest.json": "train/2024-03/*/manifest.json",
    "inventory/*/*/manifest.json": "collect/2024-02/*/manifest.json",
    "challenge/*/*/manifest.json": "monitor/*/*/manifest.json",
    "topic_chain/2024-02/*/manifest.json": "topic_chain/2024-01/*/manifest.json",
    "classify/2024-02/*/summary.*.json": "classify/2024-03/*/summary.*.json",
    "report/2024-03/*/lines.*.json": "report/2024-02/*/lines.*.json",
    "train/2024-02/*/about.*.json": "train/2024-03/*/about.*.json",
    "inventory/*/*/files.*.json": "pipeline.json",
}
ALL = ("status", "export", "export 2", "models", "predict", "explain", "lineage", "prune", "resume")
# With the commands that read it.
RECORDS = {
    "latest/2024-03.json": ("latest/2024-02.json", "status export lineage prune forget"),
    "models/registry.json": ("pipeline.json", "status models predict prune"),
    "pipeline.json": ("topics/1.json", "status predict"),
    "forgotten.json": ("pipeline.json", "status predict forget"),
    "store/*/space.json": ("pipeline.json", "status store"),
    "store/*/use.json": ("pipeline.json", "status store"),
    "store/precision.json": ("pipeline.json", "status store"),
    "topics/1.json": ("pipeline.json", "status"),
    "failed/2024-01.json": ("pipeline.json", "status"),
    "backfills/b1.json": ("backfills/b0.json", "resume"),
}
CASES = [(kind, other, FEW, ALL) for kind, other in MANIFESTS.items()]
CASES += [(kind, other, tuple(DAMAGES), tuple(n.split())) for kind, (other, n) in RECORDS.items()]
OPEN = ("status", "lineage", "prune", "explain", "models", "store")
"""Commands that show what there is, so that damage may show in what they say."""


@pytest.mark.parametrize(
    ("pattern", "other", "damages", "names"), CASES, ids=[case[0] for case in CASES]
)
def test_no_command_takes_a_damaged_file_for_right(
    mined: Mined,
    tmp_path: Path,
    pattern: str,
    other: str,
    damages: tuple[str, ...],
    names: tuple[str, ...],
) -> None:
    for damage in damages:
        case = mined.copy(tmp_path / damage.replace(" ", "-"))
        name = case.damage(pattern, other, damage)
        for command, done in case.commands(names):
            where = f"{command} with {name} {damage}: {done.output}"
            assert "unexpected" not in done.output, where
            assert done.exception is None or isinstance(done.exception, SystemExit), where
            if _said(case, done) == mined.said[command] or (command, damage) in SILENT:
                continue
            assert "to fix:" in done.output or (command in OPEN and done.exit_code == 0), where
        shutil.rmtree(case.small.folder)


SILENT = {("export", "missing")}
"""Without its record the last run is that of the partition before."""


def _removed(name: str) -> Callable[[Mined], object]:
    return lambda case: (case.root / name).unlink()


WAYS: dict[str, Callable[[Mined], object]] = {
    "models/registry.json": lambda case: case.command("promote", case.small.pipeline, "2024-02"),
    "pipeline.json": _removed("pipeline.json"),
    "topics/1.json": _removed("topics/1.json"),
}
"""What errors say is to be done before a run."""
LED_BACK = [*list(MANIFESTS.items())[:5], *((kind, other) for kind, (other, _) in RECORDS.items())]


@pytest.mark.parametrize(("pattern", "other"), LED_BACK, ids=[case[0] for case in LED_BACK])
def test_the_way_on_that_is_named_leads_back(
    mined: Mined, tmp_path: Path, pattern: str, other: str
) -> None:
    case = mined.copy(tmp_path / "case")
    case.damage(pattern, other, "cut off" if pattern in WAYS else "a folder")
    if pattern in WAYS:
        with pytest.raises(FusemineError, match=pattern.replace(".", r"\.")):
            case.run()
        WAYS[pattern](case)
    case.run()
    same = ["export", "predict", *(["status"] if pattern != "failed/2024-01.json" else [])]
    for command, done in case.commands(same):
        assert _said(case, done) == mined.said[command]
    if pattern != "models/registry.json":  # with it went the test that the report has shown
        assert _report(case) == _report(mined)


def _report(mined: Mined) -> bytes:
    return (mined.root / "report/latest.html").read_bytes()


@pytest.mark.parametrize("damage", [name for name in DAMAGES if name != "missing"])
def test_forgotten_rows_never_come_back_because_their_list_is_damaged(
    mined: Mined, tmp_path: Path, damage: str
) -> None:
    case = mined.copy(tmp_path / "case")
    for name in ("forgotten.json", "forgotten-copy.json"):
        case.damage(name, "pipeline.json", damage)
    before = sorted(path for path in case.root.rglob("*") if path.is_file())
    with pytest.raises(FusemineError, match=r"forgotten\.json"):
        case.run()
    for command, done in case.commands(["status", "predict", "forget"]):
        assert "forgotten.json" in done.output, command
        assert "restore forgotten.json or forgotten-copy.json" in done.output
        assert done.exit_code == 1
    assert sorted(path for path in case.root.rglob("*") if path.is_file()) == before


def test_a_root_of_before_has_no_seals_and_is_read_as_it_is(mined: Mined, tmp_path: Path) -> None:
    case = mined.copy(tmp_path / "case")
    for path in case.root.rglob("*.json"):
        value = json.loads(path.read_bytes())
        if value.pop("seal", None):
            path.unlink()  # it may have other links
            path.write_text(json.dumps(value))
    (case.root / "forgotten-copy.json").unlink()
    for command, done in case.commands([name for name in ALL if name != "prune"]):
        assert _said(case, done) == mined.said[command]
    assert '"seal"' not in (case.root / "models/registry.json").read_text()
    mine_plainly(case.small.pipeline, MINED[1], "now")
    assert '"seal"' in (case.root / "latest/2024-03.json").read_text()


def test_a_new_list_of_forgotten_rows_is_begun_by_hand(mined: Mined, tmp_path: Path) -> None:
    case = mined.copy(tmp_path / "case")
    for name in ("forgotten.json", "forgotten-copy.json"):
        (case.root / name).unlink()
    case.run()
    assert case.command("forget", case.small.pipeline, "T0012").exit_code == 0
    assert (case.root / "forgotten-copy.json").is_file()


def test_forget_says_that_the_model_in_use_is_gone_and_its_command_trains_one(
    mined: Mined, tmp_path: Path
) -> None:
    case = mined.copy(tmp_path / "case")
    done = case.command("forget", case.small.pipeline, "T0035")
    lost = next(line for line in done.output.splitlines() if "the model in use, 2024-02-" in line)
    assert "is gone with the row" in lost
    assert f"to train one: fusemine run {case.small.pipeline}" in done.output
    ((_, refused),) = case.commands(["predict"])
    assert refused.exit_code == 2
    mine_plainly(case.small.pipeline, train="due")  # what the command does, but for its server
    ((_, scored),) = case.commands(["predict"])
    assert scored.exit_code == 0, scored.output


def test_a_model_that_lost_its_test_takes_the_place_of_one_that_is_gone(
    mined: Mined, tmp_path: Path
) -> None:
    case = mined.copy(tmp_path / "case")
    current = read_registry(case.small.store).current
    assert current is not None
    assert current.partition == MINED[0]
    shutil.rmtree(case.root / current.artifact)
    mine_plainly(case.small.pipeline, train="due")
    after = read_registry(case.small.store).current
    assert after is not None
    assert after.partition == MINED[1]
    ((_, scored),) = case.commands(["predict"])
    assert scored.exit_code == 0, scored.output
