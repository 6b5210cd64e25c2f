"""The dashboard's entry point: ``streamlit run app.py``, or better ``codetracer dashboard``.

Only the frame. Run by Streamlit it hands over to an ASGI app whose main script has no ``pages/`` folder beside it:
with one, a deep link as the first request of a fresh server runs the page without this frame (Streamlit 1.67).
Run inside a script context (Streamlit's AppTest), it draws the frame directly.
"""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from codetracer_core.ui import shell, workspace

if get_script_run_ctx(suppress_warning=True) is not None:
    shell.main()
else:
    app = st.App(shell.__file__, lifespan=workspace.store_closed_at_the_end)
