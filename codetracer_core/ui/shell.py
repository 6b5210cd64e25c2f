"""The frame of the dashboard: the list of pages, and nothing that a page could do itself."""

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from codetracer_core.ui import components
from codetracer_core.workflow import dashboard_root


def pages() -> dict[str, StreamlitPage]:
    """Every page by the name of its script; the name is also its address (``/trajectory``)."""
    folder = dashboard_root() / "pages"

    def page(name: str, title: str, icon: str, *, default: bool = False) -> StreamlitPage:
        return st.Page(folder / f"{name}.py", title=title, url_path=name, icon=icon, default=default)

    return {
        "library": page("library", "Library", ":material/folder_open:", default=True),
        "trajectory": page("trajectory", "Trajectory", ":material/account_tree:"),
    }


def main() -> None:
    # A local picture: Streamlit would fetch a :material/ icon from a font server for the browser's tab.
    st.set_page_config(page_title="CodeTracer", page_icon=str(Path(__file__).with_name("icon.png")), layout="wide")
    page = st.navigation(list(pages().values()), position="top")
    page.run()
    components.page_style()(key="page_style", height=1)


if __name__ == "__main__":
    main()
