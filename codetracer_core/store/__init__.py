"""The store: one workspace folder with the runs, the facts about their steps, and the labels.

    with Store.open(workspace, purpose="my script") as store:      # owns the workspace
        store.add_runs([record], decisions=[[("explore", "reads only"), …]], ground_truth=[truth])
        store.add_label_events([event]).acknowledged               # on disk when this returns
    with Store.open_for_reading(workspace) as reader:              # never stands in the owner's way
        reader.runs(agents=["OpenHands"], text="parser")
    with open_for_writing(workspace) as store:                     # the store, or its inbox if somebody has it
        store.add_label_events([event])

The dashboard opens the store once, runs ``keep(store, stop)`` in a daemon thread and uses the store from any thread.
"""

from codetracer_core.store.database import lock_holder
from codetracer_core.store.files import is_text
from codetracer_core.store.inbox import Inbox
from codetracer_core.store.rating import Reading
from codetracer_core.store.reader import Reader
from codetracer_core.store.results import (
    Added,
    Decisions,
    Diagnosed,
    DiagnosisSummary,
    Labeller,
    Learned,
    Mark,
    OutcomeWord,
    Refused,
    Replay,
    RunStatus,
    RunSummary,
    StepFacts,
    StepLabels,
    Stored,
    StoredEvent,
    TakenIn,
)
from codetracer_core.store.store import Store, keep, open_for_writing
from codetracer_core.store.workspace import Owner, Workspace, default_workspace

__all__ = [
    "Added",
    "Decisions",
    "Diagnosed",
    "DiagnosisSummary",
    "Inbox",
    "Labeller",
    "Learned",
    "Mark",
    "OutcomeWord",
    "Owner",
    "Reader",
    "Reading",
    "Refused",
    "Replay",
    "RunStatus",
    "RunSummary",
    "StepFacts",
    "StepLabels",
    "Store",
    "Stored",
    "StoredEvent",
    "TakenIn",
    "Workspace",
    "default_workspace",
    "is_text",
    "keep",
    "lock_holder",
    "open_for_writing",
]
