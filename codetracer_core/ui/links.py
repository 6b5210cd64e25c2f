"""Addresses of pages, for links in tables and figures."""

from urllib.parse import urlencode


def step_address(run_id: str, step: int | None = None, *, show_labels: bool = False, list_id: str | None = None) -> str:
    """Where the trajectory page shows a run, relative to any page of the dashboard.

    ``step`` is 1-based, None: where the reader last was. ``show_labels`` has all labels shown at once that this reader
    may see (they then count as shown to them). ``list_id`` (``step_lists.keep_list``) has the reader walk that list.
    """
    asked = {"traj": run_id}
    if step is not None:
        asked["step"] = str(step)
    if show_labels:
        asked["show"] = "labels"
    if list_id:
        asked["list"] = list_id
    return f"trajectory?{urlencode(asked)}"
