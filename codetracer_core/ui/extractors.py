"""The extractors page: which formats this workspace was taught, one of them opened, saved, tried and used.

Names, titles and texts of specs are others' words: they go into plain text, tables and fields of our own.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import streamlit as st

from codetracer_core.errors import CodeTracerError, NotFound, SpecError
from codetracer_core.extracting import Used, used
from codetracer_core.extractors.fit_log import FitEntry
from codetracer_core.extractors.registry import Extractor, Version, registered, save, switched, version_of
from codetracer_core.extractors.sharing import export_text, import_text
from codetracer_core.extractors.spec import LANGUAGE, read_spec, spec_text
from codetracer_core.extractors.trying import Tried, try_spec
from codetracer_core.store import Store
from codetracer_core.ui import components, identity, shell
from codetracer_core.ui.extractor_editor import Draft, editor, text_of
from codetracer_core.ui.extractor_jobs import TeachingJob
from codetracer_core.ui.extractor_new import TEMPLATE, jobs_panel, new_panel, repair_panel
from codetracer_core.ui.extractor_preview import LIMITS, share_words
from codetracer_core.ui.import_jobs import import_paths
from codetracer_core.ui.importing import SHORT, follow_import
from codetracer_core.ui.jobs import jobs
from codetracer_core.ui.library import choose_runs
from codetracer_core.ui.tables import Cell, Column, Row, show_table
from codetracer_core.words import number_of

MOST_DRIFTS = 5
MOST_FOLDERS = 20
"""On which a spec is tried at once."""
_SAVED = "extractor_saved"
_IMPORTED = "extractor_imported"
_BETWEEN = "extractor_saved_after"


# --- all of them ----------------------------------------------------------------------------------------------


def all_extractors(store: Store) -> None:
    """The registry, what models are at work on, and the fields for a new format."""
    components.heading()(
        key="heading", data=["Extractors", "formats that this workspace was taught; nobody writes Python for them"]
    )
    jobs_panel()
    known = used(store, store.workspace.folder)
    if known:
        _table(known)
    else:
        st.info("No format has been taught yet. Name a folder with runs that no parser knows.")
    with st.expander("Describe a format", expanded=not known or "folder" in st.query_params, key="new_extractor"):
        new_panel(store, st.query_params.get("folder", ""))
    with st.expander("Take over a spec from a file", key="import_extractor"):
        _upload(store)


def _table(known: Sequence[Used]) -> None:
    columns = [
        Column("name", "Name"),
        Column("title", "What it reads"),
        Column("version", "Reads runs"),
        Column("versions", "Versions", "number"),
        Column("by", "Made by"),
        Column("at", "When, UTC"),
        Column("fit", "Checks when accepted"),
        Column("runs", "Runs", "number", help="That it has read; press to see them in the Library."),
        Column("drift", "Fits?", help="Whether runs that came in later fit as well as the first ones."),
    ]
    picked = show_table("extractors_table", columns, [extractor_row(one) for one in known], caption="Taught so far")
    for one in known:
        if one.extractor.name == picked:
            _show_runs(one)


def extractor_row(one: Used) -> Row:
    """An extractor in the table of all."""
    extractor, runs, drift = one.extractor, len(one.runs), one.drifted
    latest = extractor.current or (extractor.versions[-1] if extractor.versions else None)
    cells = {
        "name": Cell(extractor.name, href=f"/extractors?extractor={extractor.name}"),
        "version": Cell(f"v{extractor.active}" if extractor.active else "switched off"),
        "versions": Cell(str(len(extractor.versions)), value=len(extractor.versions)),
        "runs": Cell(str(runs), value=runs, pick=extractor.name if runs else ""),
        "drift": Cell("no longer", note=_drift_words(drift[0]), tone="bad") if drift else Cell("yes" if runs else ""),
    }
    if extractor.problems:
        cells["drift"] = Cell("cannot be read", note=" ".join(extractor.problems), tone="bad")
    if latest:
        cells |= {
            "title": Cell(latest.spec.title),
            "by": Cell(latest.facts.made_by),
            "at": Cell(f"{latest.facts.made_at:%Y-%m-%d %H:%M}", value=latest.facts.made_at.timestamp()),
            "fit": Cell(_checks_words(latest)),
        }
    return Row(extractor.name, cells)


def _checks_words(version: Version) -> str:
    told = [check.passed for check in version.facts.checks if check.passed is not None]
    covered = version.facts.fit.covered if version.facts.fit else None
    if not told:
        return "accepted unseen" + (f"; first import: {share_words(covered)} covered" if covered is not None else "")
    return f"{sum(told)} of {len(told)}" + (f", {share_words(covered)} covered" if covered is not None else "")


def _drift_words(entry: FitEntry) -> str:
    return f"{entry.path}: {'; '.join(entry.drift) or 'no step came of it'}"


def _show_runs(one: Used) -> None:
    """The runs that an extractor has read, in the Library."""
    choose_runs([run.run_id for run in one.runs], f"read by the extractor {one.extractor.name}")
    st.switch_page(shell.pages()["library"])


def _upload(store: Store) -> None:
    with st.form("import_spec", border=False, clear_on_submit=True):
        file = st.file_uploader("A spec that somebody shared (.yaml, .json)", type=["yaml", "yml", "json"])
        if not st.form_submit_button("Take it over") or file is None:
            return
    identity.require("lead")
    try:
        text = file.getvalue().decode("utf-8")
        taken = import_text(store.workspace.folder, text, made_by=identity.person() or "somebody", path=file.name)
    except UnicodeDecodeError:
        st.error("This file is no text (UTF-8).")
    except CodeTracerError as error:
        st.error("The spec was not taken over.")
        st.text(str(error))
    else:
        st.query_params.from_dict({"extractor": taken.version.name, "version": str(taken.version.number)})
        st.rerun()


# --- one of them ----------------------------------------------------------------------------------------------


def opened(store: Store) -> Draft | None:
    """The spec that the address names: saved, proposed, or a new one by hand; None: none. Raises NotFound."""
    asked = st.query_params
    folder = Path(asked["folder"]).expanduser() if asked.get("folder") else None
    if job_id := asked.get("proposal"):
        job = jobs().job(job_id)
        if not isinstance(job, TeachingJob) or job.proposed is None or job.proposed.spec is None:
            raise NotFound("no spec came of this order", remedy="Order another one.")
        text = spec_text(job.proposed.spec)
        key = f"proposal {job_id}"
        return Draft(key, text, folder or job.folder, made_by=job.proposed.model, repairs=job.repairs)
    if name := asked.get("extractor"):
        number = asked.get("version", "")
        version = version_of(store.workspace.folder, name, int(number) if number.isdecimal() else None)
        origin = Path(version.facts.origin) if version.facts.origin else None
        return Draft(f"{name} v{version.number}", spec_text(version.spec), folder or origin, version=version)
    if "new" in asked:
        return Draft("new", TEMPLATE.read_text(encoding="utf-8"), folder)
    return None


def one_extractor(store: Store, draft: Draft) -> None:
    """One spec: where it comes from, its editor, and what else can be done with it."""
    if draft.version is None:
        _head_of_new(draft)
    else:
        _head(store, draft.version)
    _saved(store, draft)
    draft = _with_folder(draft)
    editor(draft, lambda text: _save(store, draft, text))
    with st.expander("Try it on other folders", key="try_extractor"):
        _try_on_folders(draft)
    with st.expander("The language of specs", key="extractor_language", on_change="rerun") as language:
        if language.open:
            st.code(LANGUAGE, language="markdown", wrap_lines=True)


def _head_of_new(draft: Draft) -> None:
    title = "A proposed spec" if draft.made_by else "A new spec"
    told = f"by {draft.made_by}: nothing of it is saved yet" if draft.made_by else "nothing of it is saved yet"
    with st.container(horizontal=True, vertical_alignment="center"):
        components.heading()(key="heading", data=[title, told])
        st.page_link(shell.pages()["extractors"], label="All extractors")


def _head(store: Store, version: Version) -> None:
    (one,) = [one for one in used(store, store.workspace.folder) if one.extractor.name == version.name]
    extractor, drift = one.extractor, one.drifted
    reads = f"v{extractor.active} reads runs" if extractor.active else "switched off"
    made = f"v{version.number} by {version.facts.made_by}, {version.facts.made_at:%Y-%m-%d %H:%M}"
    with st.container(horizontal=True, vertical_alignment="center"):
        components.heading()(key="heading", data=[version.name, " · ".join((version.spec.title, reads, made))])
        _switches(store, extractor, version)
        st.download_button(
            "Export",
            export_text(version),
            f"{version.name}-v{version.number}.yaml",
            on_click="ignore",
        )
        if not drift and st.button("Repair", help="With a model, for runs that it does not fit"):
            st.query_params["repair"] = "1"
            st.rerun()
        if one.runs and st.button(number_of(len(one.runs), "run"), help="The runs that it has read, in the Library"):
            _show_runs(one)
        st.page_link(shell.pages()["extractors"], label="All extractors")
    if drift:
        st.warning("Runs that came in later fit worse than the first ones.")
        components.notes()(key="drift", data=[_drift_words(entry) for entry in drift[:MOST_DRIFTS]])
    if drift or "repair" in st.query_params:
        _repair(store, version, drift[0].path if drift else "")


def _repair(store: Store, version: Version, folder: str) -> None:
    asked = "repair" in st.query_params
    with st.expander("Repair it with a model", expanded=asked, key="repair_extractor", on_change="rerun") as repair:
        if repair.open:
            repair_panel(store, version, st.query_params.get("folder", "") if asked else folder)


def _switches(store: Store, extractor: Extractor, version: Version) -> None:
    """Another version to look at, and whether this one reads runs."""
    numbers = [one.number for one in extractor.versions]
    chosen = st.selectbox(
        "Version",
        numbers,
        index=numbers.index(version.number),
        format_func=lambda number: f"v{number}",
        key=f"version {version.name} {version.number}",
        label_visibility="collapsed",
        width=90,
    )
    if chosen != version.number:
        st.query_params["version"] = str(chosen)
        st.rerun()
    is_active = extractor.active == version.number
    if st.button("Switch off" if is_active else f"Let v{version.number} read runs"):
        identity.require("lead")
        switched(store.workspace.folder, version.name, None if is_active else version.number)
        st.rerun()


def _with_folder(draft: Draft) -> Draft:
    """The draft with the folder that is named in the field: the spec is tried on it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text("Tried on", width="content")
        given = st.text_input(
            "Folder or file it is tried on",
            str(draft.folder or ""),
            key=f"folder of {draft.key}",
            placeholder="~/runs/of-this-agent",
            label_visibility="collapsed",
        ).strip()
    folder = Path(given).expanduser() if given else None
    if given and given != st.query_params.get("folder"):
        st.query_params["folder"] = given  # a reload opens it again
    return replace(draft, folder=folder)


def _save(store: Store, draft: Draft, text: str) -> None:
    """Keep a text as the next version of the name that it gives itself."""
    identity.require("lead")
    who = identity.person() or "somebody"
    try:
        spec = read_spec(text)
        refuse_taken(draft, spec.name, [one.name for one in registered(store.workspace.folder)])
        by = f"{draft.made_by}, accepted by {who}" if draft.made_by and text == draft.text else who
        version = save(store.workspace.folder, spec, made_by=by, folder=draft.folder)
    except CodeTracerError as error:
        st.session_state[_SAVED] = str(error)
        st.rerun(scope="app")
    st.session_state[_SAVED] = version
    opened = draft.version.number if draft.version and draft.version.name == version.name else version.number - 1
    st.session_state[_BETWEEN] = [f"v{number}" for number in range(opened + 1, version.number)]
    st.session_state.pop(_IMPORTED, None)
    asked = {"extractor": version.name} | ({"folder": str(draft.folder)} if draft.folder else {})
    st.query_params.from_dict(asked)
    st.rerun(scope="app")


def refuse_taken(draft: Draft, name: str, known: Sequence[str]) -> None:
    """Raise SpecError if a spec that is no version of an extractor would take its place by its name."""
    if name in known and name != (draft.version.name if draft.version else draft.repairs):
        raise SpecError(
            f"there is an extractor {name!r} already, and this is not one of its versions",
            remedy="Give this one another name, or open the other and change that.",
        )


def _saved(store: Store, draft: Draft) -> None:
    """What became of saving, and the way from there to labelled steps."""
    kept = st.session_state.get(_SAVED)
    if isinstance(kept, str):
        del st.session_state[_SAVED]
        st.error("The spec was not saved.")
        st.text(kept)
        return
    if not isinstance(kept, Version) or draft.version is None or kept.name != draft.version.name:
        return
    st.success(f"Saved as {kept.name} v{kept.number}: it reads runs from now on.")
    if between := st.session_state.get(_BETWEEN):
        st.info(
            f"It was made from an older version: what {', '.join(between)} changed is not in it. All versions are kept."
        )
    if not_passed := [f"{check.name}: {check.words}" for check in kept.facts.checks if check.passed is False]:
        st.warning("On the runs here, and on those beside them that look alike, checks say no.")
        components.notes()(key="not_passed", data=not_passed)
    folder = draft.folder
    row = st.container(horizontal=True, vertical_alignment="center")
    if folder and row.button("Import the runs of this folder", type="primary"):
        job = import_paths([folder])
        job.over.wait(SHORT)
        st.session_state[_IMPORTED] = job.job_id
    report = follow_import(store, st.session_state.get(_IMPORTED))
    first = next((item.run_id for item in report.items if item.run_id), None) if report else None
    if first:
        label = "Open the first run to label it"
        row.page_link(shell.pages()["trajectory"], label=label, query_params={"traj": first})


# --- other folders --------------------------------------------------------------------------------------------


def _try_on_folders(draft: Draft) -> None:
    with st.form("try_folders", border=False):
        given = st.text_area("Folders or files, one per line", height=90, placeholder="~/runs/other\n~/archive/older")
        if not st.form_submit_button("Try the spec as it is written now"):
            return
    identity.require("lead")
    places = [Path(line.strip()).expanduser() for line in given.splitlines() if line.strip()]
    try:
        spec = read_spec(text_of(draft))
    except CodeTracerError as error:
        st.text(str(error))
        return
    with st.spinner("Reading …"):
        tried = [(str(place), try_spec(spec, [place], limits=LIMITS)) for place in places[:MOST_FOLDERS]]
    columns = [
        Column("folder", "Folder"),
        Column("found", "Runs recognised", "number"),
        Column("read", "Runs read", "number"),
        Column("steps", "Steps", "number"),
        Column("checks", "Checks passed"),
        Column("covered", "Covered, at least"),
        Column("problems", "Problems"),
    ]
    show_table("tried_folders", columns, [tried_row(place, one) for place, one in tried], caption="The spec on folders")
    if len(places) > MOST_FOLDERS:
        st.text(f"Only the first {MOST_FOLDERS} folders were tried.")


def tried_row(place: str, tried: Tried) -> Row:
    """One folder and what the spec makes of it."""
    steps = sum(one.trajectory.step_count for one in tried.extractions)
    told = [check for check in tried.judged.checks if check.passed is not None] if tried.judged else []
    failed = [f"{check.name}: {check.words}" for check in told if not check.passed]
    shares = [one.coverage for one in tried.extractions if one.coverage is not None]
    problems = [*tried.problems, *failed]
    return Row(
        place,
        {
            "folder": Cell(place),
            "found": Cell(str(tried.found), value=tried.found),
            "read": Cell(str(len(tried.extractions)), value=len(tried.extractions)),
            "steps": Cell(f"{steps:,}", value=steps),
            "checks": Cell(f"{len(told) - len(failed)} of {len(told)}" if told else ""),
            "covered": Cell(share_words(min(shares)) if shares else ""),
            "problems": Cell(
                " · ".join(problems)[:400], note="\n".join(problems)[:4_000], tone="bad" if problems else ""
            ),
        },
        tone="" if tried.is_good else "bad",
    )
