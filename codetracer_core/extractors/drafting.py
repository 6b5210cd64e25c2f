"""From records to steps: which rule fits, what a step takes from where, and which answer belongs to which step."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from codetracer_core.extractors.details import Detail, add_details, details_in
from codetracer_core.extractors.drafts import (
    BETWEEN_OBSERVATIONS,
    NO_RULE,
    ORPHAN,
    Became,
    Draft,
    Event,
    Group,
    Quote,
    add_thought,
    keys_in,
    number_steps,
    quote,
    together,
)
from codetracer_core.extractors.nodes import Node, is_true, ref_of
from codetracer_core.extractors.paths import find, holds
from codetracer_core.extractors.records import Record
from codetracer_core.extractors.schema import AnswerRule, DetailRule, Rule, StepRule, ThoughtRule
from codetracer_core.extractors.taking import (
    take,
    take_count,
    take_text,
    take_time,
    take_tool,
    take_word,
    take_words,
    where_it_stands,
)


@dataclass
class _Said:
    """Thoughts that wait for their step."""

    record: Record
    rule: ThoughtRule
    name: str
    quote: Quote
    group: Group | None


@dataclass
class _Answer:
    record: Record
    rule: AnswerRule
    name: str
    item: Node
    count: int


@dataclass
class Drafting:
    """All records of a run, one after the other."""

    rules: Sequence[Rule]
    drafts: list[Draft] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    further: int = 0
    silent: int = 0
    """Records that a rule fits, and that do not hold what it takes."""

    def __post_init__(self) -> None:
        self._by_key: defaultdict[tuple[str, str], list[Draft]] = defaultdict(list)
        self._of_group: defaultdict[Group, list[Draft]] = defaultdict(list)
        self._turn: list[Draft] = []
        self._waiting: list[_Answer] = []
        self._said: list[_Said] = []
        self._said_of_reply: defaultdict[Group, list[_Said]] = defaultdict(list)
        self._details: defaultdict[int, list[Detail]] = defaultdict(list)

    def add(self, record: Record) -> None:
        """The first rule that fits and finds what it speaks of decides (all up to it, where they go on)."""
        empty = ""
        fits = False
        for index, rule in enumerate(self.rules):
            if rule.sources and record.source not in rule.sources:
                continue
            if rule.when is not None and not holds(rule.when, record.node, record.context):
                continue
            if not self._apply(record, rule, index):
                empty = empty or f"rule {rule.name!r} fits, but what it takes is not there"
                continue
            fits = True
            if not rule.go_on:
                break
        if not fits:
            self.silent += bool(empty)
            self._tell(record, "skipped", None, empty or NO_RULE)

    def _apply(self, record: Record, rule: Rule, index: int) -> bool:
        found = False
        if rule.skip is not None:
            self._tell(record, "skipped", None, f"rule {rule.name!r}: {rule.skip}")
            found = True
        if rule.answer is not None:
            found |= self._answers(record, rule.answer, rule.name)
        if rule.thought is not None:
            found |= self._thought(record, rule.thought, rule.name)
        if rule.step is not None:
            found |= self._steps(record, rule.step, rule.name)
        if rule.detail is not None:
            found |= self._details_in(record, rule.detail, index)
        return found

    def _details_in(self, record: Record, rule: DetailRule, index: int) -> bool:
        found = details_in(record, rule)
        self._details[index] += found
        return bool(found)

    def finish(self) -> list[Draft]:
        """The steps, in their order and numbered. Raises MalformedRun for numbers that are not consecutive."""
        self._close_turn()
        self._settle_thoughts()
        for group, said in self._said_of_reply.items():
            self._give_thoughts(said, next(iter(self._of_group[group]), None))
        self.drafts.sort(key=lambda draft: draft.place)
        number_steps(self.drafts)
        for index, details in self._details.items():
            self._add_details(self.rules[index], details)
        return self.drafts

    def _tell(self, record: Record, became: Became, draft: Draft | None, why: str, item: Node | None = None) -> None:
        self.events.append(Event(record, item or record.node, became, draft, why))

    # Steps

    def _steps(self, record: Record, rule: StepRule, name: str) -> bool:
        items = [record.node] if rule.each is None else list(take(rule.each, record.node, record.context).items())
        made = [
            draft for at, item in enumerate(items) if (draft := self._draft(record, rule, name, item, at)) is not None
        ]
        if not made:
            return False
        if rule.thought is not None:
            add_thought(made[0], rule.thought, record.node, record)
        if self._waiting:
            self._close_turn()
        self._give_thoughts(self._said, made[0])
        self._said = []
        for draft in made:
            record.context.budget.count("steps")
            self.drafts.append(draft)
            self._turn.append(draft)
            if draft.group is not None:
                self._of_group[draft.group].append(draft)
            for key in draft.keys.items():
                self._by_key[key].append(draft)
        return True

    def _draft(self, record: Record, rule: StepRule, name: str, item: Node, at: int) -> Draft | None:
        context = record.context
        tool, found = take_tool(rule.tool, item, context) if rule.tool is not None else (None, Node(None))
        text: str | None = found.value
        if rule.action is not None:
            text, found = take_text(rule.action, item, context)
        if text is None:
            return None
        if rule.action_at:
            places = [place for path in rule.action_at if (place := find(path, item, context)).is_there]
            found = where_it_stands(text, found, places)
        draft = Draft(record, at, text, ref_of(found), tool)
        draft.keys = keys_in(rule.keys, item, record)
        reply = take_word(rule.reply, item, context) if rule.reply is not None else None
        draft.group = ("reply", reply) if reply is not None else ("record", str(record.index)) if rule.each else None
        draft.native_ids = take_words(rule.native_ids, item, context)
        draft.number = take_count(rule.number, item, context) if rule.number is not None else None
        if rule.message is not None:
            draft.is_message = holds(rule.message, item, context)
        if rule.executed is not None:
            draft.executed = (said := find(rule.executed, item, context).value) is None or is_true(said)
        draft.exit_code = take_count(rule.exit_code, item, context) if rule.exit_code is not None else None
        draft.timestamp = take_time(rule.timestamp, item, context) if rule.timestamp is not None else None
        self._tell(record, "step", draft, f"rule {name!r}", item)
        if rule.observation is not None:
            observation = quote(rule.observation, item, record, BETWEEN_OBSERVATIONS)
            if observation is not None:
                draft.observations.append(observation)
                draft.answered = True
        return draft

    # Answers

    def _answers(self, record: Record, rule: AnswerRule, name: str) -> bool:
        items = [record.node] if rule.each is None else take(rule.each, record.node, record.context).items()
        if not items:
            return False
        self._settle_thoughts()
        for item in items:
            answer = _Answer(record, rule, name, item, len(items))
            if rule.to:
                self._answer_by_key(answer)
            elif rule.pair == "in_order":
                self._waiting.append(answer)
            else:
                last = self.drafts[-1] if self.drafts else None
                if rule.pair == "next" and last is not None and not _stands_before(last.record, record):
                    last = None
                self._give(answer, last)
        return True

    def _answer_by_key(self, answer: _Answer) -> None:
        keys = keys_in(answer.rule.to, answer.item, answer.record)
        key = next(iter(keys.items()), None)
        named = self._by_key.get(key, []) if key is not None else []
        answer.record.context.budget.spend(1 + len(named) // 10)
        latest = next((draft for draft in reversed(named) if not draft.answered), None)
        if latest is None:
            self._give(answer, named[-1] if named else None)
            return
        # Of calls of one reply with the same id the first open one.
        same = (draft for draft in named if draft.record is latest.record and not draft.answered)
        self._give(answer, next(same))

    def _close_turn(self) -> None:
        """Pair the answers that wait with the steps before them, in their order."""
        steps = [draft for draft in self._turn if not draft.answered]
        answers, self._waiting, self._turn = self._waiting, [], []
        if not answers:
            return
        last = steps[-1].group if steps else None
        if last is not None:
            steps = [draft for draft in steps if draft.group == last]
        elif len(steps) > len(answers):  # without a word on replies, the latest steps are the likeliest
            steps = steps[len(steps) - len(answers) :]
        for at, answer in enumerate(answers):
            if at < len(steps):
                self._give(answer, steps[at])
            else:
                self._give(answer, steps[-1] if steps else self.drafts[-1] if self.drafts else None)

    def _give(self, answer: _Answer, draft: Draft | None) -> None:
        record, rule, context = answer.record, answer.rule, answer.record.context
        if draft is None:
            self._tell(record, "skipped", None, f"rule {answer.name!r}: {ORPHAN}", answer.item)
            return
        if draft.answered and not rule.append:
            self.further += 1
            why = f"rule {answer.name!r}: the step that it answers has an answer already"
            self._tell(record, "skipped", None, why, answer.item)
            return
        draft.answered = True
        if (observation := quote(rule.text, answer.item, record, rule.between)) is not None:
            draft.observations.append(observation)
        if rule.exit_code is not None and (code := take_count(rule.exit_code, answer.item, context)) is not None:
            draft.exit_code = code
        if rule.executed is not None and (said := find(rule.executed, answer.item, context).value) is not None:
            whole = rule.pair == "last" and not rule.to
            for one in self._of_group[draft.group] if whole and draft.group is not None else [draft]:
                one.executed = is_true(said)
        self._tell(record, "observation", draft, f"rule {answer.name!r}", answer.item)

    # Thoughts

    def _thought(self, record: Record, rule: ThoughtRule, name: str) -> bool:
        found = quote(rule.text, record.node, record, rule.between)
        if found is None or not (found.text.strip() or (found.text and not rule.between)):
            return False  # a blank piece between others belongs to what was said
        reply = take_word(rule.reply, record.node, record.context) if rule.reply is not None else None
        said = _Said(record, rule, name, found, ("reply", reply) if reply is not None else None)
        if self._waiting:
            self._close_turn()
        if said.group is not None:
            self._said_of_reply[said.group].append(said)
        else:
            self._said.append(said)
        return True

    def _settle_thoughts(self) -> None:
        """An answer, or the end of the run, comes before a step: what was said stands alone."""
        self._give_thoughts(self._said, None)
        self._said = []

    def _give_thoughts(self, said: list[_Said], draft: Draft | None) -> None:
        if not said:
            return
        spoken = [one for one in said if one.rule.alone == "message"]
        if draft is None and any(one.quote.text.strip() for one in spoken):
            draft = self._message(spoken)
            said = [one for one in said if one.rule.alone != "message"]
        for one in said:
            if draft is None:
                self._tell(one.record, "skipped", None, f"rule {one.name!r}: no step follows in this reply")
            else:
                self._tell(one.record, "step", draft, f"rule {one.name!r}: the thought of a step")
        if draft is not None:
            earlier = draft.thoughts
            draft.thoughts = [one.quote for one in said] + earlier

    def _message(self, said: list[_Said]) -> Draft:
        first = said[0]
        context = first.record.context
        context.budget.count("steps")
        text, ref = together([one.quote for one in said])
        draft = Draft(first.record, 0, text or "", ref, is_message=True)
        if first.rule.timestamp is not None:
            draft.timestamp = take_time(first.rule.timestamp, first.record.node, context)
        ids = [take_words(one.rule.native_ids, one.record.node, one.record.context) for one in said]
        draft.native_ids = tuple(dict.fromkeys(name for names in ids for name in names))
        self.drafts.append(draft)
        for one in said:
            self._tell(one.record, "step", draft, f"rule {one.name!r}: a message")
        return draft

    def _add_details(self, rule: Rule, details: Sequence[Detail]) -> None:
        assert rule.detail is not None
        for detail, draft in add_details(rule.detail, details, self.drafts):
            if draft is None:
                why = f"rule {rule.name!r}: it is about no step, or several"
                self._tell(detail.record, "skipped", None, why, detail.item)
            else:
                self._tell(detail.record, "step", draft, f"rule {rule.name!r}: more about a step", detail.item)


def _stands_before(one: Record, other: Record) -> bool:
    return one.index == other.index - 1 and one.source == other.source
