"""One run in one HTML file: the same tree, text and keys as in the dashboard, offline in any browser, for reading.

Text from the run stands in the page as JSON and reaches the screen only as text nodes; a content security policy
forbids everything but the page's own script and styles, so that nothing in it can run or call home.
"""

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence

from codetracer_core.models import Stage, Trajectory
from codetracer_core.quotes import adrift
from codetracer_core.tree import TraceTree
from codetracer_core.viewer_data import VIEWER_SCRIPTS, VIEWER_STYLES, Said, frontend_text, viewer_data, whole_step

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src '{hash}';\
 base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{page_css}</style>
</head>
<body>
<div id="viewer"></div>
<template id="parts">{viewer_html}<style>{viewer_css}</style></template>
<script type="application/json" id="run">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def standalone_page(
    trajectory: Trajectory,
    tree: TraceTree,
    stages: Sequence[Stage],
    *,
    stages_from: str = "",
    name: str,
    declared_step_count: int | None = None,
    said: Said | None = None,
    truth: Mapping[int, str] | None = None,
) -> str:
    """The page. ``stages`` are shown unless ``said``, which is what one person says of the run, holds others.

    ``truth`` is in the page only if it is given.
    """
    data = viewer_data(
        trajectory,
        tree,
        stages,
        stages_from=stages_from,
        name=name,
        declared_step_count=declared_step_count,
        truth=truth,
        whole=True,
    )
    steps: dict[str, object] = {}
    for step in trajectory.steps:
        steps |= whole_step(trajectory, step.step_id)
    own = said or Said()
    page = {
        "data": {
            **data,
            "hasTruth": False,
            "annotator": "",
            "start": 1,
            "goto": None,
            "readOnly": "this copy is for reading",
        },
        "steps": steps,
        "said": own.as_json(),
        "adrift": adrift(own.details.values(), trajectory),
    }
    scripts = frontend_text(*VIEWER_SCRIPTS).replace("export default function", "function mountViewer")
    script = f"{scripts}\n{frontend_text('standalone.js')}"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _PAGE.format(
        hash=f"sha256-{digest}",
        title=html.escape(f"{data['title']['task']} · CodeTracer"),
        page_css=frontend_text("standalone.css"),
        viewer_html=frontend_text("viewer.html"),
        viewer_css=frontend_text(*VIEWER_STYLES),
        # In a script element only "</script" and "<!--" mean anything to a browser: without "<" there is neither.
        data=json.dumps(page, ensure_ascii=False).replace("<", "\\u003c"),
        script=script,
    )
