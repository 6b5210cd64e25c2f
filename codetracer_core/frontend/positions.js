// What others say of the step, side by side: each voice a column with its verdict and why. On the adjudication page one
// key takes a voice's position. Everything here was written by people or models: it reaches the page as text only.

const RUN_QUESTIONS = [
  { name: "onset", title: "Failure onset", tell: (value) => `⚑ step ${value}` },
  { name: "run_verdict", title: "Verdict on the run", tell: (value) => value.replace("_", " ") },
  { name: "chain", title: "Error chain", tell: (value) => stepRanges(value) },
  {
    name: "stages",
    title: "Stages",
    tell: (value) => value.map((stage) => `${rangeInWords(stage)} ${stage.name || ""}`).join("\n"),
  },
];

const TAKE_KEYS = ["A", "B", "Q"]; // of the first, second and third person on the adjudication page

/** [3, 4, 5, 9] as "3–5, 9". */
function stepRanges(steps) {
  const ranges = [];
  for (const step of steps) {
    const last = ranges[ranges.length - 1];
    if (last && last[1] === step - 1) last[1] = step;
    else ranges.push([step, step]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(", ");
}

function createPositions(s, frame) {
  const panel = frame.querySelector(".positions");
  const words = (word) => word.replaceAll("_", " ");
  const people = () => (s.data.voices || []).filter(({ source }) => source === "human");
  const at = (step) => s.data.positions?.[step] || [];
  const verdictOf = (step, who) => at(step).find((position) => position.who === who)?.verdict ?? null;
  const answer = (question, who) => s.data.runPositions?.find((of) => of.who === who)?.[question] ?? null;
  let asked = ""; // the question on the whole run that is shown; "": the step

  /** Whether people differ on a step; leaving it unlabelled is a position of its own. */
  const differs = (step) => new Set(people().map(({ who }) => verdictOf(step, who))).size > 1;

  function paint() {
    const isRefused = s.data?.isBlind && SHOWN[s.data.show]?.length > 0;
    panel.hidden = !(s.data?.positions || isRefused) || !s.count;
    if (panel.hidden) return;
    if (isRefused) {
      panel.replaceChildren(element("p", "none", `What others say is ${HIDDEN}.`));
      return;
    }
    const step = s.cur + 1,
      question = RUN_QUESTIONS.find(({ name }) => name === asked);
    const columns = question ? runColumns(question) : stepColumns(step);
    panel.replaceChildren(header(question, step), columns);
    panel.dataset.step = question ? "" : step;
  }

  function header(question, step) {
    const head = element("div", "positionshead");
    const said = question
      ? question.title
      : !people().length
        ? ""
        : differs(step)
          ? "They differ"
          : verdictOf(step, people()[0].who)
            ? "All agree"
            : "Nobody labelled this step";
    head.append(element("b", "", said), element("span", "spring"));
    if (s.data.adjudication) head.append(element("span", "before", placeInProject()));
    const open = runQuestions();
    if (open.length) {
      const place = question
        ? `Whole run: ${open.indexOf(question) + 1} of ${open.length}`
        : `Whole run: ${open.length}`;
      head.append(button(place, "wholerun", "Y", Boolean(question)));
    }
    if (s.data.adjudication) {
      const { models, hasModels, names } = s.data.adjudication;
      if (hasModels) head.append(button("Models", "models", "M", models));
      head.append(button("Names", "names", "V", names));
    }
    return head;
  }
  function placeInProject() {
    const { project, place } = s.data.adjudication,
      open = s.openSteps().length;
    return `${place} in ${project} · ${open ? `${open} to decide` : "every step decided"}`;
  }
  function button(title, action, key, pressed) {
    const node = element("button", "", title);
    node.type = "button";
    node.dataset.do = action;
    node.title = `${title} (${key})`;
    node.setAttribute("aria-pressed", String(pressed));
    return node;
  }

  function stepColumns(step) {
    const columns = element("div", "columns");
    for (const voice of s.data.voices) {
      const position = at(step).find(({ who, source }) => who === voice.who && source === voice.source);
      if (!position && voice.source !== "human" && !s.data.allVoices) continue;
      columns.append(column(voice, position ? stepParts(position) : [element("span", "none", "unlabelled")]));
    }
    return columns;
  }
  function runColumns({ name, tell }) {
    const columns = element("div", "columns");
    for (const voice of s.data.voices) {
      const value = answer(name, voice.who);
      if (value === null && voice.source !== "human") continue;
      columns.append(
        column(voice, [value === null ? element("span", "none", "none given") : said("answer", tell(value))]),
      );
    }
    return columns;
  }
  function column(voice, parts) {
    const node = element("div", `position ${voice.source}`);
    const who = element("b", "whose");
    appendVisible(who, voice.name ? `${voice.who} · ${voice.name}` : voice.who);
    node.append(who);
    const index = people().indexOf(voice);
    if (s.data.adjudication && index >= 0) {
      const take = element("button", "take");
      take.type = "button";
      take.dataset.do = "take";
      take.dataset.index = index;
      take.append(...(TAKE_KEYS[index] ? [element("kbd", "", TAKE_KEYS[index])] : []), "take");
      node.append(take);
    }
    node.append(...parts);
    return node;
  }
  /** Somebody's words, with what they are in front. */
  function said(className, text, before = "") {
    const node = element("p", className);
    if (before) node.append(element("span", "before", before));
    appendVisible(node, text);
    return node;
  }
  /** Words of the run that somebody cites: a press shows where they stand. */
  function quoted(quote) {
    const node = element("button", "cited");
    node.type = "button";
    node.title = `Show it in step ${quote.step_id}`;
    appendVisible(node, String(quote.text ?? "").trim());
    node.addEventListener("click", () => s.quotes.show(quote));
    return node;
  }
  const verdictMark = (verdict) => element("span", `saidverdict ${verdict}`, `${MARKS[verdict]} ${verdict}`);

  function stepParts(position) {
    const { verdict, details = {}, chain, omission, flag, reply, basis } = position;
    const parts = [verdict ? verdictMark(verdict) : element("span", "none", "unlabelled")];
    for (const name of ["deviation_type", "impact_severity"])
      if (details[name]) parts.push(element("span", "chip", words(details[name])));
    if (details.confidence) parts.push(element("span", "chip", `${details.confidence} confidence`));
    if (chain) parts.push(element("span", "chip", "error chain"));
    if (flag) parts.push(element("span", "chip", "for discussion"));
    if (basis) parts.push(element("span", "chip", basis.length > 2 ? basis : `as ${basis}`));
    if ("revised" in position) {
      parts.push(element("span", "before", "later:"));
      parts.push(position.revised ? verdictMark(position.revised) : element("span", "none", "unlabelled"));
    }
    if (details.reason) parts.push(said("reason", details.reason));
    if (details.correct_alternative) parts.push(said("instead", details.correct_alternative, "Instead: "));
    parts.push(...(details.quotes || []).map(quoted));
    if (omission) parts.push(said("omission", omission, "Should have, after this step: "));
    if (reply) parts.push(said("reply", reply, "Reply: "));
    return parts;
  }

  /** The questions on the whole run to which somebody gave an answer. */
  const runQuestions = () =>
    RUN_QUESTIONS.filter(({ name }) => s.data.voices.some(({ who }) => answer(name, who) !== null));

  return {
    paint,
    people,
    differs,
    at,
    answer,
    runQuestions,
    /** The question on the whole run that is shown; undefined while it is the step. */
    question: () => RUN_QUESTIONS.find(({ name }) => name === asked),
    /** From the step through the questions on the whole run and back to the step. */
    nextQuestion() {
      const names = ["", ...runQuestions().map(({ name }) => name)];
      asked = names[(names.indexOf(asked) + 1) % names.length];
    },
    backToStep() {
      asked = "";
    },
  };
}
