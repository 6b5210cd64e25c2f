// Accepting, correcting and rejecting what a diagnosis says. Each decision leaves through an outbox of its own (outbox.js)
// and comes back as an adjudicated label through the pipe "decisions"; what is undone goes back to what was there before.

function button(title, className, run) {
  const node = element("button", className, title);
  node.type = "button";
  node.addEventListener("click", run);
  return node;
}

function createJudging(root) {
  let data = null,
    said = { ofSteps: {}, ofRun: {} }, // what is adjudicated
    paints = []; // what shows it
  const before = new Map(); // what it was before it was decided here
  const outbox = createOutbox(() => paint());
  outbox.use("decisions");
  const paint = () => paints.forEach((one) => one());

  /** Another report, or the same one with other data: what shows decisions is made anew. */
  function begin(report) {
    if (report.diagnosis !== data?.diagnosis) before.clear();
    data = report;
    paints = [];
    outbox.run = data.run;
    outbox.annotator = data.who;
    outbox.namedByLogin = Boolean(data.namedByLogin);
  }
  /** Everything that shows decisions is there. */
  function ready() {
    connect();
    outbox.send();
    paint();
  }
  function connect() {
    const pipe = ((window.codetracerPipes ??= {}).decisions ??= { receive: null, last: null, send: null });
    if (pipe.receive === hear) return;
    pipe.receive = hear;
    if (pipe.last) hear(pipe.last);
  }
  function hear(message) {
    outbox.acknowledge(message.acknowledged, message.refused);
    if (message.run !== data?.run) return;
    said = { ofSteps: structuredClone(message.ofSteps ?? {}), ofRun: { ...message.ofRun } };
    outbox.pending().forEach(setMark);
    paint();
  }
  function setMark({ step, field, value }) {
    if (step === null) said.ofRun[field] = value;
    else (said.ofSteps[field] ??= {})[step] = value;
  }
  const markOf = (step, field) => (step === null ? said.ofRun[field] : said.ofSteps[field]?.[step]) ?? null;

  /** Record marks; `undo` puts back what was there before the first of them. */
  function decide(marks) {
    const at = new Date().toISOString();
    for (const { step, field } of marks) {
      const key = `${step} ${field}`;
      if (!before.has(key)) before.set(key, markOf(step, field));
    }
    marks.forEach(setMark);
    const whose = { run: data.run, annotator: data.who, diagnosis: data.diagnosis, at };
    outbox.add(marks.map((mark) => ({ ...mark, ...whose })));
  }
  function undo(step, fields) {
    decide(fields.map((field) => ({ step, field, value: before.get(`${step} ${field}`) ?? null })));
    for (const field of fields) before.delete(`${step} ${field}`);
  }
  const decideStep = (step, verdict, details, taken) =>
    decide([
      { step, field: "verdict", value: verdict },
      { step, field: "details", value: details },
      { step, field: "basis", value: { taken } },
    ]);

  /** Other buttons in place of those that were there: the focus stays where it was. */
  function replaceParts(node, parts) {
    const had = root.activeElement,
      within = node.contains(had);
    node.replaceChildren(...parts);
    if (within && !had.isConnected) node.querySelector("button")?.focus();
  }

  /** A statement on the whole run that can be taken over as adjudicated: a button, or what is decided. */
  function decided(field, value, title) {
    const node = element("span", "decided");
    const now = () => markOf(null, field);
    const take = button(title, "quiet", () => decide([{ step: null, field, value }]));
    const back = button("Undo", "quiet", () => undo(null, [field]));
    const other = element("span", "outcome");
    paints.push(() => {
      const said = now();
      const verdict = RUN_VERDICTS.find((one) => one.verdict === said);
      other.textContent = said === value ? "✓ Accepted" : verdict ? `Adjudicated: ${verdict.title}` : "";
      const parts = other.textContent ? [other] : [];
      if (!data.mayNot) parts.push(said === value ? back : take);
      replaceParts(node, parts);
    });
    return node;
  }

  /** Accept, correct, reject one label; or what was decided of it. */
  function judging(card, step, verdict) {
    const bar = element("div", "judging"),
      form = element("form", "correction");
    form.hidden = true;
    const accept = () => decideStep(step, verdict, { as: "model" }, "model");
    const reject = () => decideStep(step, "correct", null, "new");
    const back = () => undo(step, ["verdict", "details", "basis"]);
    const correct = () => {
      form.hidden = false;
      form.elements.verdict.value = verdict === "incorrect" ? "unuseful" : "incorrect";
      form.elements.verdict.focus();
    };
    const choice = element("select");
    choice.name = "verdict";
    choice.setAttribute("aria-label", `Verdict on step ${step}`);
    for (const other of Object.keys(MARKS))
      if (other !== verdict) choice.append(new Option(`${MARKS[other]} ${other}`, other));
    const reason = element("input");
    reason.name = "reason";
    reason.maxLength = 10000;
    reason.autocomplete = "off";
    reason.placeholder = "Why? (Enter saves, Esc closes)";
    reason.setAttribute("aria-label", `Reason for the verdict on step ${step}`);
    const save = element("button", "primary", "Save");
    form.append(choice, reason, save);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const why = reason.value.trim();
      decideStep(step, choice.value, why ? { reason: why } : null, "new");
      form.hidden = true;
      card.focus();
    });
    const outcome = element("span", "outcome");
    const undecided = [
      button("Accept", "quiet", accept),
      button("Correct …", "quiet", correct),
      button("Reject", "quiet", reject),
    ];
    const undoing = button("Undo", "quiet", back);
    const acts = { a: accept, x: reject, c: correct, u: back };
    const isDecided = () => markOf(step, "basis") !== null && markOf(step, "verdict") !== null;
    paints.push(() => {
      const said = markOf(step, "verdict"),
        taken = markOf(step, "basis")?.taken,
        why = markOf(step, "details")?.reason;
      outcome.textContent = "";
      if (said) {
        const how =
          taken === "model" || taken === data.voice
            ? "Accepted"
            : taken !== "new"
              ? "Adjudicated"
              : said === "correct"
                ? "Rejected"
                : "Corrected";
        outcome.append(element("span", `verdict ${said}`, `${MARKS[said]} ${said}`), ` ${how}`);
        if (why && how !== "Accepted") appendVisible(outcome, `: ${why}`);
      }
      const parts = said ? [outcome] : [];
      if (!data.mayNot) parts.push(...(said ? [undoing] : undecided));
      replaceParts(bar, parts);
    });
    if (!data.mayNot) {
      card.tabIndex = 0;
      card.setAttribute("role", "group");
      card.setAttribute("aria-label", `Step ${step}, ${verdict}`);
      card.addEventListener("keydown", (event) => {
        if (event.key === "Escape" && !form.hidden) {
          form.hidden = true;
          card.focus();
        } else if (event.target === card && !event.ctrlKey && !event.metaKey && !event.altKey && acts[event.key]) {
          if (event.key === "u" ? isDecided() : !isDecided()) acts[event.key]();
        } else return;
        event.preventDefault();
        event.stopPropagation();
      });
    }
    const both = element("div", "judge");
    both.append(bar, form);
    return both;
  }

  /** Whether what was decided is on disk; nothing as long as all is well. */
  function state() {
    const saved = element("output", "saved");
    saved.setAttribute("aria-live", "polite");
    paints.push(() => {
      const { waiting, refused } = outbox;
      saved.textContent = waiting ? "saving …" : refused.length ? `refused: ${refused[0]}` : "";
      saved.classList.toggle("bad", !waiting && refused.length > 0);
    });
    return saved;
  }

  const ticking = setInterval(() => outbox.tick(), 1000);
  return {
    begin,
    ready,
    decided,
    judging,
    state,
    destroy() {
      clearInterval(ticking);
      const pipe = window.codetracerPipes?.decisions;
      if (pipe?.receive === hear) pipe.receive = null;
    },
  };
}
