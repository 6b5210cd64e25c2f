"""Every figure over many runs, by name: what the page, the command line and the tests go by."""

from dataclasses import replace

from codetracer_core.analytics import effort, errors, outcomes
from codetracer_core.analytics.figure import Figure, FigureData, Group
from codetracer_core.analytics.frames import Frames
from codetracer_core.errors import NotFound
from codetracer_core.words import number_of

_BY_KINDS_OF_RUNS: tuple[Group, ...] = ("model", "agent", "agent_model", "category", "difficulty", "collection")

FIGURES: tuple[Figure, ...] = (
    Figure(
        "solved_rate",
        "Solved runs",
        "Who solves how many of their tasks?",
        frozenset({"outcome"}),
        outcomes.solved_rate,
        "agent_model",
        (*_BY_KINDS_OF_RUNS, "all"),
    ),
    Figure(
        "solved_by_category",
        "Solved runs by task category",
        "Which kinds of tasks does each model solve?",
        frozenset({"outcome"}),
        outcomes.solved_by_category,
        "model",
        ("model", "agent", "agent_model", "difficulty", "collection", "all"),
    ),
    Figure(
        "solved_by_budget",
        "Solved within a step limit",
        "How many steps does it take to solve a task?",
        frozenset({"outcome"}),
        outcomes.solved_by_budget,
        "model",
        (*_BY_KINDS_OF_RUNS, "all"),
    ),
    Figure(
        "cost",
        "Cost, tokens and steps by outcome",
        "Do runs that do not solve their task use more than those that do?",
        frozenset({"outcome", "cost"}),
        outcomes.cost,
    ),
    Figure(
        "step_budget",
        "What steps are spent on",
        "How many steps of a run are wrong, redundant, looking around, or changing something?",
        frozenset({"labels", "outcome"}),
        effort.step_budget,
        "model",
        (*_BY_KINDS_OF_RUNS, "all"),
    ),
    Figure(
        "effective_ratio",
        "Effective-action ratio",
        "In how many runs are which share of the steps neither incorrect nor unuseful?",
        frozenset({"labels"}),
        effort.effective_ratio,
        "model",
        (*_BY_KINDS_OF_RUNS, "outcome", "all"),
    ),
    Figure(
        "effective_runs",
        "Effective-action ratio of single runs",
        "How much do runs of one model differ in their share of effective steps?",
        frozenset({"labels"}),
        effort.effective_runs,
        "model",
        (*_BY_KINDS_OF_RUNS, "outcome", "all"),
    ),
    Figure(
        "error_position",
        "Where incorrect steps stand",
        "Do errors come early or late in a run, and is that different in runs that solve their task?",
        frozenset({"labels", "outcome"}),
        errors.error_position,
        "outcome",
        ("outcome", "model", "agent", "all"),
    ),
    Figure(
        "error_ranges",
        "Incorrect steps by step range",
        "At which step numbers do the errors of each agent and model lie?",
        frozenset({"labels"}),
        errors.error_ranges,
        "agent_model",
        (*_BY_KINDS_OF_RUNS, "outcome", "all"),
    ),
    Figure(
        "error_free",
        "Runs without an error so far",
        "How long does it go well?",
        frozenset({"labels"}),
        errors.error_free,
        "outcome",
        (*_BY_KINDS_OF_RUNS, "outcome", "all"),
    ),
    Figure(
        "onset_to_failure",
        "From onset to first failed command",
        "How long does it take until something shows that the run is off track?",
        frozenset({"labels"}),
        errors.onset_to_failure,
        "outcome",
        (*_BY_KINDS_OF_RUNS, "outcome", "all"),
    ),
    Figure(
        "kinds_by_position",
        "Changes along the run",
        "When do runs look around, and when do they change things?",
        frozenset(),
        effort.kinds_by_position,
        "outcome",
        (*_BY_KINDS_OF_RUNS, "outcome", "all"),
    ),
    Figure(
        "transitions",
        "What follows what",
        "After exploring, does a run go on exploring, or does it change something?",
        frozenset(),
        effort.transitions,
        "outcome",
        ("outcome", "model", "agent", "all"),
    ),
    Figure(
        "strips_by_kind",
        "Runs as strips, by kind",
        "What does each run look like from its first step to its last?",
        frozenset({"outcome"}),
        effort.strips_by_kind,
    ),
    Figure(
        "strips_by_verdict",
        "Runs as strips, by verdict",
        "Where in each run are the steps that are labelled?",
        frozenset({"labels", "outcome"}),
        effort.strips_by_verdict,
    ),
    Figure(
        "replay",
        "Before and after replay",
        "Does a replay from just before the failure onset solve more tasks?",
        frozenset({"outcome"}),
        outcomes.replay,
        "model",
        (*_BY_KINDS_OF_RUNS, "all"),
    ),
)
"""In the order in which they are offered."""


def figure_named(name: str) -> Figure:
    """Raises NotFound, with the names that there are."""
    for figure in FIGURES:
        if figure.name == name:
            return figure
    raise NotFound(f"there is no figure {name!r}", remedy=f"There are {', '.join(figure.name for figure in FIGURES)}.")


def data_of(figure: Figure, frames: Frames, by: Group | None = None) -> FigureData:
    """The data of a figure, told apart as asked for or as it is by itself. Raises NotFound for what it cannot.

    Replays repeat what their originals did, and end otherwise for reasons of their own: but for the figure of replays
    they are left out, which a note says, unless the frames hold nothing else."""
    if by is not None and by not in (*figure.groups, figure.by):
        raise NotFound(
            f"{figure.name} cannot tell runs apart by {by!r}",
            remedy=f"It can by {', '.join(figure.groups)}." if figure.groups else "It is drawn in one way.",
        )
    original = frames.runs["replay_of"].isna().to_numpy()
    replays = int((~original).sum())
    if figure.compute is outcomes.replay or not replays or not original.any():
        return figure.compute(frames, by or figure.by)
    data = figure.compute(frames.of_runs(original), by or figure.by)
    note = f"{number_of(replays, 'replay')} of these runs {'is' if replays == 1 else 'are'} left out."
    return replace(data, notes=(*data.notes, note))
