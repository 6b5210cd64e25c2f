"""The page Evaluate in a real browser: from nothing to a leaderboard, the steps behind it, and back; loading files."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from codetracer_core.evaluation_files import kept_files
from codetracer_core.store import Store, Workspace
from tests.browser.conftest import Dashboard, cli
from tests.browser.steps import person, received, see_in_store, see_standing, see_step
from tests.conftest import SAMPLE_DATA

pytestmark = pytest.mark.browser

SAMPLES = {"truth": "Sample manifest", "systems": ["careful (sample predictions)", "eager (sample predictions)"]}
HOSTILE = "<img src=x onerror=document.title='owned'>"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Dashboard]:
    """Eve leads, Rita reads; the sample runs lie in the workspace."""
    served = Dashboard(tmp_path_factory.mktemp("evaluate") / "workspace")
    imported = cli("import", str(SAMPLE_DATA), workspace=served.workspace)
    assert imported.returncode == 0, imported.stderr
    (served.workspace / "people.toml").write_text('[people]\neve = ["lead"]\nrita = ["reader"]\n')
    served.start()
    yield served
    served.kill()


def opened(browser: Browser, office: Dashboard, who: str, **asked: str | list[str]) -> Page:
    page = person(browser, office, who).new_page()
    page.goto(f"{office.url}/evaluate?{urlencode(asked, doseq=True)}")
    expect(page.get_by_text("Leaderboard", exact=True)).to_be_visible()
    see_standing(page)
    return page


def part(page: Page, name: str) -> None:
    page.get_by_test_id("stButtonGroup").get_by_role("radio", name=name, exact=True).click()


def table(page: Page, key: str) -> dict[str, list[str]]:
    """The cells of each row of one of our tables, by the text of the first one."""
    shown = page.locator(f".st-key-{key} .row")
    expect(shown.first).to_be_visible()
    see_standing(page)
    rows = [
        [cell.inner_text().replace("\n", " ").strip() for cell in row.locator(".cell").all()] for row in shown.all()
    ]
    return {cells[0].removesuffix("?").strip(): cells[1:] for cells in rows}


def test_from_the_first_visit_to_a_missed_step_and_back(browser: Browser, office: Dashboard) -> None:
    page = opened(browser, office, "rita")
    page.get_by_role("button", name="Try it with the sample predictions").click()
    expect(page.get_by_text("careful (sample)", exact=True).first).to_be_visible()
    manifest = SAMPLE_DATA / "manifest.jsonl"
    files = [f"--predictions={SAMPLE_DATA / 'predictions' / f'careful.rep{number}.jsonl'}" for number in (0, 1)]
    told = cli("evaluate", f"--manifest={manifest}", *files, "--json", workspace=office.workspace)
    assert told.returncode == 0, told.stderr
    expected = json.loads(told.stdout)
    shown = table(page, "leaderboard")
    assert shown["careful (sample)"][0].split()[0] == f"{expected['positive_only']['f1']:.3f}"
    assert "Baseline: the second half" in shown

    page.locator(".st-key-leaderboard .row", has_text="eager (sample)").locator(".pick").nth(1).click()
    expect(page.get_by_role("combobox", name="System", exact=True)).to_have_value("eager (sample)")
    expect(page.get_by_text(re.compile("incorrect steps? that it did not name"))).to_be_visible()
    part(page, "Leaderboard")

    page.get_by_role("combobox", name=re.compile("Convention")).click()
    page.get_by_role("option", name="Mean over all runs (published)").click()
    expect(page.get_by_text("all_row_f1", exact=True)).to_be_visible()
    assert table(page, "leaderboard")["careful (sample)"][0].split()[0] == f"{expected['all_row_f1']:.3f}"

    part(page, "Misses and false accusations")
    link = page.locator(".st-key-steps_behind a").first
    expect(link).to_be_visible()
    page.reload()  # what was chosen stands in the address
    expect(link).to_be_visible()
    asked = parse_qs(urlsplit(page.url).query)
    assert asked["systems"] == SAMPLES["systems"]
    step, _, of = link.inner_text().partition(" of ")
    link.click()
    see_step(page, int(step))
    expect(page.locator(".viewer")).to_contain_text(f"of {of}")
    expect(page.get_by_text("ground truth: incorrect")).to_be_visible()
    expect(page.get_by_text("Misses of eager (sample)")).to_be_visible()

    def exposed() -> set[str]:
        with Store.open_for_reading(office.workspace) as store:
            return {what for _, what in store.shown_to("rita")}

    see_in_store(page, exposed, lambda seen: {"ground_truth", "model"} <= seen)
    page.get_by_role("link", name="Back to Evaluate").click()
    expect(link).to_be_visible()
    assert parse_qs(urlsplit(page.url).query)["systems"] == SAMPLES["systems"]


def test_what_a_lead_loads_stays_and_hostile_names_are_only_text(
    browser: Browser, office: Dashboard, tmp_path: Path
) -> None:
    labelled = {"step_id": 2, "labels": ["incorrect"], "action_ref": {"content": f"{HOSTILE} echo"}}
    stage = {"stage_id": 1, "incorrect_step_ids": [2], "unuseful_step_ids": [], "steps": [labelled]}
    row = {"task_name": f"{HOSTILE}![b](x)", "agent": HOSTILE, "step_count": 4, "solved": False}
    rows = [row | {"traj_id": f"{HOSTILE}{number}", "incorrect_stages": [stage]} for number in (1, 2)]
    (tmp_path / "manifest.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    answer = {"traj_id": rows[0]["traj_id"], "labels": [{"stage_id": 1, "incorrect_step_ids": [2, 9]}]}
    (tmp_path / "answers.jsonl").write_text(f"{json.dumps(answer)}\nno JSON\n")

    page = opened(browser, office, "eve")
    page.get_by_text("Load a manifest or predictions").click()
    for number, (name, file) in enumerate([("mine", "manifest.jsonl"), ("my-model", "answers.jsonl")]):
        page.get_by_label("Name", exact=True).nth(number).fill(name)
        page.locator('input[type="file"]').nth(number).set_input_files(tmp_path / file)
        expect(page.get_by_text(file, exact=True)).to_be_visible()
        page.get_by_role("button", name="Load", exact=True).nth(number).click()
        expect(page.get_by_text(re.compile(rf"^{name} \(.*can be chosen above"))).to_be_visible()

    chosen = {"truth": "Manifest mine", "systems": ["my-model (loaded, 1 repetition)"]}
    reader = person(browser, office, "rita").new_page()
    heard = received(reader)
    reader.goto(f"{office.url}/evaluate?{urlencode(chosen, doseq=True)}")
    expect(reader.get_by_text("1 line or row is left out; the rest counts")).to_be_visible()
    assert table(reader, "leaderboard")["my-model"][:4] == ["0.500 ?", "0.500", "0.500", "2, 1 missing"]
    expect(reader.get_by_text("step numbers that the run does not have were dropped")).to_be_visible()
    for name in ("Slices", "Two systems", "Misses and false accusations"):
        part(reader, name)
        expect(reader.get_by_text(HOSTILE).first).to_be_visible()
    expect(reader.locator("img[src='x']")).to_have_count(0)
    assert reader.title() != "owned"
    assert str(office.workspace).encode() not in heard
    expect(reader.get_by_text("Load a manifest or predictions")).to_have_count(0)

    removing = page.get_by_role("button", name="Remove", exact=True)
    expect(removing).to_have_count(2)
    for left in (1, 0):
        removing.first.click()
        expect(removing).to_have_count(left)
        expect(page.get_by_text(re.compile("is removed"))).to_be_visible()
        see_standing(page)
    workspace = Workspace(office.workspace)
    see_in_store(
        page, lambda: [*kept_files(workspace, "manifest"), *kept_files(workspace, "predictions")], lambda kept: not kept
    )


def test_at_1280_neither_names_of_rules_nor_numbers_are_cut(browser: Browser, office: Dashboard) -> None:
    page = opened(browser, office, "rita", **SAMPLES)
    page.set_viewport_size({"width": 1280, "height": 1600})
    part(page, "Place in the run")
    rule = page.locator(".numbers .row .words", has_text="the last step but one").last
    expect(rule).to_be_visible()
    is_cut = "word => word.scrollWidth > word.clientWidth"
    assert not rule.evaluate(is_cut)
    numbers = page.locator(".numbers .row .cell:not(:first-child) .words")
    assert numbers.count() > 20
    assert [word.inner_text() for word in numbers.all() if word.evaluate(is_cut)] == []


def test_what_is_chosen_of_one_evaluation_does_not_break_another(browser: Browser, office: Dashboard) -> None:
    page = opened(browser, office, "rita", **SAMPLES)
    part(page, "Slices")
    expect(page.get_by_text("eager (sample)", exact=True).first).to_be_visible()
    page.get_by_role("button", name=re.compile("Remove eager|Delete eager")).or_(
        page.locator('[data-baseweb="tag"]', has_text="eager (sample predictions)").locator("[role=presentation]")
    ).first.click()
    expect(page.locator(".st-key-slices .row").first).to_be_visible()
    expect(page.get_by_text("eager (sample)", exact=True)).to_have_count(0)
    for name in ("Two systems", "Place in the run", "Onset", "Near hits", "Clean runs", "Repetitions", "Files"):
        part(page, name)
        expect(page.get_by_test_id("stException")).to_have_count(0)
        expect(page.get_by_text("That is not possible.")).to_have_count(0)
