"""Who may do what: the file, and how it is changed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetracer_core.errors import CodeTracerError
from codetracer_core.people import EVERYBODY_EVERYTHING, PEOPLE_FILE, People, change_people, read_people
from codetracer_core.projects import ROLES, Role

LEA, ANN = "lea@example.org", "Ann"
SOME = People(people={LEA: frozenset({"lead"}), ANN: frozenset({"annotator"})}, others=frozenset({"reader"}))

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=80).filter(
    lambda name: name == name.strip() and name.isprintable()
)
role_sets = st.frozensets(st.sampled_from(ROLES))


def test_without_a_file_everybody_may_do_everything(tmp_path: Path) -> None:
    assert read_people(tmp_path) == EVERYBODY_EVERYTHING
    assert read_people(tmp_path, without_file=People()).roles_of(LEA) == frozenset()


def test_roles_are_read_whatever_the_capital_letters(tmp_path: Path) -> None:
    (tmp_path / PEOPLE_FILE).write_text('others = ["reader"]\n[people]\n"Ann@Example.org" = ["annotator"]\n')
    people = read_people(tmp_path)
    assert people.roles_of("ann@example.org") == {"annotator"}
    assert people.roles_of("bob@example.org") == {"reader"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("others = [", "no valid TOML"),
        ('[people]\nann = ["boss"]', "Roles are lead, annotator, adjudicator, reader"),
        ('[people]\n" ann" = ["lead"]', "is no name"),
        ('[people]\n"" = ["lead"]', "is no name"),
        ('[people]\nann = ["lead"]\nAnn = ["reader"]', "differ in capital letters only"),
    ],
)
def test_a_file_that_cannot_be_understood_gives_nobody_anything(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / PEOPLE_FILE).write_text(text)
    with pytest.raises(CodeTracerError, match=said):
        read_people(tmp_path)


@given(st.dictionaries(names, role_sets, max_size=5), role_sets)
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, named: dict[str, frozenset[Role]], others: frozenset[Role]
) -> None:
    folder = tmp_path_factory.mktemp("people")
    different = {name.casefold(): (name, roles) for name, roles in named.items()}
    after = People(people=dict(different.values()), others=others).given(LEA, ["lead"])
    change_people(folder, EVERYBODY_EVERYTHING, after, by=LEA)
    assert read_people(folder) == after
    assert [path.name for path in folder.iterdir()] == [PEOPLE_FILE]


@pytest.mark.parametrize("after", [SOME.without(LEA), SOME.given(LEA, ["annotator"]), SOME.given(LEA.upper(), [])])
def test_no_lead_locks_themselves_out(tmp_path: Path, after: People) -> None:
    change_people(tmp_path, EVERYBODY_EVERYTHING, SOME, by=LEA)
    with pytest.raises(CodeTracerError, match="would not be a lead any more"):
        change_people(tmp_path, SOME, after, by=LEA)
    assert read_people(tmp_path) == SOME


def test_nobody_without_a_name_names_people(tmp_path: Path) -> None:
    with pytest.raises(CodeTracerError, match="somebody without a name"):
        change_people(tmp_path, EVERYBODY_EVERYTHING, EVERYBODY_EVERYTHING, by="")


def test_what_somebody_else_changed_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    change_people(tmp_path, EVERYBODY_EVERYTHING, SOME, by=LEA)
    change_people(tmp_path, SOME, SOME.given("Bob", ["annotator"]), by=LEA)
    with pytest.raises(CodeTracerError, match="changed the people meanwhile"):
        change_people(tmp_path, SOME, SOME.given("Cy", ["reader"]), by=LEA)
    assert read_people(tmp_path).with_role("annotator") == [ANN, "Bob"]


@pytest.mark.parametrize("name", ["", " ", "Ann ", "x" * 81, "new\nline", "bell\x07"])
def test_what_is_no_name_is_told(name: str) -> None:
    with pytest.raises(CodeTracerError, match="is no name"):
        SOME.given(name, ["reader"])


def test_a_name_in_other_letters_is_the_same_person() -> None:
    assert SOME.given("ANN", ["adjudicator"]).people == {LEA: {"lead"}, ANN: {"adjudicator"}}
