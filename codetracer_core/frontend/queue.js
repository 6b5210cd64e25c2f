// The queue of the annotate page around the viewer: which run of how many, next and previous, submit, skip, guidelines.
// It arrives through the "queue" pipe and is changed through it by acts that are named, so that one sent twice is done
// once. While an act is on its way nothing is labelled: what is pressed then was meant for the run that comes.

const QUEUE_FILTERS = [
  { name: "all", title: "all runs", passes: () => true },
  { name: "open", title: "open runs", passes: ({ state }) => /^(assigned|in progress|expired)$/.test(state) },
  { name: "flagged", title: "flagged runs", passes: ({ flagged }) => flagged > 0 },
  { name: "submitted", title: "submitted runs", passes: ({ state }) => /^(submitted|adjudicated)$/.test(state) },
];
const ASKED_AGAIN = 8000; // ms without an answer after which an act is sent again, under the same name

function createQueue(s, frame, outbox, flash, focusList) {
  const $ = (selector) => frame.querySelector(selector);
  const bar = $(".queuebar"),
    panel = $(".guidelines");
  let data = null,
    act = null, // { name, kind, target, at: when it was sent, null while it waits for the outbox }
    shownGuidelines = null;
  const runs = () => (data ? data.runs.map((run) => (run.run === s.run ? { ...run, ...now(run) } : run)) : []);
  const current = () => runs().find(({ run }) => run === s.run);
  const filter = () => QUEUE_FILTERS.find(({ name }) => name === kept.read("queue", "all")) ?? QUEUE_FILTERS[0];
  const isDone = (run) => /^(submitted|adjudicated)$/.test(run?.state);
  const inWords = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

  /** Counts of the run that is open are those of this moment. */
  function now(run) {
    const flagged = (s.marks.flag?.size ?? 0) + (s.ofRun.flag ? 1 : 0);
    return {
      labelled: s.labels.size,
      flagged,
      state: run.state === "assigned" && s.labels.size ? "in progress" : run.state,
    };
  }

  // --- acts ---------------------------------------------------------------------------------------------------

  function begin(kind, target, more = {}) {
    s.closeSheets(); // first: a field that is left so is a label of this run
    act = { name: newClientId(), kind, target, more, at: null };
    settle();
    paint();
  }
  /** Submitting and skipping wait until every label is on the server's disk. */
  function settle() {
    if (!act || (act.at && performance.now() - act.at < ASKED_AGAIN)) return;
    if (act.kind !== "open" && outbox.waiting) return;
    const pipe = window.codetracerPipes?.queue;
    if (!pipe?.send) return;
    act.at = performance.now();
    const { name, kind, target, more } = act;
    pipe.send({ run: s.run, project: data.project, act: name, kind, target, attempt: act.at, ...more });
  }
  /** The act is over when both the queue and the viewer show the run that it led to. */
  function finish() {
    if (!act || act.name !== data?.answered || data.run !== s.run) return;
    act = null;
    focusList();
  }

  const queue = {
    get isThere() {
      return data !== null;
    },
    get project() {
      return data?.project;
    },
    /** Why nothing can be labelled right now; empty if it can. */
    get holds() {
      if (!act) return "";
      return act.kind === "submit" ? "submitting …" : act.kind === "skip" ? "skipping …" : "opening …";
    },
    get isAsking() {
      return !$(".sheet.submit").hidden;
    },
    settle,
    receive(message) {
      const answered = act && message.answered === act.name;
      const words = message.words && message.words !== data?.words ? message.words : "";
      data = message;
      if (answered || words) flash(message.words || (current() ? `run opened: ${current().state}` : "run opened"));
      finish();
      paint();
    },
    opened() {
      finish();
      paint();
    },
    step(by) {
      if (act && act.kind !== "open") return flash(queue.holds);
      const all = runs();
      let at = all.findIndex(({ run }) => run === (act?.target ?? s.run)) + by;
      while (all[at] && !filter().passes(all[at])) at += by;
      if (!all[at]) return flash(`no ${by > 0 ? "further" : "earlier"} run in your queue (${filter().title})`);
      begin("open", all[at].run);
    },
    submit() {
      if (act) return flash(queue.holds);
      const run = current();
      if (isDone(run)) return flash("submitted already; what you change is kept as a revision");
      if (run?.state === "skipped") return flash("you have skipped this run");
      if (queue.isAsking) begin("submit", s.run);
      else askToSubmit();
    },
    skip() {
      if (act) return flash(queue.holds);
      const run = current();
      if (isDone(run) || run?.state === "skipped") return flash(`this run is ${run.state}`);
      const sheet = $(".sheet.skip");
      sheet.hidden = false;
      sheet.elements.reason.focus();
    },
    paint,
  };

  // --- sheets -------------------------------------------------------------------------------------------------

  const button = (title, run, className = "") => {
    const made = element("button", className, title);
    made.type = "button";
    made.onclick = run;
    return made;
  };

  /** What a person should know before the run leaves their hands. */
  function warnings() {
    const left = s.count - s.labels.size;
    const wrong = [...s.labels].filter(([, verdict]) => verdict === "incorrect").map(([step]) => step);
    const bare = [...s.labels].filter(
      ([step, verdict]) => /^(incorrect|unuseful)$/.test(verdict) && !s.details.get(step)?.reason,
    );
    return [
      left ? `${inWords(left, "step")} without a verdict (u shows the first)` : "Every step has a verdict.",
      data.detailsWanted && bare.length
        ? `${inWords(bare.length, "step")} incorrect or unuseful without a reason, the first is step ${Math.min(...bare.map(([step]) => step))}`
        : "",
      wrong.length && !s.onset ? "There are incorrect steps, but no failure onset (!)" : "",
      outbox.refused.length ? `${inWords(outbox.refused.length, "label")} refused: ${outbox.refused[0]}` : "",
    ].filter(Boolean);
  }
  function askToSubmit() {
    const sheet = $(".sheet.submit"),
      list = element("ul");
    list.append(...warnings().map((words) => element("li", "", words)));
    const submit = button("Submit (Ctrl+Enter)", () => begin("submit", s.run), "primary");
    const rest = button("The rest is correct: submit (1)", () => begin("submit", s.run, { rest: true }));
    const actions = element("div", "actions");
    actions.append(submit);
    if (s.count > s.labels.size && data.offersCorrect) actions.append(rest);
    actions.append(button("Cancel (Esc)", s.closeSheets));
    sheet.replaceChildren(element("h2", "", `Submit this run in ${data.title}?`), list, actions);
    sheet.onkeydown = ({ key }) => {
      if (key === "1" && rest.isConnected) rest.click();
    };
    sheet.hidden = false;
    submit.focus();
  }
  function showRuns() {
    const sheet = $(".sheet.runs");
    const lines = runs().map((run, i) => {
      const line = button("", () => (run.run === s.run ? s.closeSheets() : begin("open", run.run)), "runrow");
      const task = element("span", "task");
      appendVisible(task, run.task);
      const counts = `${run.labelled} of ${run.steps}${run.flagged ? ` · ${run.flagged} flagged` : ""}`;
      line.append(
        element("span", "number", i + 1),
        task,
        element("span", "", counts),
        element("span", "state", run.state),
      );
      line.dataset.state = run.state;
      line.hidden = !filter().passes(run);
      line.setAttribute("aria-current", String(run.run === s.run));
      return line;
    });
    sheet.replaceChildren(
      element("h2", "", `My runs in ${data.title}: ${filter().title}`),
      ...lines,
      button("Close (Esc)", s.closeSheets),
    );
    sheet.hidden = false;
    (lines.find((line) => line.getAttribute("aria-current") === "true" && !line.hidden) ?? sheet.lastChild).focus();
  }
  $(".sheet.skip").addEventListener("submit", (event) => {
    event.preventDefault();
    const field = event.target.elements.reason,
      reason = field.value.trim();
    if (!reason) return flash("skipping needs a reason");
    field.value = "";
    begin("skip", s.run, { reason });
  });

  // --- painting -----------------------------------------------------------------------------------------------

  const place = button("My runs", showRuns, "place");
  place.title = "My runs in this project; more come as you submit, as long as nobody else takes them";
  const chosen = element("select", "filter");
  chosen.setAttribute("aria-label", "Next and previous follow");
  for (const { name, title } of QUEUE_FILTERS) {
    const option = element("option", "", `queue: ${title}`);
    option.value = name;
    chosen.append(option);
  }
  chosen.onchange = () => {
    kept.write("queue", chosen.value);
    focusList();
    paint();
  };
  const previous = button("← run", () => queue.step(-1)),
    next = button("run →", () => queue.step(1)),
    skip = button("Skip", () => queue.skip()),
    submit = button("Submit", () => queue.submit(), "primary"),
    guidelines = button("Guidelines", () => s.toggle("guidelines")),
    said = element("span", "said");
  const titled = (made, title) => (made.title = title);
  titled(previous, "Previous run (<)");
  titled(next, "Next run (>)");
  titled(skip, "Skip this run (X)");
  titled(submit, "Submit this run (Ctrl+Enter)");
  titled(guidelines, "Guidelines of the project (I)");
  bar.append(previous, place, next, chosen, said, guidelines, skip, submit);

  function paint() {
    bar.hidden = data === null;
    panel.hidden = data === null || !s.visible.guidelines;
    if (data === null || !s.outline) return;
    const all = runs(),
      run = current(),
      at = all.findIndex((one) => one.run === s.run);
    const counts = run ? [`${run.labelled} of ${s.count} steps labelled`, `${run.flagged} flagged`, run.state] : [];
    const more = data.left ? [`${data.left.toLocaleString("en")} more to come`] : [];
    place.textContent = [
      run ? `Run ${at + 1} of ${all.length} in ${data.title}` : data.title,
      ...counts,
      ...more,
    ].join(" · ");
    place.dataset.state = run?.state ?? "";
    chosen.value = filter().name;
    const passing = all.filter(filter().passes);
    chosen.title = `Next and previous run: ${filter().title}, ${passing.length} of ${all.length}`;
    const revision = isDone(run) ? "Changes are a revision, kept beside what you submitted" : "";
    said.textContent = queue.holds || [data.words, revision].filter(Boolean).join(" · ");
    said.title = said.textContent;
    submit.disabled = isDone(run) || run?.state === "skipped";
    skip.disabled = submit.disabled;
    guidelines.setAttribute("aria-pressed", String(Boolean(s.visible.guidelines)));
    const text = JSON.stringify(data.guidelines);
    if (text !== shownGuidelines) {
      shownGuidelines = text;
      const nodes = data.guidelines.map(guidelineNode);
      panel.replaceChildren(...(nodes.length ? nodes : [element("p", "none", "This project has no guidelines.")]));
    }
  }
  return queue;
}
