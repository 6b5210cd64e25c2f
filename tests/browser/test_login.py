"""A server with a login: two people with different roles, in front of a provider that really signs its tokens."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from codetracer_core.store import Store
from tests.browser.conftest import WAIT, Dashboard, cli, write_run
from tests.browser.steps import press, received, see_in_store, see_saved, see_step
from tests.provider import running_provider

pytestmark = pytest.mark.browser

ANN, RITA, EVE = "ann@example.org", "rita@example.org", "eve@example.org"
PEOPLE = {
    "Ann": {"email": "Ann@Example.org", "email_verified": True},
    "Rita": {"email": RITA, "email_verified": True},
    "Eve": {"email": EVE, "email_verified": True},
    "Mallory": {"email": ANN, "email_verified": False},
}
ROLES = f"""
[people]
"{ANN}" = ["annotator"]
"{RITA}" = ["reader"]
"""


@pytest.fixture(scope="module")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    folder = tmp_path_factory.mktemp("login")
    write_run(folder / "runs" / "secret-run", 20, 1_000, name="secret-run")
    dashboard = Dashboard(folder / "workspace")
    imported = cli("import", str(folder / "runs"), "--json", workspace=dashboard.workspace)
    dashboard.runs = {"secret-run": json.loads(imported.stdout)["items"][0]["run_id"]}
    (dashboard.workspace / "people.toml").write_text(ROLES)
    with running_provider(PEOPLE) as provider:
        (folder / "secrets.toml").write_text(provider.secrets_toml(dashboard.url))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("STREAMLIT_SECRETS_FILES", str(folder / "secrets.toml"))
            dashboard.start()
        yield dashboard
        dashboard.kill()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(WAIT)
    yield context.new_page()
    context.close()


def log_in(page: Page, name: str) -> None:
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name=name).click()


def log_out(page: Page) -> None:
    """By way of the server's redirects, which take their time; the page says so before them, while it is being left."""
    with page.expect_event("load"):
        page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


def labels(server: Dashboard) -> list[tuple[str, int | None, object]]:
    """Who said what, as the snapshot of the running dashboard has it."""
    with Store.open_for_reading(server.workspace) as reader:
        found = reader.labels(source="human")
    return [(one.annotator, one.step_id, one.value) for one in found if one.field == "verdict"]


def wait_for_labels(page: Page, server: Dashboard, count: int) -> list[tuple[str, int | None, object]]:
    return see_in_store(page, lambda: labels(server), lambda found: len(found) >= count)


def test_before_the_login_nothing_is_shown(page: Page, server: Dashboard) -> None:
    heard = received(page)
    page.context.add_cookies([{"name": "codetracer_annotator", "value": ANN, "url": server.url}])
    for address in ("", "/settings", f"/trajectory?traj={server.runs['secret-run']}&step=3"):
        page.goto(f"{server.url}{address}")
        expect(page.get_by_role("button", name="Log in")).to_be_visible()
        expect(page.get_by_text("Library")).to_have_count(0)
    assert heard
    assert [secret for secret in (b"secret-run", b"outline", ANN.encode()) if secret in heard] == []


def test_the_link_to_a_step_is_kept_through_the_login(page: Page, server: Dashboard) -> None:
    heard = received(page)
    page.goto(f"{server.url}/trajectory?traj={server.runs['secret-run']}&step=7")
    log_in(page, "Ann")
    see_step(page, 7)
    expect(page.locator(".who")).to_have_text(f"as {ANN}")
    assert b"secret-run" in heard
    press(page, "2")
    see_saved(page)
    assert (ANN, 7, "incorrect") in wait_for_labels(page, server, 1)
    page.goto(server.url)
    expect(page.locator(".table")).to_be_visible()
    expect(page.get_by_text("Import runs")).to_have_count(0)


def test_a_reader_reads_and_what_they_label_is_not_stored(page: Page, server: Dashboard) -> None:
    page.goto(f"{server.url}/trajectory?traj={server.runs['secret-run']}&step=2")
    log_in(page, "Rita")
    see_step(page, 2)
    press(page, "1")
    expect(page.locator(".saved")).to_contain_text("role of an annotator")
    # Whatever is in this browser, even under the name of somebody with the role: as a tab that was tampered with.
    forged = {"sequence": 1, "run": server.runs["secret-run"], "step": 2, "field": "verdict", "value": "unuseful"}
    forged["at"] = "2026-01-01T00:00:00.000Z"
    ops = [forged | {"annotator": RITA}, forged | {"annotator": ANN, "sequence": 2, "step": 3}]
    batches = [{"client": "forged", "ops": ops}]
    message = {"run": server.runs["secret-run"], "annotator": ANN, "attempt": 1, "batches": batches}
    page.evaluate("message => window.codetracerPipes.outbox.send(message)", message)
    page.wait_for_function("() => window.codetracerPipes.outbox.last.acknowledged.forged === 2")
    answer = page.evaluate("() => window.codetracerPipes.outbox.last")
    assert answer["annotator"] == RITA
    assert [words.partition(": ")[2] for words in answer["refused"]] == [
        f"'{RITA}' does not have the role annotator or lead",
        f"it is by '{ANN}', who is not logged in here",
    ]
    page.wait_for_timeout(2_000)  # what had been stored would be in the snapshot by now
    assert not [one for one in labels(server) if one[1] in (2, 3)]


def test_a_cookie_with_a_name_is_without_effect(page: Page, server: Dashboard) -> None:
    page.context.add_cookies([{"name": "codetracer_annotator", "value": ANN, "url": server.url}])
    page.goto(f"{server.url}/settings")
    log_in(page, "Rita")
    expect(page.get_by_text(f"Logged in as {RITA}")).to_be_visible()
    expect(page.get_by_text("Your roles: reader")).to_be_visible()


def test_logging_out_closes_the_door(page: Page, server: Dashboard) -> None:
    page.goto(f"{server.url}/settings")
    log_in(page, "Rita")
    log_out(page)
    page.goto(server.url)
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


def test_somebody_without_a_role_is_told_so(page: Page, server: Dashboard) -> None:
    heard = received(page)
    page.goto(server.url)
    log_in(page, "Eve")
    expect(page.get_by_text(f"which {EVE} does not have")).to_be_visible()
    expect(page.get_by_role("link", name="Trajectory")).to_have_count(0)
    page.goto(f"{server.url}/trajectory?traj={server.runs['secret-run']}&step=3")
    expect(page.get_by_text(f"which {EVE} does not have")).to_be_visible()
    expect(page.get_by_text("Page not found")).to_have_count(0)
    page.get_by_role("link", name="Who you are here").click()
    expect(page.get_by_text("You have no role here yet")).to_be_visible()
    assert [secret for secret in (b"outline", b"observation") if secret in heard] == []


def test_a_role_that_is_taken_away_is_gone_at_once(page: Page, server: Dashboard) -> None:
    page.goto(f"{server.url}/trajectory?traj={server.runs['secret-run']}&step=11")
    log_in(page, "Ann")
    see_step(page, 11)
    people = server.workspace / "people.toml"
    people.write_text(ROLES.replace("annotator", "reader"))
    try:
        press(page, "2")
        expect(page.locator(".saved")).to_contain_text("does not have the role")
    finally:
        people.write_text(ROLES)
    assert 11 not in [step for _, step, _ in labels(server)]


def test_labels_that_wait_in_a_browser_are_sent_by_their_author_alone(page: Page, server: Dashboard) -> None:
    run = server.runs["secret-run"]
    op = {"sequence": 1, "run": run, "step": 15, "field": "verdict", "value": "incorrect", "annotator": ANN}
    page.goto(server.url)
    page.evaluate(
        "ops => localStorage.setItem('codetracer.outbox.closed-tab', JSON.stringify(ops))",
        [op | {"at": "2026-01-01T00:00:00.000Z"}],
    )
    log_in(page, "Rita")
    expect(page.locator(".table")).to_be_visible()
    page.goto(f"{server.url}/trajectory?traj={run}&step=15")
    see_step(page, 15)
    see_saved(page)
    assert page.evaluate("localStorage.getItem('codetracer.outbox.closed-tab')") is not None
    page.goto(f"{server.url}/settings")
    log_out(page)
    page.goto(f"{server.url}/trajectory?traj={run}&step=15")
    log_in(page, "Ann")
    see_step(page, 15)
    page.wait_for_function("() => localStorage.getItem('codetracer.outbox.closed-tab') === null")
    expect(page.locator("#step-15 .dot.incorrect")).to_be_visible()


def test_an_address_that_is_not_vouched_for_is_nobody(page: Page, server: Dashboard) -> None:
    page.goto(server.url)
    log_in(page, "Mallory")
    expect(page.get_by_text("does not vouch for an e-mail address")).to_be_visible()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def test_a_login_cookie_that_somebody_made_up_is_nobody(page: Page, server: Dashboard) -> None:
    page.goto(server.url)
    log_in(page, "Ann")
    expect(page.locator(".table")).to_be_visible()
    (cookie,) = [one for one in page.context.cookies() if one["name"] == "_streamlit_user"]
    page.context.clear_cookies(name="_streamlit_user")
    value = str(cookie["value"])
    page.context.add_cookies([{"name": "_streamlit_user", "value": value[:-3] + "AAA", "url": server.url}])
    page.reload()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


def test_secrets_stay_secret(server: Dashboard) -> None:
    folder = server.workspace.parent
    secret = "a-secret-of-the-tests"
    assert secret in (folder / "secrets.toml").read_text()
    kept: list[Path] = [path for path in [folder / "dashboard.log", *server.workspace.rglob("*")] if path.is_file()]
    assert not [path for path in kept if secret.encode() in path.read_bytes()]
