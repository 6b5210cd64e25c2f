"""The self-contained page of one run: complete, inert, and with no more than was asked for."""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from codetracer_core.discovery import locate
from codetracer_core.errors import NotFound
from codetracer_core.exporting import export_page
from codetracer_core.importing import import_runs
from codetracer_core.models import LabelEvent, hash_of_quote
from codetracer_core.parsers import read_run
from codetracer_core.standalone import standalone_page
from codetracer_core.store import Store
from codetracer_core.tree import build_tree
from tests.conftest import SAMPLE_DATA

HOSTILE = SAMPLE_DATA / "mini-swe-agent" / "hostile-text"
LABELLED = "sweagent-open-coder-2-charts-301-d4e5f607"


def data_of(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="run">(.*?)</script>', page, re.S)
    assert found is not None
    data: dict[str, object] = json.loads(found[1])
    return data


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    with Store.open(tmp_path / "workspace") as store:
        import_runs([SAMPLE_DATA], store=store)
    return tmp_path / "workspace"


def label(workspace: Path, annotator: str, step: int | None, value: object, field: str = "verdict") -> None:
    event = LabelEvent(
        run_id=LABELLED,
        step_id=step,
        field=field,
        value=value,
        annotator=annotator,
        client=f"{annotator}-{field}-{step}",
        sequence=1,
        occurred_at=datetime.now(UTC),
    )
    with Store.open(workspace) as store:
        assert store.add_label_events([event]).refused == ()


def test_only_its_own_script_may_run_in_it() -> None:
    trajectory = read_run(locate(HOSTILE)).trajectory
    page = standalone_page(trajectory, build_tree(trajectory), (), name="hostile <script>alert(1)</script>")
    scripts = re.findall(r"<script\b[^>]*>", page)
    assert scripts == ['<script type="application/json" id="run">', '<script type="module">']
    own = page[page.index('<script type="module">') + 22 : page.rindex("</script>")]
    digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "default-src 'none'" in page
    assert "://" not in page[: page.index("<script")]


def test_every_step_is_in_it_whole() -> None:
    trajectory = read_run(locate(SAMPLE_DATA / "swe-agent" / "1.x")).trajectory
    steps = data_of(standalone_page(trajectory, build_tree(trajectory), (), name="run"))["steps"]
    assert isinstance(steps, dict)
    shown = {int(step): text["observation"] and text["observation"]["text"] for step, text in steps.items()}
    assert shown == {step.step_id: step.observation for step in trajectory.steps}


def test_it_holds_one_person_s_labels_and_ground_truth_only_on_demand(workspace: Path) -> None:
    label(workspace, "Ana", 4, "incorrect")
    marks = {"onset": 4, "note": "</script><script>alert(1)</script>", "tags": ["loop"], "run_verdict": "has_error"}
    for field, value in marks.items():
        label(workspace, "Ana", None, value, field)
    label(workspace, "Ana", 5, "have run the tests", "omission")
    alone = data_of(export_page(LABELLED, workspace))
    assert alone["said"] == {
        "ofSteps": {"verdict": {"4": "incorrect"}, "omission": {"5": "have run the tests"}},
        "ofRun": marks,
    }
    assert '"truth": {}' in json.dumps(alone)
    assert "ground truth" not in str(alone), "nor its stages"
    label(workspace, "Ben", 5, "unuseful")
    with pytest.raises(NotFound, match="Ana, Ben"):
        export_page(LABELLED, workspace)
    told = data_of(export_page(LABELLED, workspace, annotator="Ben", ground_truth=True))
    assert told["said"] == {"ofSteps": {"verdict": {"5": "unuseful"}}, "ofRun": {}}
    assert '"truth": {"4": "incorrect", "6": "unuseful"}' in json.dumps(told)
    assert '"stagesFrom": "ground truth"' in json.dumps(told)
    with pytest.raises(NotFound, match="has not labelled this run"):
        export_page(LABELLED, workspace, annotator="Cem")


def test_quotes_go_with_it_and_those_that_hold_no_more_are_named(workspace: Path) -> None:
    with Store.open_for_reading(workspace) as reader:
        text = reader.load_run(LABELLED).trajectory.steps[2].action
    taken, gone = (
        {
            "step_id": 3,
            "field": "action",
            "start": 0,
            "end": len(quoted),
            "text": quoted,
            "sha256": hash_of_quote(quoted),
        }
        for quoted in (text[:5], "never said </script>")
    )
    label(workspace, "Ana", 4, {"quotes": [taken, gone]}, "details")
    data = data_of(export_page(LABELLED, workspace))
    assert data["said"] == {"ofSteps": {"details": {"4": {"quotes": [taken, gone]}}}, "ofRun": {}}
    assert data["adrift"] == [gone]


def test_a_run_that_was_never_imported_can_be_sent_too(tmp_path: Path) -> None:
    page = export_page(str(HOSTILE), tmp_path / "no workspace")
    assert data_of(page)["said"] == {"ofSteps": {}, "ofRun": {}}
    assert not (tmp_path / "no workspace").exists()
