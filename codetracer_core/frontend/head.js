// What stands above tree and step: the run, how far one is with it, whether all is saved, and what can be switched on
// and off. A short message takes the place of "saved" for a moment.

const MESSAGE_FOR = 1500; // ms at least; a longer one stays as long as it takes to read
const PER_CHARACTER = 60; // ms

function createHead(s, frame, outbox, refresh) {
  const $ = (selector) => frame.querySelector(selector);
  let timer = 0;

  function paintRunLine() {
    const { data } = s,
      { title, hasTruth } = data;
    for (const name of ["task", "agent", "outcome", "misaligned"]) {
      const node = $(`.runline .${name}`);
      node.textContent = "";
      appendVisible(node, title[name]);
    }
    $(".runline .outcome").dataset.outcome = title.outcome;
    $(".who").hidden = Boolean(data.readOnly);
    $(".verdicts").hidden = Boolean(data.readOnly) || !s.count;
    paintToggles();
    $(".reveal").hidden = !hasTruth;
    $(".reveal").setAttribute("aria-pressed", String(data.truthShown));
    $(".others").hidden = !data.hasOthers;
    $(".others").setAttribute("aria-pressed", String(Boolean(data.othersShown)));
  }

  /** How far this person is with the run, and what they say of it, in one line. */
  function paintStanding() {
    const labelled = [...s.labels.keys()].filter((step) => step <= s.count).length,
      flagged = s.marks.flag?.size ?? 0,
      chain = s.marks.chain?.size ?? 0,
      first = s.firstIncorrect();
    // The queue has a line of its own for how far the run is.
    const parts = s.queue.isThere ? [] : [`${labelled} of ${s.count} labelled${flagged ? `, ${flagged} flagged` : ""}`];
    if (s.onset && first && first !== s.onset) parts.push(`onset ${s.onset}, first incorrect ${first}`);
    else if (s.onset) parts.push(`onset ${s.onset}`);
    if (chain) parts.push(`chain of ${chain}`);
    const { title } = RUN_VERDICTS.find(({ verdict }) => verdict === (s.ofRun.run_verdict ?? ""));
    if (s.ofRun.run_verdict) parts.push(`run: ${title}`);
    if (s.ofRun.flag) parts.push("run flagged");
    $(".standing").textContent = parts.join(" · ") || "whole run";
  }

  function paintSaved() {
    const saved = $(".saved"),
      waiting = outbox.waiting;
    $(".who").textContent = outbox.annotator ? `as ${outbox.annotator}` : "set your name";
    frame.dataset.waiting = waiting;
    if (timer) return;
    saved.className = `saved ${waiting ? "waiting" : outbox.refused.length ? "bad" : "ok"}`;
    if (waiting) saved.textContent = `saving ${waiting} …`;
    else if (outbox.refused.length) saved.textContent = `${outbox.refused.length} refused: ${outbox.refused[0]}`;
    else saved.textContent = outbox.annotator ? "saved" : "";
  }

  function flash(message) {
    const saved = $(".saved");
    saved.className = "saved note";
    saved.textContent = message;
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = 0;
      paintSaved();
    }, Math.max(MESSAGE_FOR, message.length * PER_CHARACTER));
  }

  s.toggle = (name) => {
    s.visible[name] = !s.visible[name];
    kept.write("show", s.visible);
    paintToggles();
    const panel = $(`aside.${name}`),
      leaves = panel?.contains(frame.getRootNode().activeElement);
    if (panel) panel.hidden = !s.visible[name]; // the paint may come a frame later, and what is hidden takes no focus
    refresh();
    // What was opened beside the step can be scrolled by keys at once; what was put away gives them back.
    if (panel && s.visible[name]) panel.focus({ preventScroll: true });
    else if (leaves) $(".list").focus({ preventScroll: true });
  };
  function paintToggles() {
    $(".toggles").replaceChildren(
      ...TOGGLES.filter(({ writes }) => !(writes && s.data.readOnly)).map(({ name, key, title }) => {
        const button = element("button", "", title);
        button.type = "button";
        button.dataset.toggle = name;
        button.title = `${title} (${key})`;
        button.setAttribute("aria-pressed", String(s.visible[name]));
        return button;
      }),
    );
  }

  return {
    paintRun: paintRunLine,
    paintSaved,
    paint() {
      paintStanding();
      paintSaved();
    },
    flash,
    destroy() {
      clearTimeout(timer);
    },
  };
}
