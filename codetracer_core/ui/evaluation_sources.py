"""What is evaluated: the ground truth and the systems that a person chooses, and the choices that their address keeps.

Names of files and of authors are other people's text: they are options of lists and plain text, never markdown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from codetracer_core.evaluation_files import Kept, kept_files
from codetracer_core.store import Store
from codetracer_core.workflow import sample_data_root

TruthKind = Literal["ground_truth", "adjudicated", "manifest"]
STORED: dict[str, TruthKind] = {"Ground truth of this workspace": "ground_truth", "Adjudicated labels": "adjudicated"}
SAMPLE_TRUTH = "Sample manifest"


@dataclass(frozen=True)
class TruthSource:
    """Where the ground truth comes from."""

    label: str
    kind: TruthKind
    path: Path | None = None
    """Of a manifest."""
    digest: str = ""
    """Of a manifest's content: what is computed from it is kept under it."""


@dataclass(frozen=True)
class SystemSource:
    """Where the answers of one system come from: files, one per repetition, or diagnoses of one author."""

    label: str
    name: str
    """What the system is called in tables."""
    paths: tuple[Path, ...] = ()
    """Empty: stored diagnoses of ``name``."""
    digest: str = ""


@dataclass(frozen=True)
class Sources:
    """All that was chosen."""

    truth: TruthSource
    systems: tuple[SystemSource, ...]


def truth_sources(store: Store) -> dict[str, TruthSource]:
    """What can be taken as ground truth, by its label."""
    found = [TruthSource(label, kind) for label, kind in STORED.items()]
    found += [
        TruthSource(f"Manifest {one.name}", "manifest", one.paths[0], one.digest)
        for one in kept_files(store.workspace, "manifest")
    ]
    sample = sample_data_root() / "manifest.jsonl"
    return {one.label: one for one in [*found, TruthSource(SAMPLE_TRUTH, "manifest", sample, "sample")]}


def system_sources(store: Store, authors: Mapping[str, int]) -> dict[str, SystemSource]:
    """What can be judged, by its label; ``authors`` of stored diagnoses with how many runs each has."""
    found = [
        SystemSource(f"{author} (stored diagnoses of {runs:,} run{'s' * (runs != 1)})", author)
        for author, runs in sorted(authors.items())
    ]
    found += [_loaded(one) for one in kept_files(store.workspace, "predictions")]
    return {one.label: one for one in [*found, *sample_systems()]}


def _loaded(one: Kept) -> SystemSource:
    count = len(one.paths)
    return SystemSource(f"{one.name} (loaded, {count} repetition{'s' * (count != 1)})", one.name, one.paths, one.digest)


def sample_systems() -> list[SystemSource]:
    """The invented systems of the sample data: files called ``<system>.rep<n>.jsonl``."""
    by_name: dict[str, list[Path]] = {}
    for path in sorted((sample_data_root() / "predictions").glob("*.rep*.jsonl")):
        by_name.setdefault(path.name.rpartition(".rep")[0], []).append(path)
    return [
        SystemSource(f"{name} (sample predictions)", f"{name} (sample)", tuple(paths), f"sample {name}")
        for name, paths in by_name.items()
    ]


def choose_sources(store: Store, authors: Mapping[str, int]) -> Sources:
    """The two lists to choose from; what was chosen stands in the address. No system may be chosen."""
    truths, systems = truth_sources(store), system_sources(store, authors)
    left, right = st.columns([1, 2])
    truth = left.selectbox("Ground truth", [*truths], key="truth", bind="query-params")
    chosen = right.multiselect(
        "Systems",
        [*systems],
        default=None if "systems" in st.session_state else [label for label, one in systems.items() if not one.paths],
        key="systems",
        bind="query-params",
        placeholder="Stored diagnoses or loaded predictions",
    )
    return Sources(truths[truth], tuple(systems[label] for label in chosen))


def offer_the_samples() -> None:
    """What to do where no system is chosen: the sample predictions are one press away."""
    st.info("No system is chosen. Choose stored diagnoses or loaded predictions above.")
    if sample_systems():
        st.button("Try it with the sample predictions", type="primary", on_click=_take_the_samples)


def _take_the_samples() -> None:
    st.session_state["truth"] = SAMPLE_TRUTH
    st.session_state["systems"] = [one.label for one in sample_systems()]
