// The report of a diagnosis. Every word of it was written by a model or by the agent that it is about: it reaches the page
// as text only (text.js). What a person decides on single labels leaves through an outbox of its own (outbox.js).

const reports = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let report = reports.get(parentElement);
  if (!report) reports.set(parentElement, (report = createReport(parentElement)));
  report.open = (step, quote) => setTriggerValue("open", { step, quote });
  report.receive(data);
  return () => {
    report.destroy();
    reports.delete(parentElement);
  };
}

const VERDICT_MARKS = { correct: "✓", incorrect: "✗", unuseful: "∅", uncertain: "?" };
const RUN_WORDS = { has_error: "has an error", no_error: "has no error", uncertain: "is uncertain" };
const percent = (share) => `${Math.round(share * 100)} %`;

function createReport(root) {
  const page = root.appendChild(element("article", "report"));
  const r = {
    data: null,
    said: { ofSteps: {}, ofRun: {} }, // what is adjudicated
    before: new Map(), // what it was before it was decided here
    paints: [],
    graphs: [],
  };
  const outbox = createOutbox(() => paint());
  outbox.use("decisions");

  r.receive = (data) => {
    if (data === r.data) return;
    const isNew = data.diagnosis !== r.data?.diagnosis;
    r.data = data;
    outbox.run = data.run;
    outbox.annotator = data.who;
    outbox.namedByLogin = Boolean(data.namedByLogin);
    if (isNew) r.before.clear();
    build();
    connect();
    outbox.send();
  };

  // --- what is decided ----------------------------------------------------------------------------------------

  function connect() {
    const pipe = ((window.codetracerPipes ??= {}).decisions ??= { receive: null, last: null, send: null });
    if (pipe.receive === hear) return;
    pipe.receive = hear;
    if (pipe.last) hear(pipe.last);
  }
  function hear(message) {
    outbox.acknowledge(message.acknowledged, message.refused);
    if (message.run !== r.data?.run) return;
    r.said = { ofSteps: structuredClone(message.ofSteps ?? {}), ofRun: { ...message.ofRun } };
    outbox.pending().forEach(setMark);
    paint();
  }
  function setMark({ step, field, value }) {
    if (step === null) r.said.ofRun[field] = value;
    else (r.said.ofSteps[field] ??= {})[step] = value;
  }
  const markOf = (step, field) => (step === null ? r.said.ofRun[field] : r.said.ofSteps[field]?.[step]) ?? null;

  /** Record marks; `undo` puts back what was there before the first of them. */
  function decide(marks) {
    const at = new Date().toISOString();
    for (const { step, field } of marks) {
      const key = `${step} ${field}`;
      if (!r.before.has(key)) r.before.set(key, markOf(step, field));
    }
    marks.forEach(setMark);
    const whose = { run: r.data.run, annotator: r.data.who, diagnosis: r.data.diagnosis, at };
    outbox.add(marks.map((mark) => ({ ...mark, ...whose })));
  }
  function undo(step, fields) {
    decide(fields.map((field) => ({ step, field, value: r.before.get(`${step} ${field}`) ?? null })));
    for (const field of fields) r.before.delete(`${step} ${field}`);
  }
  const decideStep = (step, verdict, details, taken) =>
    decide([
      { step, field: "verdict", value: verdict },
      { step, field: "details", value: details },
      { step, field: "basis", value: { taken } },
    ]);

  function paint() {
    for (const one of r.paints) one();
  }

  // --- small parts --------------------------------------------------------------------------------------------

  const words = (tag, className, text) => {
    const node = element(tag, className);
    appendVisible(node, text);
    return node;
  };
  function stepLink(step, text = `Step ${step}`, quote = "", className = "step") {
    const link = element("a", className);
    const url = new URL(location.href);
    url.pathname = url.pathname.replace(/[^/]*$/, "trajectory");
    url.search = new URLSearchParams({ traj: r.data.run, step, ...(quote ? { quote } : {}) });
    link.href = url.pathname + url.search;
    appendVisible(link, text);
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
      event.preventDefault();
      r.open(step, quote);
    });
    return link;
  }
  function stepLine(step, ...more) {
    const line = element("div", "stepline");
    line.append(stepLink(step), words("span", "did", r.data.steps[step] ?? ""), ...more);
    return line;
  }
  function citations(of) {
    const list = element("ul", "citations");
    for (const { step, text, field, quote } of of) {
      const item = element("li", quote || !text ? "" : "missing");
      const where = field ? `step ${step} ${field}` : `step ${step}`;
      if (quote) {
        const link = stepLink(step, "", quote, "quote");
        link.title = `Open ${where} at this text`;
        link.append(words("q", "", text.trim()), element("span", "where", where));
        item.append(link);
      } else if (text) item.append(words("q", "", text.trim()), element("span", "where", `not found in ${where}`));
      else item.append(stepLink(step, where));
      list.append(item);
    }
    return of.length ? [list] : [];
  }
  function section(title, className, ...content) {
    const part = element("section", className);
    part.append(element("h3", "", title), ...content);
    return part;
  }
  function button(title, className, run) {
    const node = element("button", className, title);
    node.type = "button";
    node.addEventListener("click", run);
    return node;
  }
  const chip = (text, className = "") => words("span", `chip ${className}`, text);
  /** A share says something of several samples; what one sample names has a rank only. */
  function supportBar(share, samples) {
    const bar = element("span", "support"),
      told = `${percent(share)} · ${samples} samples`;
    bar.title = "1 for each sample that names it first, 1/2 for each that names it second, and so on; of all samples";
    bar.setAttribute("role", "img");
    bar.setAttribute("aria-label", `support ${told}`);
    bar.append(element("i"), element("span", "", told));
    bar.firstChild.style.setProperty("--share", share);
    return bar;
  }

  // --- the parts of the report --------------------------------------------------------------------------------

  function build() {
    const { data } = r;
    r.graphs.forEach((graph) => graph.forget());
    r.paints = [];
    r.graphs = [];
    const main = element("div", "main"),
      side = element("div", "side");
    if (data.summary) main.append(section("Summary", "", words("p", "prose", data.summary)));
    if (data.onset.length) main.append(onset(data.onset));
    if (data.stages.length) main.append(labels(data.stages));
    if (data.doubted.length)
      main.append(apart("Said by half of the samples or fewer", "They are no labels.", data.doubted));
    if (data.unsupported.length)
      main.append(
        apart(
          "Not supported by the run",
          "The run does not hold the words that these rest on. They are no labels.",
          data.unsupported,
        ),
      );
    if (data.chain.length) side.append(chain(data.chain));
    if (data.decisions.length) side.append(decisions(data.decisions));
    if (data.strategy) side.append(section("What would have worked", "", words("p", "prose", data.strategy)));
    if (data.clean) side.append(section("The case for a clean run", "", words("p", "prose", data.clean)));
    const columns = element("div", main.childElementCount && side.childElementCount ? "columns" : "");
    for (const column of [main, side]) if (column.childElementCount) columns.append(column);
    page.replaceChildren(header(), strip(data.strip), columns);
    paint();
  }

  function header() {
    const { data } = r,
      head = element("header", ""),
      title = element("div", "headline");
    title.dataset.tone = data.status === "failed" ? "open" : data.conclusion;
    title.append(words("h2", "", data.headline));
    if (data.status !== "complete") title.append(chip(data.status, "status"));
    if (data.runVerdict) title.append(decided("run_verdict", data.runVerdict, "Accept this conclusion"));
    head.append(title);
    if (data.statusReason) head.append(words("p", "reason", data.statusReason));
    head.append(words("p", "made", data.made));
    const facts = element("dl", "facts");
    for (const [name, value] of data.facts) {
      const fact = element("div");
      fact.append(element("dt", "", name), element("dd", "", value));
      facts.append(fact);
    }
    const checked = element("div", data.doubt ? "doubt" : "");
    checked.append(element("dt", "", "Evidence"), element("dd", "", data.evidence));
    facts.append(checked);
    const saved = element("output", "saved");
    saved.setAttribute("aria-live", "polite");
    r.paints.push(() => {
      const { waiting, refused } = outbox;
      saved.textContent = waiting ? "saving …" : refused.length ? `refused: ${refused[0]}` : "";
      saved.classList.toggle("bad", !waiting && refused.length > 0);
    });
    head.append(facts, saved);
    return head;
  }

  /** The run from left to right: stages, what was read, what is labelled. */
  function strip({ count, stages, read, verdicts, onset }) {
    const bar = element("div", "strip");
    const place = (node, first, last) => {
      node.style.left = `${(100 * (first - 1)) / count}%`;
      node.style.width = `${(100 * (last - first + 1)) / count}%`;
      bar.append(node);
    };
    if (!count) return bar;
    stages.forEach(([first, last, name], i) => {
      const band = element("span", `band ${i % 2 ? "odd" : ""}`);
      appendVisible(band, name || `Stage ${i + 1}`);
      band.title = `Stage ${i + 1}: steps ${first}–${last}`;
      place(band, first, last);
    });
    for (const [first, last] of read) place(element("i", "read"), first, last);
    for (const [step, verdict] of Object.entries(verdicts)) {
      const mark = stepLink(Number(step), "", "", `mark ${verdict}`);
      mark.title = `Step ${step}: ${verdict}`;
      mark.tabIndex = -1; // the same steps are links below
      mark.setAttribute("aria-hidden", "true");
      place(mark, Number(step), Number(step));
    }
    if (onset) {
      const flag = element("span", "flag", "⚑");
      flag.title = `Failure onset: step ${onset}`;
      place(flag, onset, onset);
    }
    bar.append(element("span", "end first", "1"), element("span", "end last", count.toLocaleString("en")));
    return bar;
  }

  function onset(candidates) {
    const list = element("ol", "onsets");
    const { samples } = r.data; // null: not known
    candidates.forEach(({ step, reasoning, support, place, citations: of }, i) => {
      const item = element("li", i ? "" : "best");
      const line = stepLine(step, element("span", "spring"));
      if (samples > 1) line.append(supportBar(support, samples));
      else if (samples && candidates.length > 1) line.append(element("span", "support", place));
      line.append(decided("onset", step, "Accept"));
      item.append(line);
      if (reasoning) item.append(words("p", "prose", reasoning));
      item.append(...citations(of));
      list.append(item);
    });
    const title = candidates.length > 1 ? "Where it went off track, most likely first" : "Where it went off track";
    return section(title, "", list);
  }

  function labels(stages) {
    const part = section("Labelled steps", "labels");
    if (r.data.mayNot) part.append(element("p", "hint", r.data.mayNot));
    else if (stages.some(({ findings }) => findings.length)) {
      const hint = element("p", "hint");
      for (const piece of ["Tab to a label, then ", "a", " accept, ", "c", " correct, ", "x", " reject, ", "u", " undo"])
        hint.append(piece.length === 1 ? element("kbd", "", piece) : piece);
      part.append(hint);
    }
    for (const { title, range, findings } of stages) {
      if (title) {
        const head = words("h4", "", title);
        head.append(element("span", "range", range));
        part.append(head);
      }
      for (const finding of findings) part.append(card(finding, true));
    }
    return part;
  }
  /** Findings that are no labels, and why not. */
  function apart(title, why, findings) {
    const part = section(`${title} · ${findings.length}`, "apart");
    part.append(element("p", "hint", why));
    for (const finding of findings) part.append(card(finding, false));
    return part;
  }
  function card({ step, verdict, reasoning, instead, chips, support, citations: of }, counts) {
    const { samples } = r.data;
    const node = element("div", `card ${counts ? verdict : "lost"}`);
    const line = stepLine(step);
    line.prepend(element("span", `verdict ${verdict}`, `${VERDICT_MARKS[verdict]} ${verdict}`));
    const facts = element("div", "chips");
    facts.append(...chips.map((text) => chip(text)));
    if (samples > 1) facts.append(chip(`in ${Math.round(support * samples)} of ${samples} samples`));
    node.append(line);
    if (reasoning) node.append(words("p", "prose", reasoning));
    if (instead) {
      const better = element("p", "prose instead");
      better.append(element("span", "label", "Instead "));
      appendVisible(better, instead);
      node.append(better);
    }
    node.append(...citations(of));
    if (facts.childElementCount) node.append(facts);
    if (counts) node.append(judging(node, step, verdict));
    return node;
  }
  function chain(links) {
    const graph = chainGraph(links, ({ step, what, citations: of }) => {
      const line = element("div", "stepline");
      line.append(stepLink(step));
      return [line, words("p", "prose", what), ...citations(of)];
    });
    r.graphs.push(graph);
    return section("Error chain", "", graph);
  }
  function decisions(points) {
    const list = element("ul", "points");
    for (const { step, did, should, citations: of } of points) {
      const item = element("li");
      const pair = element("dl");
      pair.append(element("dt", "", "Did"), words("dd", "", did));
      pair.append(element("dt", "should", "Should have"), words("dd", "", should));
      item.append(stepLine(step), pair, ...citations(of));
      list.append(item);
    }
    return section("Decision points", "", list);
  }

  // --- deciding -----------------------------------------------------------------------------------------------

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
    r.paints.push(() => {
      const said = now();
      const tells = field === "onset" ? `Adjudicated: step ${said}` : `Adjudicated: the run ${RUN_WORDS[said]}`;
      other.textContent = said === value ? "✓ Accepted" : tells;
      const parts = said === null || field === "onset" ? [] : [other];
      if (field === "onset" && said === value) parts.push(other);
      if (!r.data.mayNot) parts.push(said === value ? back : take);
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
    for (const other of Object.keys(VERDICT_MARKS))
      if (other !== verdict) choice.append(new Option(`${VERDICT_MARKS[other]} ${other}`, other));
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
    r.paints.push(() => {
      const said = markOf(step, "verdict"),
        taken = markOf(step, "basis")?.taken,
        why = markOf(step, "details")?.reason;
      outcome.textContent = "";
      if (said) {
        const how =
          taken === "model" || taken === r.data.voice
            ? "Accepted"
            : taken !== "new"
              ? "Adjudicated"
              : said === "correct"
                ? "Rejected"
                : "Corrected";
        outcome.append(element("span", `verdict ${said}`, `${VERDICT_MARKS[said]} ${said}`), ` ${how}`);
        if (why && how !== "Accepted") outcome.append(words("span", "why", `: ${why}`));
      }
      const parts = said ? [outcome] : [];
      if (!r.data.mayNot) parts.push(...(said ? [undoing] : undecided));
      replaceParts(bar, parts);
    });
    if (!r.data.mayNot) {
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

  const ticking = setInterval(() => outbox.tick(), 1000);
  r.destroy = () => {
    clearInterval(ticking);
    r.graphs.forEach((graph) => graph.forget());
    const pipe = window.codetracerPipes?.decisions;
    if (pipe?.receive === hear) pipe.receive = null;
  };
  return r;
}
