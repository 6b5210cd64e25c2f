"""Rules on the course of a run: how it ends, and how long nothing changes."""

from collections.abc import Iterator

from codetracer_core.diagnosis.rules.facts import Facts, Hit


def _last_edit(facts: Facts) -> int | None:
    """The last edit before the work is handed in; deleting a helper file at the end is none."""
    end = facts.end
    for at in range((end if end is not None else len(facts.steps)) - 1, -1, -1):
        decision = facts.decisions[at]
        tidies_up = decision.reason.startswith("deletes")
        if decision.kind == "change" and decision.purpose == "edit" and not (tidies_up or facts.failures[at]):
            return at
    return None


def unchecked_last_edit(facts: Facts) -> Iterator[Hit]:
    """Files were edited, and no later step ran a test, a build or a program."""
    edit = _last_edit(facts)
    if edit is None or facts.end is None:
        return
    ran = any(
        facts.decisions[at].purpose in ("test", "run", "build")
        or facts.tests[at]
        or "runs " in facts.decisions[at].reason
        for at in range(edit, len(facts.steps))
    )
    if not ran:
        yield Hit(
            edit + 1,
            "After this last edit no step runs a test, a build or a program.",
            (facts.action(edit),),
        )


def tests_fail_at_end(facts: Facts) -> Iterator[Hit]:
    """The last tests before the work was handed in did not pass."""
    if facts.end is None:
        return
    for at in range(facts.end, -1, -1):
        tests = facts.tests[at]
        if tests is not None:
            if not tests.passed:
                yield Hit(
                    facts.end + 1,
                    f"The work is handed in although the last tests, at step {at + 1}, did not pass.",
                    (*facts.line(at, tests.line), facts.action(facts.end)),
                    (at + 1,),
                )
            return


def ends_on_failure(facts: Facts) -> Iterator[Hit]:
    """The last piece of work before handing in failed."""
    if facts.end is None:
        return
    for at in range(facts.end - 1, -1, -1):
        if facts.is_work(at) or facts.failures[at]:
            if facts.failures[at]:
                yield Hit(
                    facts.end + 1,
                    f"The work is handed in right after step {at + 1} failed.",
                    (*facts.failure_line(at), facts.action(facts.end)),
                    (at + 1,),
                )
            return


LONG_STRETCH = 20


def long_looks(facts: Facts) -> Iterator[Hit]:
    """Twenty steps or more in a row that look at something, and none that changes anything."""
    looks: list[int] = []
    for at in range(len(facts.steps) + 1):
        if at == len(facts.steps) or facts.decisions[at].kind == "change":
            if len(looks) >= LONG_STRETCH:
                yield Hit(
                    looks[0] + 1,
                    f"From here to step {looks[-1] + 1} there are {len(looks)} looks and no change.",
                    (facts.action(looks[0]),),
                )
            looks = []
        elif facts.is_work(at):
            looks.append(at)
