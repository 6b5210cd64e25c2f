// Adjudication, where the page's data asks for it (`data.adjudication`): one key takes somebody's position on the step,
// on the steps of the range, or on a question of the whole run; what rests on whom is a label of its own ("basis").

function createAdjudication(s, frame, positions, { act, markOf, flash, whenSaved }) {
  const basisOf = (step) => s.marks.basis?.get(step)?.taken;
  const isOn = () => Boolean(s.data?.adjudication);
  const same = (one, other) => JSON.stringify(one ?? null) === JSON.stringify(other ?? null);

  /** A step on which people differ, and on which nothing was decided since they do. */
  const isOpen = (step) => isOn() && positions.differs(step) && (!s.labels.get(step) || basisOf(step) === "agreed");
  const openSteps = () => Array.from({ length: s.count }, (_, i) => i + 1).filter(isOpen);
  const openQuestions = () =>
    RUN_QUESTIONS.filter(
      ({ name }) =>
        s.data.adjudication.differ.includes(name) && (name === "chain" ? !s.marks.chain?.size : !s.ofRun[name]),
    );

  /** A verdict of one's own rests on nobody; a reason that came with somebody's position goes with it. */
  function withBasis(marks) {
    if (!isOn()) return marks;
    return marks.flatMap((mark) => {
      if (mark.field !== "verdict") return [mark];
      const { step, value } = mark;
      const borrowed = s.details.has(step) && ![undefined, "new"].includes(basisOf(step));
      return [
        mark,
        ...(borrowed ? [{ step, field: "details", value: null }] : []),
        { step, field: "basis", value: value ? { taken: "new" } : null },
      ];
    });
  }

  function take(index) {
    const voice = positions.people()[index];
    if (!voice) {
      flash("nobody more has submitted this run");
      return;
    }
    const question = positions.question();
    const marks = question ? answerOf(question, voice) : positionsOf(voice);
    if (!marks) return;
    const changed = marks.filter(({ step, field, value }) => !same(markOf(step, field), value));
    if (!changed.length) flash(`already as ${voice.who} says`);
    else act(changed);
    if (!question) s.advance();
  }
  function positionsOf(voice) {
    const [first, last] = s.rangeEnds();
    const marks = [];
    for (let step = first + 1; step <= last + 1; step++) {
      const position = positions.at(step).find(({ who }) => who === voice.who);
      if (!position?.verdict) continue;
      marks.push(
        { step, field: "verdict", value: position.verdict },
        { step, field: "details", value: position.details ?? null },
        { step, field: "basis", value: { taken: voice.id } },
      );
      if (position.omission) marks.push({ step, field: "omission", value: position.omission });
    }
    s.range = null;
    if (marks.length) return marks;
    flash(`${voice.who} left ${first === last ? "this step" : "these steps"} unlabelled`);
    return null;
  }
  function answerOf({ name, title }, voice) {
    const value = positions.answer(name, voice.who);
    if (name !== "chain") return [{ step: null, field: name, value }];
    if (!value && !s.marks.chain?.size) {
      flash(`${voice.who} marked no ${title.toLowerCase()}`);
      return null;
    }
    const steps = new Set([...(value || []), ...(s.marks.chain?.keys() || [])]);
    return [...steps].map((step) => ({ step, field: "chain", value: value?.includes(step) || null }));
  }

  // --- the end of a run, and the next one -----------------------------------------------------------------------

  let asked = ""; // the name of a request that the server has not answered yet
  /** While another run is on its way nothing is decided: what is pressed then is meant for that one. */
  function request(what) {
    if (holds()) {
      flash(holds());
      return;
    }
    const question = { do: what, run: s.run, name: (asked = newClientId()) };
    const send = (attempt) => {
      if (asked !== question.name) return;
      s.setState("request", { ...question, attempt });
      setTimeout(send, ASKED_AGAIN, attempt + 1);
    };
    whenSaved(() => send(1)); // a label on its way would cut off what the question brings
  }
  const holds = () => (isOn() && asked ? "opening …" : "");
  function opened() {
    if (!isOn() || s.data.adjudication.answered !== asked) return;
    asked = "";
    if (s.data.adjudication.words) flash(s.data.adjudication.words);
  }
  const finishNow = () => {
    s.closeSheets();
    flash("finishing …");
    whenSaved(() => request("finish"));
  };
  function finish() {
    const sheet = frame.querySelector(".sheet.finish");
    const steps = openSteps(),
      questions = openQuestions();
    if (!sheet.hidden || (!steps.length && !questions.length)) {
      finishNow();
      return;
    }
    const text = element("div");
    if (steps.length)
      text.append(
        element(
          "p",
          "",
          `${steps.length} of the steps on which people differ are still to decide: ${stepRanges(steps)}.`,
        ),
      );
    if (questions.length)
      text.append(
        element(
          "p",
          "",
          `Of the whole run still to decide: ${questions.map(({ title }) => title.toLowerCase()).join(", ")}.`,
        ),
      );
    const actions = element("div", "actions");
    for (const [title, action, className] of [
      ["Finish all the same (Ctrl+Enter)", "finish", "primary"],
      ["Go on deciding (Esc)", "close", ""],
    ]) {
      const button = element("button", className, title);
      button.type = "button";
      button.dataset.do = action;
      actions.append(button);
    }
    sheet.replaceChildren(element("h2", "", "Not everything is decided"), text, actions);
    sheet.hidden = false;
    actions.lastChild.focus();
  }

  /** In which project labels are adjudicated goes with each of them. */
  const whose = () => (isOn() ? { project: s.data.adjudication.project } : {});

  return { isOpen, openSteps, withBasis, take, finish, request, holds, opened, whose };
}
