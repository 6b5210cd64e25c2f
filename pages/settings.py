"""Who one is here; for leads the projects, the people and the workspace as well."""

import streamlit as st

from codetracer_core.projects import ROLES
from codetracer_core.ui.identity import may
from codetracer_core.ui.insights import memory
from codetracer_core.ui.project_settings import projects
from codetracer_core.ui.settings import people_and_roles, what_was_done, workspace, you
from codetracer_core.ui.workspace import open_store

what_was_done()
you()
if may("lead"):
    parts = {
        "Projects": lambda: projects(open_store()),
        "People": people_and_roles,
        "Memory": lambda: memory(open_store()),
        "Workspace": lambda: workspace(open_store()),
    }
    part = st.segmented_control(
        "Settings of", [*parts], default="Projects", required=True, key="settings_part", label_visibility="collapsed"
    )
    parts[part or "Projects"]()
elif may(*ROLES):
    workspace(open_store())
