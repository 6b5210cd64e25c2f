"""Where in the run a system finds, misses and accuses; how often per step; and what its answers cost."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from codetracer_core.evaluation import Evaluation, Position, StepRates, positions, step_rates
from codetracer_core.figures.style import Theme, theme_of
from codetracer_core.intervals import Estimate, cluster_numbers, quotient, summed
from codetracer_core.store import DiagnosisSummary
from codetracer_core.ui.evaluation import count_cell, entry_title, score_cell, tone_of
from codetracer_core.ui.evaluation_data import Asked, computed
from codetracer_core.ui.tables import Cell, Column, Row, number, show_table

# Okabe and Ito's colours, which stay apart for colour-blind eyes, and a pattern each for those who print.
_BARS = {
    "found": ("incorrect and named", "#009e73", ""),
    "missed": ("incorrect, not named", "#e69f00", "/"),
    "accused": ("named, not incorrect", "#d55e00", "x"),
}


_PATTERN = {"fillmode": "overlay", "fgcolor": "rgba(255,255,255,0.6)", "solidity": 0.2, "size": 7}


def places(asked: Asked, evaluation: Evaluation) -> None:
    """Confusion by position in the run, and rates per step."""
    titles = {entry_title(entry): entry for entry in evaluation.entries if entry.seen.accused is not None}
    chosen = st.selectbox("System or baseline", [*titles], key="placed", bind="query-params")
    found = computed(asked, positions, titles[chosen].name)
    theme = theme_of(dark=st.context.theme.type == "dark")
    st.plotly_chart(position_figure(found, theme), key="position_figure", config={"displaylogo": False})
    st.caption(
        "Counts of steps over all answers, by the tenth of the run in which they stand: step s of n lies in tenth "
        "⌈10·s/n⌉. Answers that failed or are missing are left out."
    )
    st.download_button(
        "Figure as CSV", lambda: position_frame(found).to_csv(index=False), "positions.csv", on_click="ignore"
    )
    st.text("Per step")
    rows = [
        Row(
            entry.name,
            {"name": Cell(entry_title(entry)), **_rate_cells(computed(asked, step_rates, entry.name))},
            tone=tone_of(entry),
        )
        for entry in evaluation.entries
    ]
    show_table("step_rates", _RATES, rows)


def position_frame(found: Sequence[Position]) -> pd.DataFrame:
    """The figure's numbers, one row per tenth."""
    return pd.DataFrame(
        [
            {
                "from": part.start,
                "to": part.end,
                "steps": part.steps,
                "found": part.found,
                "missed": part.missed,
                "falsely_accused": part.accused,
            }
            for part in found
        ]
    )


def position_figure(found: Sequence[Position], theme: Theme) -> go.Figure:
    """Stacked counts by tenth of the run."""
    names = [f"{part.start:.0%}–{part.end:.0%}" for part in found]
    words_of_axes = {"tickfont": {"color": theme.quiet}, "title_font": {"color": theme.quiet}}
    figure = go.Figure()
    for key, (words, colour, shape) in _BARS.items():
        figure.add_bar(
            x=names,
            y=[getattr(part, key) for part in found],
            name=words,
            marker={"color": colour, "pattern": {"shape": shape, **_PATTERN}},
            hovertemplate="%{x} of the run<br>%{y} steps " + words + "<extra></extra>",
        )
    figure.update_layout(
        barmode="stack",
        height=340,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "y": 1.12, "traceorder": "normal"},
        xaxis={"title": "part of the run", **words_of_axes},
        yaxis={"title": "steps, over all answers", **words_of_axes, "rangemode": "tozero", "tickformat": ",d"},
        bargap=0.25,
    )
    return figure


_RATES = [
    Column("name", "System or baseline"),
    Column("tpr", "Incorrect and named", "number", help="TPR: of the incorrect steps, the share that is named."),
    Column("tnr", "Correct and not named", "number", help="TNR: of the other steps, the share that is not named."),
    Column("accused", "Steps named", "number", help="Of all steps, the share that is named."),
    Column(
        "prevalence", "Steps incorrect", "number", help="Of all steps of answered runs, the share that is incorrect."
    ),
    Column(
        "corrected",
        "By correction",
        "number",
        help="Rogan and Gladen: (share named + TNR − 1) / (TPR + TNR − 1). On these rows it must come out as the share "
        "that is incorrect; it is undefined where TPR and TNR say next to nothing.",
    ),
    Column("steps", "Steps", "number", help="Over all answers."),
]


def _rate_cells(rates: StepRates) -> dict[str, Cell]:
    parts = {name: getattr(rates, name) for name in ("tpr", "tnr", "accused", "prevalence", "corrected")}
    return {**{name: score_cell(part) for name, part in parts.items()}, "steps": count_cell(rates.steps)}


# --- cost -----------------------------------------------------------------------------------------------------


def costs(evaluation: Evaluation, listed: Sequence[DiagnosisSummary]) -> None:
    """What stored diagnoses of these runs took: per diagnosis, in the mean."""
    tasks = {run.run_id: run.task for run in evaluation.rows.truth if run.run_id}
    names = {entry.name for entry in evaluation.given}
    counted = [one for one in listed if one.run_id in tasks and one.author in names and not one.outdated]
    if not counted:
        st.info("None of these systems has stored diagnoses: files of predictions do not say what they cost.")
        return
    rows = []
    for author in dict.fromkeys(one.author for one in counted):
        mine = [one for one in counted if one.author == author]
        priced = [one for one in mine if one.cost_usd is not None or not one.calls]
        cells = {
            "name": Cell(author),
            "diagnoses": count_cell(len(mine)),
            "runs": count_cell(len({one.run_id for one in mine})),
            "failed": count_cell(sum(one.status in ("failed", "cancelled") for one in mine)),
            "calls": _mean(mine, [one.calls for one in mine], tasks, 1, evaluation.seed),
            "tokens": _mean(
                mine, [one.prompt_tokens + one.completion_tokens for one in mine], tasks, 0, evaluation.seed
            ),
            "seconds": _mean(mine, [one.duration_seconds for one in mine], tasks, 1, evaluation.seed),
            "cost": _mean(priced, [one.cost_usd or 0.0 for one in priced], tasks, 4, evaluation.seed),
            "total": Cell(
                f"{sum(one.cost_usd or 0.0 for one in priced):,.2f}", value=sum(one.cost_usd or 0.0 for one in priced)
            ),
            "unpriced": count_cell(len(mine) - len(priced)),
        }
        rows.append(Row(author, cells))
    show_table("costs", _COSTS, rows)
    st.caption(
        "Means over stored diagnoses of these runs, all repetitions and failed ones, with 95 % intervals over tasks. A "
        "diagnosis without calls to a model is free; one whose model has no known price is left out of the cost."
    )


_COSTS = [
    Column("name", "System"),
    Column("diagnoses", "Diagnoses", "number"),
    Column("runs", "Runs", "number"),
    Column("failed", "Failed", "number"),
    Column("calls", "Model calls", "number", help="Per diagnosis."),
    Column("tokens", "Tokens", "number", help="Per diagnosis, prompts and answers together."),
    Column("seconds", "Seconds", "number", help="Per diagnosis."),
    Column("cost", "Cost, USD", "number", help="Per diagnosis with a known price."),
    Column("total", "In all, USD", "number"),
    Column("unpriced", "Price not known", "number", help="Diagnoses that are left out of the cost."),
]


def _mean(
    listed: Sequence[DiagnosisSummary], values: Sequence[float], tasks: dict[str, str | None], digits: int, seed: int
) -> Cell:
    found = mean_by_task([tasks[one.run_id] for one in listed], values, seed=seed)
    if found.value is None:
        return Cell("undefined", note=f"Undefined: {found.why}.", tone="weak")
    text = number(found.value, digits=digits)
    if found.low is None or found.high is None:
        return Cell(text, note=f"No interval: {found.why_no_interval}.", value=found.value)
    return Cell(f"{text} [{number(found.low, digits=digits)}, {number(found.high, digits=digits)}]", value=found.value)


def mean_by_task(tasks: Sequence[str | None], values: Sequence[float], *, seed: int) -> Estimate:
    """The mean of values, with an interval over the tasks that they belong to (None: a task of its own)."""
    table = np.stack([np.asarray(values, dtype=float), np.ones(len(values))], axis=1)
    numbers = cluster_numbers(tasks)
    sums = summed(table, numbers, int(numbers.max(initial=-1)) + 1)
    return quotient(sums, 0, 1, why="there is none", seed=seed)
