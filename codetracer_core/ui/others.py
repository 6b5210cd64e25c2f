"""What others say of a run: for people who have submitted it or never label it, when they ask, and on record."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from codetracer_core.adjudication import Voice, others, people, positions, voice_id
from codetracer_core.models import RUN_FIELDS, STEP_FIELDS, LabelEvent, LabelSource
from codetracer_core.projects import DONE, Assignment
from codetracer_core.store import Store
from codetracer_core.ui.identity import EXPORTERS, may, standing_of
from codetracer_core.ui.viewer import EXPOSES, is_asked, note_exposure, shown_by_address, truth_is_shown


def beside(store: Store, run_id: str, who: str) -> dict[str, Any]:
    """For ``step_viewer``: whether there is anything to see, and what it is once this person asked for it.

    People are letters, their own one marked; nothing at all is told to whoever stands blind to the run. What is shown
    is put on record before. An address that asks for labels (``show=``) is about comparing: then everybody has a
    column, also who says nothing of the step, ground truth and earlier passes among them, and whoever may export labels
    sees names.
    """
    standing = standing_of(store, run_id, who)
    if standing.is_blind:
        return {}
    compares = bool(shown_by_address())
    voices = voices_of(store, run_id, who, all_raters=compares)
    told = [voice for voice in voices if not _is_own(voice, who)]
    shown = voices if who and told and is_asked("others", run_id) else []
    for what in sorted({EXPOSES[voice.source] for voice in told if shown}):
        note_exposure(store, run_id, who, standing, what)
    found = {"hasOthers": bool(told), "othersShown": bool(shown)}
    if compares and truth_is_shown(store, run_id, who, standing):
        shown = [*shown, *truth_voices(store, run_id)]
    if not shown:
        return found
    return found | {"allVoices": compares, **positions(shown, names=compares and may(*EXPORTERS))}


def told_by_others(store: Store, run_id: str, who: str) -> list[Voice]:
    """The voices of others on a run, ground truth among them, for a page that shows them beside something else.

    Whoever stands blind to the run hears none. The caller puts on record what is shown (``viewer.EXPOSES``).
    """
    if standing_of(store, run_id, who).is_blind:
        return []
    return [
        *(voice for voice in voices_of(store, run_id, who) if not _is_own(voice, who)),
        *truth_voices(store, run_id),
    ]


def voices_of(store: Store, run_id: str, who: str, *, all_raters: bool = False) -> list[Voice]:
    """All people who are through with the run, the models, and the outcome of adjudication.

    ``all_raters``: everybody whom ``Reader.ratings`` compares, also people in an earlier pass of theirs, and those who
    label the run though nobody gave it to them yet.
    """
    labels, assignments = store.labels(run_id), store.assignments(run_id=run_id)
    passes = _passes(labels, assignments)
    if not all_raters:
        given = {one.annotator for one in assignments}
        passes = {name: of for name, of in passes.items() if name in given or not store.standing(run_id, name).is_blind}
    spoken: list[Voice] = []
    for turn in range(1, max(map(len, passes.values()), default=0)) if all_raters else ():
        earlier = {name: of[turn - 1] for name, of in passes.items() if len(of) > turn}
        spoken += [voice._replace(who=f"pass {turn} of") for voice in people(run_id, labels, earlier)]
    latest = people(run_id, labels, {name: of[-1] for name, of in passes.items()})
    letters = {voice.annotator: voice.who for voice in latest}
    named = [voice._replace(who=f"{voice.who} {letters[voice.annotator]}") for voice in spoken] + latest
    marked = [voice._replace(who=f"{voice.who} (you)") if _is_own(voice, who) else voice for voice in named]
    return [*marked, *_models(store, run_id, labels), *others(run_id, labels, "adjudicated")]


def _passes(labels: Iterable[LabelEvent], assignments: Sequence[Assignment]) -> dict[str, list[int]]:
    """By person, the passes in which they judged the run blind, in order: those that they submitted, and of somebody
    whom no project gave the run, whatever they said last."""
    found: dict[str, set[int]] = defaultdict(set)
    for one in assignments:
        if one.state in DONE:
            found[one.annotator].add(one.pass_number)
    assigned = {one.annotator for one in assignments}
    for label in labels:
        if label.source == "human" and label.annotator not in assigned and label.field in (*STEP_FIELDS, *RUN_FIELDS):
            found[label.annotator] = {max({label.pass_number} | found[label.annotator])}
    return {name: sorted(of) for name, of in sorted(found.items())}


def _models(store: Store, run_id: str, labels: Sequence[LabelEvent]) -> list[Voice]:
    """What models said last; one whose last diagnosis found nothing says nothing, which is a voice as well."""
    last: dict[str, int] = {}
    for one in store.diagnoses([run_id]):
        last[one.author] = max(last.get(one.author, 0), one.pass_number or 0)
    said_last = [label for label in labels if label.pass_number >= last.get(label.annotator, 0)]
    speaking = others(run_id, said_last, "model")
    silent = sorted(name for name in last.keys() - {voice.annotator for voice in speaking} if last[name])
    return [*speaking, *(_silent(run_id, name, "model") for name in silent)]


def truth_voices(store: Store, run_id: str) -> list[Voice]:
    """Of a run that the benchmark knows without a label, the ground truth says that nothing is wrong."""
    told = others(run_id, store.labels(run_id, source="ground_truth"), "ground_truth")
    silent = [_silent(run_id, "ground truth", "ground_truth")] if store.benchmark_rows([run_id]) else []
    return [voice._replace(who="ground truth") for voice in told] or silent


def _silent(run_id: str, name: str, source: LabelSource) -> Voice:
    return Voice(name, voice_id(run_id, f"{source} {name}"), source, name, {}, {})


def _is_own(voice: Voice, who: str) -> bool:
    return voice.source == "human" and voice.annotator == who
