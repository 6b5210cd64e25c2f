"""A format that no parser knows becomes labelled steps in the browser, without anybody writing Python."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from codetracer_core.store import Store
from tests.browser.conftest import Dashboard
from tests.browser.steps import person, press, see_in_store, see_model_known, see_saved, see_standing, see_step
from tests.conftest import SAMPLE_DATA
from tests.model_server import Asked, Behaviour, ModelServer, calling
from tests.store.factory import decide, make_run

pytestmark = pytest.mark.browser

SPEC = (SAMPLE_DATA / "extractors" / "relay.yaml").read_text()
BROKEN = SPEC.replace("files: turn-*", "files: round-*").replace("- turn-*", "- round-*")


def script(asked: Asked) -> Behaviour:
    """Looks at a file, proposes a spec that reads nothing, then the right one."""
    answers = sum(message["role"] == "assistant" for message in asked.messages)
    if answers == 0:
        return calling("look", path="expired-tokens/relay.json")
    return calling("propose_extractor", spec=BROKEN if answers == 1 else SPEC)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(script) as server:
        yield server


@pytest.fixture
def office(
    tmp_path: Path, browser: Browser, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Dashboard]:
    """A dashboard with a run, two runs of an unfamiliar format beside it, and settings that name a model server."""
    monkeypatch.setenv("CODETRACER_MODEL", "openai/scripted")
    monkeypatch.setenv("CODETRACER_API_BASE", server.url)
    monkeypatch.setenv("CODETRACER_API_KEY", "sk-planted")
    shutil.copytree(SAMPLE_DATA / "unfamiliar" / "relay", tmp_path / "relay")
    running = Dashboard(tmp_path / "workspace")
    with Store.open(running.workspace) as store:
        run = make_run("seeded", 2)  # else the samples would be imported
        store.add_runs([run], decisions=[decide(run)])
    running.start()
    yield running
    running.kill()


@pytest.fixture
def ada(browser: Browser, office: Dashboard) -> Iterator[BrowserContext]:
    context = person(browser, office, "Ada")
    yield context
    context.close()


def see_previewed(page: Page, words: str) -> None:
    """The text as it stands has been read, and this came of it."""
    expect(page.locator(".bar .state")).to_contain_text(words)


def test_an_unfamiliar_format_goes_from_unknown_to_labelled_steps(
    ada: BrowserContext, office: Dashboard, server: ModelServer, tmp_path: Path
) -> None:
    page = ada.new_page()
    page.goto(office.url)
    expect(page.get_by_text("1 of 1 runs")).to_be_visible()
    see_standing(page)
    folder = page.get_by_label("Folder, file or archive on this machine")
    if not folder.is_visible():
        page.get_by_text("Import and export").click()
    folder.fill(str(tmp_path / "relay"))
    folder.press("Enter")
    expect(page.get_by_text("no run that any parser recognises").first).to_be_visible()
    page.get_by_role("link", name="Describe this format").click()

    expect(page.get_by_label("Folder or file on this machine, with one")).to_have_value(str(tmp_path / "relay"))
    see_model_known(page)
    page.get_by_role("button", name="Propose a spec").click()
    expect(page.locator(".log")).to_contain_text("proposal 1")
    page.get_by_role("button", name="Open the proposed spec").click()
    see_previewed(page, "11 steps · 100 % covered")
    assert len(server.requests) == 3

    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved as relay v1")).to_be_visible()
    page.get_by_role("button", name="Import the runs of this folder").click()
    expect(page.get_by_text("2 imported")).to_be_visible()
    page.get_by_role("link", name="Open the first run to label it").click()
    see_step(page, 1)
    press(page, "2")
    see_saved(page)

    def labelled() -> list[tuple[str, int]]:
        with Store.open_for_reading(office.workspace) as store:
            return [(run.format, run.human_labels) for run in store.runs() if run.human_labels]

    assert see_in_store(page, labelled, bool) == [("relay", 1)]
    assert len(server.requests) == 3  # the model was asked for the spec, and for nothing else


def test_editor_preview_and_raw_file_tell_of_one_another_and_a_hostile_spec_is_refused(
    ada: BrowserContext, office: Dashboard, tmp_path: Path
) -> None:
    page = ada.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{office.url}/extractors?new=1&folder={tmp_path / 'relay'}")
    field = page.get_by_label("Extractor spec as YAML")
    expect(page.locator(".problem")).to_contain_text("recognises no run")
    field.fill(SPEC)
    see_previewed(page, "11 steps · 100 % covered")

    page.locator(".card").nth(1).click()
    expect(page.locator(".rawhead select")).to_have_value("turn-2/request.json")
    expect(page.locator(".rawline.of-step .chip").first).to_have_text("2 action")
    page.locator(".rawhead select").select_option("turn-3/request.json")
    page.locator(".rawline.action").click()
    expect(page.locator(".card.chosen .number")).to_have_text("3")
    expect(page.locator(".fate")).to_contain_text("action of step 3")

    hostile = {
        "a: &a [x]\nb: [*a, *a]\n": "line 2: a spec cannot refer to another part",
        SPEC.replace("files: relay.json", "files: ../../../etc/passwd", 1): "does not leave the folder",
        SPEC.replace('"harness":', r"(a|a)*\1"): "for ever",
        "name: [" * 3_000: "60 levels deep at most",
        SPEC + 'run: <img src=x onerror="window.hacked=1">![x](http://127.0.0.1:9/beacon)\n': "no field 'run'",
    }
    for text, words in hostile.items():
        field.fill(text)
        field.press("Control+Enter")
        expect(page.locator(".workbench")).to_have_class("workbench stale")
        see_previewed(page, "The spec cannot be used")
        expect(page.locator(".problem")).to_contain_text(words)
        expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()
        expect(page.locator(".card").first).to_be_visible()  # what the last good one made of it stays
    assert page.evaluate("window.hacked") is None
    assert not [url for url in asked if "127.0.0.1:9/" in url]

    wrong = SPEC.replace("sources:", "sorces:")
    field.fill(wrong)
    line = wrong.split("\n").index("sorces:") + 1
    expect(page.locator(".numbers .wrong")).to_have_text(str(line))
    page.reload()
    expect(field).to_have_value(wrong)  # not saved, and not lost
    expect(page.locator(".bar .state")).to_contain_text("unsaved changes")
    field.fill(SPEC)
    see_previewed(page, "11 steps · 100 % covered")
