"""Onsets, ranges and stages of an agreement as tables (see ``agreement_tables``)."""

from typing import Any

from codetracer_core.agreement import Agreement
from codetracer_core.agreement.selection import BordersOf, Detected, OnsetsApart, RangesOf
from codetracer_core.agreement.told import Scope, rater_name
from codetracer_core.intervals import Estimate
from codetracer_core.ratings import INCORRECT, UNUSEFUL
from codetracer_core.ui.agreement_tables import MOST_RUNS, Table, as_pick, count, of_raters
from codetracer_core.ui.links import step_address
from codetracer_core.ui.tables import Cell, Column, Row, estimate_cell
from codetracer_core.words import number_of


def detection(scope: Scope) -> list[list[Cell]]:
    """Runs by who has an onset: rows the first rater, columns the second; "has one" first."""
    of = scope.onset
    counts = ((of.both, of.only_first), (of.only_second, of.neither))

    def cell(ours: int, theirs: int) -> Cell:
        return count(counts[ours][theirs], of_raters(scope, Detected(0, 1, not ours, not theirs)))

    return [[cell(ours, theirs) for theirs in (0, 1)] for ours in (0, 1)]


def within_table(scope: Scope) -> Table:
    """How near the onsets are, beside what guessing would reach."""
    columns = [
        Column("k", "Onsets are"),
        Column("share", "In so many runs", "interval", scale=(0.0, 1.0)),
        Column(
            "chance",
            "A random step",
            "interval",
            scale=(0.0, 1.0),
            help="A step drawn at random from the run would be as near.",
        ),
        Column("last", "Always the last step", "interval", scale=(0.0, 1.0)),
        Column("but_one", "Always the last but one", "interval", scale=(0.0, 1.0)),
    ]
    rows = []
    for within in scope.onset.within:
        name = "the same step" if not within.k else f"at most {number_of(within.k, 'step')} apart"
        cells = {
            "k": Cell(name, value=float(within.k), pick=_near(scope, within.k)),
            "share": estimate_cell(within.share),
            "chance": estimate_cell(within.chance),
            "last": estimate_cell(within.last_step),
            "but_one": estimate_cell(within.last_but_one),
        }
        rows.append(Row(name, cells))
    return columns, rows


def _near(scope: Scope, k: int) -> str:
    if not any(abs(distance) <= k for distance, _ in scope.onset.distances):
        return ""
    return as_pick(of_raters(scope, OnsetsApart(0, 1, -k, k)))


def distances_table(scope: Scope) -> Table:
    """Runs by the second rater's onset minus the first's."""
    columns = [
        Column(
            "distance", "Steps later", "number", help="The second one's onset minus the first one's; negative: earlier."
        ),
        Column("runs", "Runs", "interval"),
    ]
    rows = []
    for distance, runs in scope.onset.distances:
        behind = of_raters(scope, OnsetsApart(0, 1, distance, distance))
        sign = "−" if distance < 0 else "+" if distance else ""
        cells = {
            "distance": Cell(f"{sign}{abs(distance)}", value=float(distance)),
            "runs": count(runs, behind),
        }
        rows.append(Row(str(distance), cells))
    return columns, rows


def conflicts_table(found: Agreement) -> Table:
    """Where a marked onset is not the first incorrect step."""
    columns = [
        Column("run", "Run"),
        Column("who", "Rater"),
        Column("marked", "Marked onset", "number"),
        Column("first", "First incorrect", "number"),
    ]
    rows = []
    for at, conflict in enumerate(found.onset_conflicts[:MOST_RUNS]):
        first = Cell(str(conflict.first_incorrect), value=float(conflict.first_incorrect))
        cells = {
            "run": Cell(conflict.run_id),
            "who": Cell(rater_name(found.raters[conflict.rater])),
            "marked": Cell(
                str(conflict.marked),
                value=float(conflict.marked),
                href=step_address(conflict.run_id, conflict.marked, show_labels=True),
            ),
            "first": first if conflict.first_incorrect else Cell("none", tone="weak"),
        }
        rows.append(Row(str(at), cells))
    return columns, rows


def ranges_table(scope: Scope) -> Table:
    """Ranges of equal labels, of incorrect and of unuseful steps."""
    two = len(scope.raters) == 2
    columns = [
        Column("label", "Ranges of"),
        Column("matched", "Matched", "number", help="Overlap by at least half (IoU ≥ 0.5), each with one."),
        Column("overlapping", "Less", "number", help="Overlap by less than half."),
        *(
            (Column("first", "Only the first's", "number"), Column("second", "Only the second's", "number"))
            if two
            else (Column("only", "Only one has", "number", help="Of two raters, no range of the other overlaps it."),)
        ),
        Column("f1", "F1", "number"),
        Column("iou", "Mean IoU", "number", help="Of all that overlap."),
    ]
    if two:
        columns += [
            Column("precision", "Precision", "number", help="Of the second one's ranges, those matched."),
            Column("recall", "Recall", "number", help="Of the first one's ranges, those matched."),
        ]
    rows = []
    for of, code in zip(scope.ranges, (INCORRECT, UNUSEFUL), strict=True):

        def cell(n: int, *which: Any, code: int = code) -> Cell:
            return count(n, of_raters(scope, *(RangesOf(0, 1, one, code) for one in which)))

        only_first, only_second = of.first - of.overlapping, of.second - of.overlapping
        only = {"first": cell(only_first, "first unmatched"), "second": cell(only_second, "second unmatched")}
        if not two:
            only = {"only": cell(only_first + only_second, "first unmatched", "second unmatched")}
        cells = {
            "label": Cell(of.label),
            "matched": cell(of.matched, "matched"),
            "overlapping": cell(of.overlapping - of.matched, "overlapping"),
            **only,
            "f1": estimate_cell(of.f1),
            "iou": estimate_cell(of.mean_iou),
            **({"precision": estimate_cell(of.precision), "recall": estimate_cell(of.recall)} if two else {}),
        }
        rows.append(Row(of.label, cells))
    return columns, rows


def stages_table(scope: Scope) -> Table:
    """Where borders between stages are drawn."""
    of = scope.stages
    columns = [
        Column("name", "Stages"),
        Column("value", "Mean over runs", "interval", scale=(0.0, 1.0)),
        Column("n", "Runs", "number"),
    ]

    def row(name: str, value: Estimate, n: int, says: str) -> Row:
        shown = estimate_cell(value)
        return Row(name, {"name": Cell(name, note=says), "value": shown, "n": count(n)})

    rows = [
        row("WindowDiff", of.window_diff, of.runs_with_windows, "An error: 0 where all borders are the same."),
        row("Pk", of.pk, of.runs_with_windows, "An error: 0 where all borders are the same."),
    ]
    for border in of.borders:
        name = "Same borders (F1)" if not border.tolerance else f"Borders at most {border.tolerance} apart (F1)"
        rows.append(row(name, border.f1, of.runs_with_borders, "1 where every border of the one is one of the other."))
    return columns, rows


def borders_table(scope: Scope) -> Table:
    """The steps before borders that one or both of two raters draw."""
    columns = [Column("which", "Borders"), Column("open", "")]
    kinds: dict[str, tuple[Any, ...]] = {"of both": ("both",)}
    if len(scope.raters) == 2:
        kinds |= {"only of the first": ("only first",), "only of the second": ("only second",)}
    else:
        kinds["only of one"] = ("only first", "only second")
    rows = []
    for words, which in kinds.items():
        behind = of_raters(scope, *(BordersOf(0, 1, one) for one in which))
        rows.append(Row(words, {"which": Cell(words), "open": Cell("steps", pick=as_pick(behind))}))
    return columns, rows
