"""What is evaluated: the ground truth and the systems that a person chooses, and the choices that their address keeps.

Names of files and of authors are other people's text: they are options of lists and plain text, never markdown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from codetracer_core.evaluation_files import FileKind, Kept, kept_files
from codetracer_core.store import Store
from codetracer_core.words import number_of
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
        TruthSource(_of_manifest(one.name), "manifest", one.paths[0], one.digest)
        for one in kept_files(store.workspace, "manifest")
    ]
    sample = sample_data_root() / "manifest.jsonl"
    return {one.label: one for one in [*found, TruthSource(SAMPLE_TRUTH, "manifest", sample, "sample")]}


def _of_manifest(name: str) -> str:
    return f"Manifest {name}"


def system_sources(store: Store, authors: Mapping[str, int]) -> dict[str, SystemSource]:
    """What can be judged, by its label; ``authors`` of stored diagnoses with how many runs each has."""
    found = [
        SystemSource(f"{author} (stored diagnoses of {number_of(runs, 'run')})", author)
        for author, runs in sorted(authors.items())
    ]
    found += [_loaded(one) for one in kept_files(store.workspace, "predictions")]
    return {one.label: one for one in [*found, *sample_systems()]}


def _loaded(one: Kept) -> SystemSource:
    count = len(one.paths)
    return SystemSource(f"{one.name} (loaded, {number_of(count, 'repetition')})", one.name, one.paths, one.digest)


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
    for kind, name in st.session_state.pop("just_loaded", {}).items():  # before its list is there and holds the value
        _choose_loaded(kind, name, truths, systems)
    if "systems" not in st.session_state and "systems" not in st.query_params:
        # Not a default of the list: one that changes while the page is open would empty it.
        st.session_state["systems"] = [label for label, one in systems.items() if not one.paths]
    left, right = st.columns([1, 2])
    truth = left.selectbox("Ground truth", [*truths], key="truth", bind="query-params")
    chosen = right.multiselect(
        "Systems", [*systems], key="systems", bind="query-params", placeholder="Stored diagnoses or loaded predictions"
    )
    return Sources(truths[truth], tuple(systems[label] for label in chosen))


def _choose_loaded(
    kind: FileKind, name: str, truths: Mapping[str, TruthSource], systems: Mapping[str, SystemSource]
) -> None:
    """Take what was just loaded to the choices: that is why it was loaded."""
    if kind == "manifest":
        if _of_manifest(name) in truths:
            st.session_state["truth"] = _of_manifest(name)
        return
    loaded = [label for label, one in systems.items() if one.paths and one.name == name]
    chosen = [label for label in st.session_state.get("systems", []) if label in systems and label not in loaded]
    st.session_state["systems"] = [*chosen, *loaded]


def offer_the_samples(why: str) -> None:
    """What to do where there is nothing to judge, or nothing to judge by: the samples are one press away."""
    st.info(why)
    if sample_systems():
        st.button("Try it with the sample predictions", type="primary", on_click=_take_the_samples)


def _take_the_samples() -> None:
    st.session_state["truth"] = SAMPLE_TRUTH
    st.session_state["systems"] = [one.label for one in sample_systems()]
