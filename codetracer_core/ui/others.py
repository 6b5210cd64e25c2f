"""What others say of a run: for people who have submitted it or never label it, when they ask, and on record."""

from collections.abc import Mapping
from typing import Any

from codetracer_core.adjudication import Voice, blind_passes, others, people, positions
from codetracer_core.models import Exposure, LabelSource
from codetracer_core.store import Store
from codetracer_core.ui.identity import standing_of
from codetracer_core.ui.viewer import is_asked, note_exposure

EXPOSES: Mapping[LabelSource, Exposure] = {"human": "peers", "adjudicated": "peers", "model": "model"}


def beside(store: Store, run_id: str, who: str) -> dict[str, Any]:
    """For ``step_viewer``: whether there is anything to see, and what it is once this person asked for it.

    People are letters, their own one marked; nothing at all is told to whoever stands blind to the run. What is shown
    is put on record before.
    """
    standing = standing_of(store, run_id, who)
    if standing.is_blind:
        return {}
    voices = _voices(store, run_id, who)
    told = [voice for voice in voices if not _is_own(voice, who)]
    if not who or not told or not is_asked("others", run_id):
        return {"hasOthers": bool(told), "othersShown": False}
    for what in sorted({EXPOSES[voice.source] for voice in told}):
        note_exposure(store, run_id, who, standing, what)
    return {"hasOthers": True, "othersShown": True, **positions(voices)}


def _voices(store: Store, run_id: str, who: str) -> list[Voice]:
    """All who submitted the run, the models, and the outcome of adjudication."""
    labels = store.labels(run_id)
    submitted = blind_passes(store.assignments(run_id=run_id)).get(run_id, {})
    said_by_people = [
        voice._replace(who=f"{voice.who} (you)") if _is_own(voice, who) else voice
        for voice in people(run_id, labels, submitted)
    ]
    return [*said_by_people, *others(run_id, labels, "model"), *others(run_id, labels, "adjudicated")]


def _is_own(voice: Voice, who: str) -> bool:
    return voice.source == "human" and voice.annotator == who


def told_by_others(store: Store, run_id: str, who: str) -> list[Voice]:
    """The voices of others on a run, for a page that shows them beside something else.

    Whoever stands blind to the run hears none. The caller puts on record what is shown (``EXPOSES``).
    """
    if standing_of(store, run_id, who).is_blind:
        return []
    return [voice for voice in _voices(store, run_id, who) if not _is_own(voice, who)]
