"""What several people say of one run, side by side: whose word is whose, where they differ, what they agree on. Pure.

A *voice* is all that one person, model or adjudicator says of a run. People's voices are shown by letters whose order
is fixed by the run, so that neither a name nor the order of arrival tells who speaks.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from string import ascii_uppercase
from typing import Any, NamedTuple

from codetracer_core.models import RUN_FIELDS, STEP_FIELDS, LabelEvent, LabelSource
from codetracer_core.projects import DONE, Assignment


class Voice(NamedTuple):
    """All that one person, model or adjudicator says of a run."""

    who: str
    """As it is shown: a letter for a person, the model's name, "adjudicated"."""
    voice_id: str
    """Names the voice where its name must not be told; stays the same when other voices join."""
    source: LabelSource
    annotator: str
    of_steps: Mapping[int, Mapping[str, Any]]
    """By step, then by field. Beside ``STEP_FIELDS``: "revised", the verdict (None: taken back) that a person gave
    instead after they had submitted."""
    of_run: Mapping[str, Any]
    """By field (``RUN_FIELDS``)."""

    def verdict(self, step: int) -> str | None:
        """Their verdict on a step; None: they left it unlabelled."""
        found = self.of_steps.get(step, {}).get("verdict")
        return None if found is None else str(found)

    @property
    def chain(self) -> list[int]:
        """The steps that they say followed from the failure onset."""
        return sorted(step for step, said in self.of_steps.items() if said.get("chain"))


def voice_id(run_id: str, annotator: str) -> str:
    """A name for somebody's voice on a run that does not tell theirs."""
    return hashlib.sha256(f"{run_id}\0{annotator}".encode()).hexdigest()[:12]


def people(run_id: str, labels: Iterable[LabelEvent], blind_passes: Mapping[str, int]) -> list[Voice]:
    """The voices of the people who submitted a run; ``blind_passes``: by person, the pass that counts.

    What they said in that pass stands, what they changed their verdict to in the pass after it is told beside it;
    replies are taken from both. A person who labelled nothing has a voice too: an empty one.
    """
    of: dict[str, list[LabelEvent]] = {annotator: [] for annotator in blind_passes}
    for label in labels:
        if label.source == "human" and label.annotator in of:
            of[label.annotator].append(label)
    ids = {voice_id(run_id, annotator): annotator for annotator in blind_passes}
    return [
        _person(_letter(at), known, ids[known], of[ids[known]], blind_passes[ids[known]])
        for at, known in enumerate(sorted(ids))
    ]


def others(run_id: str, labels: Iterable[LabelEvent], source: LabelSource) -> list[Voice]:
    """The voices of models, each under its own name, or the one voice of adjudication.

    A model that diagnosed the run several times says what it said last: its latest pass.
    """
    of: dict[str, list[LabelEvent]] = {}
    for label in labels:
        if label.source == source:
            of.setdefault("adjudicated" if source == "adjudicated" else label.annotator, []).append(label)
    if source == "model":
        latest = {name: max(label.pass_number for label in said) for name, said in of.items()}
        of = {name: [one for one in said if one.pass_number == latest[name]] for name, said in of.items()}
    return [
        Voice(name, voice_id(run_id, f"{source} {name}"), source, said[-1].annotator, *_sorted_out(said))
        for name, said in sorted(of.items())
    ]


def _letter(at: int) -> str:
    turn, letter = divmod(at, len(ascii_uppercase))
    return ascii_uppercase[letter] + (str(turn + 1) if turn else "")


def _person(who: str, known_as: str, annotator: str, labels: Sequence[LabelEvent], blind_pass: int) -> Voice:
    of_steps, of_run = _sorted_out(label for label in labels if label.pass_number == blind_pass)
    later = [label for label in labels if label.pass_number == blind_pass + 1]
    revised, _ = _sorted_out(label for label in later if label.field != "reply")
    replies, _ = _sorted_out(label for label in later if label.field == "reply")
    for step, said in replies.items():
        of_steps.setdefault(step, {}).update(said)
    if any(label.field in STEP_FIELDS and label.field != "reply" for label in later):
        for step in of_steps.keys() | revised.keys():
            verdict = revised.get(step, {}).get("verdict")
            if verdict != of_steps.get(step, {}).get("verdict"):
                of_steps.setdefault(step, {})["revised"] = verdict
    return Voice(who, known_as, "human", annotator, of_steps, of_run)


def _sorted_out(labels: Iterable[LabelEvent]) -> tuple[dict[int, dict[str, Any]], dict[str, Any]]:
    of_steps: dict[int, dict[str, Any]] = {}
    of_run: dict[str, Any] = {}
    for label in labels:
        if label.step_id is None and label.field in RUN_FIELDS:
            of_run[label.field] = label.value
        elif label.step_id is not None and label.field in (*STEP_FIELDS, "basis"):
            of_steps.setdefault(label.step_id, {})[label.field] = label.value
    return of_steps, of_run


def positions(voices: Sequence[Voice], *, names: bool = False) -> dict[str, Any]:
    """The voices as ``frontend/positions.js`` shows them; who a person is stands in it only with ``names``.

    * "voices": [{who, id, source, name?}], in the order in which they are shown;
    * "positions": step → [{who, source, verdict, details, …}], only what somebody said, and of a basis only whose
      position was taken, by letter;
    * "runPositions": [{who, source, onset, run_verdict, stages, chain, note, tags, flag}].
    """
    letters = {voice.annotator: voice.who for voice in voices if voice.source != "adjudicated"}
    steps: dict[str, list[dict[str, Any]]] = {}
    for voice in voices:
        for step, said in voice.of_steps.items():
            shown = dict(said)
            if "basis" in shown:
                taken = str(shown["basis"]["taken"])
                shown["basis"] = taken if taken in ("agreed", "new") else letters.get(taken, "")
            steps.setdefault(str(step), []).append({"who": voice.who, "source": voice.source, **shown})
    return {
        "voices": [
            {"who": voice.who, "id": voice.voice_id, "source": voice.source}
            | ({"name": voice.annotator} if names and voice.source == "human" else {})
            for voice in voices
        ],
        "positions": steps,
        "runPositions": [
            {
                "who": voice.who,
                "source": voice.source,
                **voice.of_run,
                **({"chain": voice.chain} if voice.chain else {}),
            }
            for voice in voices
        ],
    }


# --- where they differ ------------------------------------------------------------------------------------------------

WEIGHTS = {"incorrect": 10, "onset": 20, "verdict": 3, "unlabelled": 1}
"""What a difference counts for in ``Difference.score``."""
RUN_QUESTIONS = ("onset", "run_verdict", "chain", "stages")
"""What is decided of the whole run."""


class Difference(NamedTuple):
    """Where the people who submitted a run differ."""

    steps: tuple[int, ...] = ()
    """Steps on which their verdicts are not all the same; leaving a step unlabelled is a position of its own."""
    incorrect: int = 0
    """Of these, how many somebody calls incorrect and somebody else does not."""
    unlabelled: int = 0
    """Of the others, on how many those who gave a verdict gave the same."""
    of_run: tuple[str, ...] = ()
    """The ``RUN_QUESTIONS`` on which they differ: onset and error chain also if only some name one, verdict on the run
    and stages only if two answers differ."""

    @property
    def score(self) -> int:
        """How much a decision is worth: the most valuable run is adjudicated first.

        A step that one calls incorrect and another does not counts 10, two different verdicts otherwise 3, a verdict
        against none 1; different failure onsets count 20. What people say of steps is what is evaluated: other
        differences on the whole run count nothing.
        """
        verdicts = len(self.steps) - self.incorrect - self.unlabelled
        return (
            WEIGHTS["incorrect"] * self.incorrect
            + WEIGHTS["verdict"] * verdicts
            + WEIGHTS["unlabelled"] * self.unlabelled
            + WEIGHTS["onset"] * ("onset" in self.of_run)
        )


def difference(voices: Sequence[Voice]) -> Difference:
    """Where these people differ; nobody differs with themselves."""
    steps, incorrect, unlabelled = [], 0, 0
    for step in sorted({step for voice in voices for step in voice.of_steps}):
        verdicts = {voice.verdict(step) for voice in voices}
        if len(verdicts) > 1:
            steps.append(step)
            incorrect += "incorrect" in verdicts
            unlabelled += "incorrect" not in verdicts and len(verdicts - {None}) == 1
    of_run = [
        question for question in RUN_QUESTIONS if _differ([_answer(voice, question) for voice in voices], question)
    ]
    return Difference(tuple(steps), incorrect, unlabelled, tuple(of_run))


def _answer(voice: Voice, question: str) -> Any:
    return voice.chain or None if question == "chain" else voice.of_run.get(question)


def _differ(answers: Sequence[Any], question: str) -> bool:
    given = [answer for answer in answers if answer is not None]
    silent = question in ("onset", "chain") and 0 < len(given) < len(answers)
    return silent or any(answer != given[0] for answer in given)


def agreed(voices: Sequence[Voice]) -> list[tuple[int | None, str, Any]]:
    """What all of these people say, as (step, field, value): with each verdict its basis. One alone agrees on nothing.

    Reasons are not among it: they are each person's own words.
    """
    if len(voices) < 2:
        return []
    found: list[tuple[int | None, str, Any]] = []
    chain = set.intersection(*(set(voice.chain) for voice in voices))
    for step in sorted({step for voice in voices for step in voice.of_steps}):
        verdict = voices[0].verdict(step)
        if verdict is not None and all(voice.verdict(step) == verdict for voice in voices):
            found += [(step, "verdict", verdict), (step, "basis", basis("agreed", voices, step))]
        if step in chain:
            found.append((step, "chain", True))
    for question in ("onset", "run_verdict", "stages"):
        answers = [voice.of_run.get(question) for voice in voices]
        if answers[0] is not None and all(answer == answers[0] for answer in answers):
            found.append((None, question, answers[0]))
    return found


def basis(taken: str, voices: Sequence[Voice], step: int) -> dict[str, Any]:
    """``Basis`` of a verdict on a step; ``taken`` is "agreed", "new" or an annotator."""
    return {"taken": taken, "positions": {voice.annotator: voice.verdict(step) for voice in voices}}


class Case(NamedTuple):
    """One run of a project as a matter to be adjudicated."""

    run_id: str
    difference: Difference
    submitted: int
    """How many people have submitted it."""
    decided: bool

    @property
    def waits(self) -> bool:
        """Fewer than two people have submitted it: there is nothing to compare yet."""
        return self.submitted < 2


def blind_passes(assignments: Iterable[Assignment]) -> dict[str, dict[str, int]]:
    """By run, then by person: the last blind pass that they submitted."""
    found: dict[str, dict[str, int]] = {}
    for one in assignments:
        if one.state in DONE:
            of_run = found.setdefault(one.run_id, {})
            of_run[one.annotator] = max(one.pass_number, of_run.get(one.annotator, 0))
    return found


def cases(run_ids: Sequence[str], assignments: Collection[Assignment], labels: Iterable[LabelEvent]) -> list[Case]:
    """The runs of a project, those of most value first (see ``Difference.score``), equal ones in the project's order.

    ``labels`` are what people say of the runs that they submitted.
    """
    passes = blind_passes(assignments)
    decided = {one.run_id for one in assignments if one.state == "adjudicated"}
    said: dict[str, list[LabelEvent]] = {}
    for label in labels:
        said.setdefault(label.run_id, []).append(label)
    found = [
        Case(
            run_id,
            difference(people(run_id, said.get(run_id, ()), passes.get(run_id, {}))),
            len(passes.get(run_id, {})),
            run_id in decided,
        )
        for run_id in run_ids
    ]
    return sorted(found, key=lambda case: -case.difference.score)
