"""What a person feels: key press to next step visible, verdict key to "saved", opening a run; 1 and 8 people.

A step counts as visible in the animation frame after its header and its text are in the page; a label as saved when
the server has acknowledged it, which it does after it is durable.
"""

import asyncio
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from codetracer_core.store import Store
from tests.browser.conftest import CHROMIUM, FLAGS, Dashboard, cli, write_run

RUNS = {
    "300 × 20 kB": (300, 20_000),
    "1,000 × 2 kB": (1_000, 2_000),
    "666 × 10 kB": (666, 10_000),
    "60 × 1 MB": (60, 1_000_000),
}
PRESSES, LABELS, PEOPLE = 60, 30, 8
PACE = 0.3
"""Seconds between the presses of each of the people who work at once: one who reads, faster than most."""

# Runs before the page's own scripts, so that its clock starts before the viewer hears of the key.
CLOCK = """
window.benchPressed = { step: 0, label: 0 };
window.addEventListener(
  "keydown", ({ key }) => (window.benchPressed[key === "j" ? "step" : "label"] = performance.now()), true
);
"""
PROBE = """
() => {
  const viewer = [...document.querySelectorAll("*")].map((e) => e.shadowRoot?.querySelector(".viewer")).find(Boolean);
  const times = (window.benchTimes = { step: [], label: [] });
  const pressed = window.benchPressed;
  const seen = (what) => {
    const from = pressed[what];
    pressed[what] = 0;
    if (from) requestAnimationFrame(() => times[what].push(performance.now() - from));
  };
  new MutationObserver((changes) => {
    for (const { attributeName } of changes) {
      if (attributeName === "data-shown" && viewer.dataset.shown) seen("step");
      if (attributeName === "data-waiting" && viewer.dataset.waiting === "0") seen("label");
    }
  }).observe(viewer, { attributes: true });
}
"""


def main() -> None:
    if CHROMIUM is None:
        print("  no Chromium on this machine")
        return
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        for number, (steps, size) in enumerate(RUNS.values()):
            write_run(runs / f"run-{number}", steps, size, name=f"run {number}")
        workspace = Path(folder) / "workspace"
        imported = cli("import", str(runs), workspace=workspace)
        if imported.returncode:
            raise SystemExit(imported.stderr)
        with Store.open(workspace) as store:
            of_count = {run.step_count: run.run_id for run in store.runs()}
        ids = {title: of_count[steps] for title, (steps, _) in RUNS.items()}
        dashboard = Dashboard(workspace)
        dashboard.start()
        try:
            asyncio.run(_measure(dashboard, ids))
        finally:
            dashboard.kill()


async def _measure(dashboard: Dashboard, ids: dict[str, str]) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        await (await _open(browser, dashboard, ids["300 × 20 kB"]))[0].close()  # warm up server and caches
        for title, run_id in ids.items():
            page, seconds = await _open(browser, dashboard, run_id)
            times = await _press(page, "j", "step", min(PRESSES, RUNS[title][0] - 1))
            warm = await _see_first_step(page, dashboard, run_id)
            print(f"  {title}: opens in {seconds:.2f} s in a new browser, {warm:.2f} s warm; step {summary(times)}")
            await page.close()
        page, _ = await _open(browser, dashboard, ids["300 × 20 kB"])
        print(f"  one label, unhurried: {summary(await _press(page, '1', 'label', LABELS, alternate='2'))}")
        await page.close()
        opened = await asyncio.gather(*(_open(browser, dashboard, ids["300 × 20 kB"]) for _ in range(PEOPLE)))
        gathered = await asyncio.gather(*(_press(page, "j", "step", PRESSES, pace=PACE) for page, _ in opened))
        print(f"  {PEOPLE} people at once, 300 × 20 kB: step {summary([time for times in gathered for time in times])}")
        gathered = await asyncio.gather(
            *(_press(page, "1", "label", 10, alternate="2", pace=PACE) for page, _ in opened)
        )
        print(f"  {PEOPLE} people at once: label {summary([time for times in gathered for time in times])}")
        print(f"  memory of the server: {memory(dashboard):.0f} MB")
        await browser.close()


async def _open(browser: Browser, dashboard: Dashboard, run_id: str) -> tuple[Page, float]:
    """A fresh browser profile on a run; returns the page and the seconds until its first step can be read."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    cookie = {"name": "codetracer_annotator", "value": "bench", "url": dashboard.url}
    await context.add_cookies([cookie])  # type: ignore[list-item]
    await context.add_init_script(CLOCK)
    page = await context.new_page()
    seconds = await _see_first_step(page, dashboard, run_id)
    await page.wait_for_timeout(800)
    await page.evaluate(PROBE)
    return page, seconds


async def _see_first_step(page: Page, dashboard: Dashboard, run_id: str) -> float:
    started = time.perf_counter()
    await page.goto(f"{dashboard.url}/trajectory?traj={run_id}&step=1")
    await page.wait_for_selector('.viewer[data-shown="1"]', timeout=60_000)
    return time.perf_counter() - started


async def _press(page: Page, key: str, what: str, count: int, *, alternate: str = "", pace: float = 0.0) -> list[float]:
    """Presses a key again ``pace`` seconds after the effect of the last press is there; returns the times in ms."""
    for number in range(1, count + 1):
        await page.keyboard.press(alternate if alternate and number % 2 else key)
        await page.wait_for_function(f"window.benchTimes.{what}.length >= {number}", timeout=60_000)
        await asyncio.sleep(pace)
    times: list[float] = await page.evaluate(f"window.benchTimes.{what}")
    return times


def summary(times: list[float]) -> str:
    ordered = sorted(times)
    p90 = ordered[int(0.9 * (len(ordered) - 1))]
    return f"median {statistics.median(ordered):.0f} ms, p90 {p90:.0f} ms, max {ordered[-1]:.0f} ms (n={len(ordered)})"


def memory(dashboard: Dashboard) -> float:
    """Resident memory of the server's process group, in MB."""
    assert dashboard.process is not None
    group = str(os.getpgid(dashboard.process.pid))
    listed = subprocess.run(["ps", "-o", "rss=", "-g", group], capture_output=True, text=True, check=True)
    return sum(map(int, listed.stdout.split())) / 1024
