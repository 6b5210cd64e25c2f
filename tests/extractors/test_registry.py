"""The registry: versions in files that many may write, that may be broken, and that are shared."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from codetracer_core.errors import CodeTracerError, NotFound, SpecError
from codetracer_core.extractors import registry
from codetracer_core.extractors.fit_log import FitEntry, fits_of, log_fits
from codetracer_core.extractors.fits import Fit, drift, worst_of
from codetracer_core.extractors.registry import (
    active_versions,
    extractor_named,
    registered,
    removed,
    save,
    switched,
    version_of,
)
from codetracer_core.extractors.sharing import export_text, import_text
from codetracer_core.extractors.spec import read_spec
from codetracer_core.formats import formats_of
from codetracer_core.store import Workspace
from tests.extractors.unfamiliar import RELAY, TERN, UNFAMILIAR, relay


def test_saving_makes_the_next_version_which_reads_runs(tmp_path: Path) -> None:
    first = save(tmp_path, relay(), made_by="ana", folder=UNFAMILIAR / "relay")
    second = save(tmp_path, relay().model_copy(update={"title": "Relay, better"}), made_by="openai/x")
    assert (first.number, second.number) == (1, 2)
    (extractor,) = registered(tmp_path)
    assert [version.number for version in extractor.versions] == [1, 2]
    assert extractor.current == second
    assert extractor.versions[0] == first
    assert first.facts.fit is not None
    assert (first.facts.fit.steps, first.facts.fit.paired) == (9, 1.0)
    assert first.facts.fingerprint
    assert "turn-{n}/plan.txt" in first.facts.files[2]
    assert {check.name for check in first.facts.checks} >= {"steps", "coverage", "observations"}
    assert second.facts.fit is None
    assert (Workspace(tmp_path).extractors / "relay" / "v2.yaml").is_file()


def test_a_neighbour_that_is_read_badly_does_not_lower_what_is_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(UNFAMILIAR / "relay", tmp_path / "relay")
    newer = tmp_path / "relay-newer"
    shutil.copytree(UNFAMILIAR / "relay", newer)
    for output in newer.glob("*/turn-*/shell.txt"):
        output.rename(output.with_name("result.txt"))
    kept = save(tmp_path, relay(), made_by="ana", folder=Path("relay"))
    alone = save(tmp_path, relay(), made_by="ana", folder=UNFAMILIAR / "relay")
    assert kept.facts.fit == alone.facts.fit
    assert Path(kept.facts.origin) == tmp_path / "relay", "found again from anywhere"


def test_the_active_version_is_a_format_of_the_workspace(tmp_path: Path) -> None:
    def taught() -> list[tuple[str, str]]:
        return [(one.name, one.title) for one in formats_of(tmp_path) if one.is_taught]

    assert taught() == []
    save(tmp_path, relay(), made_by="ana")
    assert [name for name, _ in taught()] == ["relay"]
    save(tmp_path, relay().model_copy(update={"title": "Newer"}), made_by="ana")
    assert "Newer" in taught()[0][1]
    switched(tmp_path, "relay", 1)
    assert "Newer" not in taught()[0][1]
    switched(tmp_path, "relay", None)
    assert taught() == []
    assert version_of(tmp_path, "relay").number == 2, "switched off, the latest is shown"
    with pytest.raises(NotFound, match="no such version"):
        switched(tmp_path, "relay", 7)


def test_files_are_read_again_only_if_they_changed(tmp_path: Path) -> None:
    save(tmp_path, relay(), made_by="ana", folder=UNFAMILIAR / "relay")
    active_versions(tmp_path)
    before = registry._active.cache_info().misses
    log_fits(tmp_path, [("relay", FitEntry(at=datetime.now(UTC), version=1, path="x", fit=Fit(steps=1)))])
    assert [version.number for version in active_versions(tmp_path)] == [1]
    assert registry._active.cache_info().misses == before
    save(tmp_path, read_spec(TERN), made_by="ana")
    assert [version.name for version in active_versions(tmp_path)] == ["relay", "tern"]


def test_a_broken_file_is_told_by_name_and_stops_nothing_else(tmp_path: Path) -> None:
    save(tmp_path, relay(), made_by="ana")
    save(tmp_path, relay(), made_by="ana")
    save(tmp_path, read_spec(TERN), made_by="ana")
    home = tmp_path / "extractors" / "relay"
    (home / "v2.yaml").write_text("name: [")
    relay_, tern = registered(tmp_path)
    assert [version.number for version in relay_.versions] == [1]
    assert relay_.current is None
    assert str(home / "v2.yaml") in relay_.problems[0]
    assert tern.current is not None
    assert [version.name for version in active_versions(tmp_path)] == ["tern"]
    (home / "active.json").write_text("{")
    assert "active.json" in extractor_named(tmp_path, "relay").problems[1]
    (home / "v1.json").write_text(json.dumps({"made_by": 3}))
    assert len(extractor_named(tmp_path, "relay").problems) == 3
    (home / "v1.yaml").write_text(TERN)
    assert "calls itself 'tern'" in extractor_named(tmp_path, "relay").problems[0]
    assert save(tmp_path, relay(), made_by="ana").number == 3, "a number is never used twice"


def test_names_of_built_in_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="built-in format"):
        save(tmp_path, relay().model_copy(update={"name": "atif"}), made_by="ana")
    with pytest.raises(SpecError, match="built-in format"):
        import_text(tmp_path, RELAY.replace("name: relay", "name: terminus2", 1), made_by="ana")
    assert registered(tmp_path) == ()
    with pytest.raises(NotFound, match="no extractor"):
        extractor_named(tmp_path, "../../etc")


def test_many_may_save_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        saved = list(pool.map(lambda number: save(tmp_path, relay(), made_by=f"p{number}"), range(12)))
    assert sorted(version.number for version in saved) == list(range(1, 13))
    (extractor,) = registered(tmp_path)
    assert {version.facts.made_by for version in extractor.versions} == {f"p{number}" for number in range(12)}
    assert not extractor.problems


_SAVER = """
import sys
from pathlib import Path
from codetracer_core.extractors.registry import save
from codetracer_core.extractors.spec import read_spec
spec = read_spec(Path(sys.argv[1]).read_text())
print("ready", flush=True)
while True:
    save(Path(sys.argv[2]), spec, made_by="killed")
"""


def test_a_kill_leaves_no_half_written_version(tmp_path: Path) -> None:
    spec = UNFAMILIAR.parent / "extractors" / "relay.yaml"
    command = [sys.executable, "-c", _SAVER, str(spec), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        while not (tmp_path / "extractors" / "relay" / "v3.yaml").exists():
            assert process.poll() is None
        process.kill()
    (extractor,) = registered(tmp_path)
    assert not extractor.problems
    assert extractor.current is not None
    assert save(tmp_path, relay(), made_by="ana").number > len(extractor.versions)


def test_a_shared_file_carries_what_is_known_and_nothing_is_overwritten(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    made = save(mine, relay(), made_by="openai/x", folder=UNFAMILIAR / "relay")
    text = export_text(made)
    assert "# check coverage: passed" in text
    assert "# made " in text
    assert str(UNFAMILIAR) not in text
    taken = import_text(theirs, text, made_by="ana", path="/somewhere/relay.yaml")
    assert (taken.became, taken.version.number, taken.version.spec) == ("new", 1, made.spec)
    assert taken.version.facts.fit == made.facts.fit
    assert import_text(theirs, text, made_by="ana").became == "unchanged"
    other = import_text(theirs, text.replace("title: Relay", "title: Their relay"), made_by="bob")
    assert (other.became, other.version.number) == ("next version", 2)
    assert import_text(theirs, text, made_by="ana").version.number == 1
    assert version_of(theirs, "relay", 1).spec == made.spec
    for hostile in ("# fit: {}\n", '# fit: {"steps": -1}\n', '# fit: {"steps": "1e400"}\n'):
        assert import_text(tmp_path / "third", hostile + TERN, made_by="ana").version.facts.fit is None
    with pytest.raises(SpecError):
        import_text(theirs, "not: a spec", made_by="ana")


def test_the_log_of_fits_survives_a_cut_off_line(tmp_path: Path) -> None:
    save(tmp_path, relay(), made_by="ana")
    entry = FitEntry(at=datetime.now(UTC), version=1, path="x", fit=Fit(steps=3), drift=("less",))
    log_fits(tmp_path, [("relay", entry), ("gone", entry)])
    with (tmp_path / "extractors" / "relay" / "fits.jsonl").open("a") as log:
        log.write('{"at": "20')
    assert fits_of(tmp_path, "relay") == (entry,)
    log_fits(tmp_path, [("relay", entry)])
    assert fits_of(tmp_path, "relay") == (entry, entry), "a line after a cut one is not lost"
    assert fits_of(tmp_path, "gone") == ()


def test_what_came_from_a_file_is_measured_by_its_first_import(tmp_path: Path) -> None:
    taken = import_text(tmp_path, TERN, made_by="ana", path="tern.yaml").version
    assert taken.facts.fit is None

    def entry(covered: float, steps: int = 5, version: int = 1) -> tuple[str, FitEntry]:
        fit = Fit(steps=steps, covered=covered, uncovered_characters=round(10_000 * (1 - covered)))
        return "tern", FitEntry(at=datetime.now(UTC), version=version, path="x", fit=fit)

    log_fits(tmp_path, [entry(0.1, version=2), entry(0.0, steps=0)])  # of another version; nothing could be read
    assert version_of(tmp_path, "tern").facts.fit is None
    log_fits(tmp_path, [entry(0.9), entry(0.8), entry(0.0, steps=0)])
    (version,) = active_versions(tmp_path)
    assert (version.facts.fit and version.facts.fit.covered, version.facts.fit_of_import) == (0.8, True)
    assert drift(version.facts.fit, entry(0.3)[1].fit)
    log_fits(tmp_path, [entry(0.3)])
    assert version_of(tmp_path, "tern").facts == version.facts, "later imports are measured, and change nothing"
    made = save(tmp_path, relay(), made_by="ana", folder=UNFAMILIAR / "relay")
    log_fits(tmp_path, [("relay", FitEntry(at=datetime.now(UTC), version=1, path="x", fit=Fit(steps=1, covered=0.1)))])
    assert version_of(tmp_path, "relay").facts == made.facts, "it was accepted with runs"


def test_removing_forgets_all_versions(tmp_path: Path) -> None:
    save(tmp_path, relay(), made_by="ana")
    removed(tmp_path, "relay")
    assert registered(tmp_path) == ()
    assert list((tmp_path / "extractors").iterdir()) == []


def test_only_what_is_clearly_worse_is_drift() -> None:
    accepted = Fit(steps=10, covered=0.95, paired=1.0, unknown=0.0)
    assert drift(accepted, Fit(steps=4, covered=0.9, paired=0.95, unknown=0.05, unknown_records=3)) == ()
    assert drift(None, Fit(steps=1, covered=0.0)) == ()
    worse = Fit(steps=10, covered=0.5, paired=0.2, unknown=0.5, unknown_records=20, uncovered_characters=5_000)
    assert len(drift(accepted, worse)) == 3
    few = Fit(steps=10, covered=0.5, paired=1.0, unknown=0.5, unknown_records=1, uncovered_characters=50)
    assert drift(accepted, few) == ()
    assert drift(Fit(steps=10, covered=0.5, paired=None), worse) == ()
    talking = Fit(steps=10, covered=1.0, paired=None, messages=1.0, unknown=0.0)
    assert "100% of the steps only talk" in drift(accepted.model_copy(update={"messages": 0.1}), talking)[0]
    assert worst_of([accepted, worse]) == worse
    assert worst_of([]) is None


def test_a_workspace_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / registry.FOLDER).write_text("a file where the folder should be")
    with pytest.raises(CodeTracerError, match="cannot be made"):
        save(tmp_path, relay(), made_by="ana")


def test_a_number_of_thousands_of_digits_in_a_spec_is_refused_in_words() -> None:
    with pytest.raises(SpecError, match="version"):
        read_spec("version: " + ":".join(["1"] * 5_000))


def test_a_name_that_cannot_be_is_refused_with_what_a_name_is() -> None:
    with pytest.raises(SpecError, match=r"'round, and round' cannot stand here\. A name begins with a letter"):
        read_spec(RELAY.replace("- name: ", "- name: round, and round # ", 1))
    with pytest.raises(SpecError, match=r"'Re lay' cannot stand here\. Small letters"):
        read_spec(RELAY.replace("name: relay", "name: Re lay", 1))
