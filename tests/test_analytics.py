"""Data of the figures over many runs, against independent computations and worked examples."""

import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codetracer_core.analytics import FIGURES, Frames, Labels, data_of, figure_named, filtered, made
from codetracer_core.analytics.outcomes import replay
from codetracer_core.errors import CodeTracerError, NotFound
from codetracer_core.export import frame_as_csv
from codetracer_core.intervals import estimate, ratio

GROUPS = {"model": ["m1", "m2", None], "agent": ["a1", "a2"], "category": ["games", None, "security"]}


def invented(seed: int, runs: int = 60) -> Frames:
    """Runs of every kind: known and unknown outcomes, complete and begun labels, all verdicts, some runs of no step."""
    rng = np.random.default_rng(seed)
    run_rows: list[dict[str, Any]] = []
    step_rows: list[dict[str, Any]] = []
    for run in range(runs):
        length = int(rng.integers(0, 40))
        labelled = str(rng.choice(["finished", "finished", "finished", "begun", "no", "misaligned"]))
        run_rows.append(
            {
                "run_id": f"run-{run:03d}",
                "task": None if rng.random() < 0.1 else f"task-{rng.integers(0, runs // 2 + 1)}",
                **{name: values[rng.integers(0, len(values))] for name, values in GROUPS.items()},
                "outcome": str(rng.choice(["solved", "failed", "unknown"], p=[0.45, 0.4, 0.15])),
                "step_count": length,
                "cost_usd": None if rng.random() < 0.3 else float(rng.choice([0.0, rng.lognormal()])),
                "prompt_tokens": int(rng.integers(0, 10_000)),
                "completion_tokens": None if rng.random() < 0.2 else int(rng.integers(0, 1_000)),
                "collection": "made",
                "labelled": labelled,
                "onset": int(rng.integers(1, length + 1)) if length and rng.random() < 0.1 else None,
            }
        )
        verdicts = (
            ["unlabelled"]
            if labelled in ("no", "misaligned")
            else ["unlabelled", "correct", "incorrect", "unuseful", "uncertain"]
        )
        step_rows += [
            {
                "run": run,
                "step_id": step,
                "kind": str(rng.choice(["explore", "change", "message"], p=[0.6, 0.35, 0.05])),
                "verdict": str(rng.choice(verdicts)),
                "exit_code": [None, 0, 1][rng.integers(0, 3)],
            }
            for step in range(1, length + 1)
        ]
    return made(run_rows, step_rows, Labels())


@pytest.fixture(scope="module")
def frames() -> Frames:
    return invented(7)


def plain(frames: Frames) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs, and steps beside their run, as plain text and numbers."""
    runs = frames.runs.assign(**{name: frames.runs[name].astype(object) for name in ("outcome", "labelled")})
    steps = frames.steps.assign(**{name: frames.steps[name].astype(str) for name in ("kind", "verdict")})
    return runs, steps.join(runs, on="run")


def compute(name: str, frames: Frames, by: Any = None) -> Any:
    return data_of(figure_named(name), frames, by)


# ---------------------------------------------------------------- numbers


def test_solved_rate_is_the_share_of_runs_with_a_known_outcome(frames: Frames) -> None:
    runs, _ = plain(frames)
    known = runs[runs["outcome"] != "unknown"]
    expected = (known["outcome"] == "solved").groupby(known["agent"]).agg(["mean", "size", "sum"])
    found = compute("solved_rate", frames, "agent").rows.set_index("group")
    for agent, row in expected.iterrows():
        assert found.loc[agent, "value"] == pytest.approx(row["mean"], abs=1e-15)
        assert (found.loc[agent, "runs"], found.loc[agent, "solved"]) == (row["size"], row["sum"])
    assert list(found["value"]) == sorted(found["value"], reverse=True)


def test_intervals_draw_tasks_and_nothing_smaller(frames: Frames) -> None:
    runs, _ = plain(frames)
    known = runs[(runs["outcome"] != "unknown") & (runs["agent"] == "a1")]
    named = known["task"].where(known["task"].notna(), known["run_id"])
    sums = pd.DataFrame({"s": known["outcome"] == "solved", "n": 1}).groupby(named, sort=False).sum().to_numpy()
    expected = estimate(lambda of: ratio(of[..., 0], of[..., 1]), sums, why="")
    found = compute("solved_rate", frames, "agent").rows.set_index("group").loc["a1"]
    assert found["clusters"] == len(sums)
    # which cluster comes first decides what a seed draws, so the ends agree only about
    assert found["low"] == pytest.approx(expected.low, abs=0.03)
    assert found["high"] == pytest.approx(expected.high, abs=0.03)
    assert found["low"] < found["value"] < found["high"]


def test_solved_by_budget_counts_what_was_solved_within_the_limit(frames: Frames) -> None:
    runs, _ = plain(frames)
    known = runs[runs["outcome"] != "unknown"]
    data = compute("solved_by_budget", frames, "all")
    for _, row in data.rows.iterrows():
        within = known[(known["outcome"] == "solved") & (known["step_count"] <= row["at"])]
        assert row["solved"] == len(within)
        assert row["value"] == pytest.approx(len(within) / len(known), abs=1e-15)
    assert data.rows["value"].is_monotonic_increasing
    assert data.rows["value"].iloc[-1] == pytest.approx((known["outcome"] == "solved").mean())
    solved = known.loc[known["outcome"] == "solved", "run_id"]
    assert sorted(run_id for run_id, _ in data.runs_behind(data.rows.index)) == sorted(solved)


def test_solved_by_category_has_a_row_for_every_pair_that_occurs(frames: Frames) -> None:
    runs, _ = plain(frames)
    known = runs[runs["outcome"] != "unknown"].fillna({"category": "unknown", "model": "unknown"})
    expected = known.groupby(["category", "model"])["outcome"].agg(lambda of: (of == "solved").mean())
    found = compute("solved_by_category", frames).rows.set_index(["category", "group"])["value"]
    assert dict(found) == pytest.approx(dict(expected))


def test_steps_are_budgeted_by_verdict_and_kind(frames: Frames) -> None:
    runs, steps = plain(frames)
    rows = compute("step_budget", frames, "agent").rows
    for _, row in rows.iterrows():
        of_runs = runs[(runs["agent"] == row["group"]) & (runs["outcome"] == row["outcome"])]
        of_steps = steps[(steps["agent"] == row["group"]) & (steps["outcome"] == row["outcome"])]
        if row["split"] == "verdict":
            of_runs, of_steps = (of[of["labelled"].isin(["finished", "begun"])] for of in (of_runs, of_steps))
        count = (of_steps[row["split"]] == row["what"]).sum()
        assert (row["runs"], row["steps"]) == (len(of_runs), count)
        assert row["value"] == pytest.approx(count / len(of_runs))
    assert rows.loc[rows["split"] == "kind", "steps"].sum() == len(steps)
    assert rows.loc[(rows["what"] == "unlabelled"), "steps"].sum() > 0


def ratios(frames: Frames) -> dict[str, float]:
    found = {}
    for number, run in frames.runs.iterrows():
        verdicts = frames.steps.loc[frames.steps["run"] == number, "verdict"].astype(str).tolist()
        judged = [verdict for verdict in verdicts if verdict != "uncertain"]
        if run["labelled"] == "finished" and judged:
            found[str(run["run_id"])] = sum(v in ("correct", "unlabelled") for v in judged) / len(judged)
    return found


def test_effective_ratio_is_of_judged_steps_in_completely_labelled_runs(frames: Frames) -> None:
    expected = ratios(frames)
    runs = compute("effective_runs", frames, "all").rows
    assert dict(zip(runs["run_id"], runs["value"], strict=True)) == pytest.approx(expected)
    histogram = compute("effective_ratio", frames, "all").rows
    for _, row in histogram.iterrows():
        last = 1.1 if row["last"] == 1 else row["last"]
        assert row["runs"] == sum(row["first"] - 1e-9 <= value < last - 1e-9 for value in expected.values())
    assert histogram["value"].sum() == pytest.approx(1)


def test_incorrect_steps_by_place_and_range(frames: Frames) -> None:
    _, steps = plain(frames)
    wrong = steps[(steps["verdict"] == "incorrect") & (steps["labelled"] == "finished")]
    rows = compute("error_position", frames, "all").rows
    tenth = ((wrong["step_id"] - 0.5) / wrong["step_count"] * 10).astype(int)
    assert list(rows["steps"]) == [int((tenth == number).sum()) for number in range(10)]
    assert rows["value"].sum() == pytest.approx(1)
    ranges = compute("error_ranges", frames, "agent").rows
    for _, row in ranges.iterrows():
        last = math.inf if math.isnan(row["last"]) else row["last"]
        mine = wrong[(wrong["agent"] == row["group"]) & wrong["step_id"].between(row["first"], last)]
        assert row["steps"] == len(mine)
    assert (ranges.groupby("group")["value"].sum() - 1).abs().max() < 1e-12


def test_survival_is_that_of_the_remission_data() -> None:
    """Weeks of remission under 6-MP (Freireich et al., Blood 21, 1963), with the estimate as in Kleinbaum & Klein,
    "Survival Analysis", 3rd ed., 2012, p. 66."""
    relapsed = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    still = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    runs = [
        {"run_id": f"r{n}", "outcome": "failed", "step_count": 40, "labelled": "finished", "onset": week}
        for n, week in enumerate(relapsed)
    ] + [
        {"run_id": f"s{n}", "outcome": "failed", "step_count": week, "labelled": "finished"}
        for n, week in enumerate(still)
    ]
    rows = compute("error_free", made(runs, []), "all").rows.set_index("at")
    published = {6: 0.8571, 7: 0.8067, 10: 0.7529, 13: 0.6902, 16: 0.6275, 22: 0.5378, 23: 0.4482}
    assert rows["value"].to_dict() == pytest.approx(published | {35: 0.4482}, abs=5e-5)
    assert rows["at_risk"].loc[list(published)].tolist() == [21, 17, 15, 12, 11, 7, 6]


def test_the_onset_is_the_mark_or_else_the_first_incorrect_step() -> None:
    runs = [
        {"run_id": "marked", "outcome": "failed", "step_count": 5, "labelled": "finished", "onset": 4},
        {"run_id": "labelled", "outcome": "failed", "step_count": 5, "labelled": "finished"},
    ]
    steps = [
        {"run": run, "step_id": step, "kind": "explore", "verdict": "incorrect" if step in (2, 3) else "unlabelled"}
        for run in (0, 1)
        for step in range(1, 6)
    ]
    data = compute("error_free", made(runs, steps), "all")
    assert data.runs_behind(data.rows.index) == [("labelled", 2), ("marked", 4)]
    assert any("the mark counts" in note for note in data.notes)


def test_the_first_failed_command_is_counted_from_the_onset() -> None:
    def run(number: int, onset: int | None, codes: list[int | None]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        facts = {"run_id": f"r{number}", "outcome": "failed", "step_count": len(codes), "labelled": "finished"}
        steps = [
            {"run": number, "step_id": at, "kind": "change", "verdict": "unlabelled", "exit_code": code}
            for at, code in enumerate(codes, start=1)
        ]
        return facts | {"onset": onset}, steps

    made_up = [
        run(0, 2, [1, 0, 0, 1]),  # fails two steps after; the failure before the onset is none of it
        run(1, 2, [0, 127, 0, 0]),  # at the onset itself
        run(2, 1, [0, 0, 0, 0]),  # never, in three more steps
        run(3, 1, [None, None]),  # nobody knows
        run(4, None, [1, 1]),  # no onset
    ]
    data = compute(
        "onset_to_failure", made([facts for facts, _ in made_up], [s for _, steps in made_up for s in steps]), "all"
    )
    assert data.rows[["at", "at_risk", "errors"]].to_numpy().tolist() == [[0, 3, 1], [2, 2, 1], [3, 1, 0]]
    assert data.rows["value"].tolist() == pytest.approx([2 / 3, 1 / 3, 1 / 3])
    assert data.runs_behind([0, 1]) == [("r0", 4), ("r1", 2)]
    assert "Left out: 1 run, whose exit codes after the onset are not known." in data.notes


def test_a_group_without_any_error_stays_without_one() -> None:
    runs = [
        {"run_id": f"r{n}", "outcome": ("solved", "failed")[n % 2], "step_count": 4, "labelled": "finished"}
        | {"onset": 2 if n % 2 else None}
        for n in range(24)
    ]
    steps = [
        {"run": run, "step_id": step, "kind": "explore", "verdict": "unlabelled", "exit_code": 0}
        for run in range(24)
        for step in range(1, 5)
    ]
    frames = made(runs, steps)
    free = compute("error_free", frames).rows
    assert free[["group", "at", "value", "low", "high"]].to_numpy().tolist() == [
        ["solved", 4, 1, 1, 1],
        ["failed", 2, 0, 0, 0],
    ]
    unseen = compute("onset_to_failure", frames).rows
    assert unseen[["group", "at", "at_risk", "errors", "value"]].to_numpy().tolist() == [["failed", 2, 12, 0, 1]]


def test_transitions_are_counted_within_runs(frames: Frames) -> None:
    _, steps = plain(frames)
    following = steps.assign(after=steps.groupby("run")["kind"].shift(-1)).dropna(subset=["after"])
    expected = following.groupby(["kind", "after"]).size()
    rows = compute("transitions", frames, "all").rows
    assert {(row.before, row.after): row.steps for row in rows.itertuples() if row.steps} == dict(expected)
    assert (rows.groupby("before")["value"].sum() - 1).abs().max() < 1e-12


def test_changes_along_the_run(frames: Frames) -> None:
    _, steps = plain(frames)
    tenth = ((steps["step_id"] - 0.5) / steps["step_count"] * 10).astype(int)
    expected = (steps["kind"] == "change").groupby(tenth).mean()
    assert compute("kinds_by_position", frames, "all").rows["value"].tolist() == pytest.approx(expected.tolist())


def test_strips_hold_every_step_once(frames: Frames) -> None:
    data = compute("strips_by_kind", frames)
    _, steps = plain(frames)
    held = data.rows.sort_values(["run_id", "step_id"])
    there = steps.sort_values(["run_id", "step_id"])
    assert (
        held[["run_id", "step_id", "kind"]].to_numpy().tolist()
        == there[["run_id", "step_id", "kind"]].to_numpy().tolist()
    )
    assert (data.rows["verdict"] == "").all()  # whoever looks at kinds learns nothing of labels
    assert not data.tells_runs
    assert compute("strips_by_verdict", frames).tells_runs


def test_of_many_runs_strips_are_spread_over_all_lengths() -> None:
    data = compute("strips_by_kind", invented(3, runs=400))
    lengths = data.rows.groupby("run")["step_id"].max()
    assert len(lengths) == 120
    assert {lengths.min(), lengths.max()} == {1, 39}


def test_cost_is_told_of_the_runs_of_which_it_is_known(frames: Frames) -> None:
    runs, _ = plain(frames)
    rows = compute("cost", frames).rows
    assert (rows["measure"] == "cost_usd").sum() == runs["cost_usd"].notna().sum()
    tokens = rows[rows["measure"] == "tokens"].set_index("run_id")["value"]
    known = runs.dropna(subset=["completion_tokens"]).set_index("run_id")
    assert dict(tokens) == dict(known["prompt_tokens"] + known["completion_tokens"])


def test_replays_are_compared_in_pairs() -> None:
    outcomes = (
        [("failed", "solved")] * 6 + [("solved", "solved")] * 4 + [("solved", "failed")] * 2 + [("failed", "unknown")]
    )
    runs = [
        {"run_id": f"{side}-{number}", "task": f"t{number}", "outcome": outcome, "step_count": 3, "labelled": "no"}
        for number, pair in enumerate(outcomes)
        for side, outcome in zip(("old", "new"), pair, strict=True)
    ]
    pairs = [(f"old-{number}", f"new-{number}", number > 1) for number in range(len(outcomes))]
    data = replay(dataclasses.replace(made(runs, []), replays=(*pairs, ("old-0", "gone", True))), "all")
    rows = data.rows.set_index("when")
    assert rows["value"].to_dict() == pytest.approx({"before": 6 / 12, "after": 10 / 12, "difference": 4 / 12})
    assert rows.loc["difference", "low"] < 4 / 12 < rows.loc["difference", "high"]
    assert data.notes[0] == "12 pairs of a run and its replay."
    assert data.notes[1].startswith("In 10 of them the model was allowed as many steps as the original took")
    assert [note for note in data.notes if note.startswith("Left out: 1 run")]
    assert replay(made(runs, []), "all").why.startswith("No run has been replayed yet")


def test_replays_are_told_apart_by_their_originals_however_many_runs_there_are() -> None:
    about: dict[str, Any] = {"step_count": 3, "labelled": "no", "outcome": "solved"}
    crowd = [{"run_id": f"run-{n}", "model": f"m{n % 40}", **about} for n in range(80)]
    pair = [{"run_id": "old", "model": "rare", **about}, {"run_id": "new", "model": "replaying", **about}]
    data = replay(dataclasses.replace(made([*crowd, *pair], []), replays=(("old", "new", True),)), "model")
    assert list(data.rows["group"]) == ["rare"] * 3
    assert not any("taken together" in note for note in data.notes)
    assert set(data.behind["run_id"]) == {"old", "new"}


def test_replays_count_in_no_other_figure_unless_there_is_nothing_else() -> None:
    def run(name: str, of: str | None, outcome: str) -> dict[str, Any]:
        about = {"model": "m1", "step_count": 3, "labelled": "no"}
        return {"run_id": name, "task": "t", "outcome": outcome, "replay_of": of, **about}

    old = [run("old", None, "failed")]
    new = [run("new-1", "old", "solved"), run("new-2", "old", "solved")]
    both, alone, replays = (compute("solved_rate", made(runs, []), "model") for runs in (old + new, old, new))
    pd.testing.assert_frame_equal(both.rows, alone.rows)
    assert both.notes == (*alone.notes, "2 replays of these runs are left out.")
    assert set(both.behind["run_id"]) == {"old"}
    assert (replays.rows["runs"].sum(), replays.rows["value"].max()) == (2, 1.0)
    assert not any("left out" in note for note in replays.notes)
    pairs = dataclasses.replace(made(old + new, []), replays=(("old", "new-1", True),))
    assert compute("replay", pairs, "all").notes[0] == "1 pair of a run and its replay."


# ---------------------------------------------------------------- properties


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), runs=st.integers(0, 25), figure=st.sampled_from([one.name for one in FIGURES]))
def test_every_figure_of_any_runs_is_numbers_or_a_reason(seed: int, runs: int, figure: str) -> None:
    frames = invented(seed, runs)
    ids = set(frames.runs["run_id"])
    for by in figure_named(figure).groups or (None,):
        data = compute(figure, frames, by)
        assert bool(data.why) == (not len(data.rows))
        assert set(data.behind["run_id"]) <= ids
        assert set(data.behind["row"]) <= set(data.rows.index)
        if {"value", "low", "high", "why"} <= set(data.rows.columns):
            missing = data.rows[data.rows["low"].isna()]
            assert (missing["why"] != "").all()
            bounded = data.rows.dropna(subset=["low"])
            assert ((bounded["low"] <= bounded["value"] + 1e-12) & (bounded["value"] <= bounded["high"] + 1e-12)).all()


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_the_order_of_runs_changes_no_number(figure: Any) -> None:
    frames = invented(11, 40)
    order = np.random.default_rng(2).permutation(len(frames.runs))
    place = np.argsort(order)
    steps = frames.steps.assign(run=place[frames.steps["run"].to_numpy()]).sort_values(["run", "step_id"])
    shuffled = Frames(frames.runs.iloc[order].reset_index(drop=True), steps.reset_index(drop=True), frames.labels)
    before, after = data_of(figure, frames), data_of(figure, shuffled)
    if not len(before.rows):
        assert (before.why, before.notes) == (after.why, after.notes)
        return
    exact = [name for name in before.rows.columns if name not in ("low", "high")]
    order_by = [name for name in exact if name not in ("value", "why")]
    one, other = (data.rows[exact].sort_values(order_by).reset_index(drop=True) for data in (before, after))
    pd.testing.assert_frame_equal(one, other)


# ---------------------------------------------------------------- choices


def test_filters_take_what_is_named_and_unknown(frames: Frames) -> None:
    runs, steps = plain(frames)
    chosen = filtered(frames, {"model": ["m1", "unknown"], "outcome": ["failed"]})
    expected = runs[(runs["model"].isin(["m1"]) | runs["model"].isna()) & (runs["outcome"] == "failed")]
    assert chosen.runs["run_id"].tolist() == expected["run_id"].tolist()
    assert len(chosen.steps) == steps["run"].isin(expected.index).sum()
    assert filtered(frames, {}, text="RUN-00").runs["run_id"].tolist() == [f"run-{n:03d}" for n in range(10)]


def test_small_groups_are_taken_together_and_said() -> None:
    runs = [
        {"run_id": f"r{n}", "model": f"m{n % 30}", "outcome": "solved", "step_count": 1, "labelled": "no"}
        for n in range(45)
    ]
    data = compute("solved_rate", made(runs, []), "model")
    assert len(data.rows) == 24
    assert data.rows["runs"].sum() == 45
    assert "30 groups by model: the 7 others with the fewest runs are taken together." in data.notes


@pytest.mark.parametrize("text", ["ground_truth", "adjudicated", "model:openai/gpt-5", "human:Ana: the first"])
def test_labels_are_named_as_they_are_written(text: str) -> None:
    assert str(Labels.parse(text)) == text


@pytest.mark.parametrize("text", ["", "human", "model:", "ground_truth:x", "peers", "human: "])
def test_what_names_no_labels_is_refused(text: str) -> None:
    with pytest.raises(CodeTracerError, match="names no labels"):
        Labels.parse(text)


def test_unknown_figures_and_groups_are_refused_with_what_there_is(frames: Frames) -> None:
    with pytest.raises(NotFound, match="solved_rate, solved_by_category"):
        figure_named("pie")
    with pytest.raises(NotFound, match="It can by outcome, model"):
        compute("transitions", frames, "category")
    with pytest.raises(NotFound, match="drawn in one way"):
        compute("cost", frames, "model")


def test_csv_can_be_read_back_exactly(frames: Frames) -> None:
    import io

    data = compute("error_position", frames)
    read = pd.read_csv(io.StringIO(frame_as_csv(data.rows)), keep_default_na=False, na_values=[""])
    assert read["value"].tolist() == data.rows["value"].tolist()


def test_no_name_of_a_run_is_a_formula_in_a_spreadsheet() -> None:
    runs = [
        {"run_id": "r", "agent": "=HYPERLINK(1)", "model": "@m", "outcome": "solved", "step_count": 1},
        {"run_id": "s", "agent": "-1+1", "model": "plain", "outcome": "failed", "step_count": 2},
    ]
    text = frame_as_csv(compute("solved_rate", made(runs, []), "agent").rows)
    assert "'=HYPERLINK(1)" in text
    assert not [cell for line in text.splitlines() for cell in line.split(",") if cell[:1] in ("=", "@", "+", "-")]
    assert ",-0.5\n" in frame_as_csv(pd.DataFrame({"name": ["-x"], "value": [-0.5]})), "numbers stay numbers"


def test_clusters_are_counted_once(frames: Frames) -> None:
    """A figure asks for them for each of its hundreds of rows."""
    assert frames.clusters is frames.clusters
