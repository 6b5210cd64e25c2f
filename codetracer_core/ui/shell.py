"""The frame of the dashboard: the list of pages, who may see which, and nothing that a page could do itself."""

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from codetracer_core.errors import CodeTracerError, NotAllowed
from codetracer_core.projects import ROLES, Role
from codetracer_core.ui import components, login
from codetracer_core.ui.identity import EXPORTERS, keep_name, may, require
from codetracer_core.workflow import dashboard_root

# name of the script, title, icon, the roles of which one is needed (none: everybody may)
_PAGES: tuple[tuple[str, str, str, tuple[Role, ...]], ...] = (
    ("library", "Library", ":material/folder_open:", ROLES),
    ("trajectory", "Trajectory", ":material/account_tree:", ROLES),
    ("annotate", "Annotate", ":material/checklist:", ("annotator",)),
    ("compare", "Compare", ":material/compare_arrows:", ROLES),
    ("diagnose", "Diagnose", ":material/troubleshoot:", ROLES),
    ("replay", "Replay", ":material/replay:", ROLES),
    ("adjudicate", "Adjudicate", ":material/balance:", ("adjudicator",)),
    ("agreement", "Agreement", ":material/handshake:", ROLES),
    ("evaluate", "Evaluate", ":material/leaderboard:", EXPORTERS),
    ("analytics", "Analytics", ":material/bar_chart:", ROLES),
    ("extractors", "Extractors", ":material/schema:", ("lead",)),
    ("settings", "Settings", ":material/settings:", ()),
)


def pages() -> dict[str, StreamlitPage]:
    """Every page by the name of its script; the name is also its address (``/trajectory``).

    Those that this person may not use are not offered; their addresses lead to a refusal in words (``main``).
    """
    folder = dashboard_root() / "pages"
    return {
        name: st.Page(
            folder / f"{name}.py",
            title=title,
            url_path=name,
            icon=icon,
            default=name == "library",
            visibility="visible" if not roles or may(*roles) else "hidden",
        )
        for name, title, icon, roles in _PAGES
    }


def main() -> None:
    # A local picture: Streamlit would fetch a :material/ icon from a font server for the browser's tab.
    st.set_page_config(page_title="CodeTracer", page_icon=str(Path(__file__).with_name("icon.png")), layout="wide")
    # First: a page may end early, and what one was called in this session is to outlive a reload all the same.
    components.page_style()(key="page_style", height=1)
    with st.empty():  # its place is there from the start: what follows would be mounted anew, and lose keys
        keep_name()
    try:
        _show()
    except CodeTracerError as error:  # also NotAllowed: what a page or its acts refuse is told, whoever asked for it
        st.error("That is not possible.")
        st.text(str(error))
        if isinstance(error, NotAllowed):
            st.page_link(pages()["settings"], label="Who you are here")


def _show() -> None:
    offered = pages()
    inside = login.is_passed()
    page = st.navigation(list(offered.values()), position="top" if inside else "hidden")
    if not inside:
        login.ask_for_it()
        return
    login.follow_the_link(offered)
    roles = next(roles for name, _, _, roles in _PAGES if offered[name] is page)
    if roles:
        require(*roles)
    page.run()


if __name__ == "__main__":
    main()
