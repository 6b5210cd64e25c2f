"""Who may do what: roles from ``people.toml`` in the workspace.

    others = ["reader"]                 # what somebody may who is not named; without it nothing

    [people]
    "ann@example.org" = ["annotator"]
    "cora@example.org" = ["lead", "adjudicator"]

Without the file everybody has every role: the dashboard of one person on their own machine.
"""

import json
import os
import tempfile
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path

from pydantic import Field, ValidationError, field_validator

from codetracer_core.errors import CodeTracerError
from codetracer_core.models import Frozen
from codetracer_core.projects import ROLES, Role

PEOPLE_FILE = "people.toml"
LONGEST_NAME = 80
"""Characters."""
LABELLERS: tuple[Role, ...] = ("annotator", "lead")
"""Who may label."""


class People(Frozen):
    """Roles by name. A name is what a person logs in with (their e-mail address), or calls themselves."""

    people: Mapping[str, frozenset[Role]] = Field(default_factory=dict)
    others: frozenset[Role] = frozenset()

    @field_validator("people")
    @classmethod
    def _are_names(cls, people: Mapping[str, frozenset[Role]]) -> Mapping[str, frozenset[Role]]:
        for name in people:
            if not name or name != name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
                raise ValueError(f"{name!r} is no name: 1 to {LONGEST_NAME} characters, no white space at its ends")
        if len({name.casefold() for name in people}) < len(people):
            raise ValueError("two names differ in capital letters only")
        return people

    def roles_of(self, name: str) -> frozenset[Role]:
        """The roles of this person, capital letters or not; those of ``others`` if they are not named."""
        known = {one.casefold(): roles for one, roles in self.people.items()}
        return known.get(name.casefold(), self.others)

    def given(self, name: str, roles: Collection[Role]) -> "People":
        """These people with other roles of one of them, who may be new. Raises CodeTracerError for what is no name."""
        before = next((one for one in self.people if one.casefold() == name.casefold()), name)
        return self._with({**self.people, before: frozenset(roles)})

    def without(self, name: str) -> "People":
        """These people but this one, who then is one of the ``others``."""
        return self._with({one: roles for one, roles in self.people.items() if one != name})

    def _with(self, people: Mapping[str, frozenset[Role]]) -> "People":
        try:
            return People(people=people, others=self.others)
        except ValidationError as error:
            raise CodeTracerError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error

    def with_role(self, role: Role) -> list[str]:
        """The people who are named and have it, by name."""
        return sorted(name for name, roles in self.people.items() if role in roles)


EVERYBODY_EVERYTHING = People(others=frozenset(ROLES))


def read_people(workspace: Path, *, without_file: People = EVERYBODY_EVERYTHING) -> People:
    """The people of a workspace; ``without_file`` if it has no ``people.toml``.

    Raises CodeTracerError if the file is there and cannot be understood.
    """
    path = workspace / PEOPLE_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return without_file
    except (OSError, UnicodeDecodeError) as error:
        raise CodeTracerError(f"the people of this workspace cannot be read ({error})", path=path) from error
    try:
        return People.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise CodeTracerError(f"no valid TOML ({error})", path=path) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        remedy = f"Roles are {', '.join(ROLES)}."
        raise CodeTracerError(first["msg"], path=path, place=place, remedy=remedy) from error


def change_people(workspace: Path, before: People, after: People, *, by: str) -> None:
    """Write ``people.toml`` anew, whole or not at all. Comments in it are not kept.

    Raises CodeTracerError if it no longer says ``before``, if ``by`` would not be a lead any more, or if it cannot be
    written.
    """
    path = workspace / PEOPLE_FILE
    if not by or "lead" not in after.roles_of(by):
        raise CodeTracerError(
            f"{by or 'somebody without a name'} would not be a lead any more, and could not come back to change that",
            remedy="Keep your own role of a lead; another lead can take it from you.",
        )
    if read_people(workspace, without_file=before) != before:
        raise CodeTracerError("somebody else has changed the people meanwhile", path=path, remedy="Look at them again.")
    try:
        handle, part = tempfile.mkstemp(dir=workspace, prefix=f".{PEOPLE_FILE}-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_as_toml(after))
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(path)
    except OSError as error:
        raise CodeTracerError(f"the people cannot be written ({error.strerror})", path=path) from error


def _as_toml(people: People) -> str:
    """As ``read_people`` reads it. A name is printable, so JSON's string of it is TOML's as well."""

    def listed(roles: Collection[Role]) -> str:
        return json.dumps([role for role in ROLES if role in roles])

    lines = [f"others = {listed(people.others)}", "", "[people]"]
    lines += [f"{json.dumps(name, ensure_ascii=False)} = {listed(roles)}" for name, roles in people.people.items()]
    return "\n".join(lines) + "\n"
