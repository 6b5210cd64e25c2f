"""What a person decides on single labels of a diagnosis: accept, correct or reject. Stored as adjudicated labels.

An accepted verdict rests on the model's position, any other one is new; what the model had said stands in its basis.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from codetracer_core.adjudication import voice_id
from codetracer_core.diagnosis_models import Diagnosis, StepFinding
from codetracer_core.errors import NotAllowed, NotFound
from codetracer_core.models import Exposure, LabelEvent
from codetracer_core.store import Store
from codetracer_core.ui import identity
from codetracer_core.ui.adjudicating import adjudicated_said, require_adjudicator
from codetracer_core.ui.viewer import Ledger, label_event, take_labels

OF_STEPS = ("verdict", "details", "basis")
OF_RUN = ("onset", "run_verdict")


def why_not_decide() -> str:
    """Why this person cannot decide on labels, in words; "" if they can."""
    return "" if identity.may("adjudicator") else "Accepting and rejecting labels takes the role of an adjudicator."


def take_decisions(store: Store, batches: Sequence[Mapping[str, Any]]) -> tuple[dict[str, int], list[str]]:
    """Store what the outbox of a report sent, as adjudicated labels; see ``take_labels``.

    Whoever is no adjudicator, or stands blind to the run, is refused, whatever the browser says.
    """

    @cache
    def known(diagnosis_id: str, run_id: str, who: str) -> tuple[Diagnosis, Exposure]:
        require_adjudicator(who)
        standing = identity.standing_of(store, run_id, who)
        if standing.is_blind:
            raise NotAllowed(f"{who} labels this run blind, or may get it to label", remedy="Submit it first.")
        diagnosis = store.diagnosis(diagnosis_id)
        if diagnosis.run_id != run_id:
            raise NotFound("this diagnosis is of another run")
        return diagnosis, standing.exposure

    def read(client: str, op: Mapping[str, Any]) -> LabelEvent:
        event = label_event(client, op, "basis").model_copy(update={"source": "adjudicated"})
        diagnosis, exposure = known(str(op["diagnosis"]), event.run_id, event.annotator)
        if event.field not in (OF_RUN if event.step_id is None else OF_STEPS):
            raise NotAllowed("only verdicts, the onset and the verdict on the run are decided on a diagnosis")
        value = event.value
        if event.step_id is not None:
            value = _value(store, diagnosis, _finding(diagnosis, event.step_id), event)
        return event.model_copy(update={"exposure": exposure, "value": value})

    return take_labels(store, batches, read=read, put=store.add_label_events)


def _finding(diagnosis: Diagnosis, step_id: int) -> StepFinding:
    for finding in diagnosis.accepted:
        if finding.step_id == step_id:
            return finding
    raise NotFound(f"this diagnosis has no label on step {step_id}")


def _value(store: Store, diagnosis: Diagnosis, finding: StepFinding, event: LabelEvent) -> Any:
    """What is stored: the browser says whose details and position are meant, and knows no names."""
    if event.field == "details" and event.value == {"as": "model"}:
        return finding.details.model_dump()
    if event.field != "basis" or event.value is None:
        return event.value
    before = [
        act.value
        for act in store.label_history(event.run_id, finding.step_id)
        if act.source == "adjudicated" and act.field == "basis" and act.value is not None
    ]
    positions = {**(before[-1]["positions"] if before else {}), diagnosis.author: finding.verdict}
    names = {voice_id(event.run_id, name): name for name in positions} | {"model": diagnosis.author}
    return {"taken": names.get(event.value["taken"], event.value["taken"]), "positions": positions}


DECISIONS = Ledger(channel="decisions", take=take_decisions, said=adjudicated_said)
"""Where a report enters what is decided."""
