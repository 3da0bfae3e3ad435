"""From a result back to the files that its rows came from."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from support.small_root import SmallRoot, row

from fusemine.tasks.core.errors import ArtifactError, SettingsError
from fusemine.tasks.core.key import file_digest
from fusemine.tasks.core.storage.artifact import locate, read_manifest
from fusemine.tasks.graph import GRAPH
from fusemine.tasks.upkeep.lineage import Lineage, State, lines, trace

DAYS = ["2024-01-05", "2024-02-05", "2024-03-05"]


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory) -> SmallRoot:
    """Three partitions from three files, and reports on the last two."""
    made = SmallRoot(tmp_path_factory.mktemp("mined"))
    for month, day in enumerate(DAYS, start=1):
        made.source = f"{month}.csv"
        made.write(row(10 * month, day), row(10 * month + 1, day))
    made.run("2024-02", "2024-03")
    return made


@pytest.fixture
def small(mined: SmallRoot, tmp_path: Path) -> SmallRoot:
    return mined.copy(tmp_path / "small")


def report(small: SmallRoot, partition: str = "2024-03") -> Path:
    [ref] = small.refs(f"report/{partition}")
    return Path(locate(ref, "report.html"))


def traced(small: SmallRoot, partition: str = "2024-03", base: Path | None = None) -> Lineage:
    """The lineage of a report."""
    return trace(report(small, partition), GRAPH, base)


def test_a_report_leads_back_to_every_artifact_and_file(small: SmallRoot) -> None:
    found = traced(small)
    assert found.start == "/".join(report(small).parts[-4:-1])
    assert Counter(node.stage for node in found.nodes.values()) == {
        "inventory": 1, "collect": 3, "clean": 3, "embed": 3, "topic_chain": 3, "fuse": 1,
        "classify": 1, "topics": 1, "anomalies": 1, "report": 1,
    }  # fmt: skip
    hashes = {f"{n}.csv": file_digest(small.folder / f"{n}.csv") for n in (1, 2, 3)}
    assert {file.name: file.sha256 for file in found.sources} == hashes
    assert {node.state for node in found.nodes.values()} == {State.INTACT}


def test_a_report_on_the_past_has_no_later_rows_in_it(small: SmallRoot) -> None:
    found = traced(small, "2024-02")
    assert [file.name for file in found.sources] == ["1.csv", "2.csv"]
    assert not [name for name in found.nodes if "2024-03" in name]


def test_an_artifact_has_what_its_manifest_holds(small: SmallRoot) -> None:
    [ref] = small.refs("collect/2024-02")
    manifest = read_manifest(ref)
    node = traced(small).nodes[ref.name]
    assert (node.stage, node.partition, node.key) == ("collect", "2024-02", manifest.key)
    assert (node.rows, node.created_at) == (2, manifest.created_at)
    assert (node.inputs, node.sources) == ((), manifest.sources)


def test_any_file_of_an_artifact_and_its_folder_mean_the_artifact(
    small: SmallRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = report(small).parent
    found = trace(folder, GRAPH)
    assert trace(next(folder.glob("part-*.parquet")), GRAPH) == found
    assert trace(folder / "manifest.json", GRAPH) == found
    monkeypatch.chdir(folder)
    assert trace(Path(report(small).name), GRAPH) == found == trace(Path(), GRAPH)
    monkeypatch.chdir(small.folder)
    assert trace(folder.relative_to(small.folder), GRAPH) == found


def test_the_newest_report_is_that_of_the_newest_partition(small: SmallRoot) -> None:
    small.run("2024-02")
    assert trace(small.root / "report/latest.html", GRAPH) == traced(small)


def test_a_lineage_begins_anywhere(small: SmallRoot) -> None:
    [raw] = small.root.glob("collect/2024-01/*")
    found = trace(raw, GRAPH)
    assert list(found.nodes) == [found.start]
    [line, source] = lines(found)
    assert line.startswith("collect: 2024-01, 2 rows, made 20")
    assert source == f"  source: 1.csv sha256 {file_digest(small.folder / '1.csv')[:8]}…"


def test_people_see_one_line_for_each_stage(small: SmallRoot) -> None:
    shown = lines(traced(small))
    assert [line.split(",")[0] for line in shown[:-1]] == [
        "report: 2024-03",
        "  inventory: all",
        "  classify: 2024-03",
        "  topics: 2024-03",
        "  anomalies: 2024-03",
        "    topic_chain: 3 partitions",
        "    fuse: 2024-03",
        "      embed: 3 partitions",
        "        clean: 3 partitions",
        "          collect: 3 partitions",
    ]
    assert shown[8] == "        clean: 3 partitions, 2024-01 to 2024-03, 6 rows"
    sha = file_digest(small.folder / "1.csv")[:8]
    assert shown[-1] == f"            source: 1.csv sha256 {sha}… and 2 more"


def test_an_input_that_is_gone_is_named(small: SmallRoot) -> None:
    [clean] = small.root.glob("clean/2024-02/*")
    shutil.rmtree(clean)
    found = traced(small)
    name = f"clean/2024-02/{clean.name}"
    assert (found.nodes[name].state, found.nodes[name].rows) == (State.GONE, None)
    [line] = [line for line in lines(found) if "clean" in line]
    assert line.strip() == f"clean: 3 partitions, 2024-01 to 2024-03, 4 rows; gone: {name}"


def test_an_artifact_that_was_changed_is_named(small: SmallRoot) -> None:
    for ref in small.refs("embed/*"):
        with Path(locate(ref, "part-00000.parquet")).open("ab") as file:
            file.write(b"x")
    found = traced(small)
    assert [n.stage for n in found.nodes.values() if n.state is State.CHANGED] == ["embed"] * 3
    [line] = [line for line in lines(found) if "embed: 3" in line]
    assert line.endswith(" and 2 more")
    assert "; changed since: embed/2024-01/" in line


def test_a_source_file_that_changed_or_went_away_is_named(small: SmallRoot) -> None:
    kept = traced(small, base=small.folder)
    assert {file.state for file in kept.sources} == {State.INTACT}
    with (small.folder / "2.csv").open("a") as file:
        file.write("more\n")
    (small.folder / "3.csv").unlink()
    found = traced(small, base=small.folder)
    states = [(file.name, file.state) for file in found.sources]
    assert states == [("1.csv", "intact"), ("2.csv", "changed since"), ("3.csv", "gone")]
    assert lines(found)[-1].endswith(" and 2 more; changed since: 2.csv; gone: 3.csv")
    assert {file.state for file in traced(small).sources} == {None}


def test_a_file_that_was_read_in_two_states_is_named_with_both(small: SmallRoot) -> None:
    before = file_digest(small.folder / "3.csv")
    small.source = "3.csv"
    small.write(row(30, DAYS[2]), row(31, DAYS[2]), row(40, "2024-04-01"))
    small.run("2024-04")
    found = [f.sha256 for f in traced(small, "2024-04").sources if f.name == "3.csv"]
    assert sorted(found) == sorted([before, file_digest(small.folder / "3.csv")])


def test_a_root_can_be_moved(small: SmallRoot) -> None:
    before = traced(small)
    small.root.rename(small.folder / "moved")
    [moved] = small.folder.glob("moved/report/2024-03/*/report.*.html")
    assert trace(moved, GRAPH) == before


def test_programs_get_the_same_as_people(small: SmallRoot) -> None:
    found = traced(small, base=small.folder)
    plain = json.loads(json.dumps(found.as_json()))
    assert plain["start"] == found.start
    assert set(plain["artifacts"]) == set(found.nodes)
    node = plain["artifacts"][found.start]
    assert (node["rows"], node["state"], node["stage"]) == (6, "intact", "report")
    assert node["created_at"].endswith("+00:00")
    assert plain["sources"][0]["state"] == "intact"


ROOT = "artifacts/small"
NONE = ".", "none", "1.csv", ROOT, f"{ROOT}/clean", f"{ROOT}/clean/2024-01"


@pytest.mark.parametrize("name", [*NONE, "copy", f"{ROOT}/report/latest.html"])
def test_what_is_no_artifact_in_its_place_is_refused(small: SmallRoot, name: str) -> None:
    shutil.copytree(report(small).parent, small.folder / "copy")
    shutil.rmtree(small.root / "latest")
    with pytest.raises(SettingsError, match="which is no"):
        trace(small.folder / name, GRAPH)


def test_a_newest_record_that_cannot_be_read_is_an_error(small: SmallRoot) -> None:
    (small.root / "latest/2024-03.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"2024-03\.json"):
        trace(small.root / "report/latest.html", GRAPH)
