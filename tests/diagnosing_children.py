"""What another process does in the tests of diagnosing."""

from multiprocessing.connection import Connection
from pathlib import Path

from codetracer_core.diagnosing import batch
from codetracer_core.llm import Price, open_model
from codetracer_core.store import Store


def diagnose_all(workspace: Path, output: Path, url: str, told: Connection) -> None:
    """Diagnose every run of a workspace, two at a time."""
    with Store.open(workspace) as store:
        model = open_model("scripted", api_base=url, price=Price(prompt=1.0, completion=1.0))
        batch(
            store,
            store,
            [run.run_id for run in store.runs()],
            model=model,
            parallel=2,
            output=output,
            profiles=["tracebench"],
            on_item=lambda row: told.send(row.run_id),
        )
        told.send("finished")
