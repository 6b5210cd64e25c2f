// A raw file of the run, line by line, each with what became of it; lines come in windows, and more on demand.

const CHIPS = 4; // of what became of one line, how much stands beside it

/** `want(path, line)` asks for the lines around a place; `choose(step)` hears of a line of a step that was pressed. */
function createRaw(root, { want, choose }) {
  const select = root.querySelector("select"),
    box = root.querySelector(".lines"),
    extent = root.querySelector(".extent"),
    fate = root.querySelector(".fate");
  let raw = null,
    step = 0,
    target = null; // the place to be shown once its lines are there
  select.addEventListener("change", () => {
    box.replaceChildren(words("p", "note", "…")); // lines of one file must not stand under the name of another
    extent.textContent = fate.textContent = "";
    want(select.value, 1);
  });
  const row = (line) => box.querySelector(`[data-line="${line}"]`);

  function marksOf(line) {
    const spans = raw.spans.filter(({ first, last }) => first <= line && line <= last);
    return { spans, fates: raw.fates.filter((one) => one.line === line) };
  }
  function lineNode(text, line) {
    const node = element("div", "rawline"),
      chips = element("span", "chips");
    node.dataset.line = line;
    node.setAttribute("role", "listitem");
    const { spans, fates } = marksOf(line);
    const begins = spans.filter(({ first }) => first === line).map((one) => ({ ...one, words: `${one.step} ${one.part}` }));
    const others = fates
      .filter(({ became }) => became === "skipped" || became === "fact")
      .map(({ became }) => ({ part: became, words: became }));
    const all = [...begins, ...others];
    for (const { part, words: told } of all.slice(0, CHIPS)) chips.append(element("span", `chip ${part}`, told));
    if (all.length > CHIPS) chips.append(element("span", "chip", `+${all.length - CHIPS}`));
    const part = (spans.find((one) => one.step === step) ?? spans[0])?.part ?? others[0]?.part;
    if (part) node.classList.add(part);
    node.append(element("span", "nr", String(line)), chips, words("span", "text", text.text));
    if (text.hidden) node.append(element("span", "quiet", ` … ${text.hidden.toLocaleString("en")} characters more`));
    return node;
  }
  function edge(title, line) {
    const button = element("button", "edge", title);
    button.type = "button";
    button.addEventListener("click", () => want(raw.path, line));
    return button;
  }
  function mark() {
    for (const node of box.querySelectorAll(".rawline")) {
      const line = Number(node.dataset.line);
      node.classList.toggle("of-step", raw.spans.some((one) => one.step === step && one.first <= line && line <= one.last));
    }
  }
  function reveal() {
    if (!target || target.path !== raw?.path) return;
    const node = row(target.line);
    if (!node) return;
    tell(target.line);
    target = null;
    let frames = 4; // heights of lines that were never in view are guessed, and known once they were drawn
    const goToIt = () => {
      box.scrollTop += node.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 4;
      if (node.isConnected && frames-- > 0) requestAnimationFrame(goToIt);
    };
    goToIt();
  }
  /** Say in words what became of a line. */
  function tell(line) {
    for (const node of box.querySelectorAll(".here")) node.classList.remove("here");
    row(line)?.classList.add("here");
    const { spans, fates } = marksOf(line);
    const held = spans.map((one) => `${one.part} of step ${one.step}`);
    const why = fates.map((one) => `${one.became}${one.step ? ` ${one.step}` : ""}: ${one.why}`);
    const told = [...new Set([...held, ...why])];
    const shown = told.slice(0, 6).join(" · ") + (told.length > 6 ? ` · +${told.length - 6}` : "");
    fate.replaceChildren();
    appendVisible(fate, `Line ${line}: ${shown || "no step, no fact"}`);
  }
  box.addEventListener("click", (event) => {
    const node = event.target.closest(".rawline");
    if (!node || String(getSelection())) return;
    const line = Number(node.dataset.line);
    tell(line);
    const { spans, fates } = marksOf(line);
    const found = spans.find((one) => one.part === "action") ?? spans[0] ?? fates.find((one) => one.step);
    if (found) choose(found.step);
  });

  return {
    /** Lines that have arrived; `files` are those of the run. */
    show(arrived, files) {
      const isOther = raw?.path !== arrived?.path;
      raw = arrived;
      const options = files.map(({ path, words: told }) => {
        const option = element("option", "", `${path}${told ? `  ·  ${told}` : ""}`);
        option.value = path;
        return option;
      });
      select.replaceChildren(...options);
      select.hidden = !files.length;
      if (!raw) {
        box.replaceChildren();
        extent.textContent = fate.textContent = "";
        return;
      }
      select.value = raw.path;
      const last = raw.from + raw.lines.length - 1;
      extent.textContent = raw.total > raw.lines.length ? `lines ${raw.from}–${last} of ${raw.total.toLocaleString("en")}` : `${raw.total.toLocaleString("en")} lines`;
      const top = box.scrollTop;
      box.replaceChildren(...raw.lines.map((text, i) => lineNode(text, raw.from + i)));
      if (raw.from > 1) box.prepend(edge("Earlier lines", Math.max(1, raw.from - 1)));
      if (last < raw.total) box.append(edge("Later lines", last + 1));
      if (raw.problem) box.replaceChildren(words("p", "note", raw.problem));
      if (isOther) fate.textContent = "";
      box.scrollTop = isOther ? 0 : top;
      mark();
      reveal();
    },
    /** Go to a place; if its lines are not here, they are asked for. */
    goTo(path, line) {
      target = { path, line };
      if (raw?.path === path && row(line)) reveal();
      else want(path, line);
    },
    choose(chosen) {
      step = chosen;
      if (raw) mark();
    },
    /** The first place that a step has in the file that is open, or anywhere. */
    placeOf(places) {
      const here = places.find(([path]) => path === raw?.path);
      return here ?? places[0];
    },
  };
}
