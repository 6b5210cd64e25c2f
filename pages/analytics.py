"""Figures over many runs: chosen, drawn, selected in, and the runs behind them."""

from codetracer_core.ui.analytics import analytics_page
from codetracer_core.ui.workspace import open_store

analytics_page(open_store())
