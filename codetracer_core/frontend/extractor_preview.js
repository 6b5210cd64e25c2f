// What a spec makes of a run: checks, steps, records, what no step holds, and facts. Everything shown is text of others.

const TABS = ["steps", "checks", "records", "uncovered", "facts"];
const TAB_TITLES = { steps: "Steps", checks: "Checks", records: "Records", uncovered: "Not covered", facts: "Facts" };

/** `choose(step)` hears of a step that was pressed, `goTo(path, line)` of a place in a raw file. */
function createPreview(root, { choose, goTo }) {
  const bar = root.querySelector(".tabs"),
    panel = root.querySelector(".panel");
  let shown = kept.read("extractor.tab", "steps"),
    said = null,
    chosen = 0;
  const tabs = Object.fromEntries(
    TABS.map((name) => {
      const tab = bar.appendChild(element("button"));
      tab.type = "button";
      tab.setAttribute("role", "tab");
      tab.dataset.tab = name;
      tab.addEventListener("click", () => open(name));
      return [name, tab];
    }),
  );
  bar.addEventListener("keydown", (event) => {
    const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!way) return;
    open(TABS[(TABS.indexOf(shown) + way + TABS.length) % TABS.length]);
    tabs[shown].focus();
    event.preventDefault();
    event.stopPropagation();
  });

  function open(name) {
    shown = name;
    kept.write("extractor.tab", name);
    draw();
    panel.scrollTop = 0;
    if (name === "steps") mark(true);
  }
  function head(name) {
    if (!said) return "";
    if (name === "steps") return said.stepCount.toLocaleString("en");
    if (name === "uncovered") return said.uncoveredCount ? said.uncoveredCount.toLocaleString("en") : "";
    if (name === "records") return said.fateCount.toLocaleString("en");
    if (name !== "checks") return "";
    const told = said.checks.filter(({ passed }) => passed !== null);
    return `${told.filter(({ passed }) => passed).length} of ${told.length}`;
  }
  function draw() {
    for (const name of TABS) {
      tabs[name].replaceChildren(TAB_TITLES[name], element("span", "count", head(name)));
      tabs[name].setAttribute("aria-selected", String(name === shown));
      tabs[name].tabIndex = name === shown ? 0 : -1;
      tabs[name].classList.toggle("bad", name === "checks" && (said?.checks ?? []).some(({ passed }) => passed === false));
    }
    panel.setAttribute("aria-label", TAB_TITLES[shown]);
    const top = panel.scrollTop;
    panel.replaceChildren(...(said ? DRAWN[shown](said) : [element("p", "quiet", "Nothing has been read yet.")]));
    panel.scrollTop = top;
    mark(false);
  }
  /** Show which step is chosen, and have it in view if asked to. */
  function mark(inView) {
    for (const card of panel.querySelectorAll(".card")) {
      const is = Number(card.dataset.step) === chosen;
      card.classList.toggle("chosen", is);
      card.setAttribute("aria-current", String(is));
      if (is && inView) card.scrollIntoView({ block: "nearest" });
    }
  }
  panel.addEventListener("click", ({ target }) => {
    const place = target.closest("[data-path]"),
      step = target.closest("[data-step]");
    if (place) goTo(place.dataset.path, Number(place.dataset.line));
    if (step && String(getSelection()) === "") choose(Number(step.dataset.step), place === null);
  });
  panel.addEventListener("keydown", (event) => {
    const way = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (!way || shown !== "steps" || !said?.steps.length || event.ctrlKey || event.metaKey) return;
    const at = said.steps.findIndex(({ id }) => id === chosen);
    choose(said.steps[Math.min(said.steps.length - 1, Math.max(0, at + way))].id, true);
    event.preventDefault();
    event.stopPropagation();
  });

  return {
    show(preview) {
      said = preview;
      draw();
    },
    /** Choose a step; from the raw file its tab opens. */
    choose(step, { reveal }) {
      chosen = step;
      if (reveal && shown !== "steps") open("steps");
      mark(true);
    },
  };
}

const words = (tag, className, text) => {
  const node = element(tag, className);
  appendVisible(node, text);
  return node;
};
/** A place in a raw file that can be gone to. */
function placeLink(path, first, last = first) {
  const link = element("button", "place");
  link.type = "button";
  appendVisible(link, `${path}:${first}${last > first ? `–${last}` : ""}`);
  link.dataset.path = path;
  link.dataset.line = first;
  return link;
}
const more = (count, what) => (count > 0 ? [element("p", "quiet", `… and ${count.toLocaleString("en")} more ${what}`)] : []);

const DRAWN = {
  steps(said) {
    const cards = said.steps.map(stepCard);
    if (!cards.length) cards.push(element("p", "quiet", "No step: no record became an action or a message."));
    return [...cards, ...more(said.stepCount - said.steps.length, "steps")];
  },
  checks(said) {
    const list = element("ul", "checks");
    for (const { name, passed, words: told } of said.checks) {
      const line = element("li", passed === null ? "open" : passed ? "good" : "bad");
      const sign = element("b", "sign", passed === null ? "–" : passed ? "✓" : "✗");
      sign.setAttribute("aria-label", passed === null ? "does not apply" : passed ? "passed" : "failed");
      const text = element("div");
      text.append(words("b", "", name), words("div", "quiet", told));
      line.append(sign, text);
      list.append(line);
    }
    return [words("p", "score", said.scoreWords), list];
  },
  records(said) {
    const list = element("ul", "records");
    for (const { path, line, became, step, why } of said.fates) {
      const row = element("li", became);
      row.append(placeLink(path, line));
      if (step) row.dataset.step = step;
      const what = step ? `${became === "step" ? "step" : `${became} of step`} ${step}` : became;
      row.append(element("span", "became", what), words("span", "quiet", why));
      list.append(row);
    }
    return [list, ...more(said.fateCount - said.fates.length, "records")];
  },
  uncovered(said) {
    const share =
      said.coverage === null ? "How much of the agent's text is covered is not known." : `Steps hold ${said.coverage} of what the agent wrote.`;
    const found = said.uncovered.map(({ path, first, last, text }) => {
      const block = element("div", "uncovered");
      block.append(placeLink(path, first, last), words("pre", "", text));
      return block;
    });
    const skipped = said.skipped.map(skippedBlock);
    if (skipped.length) skipped.unshift(element("p", "score", "Skipped, and by which rule"));
    return [element("p", "score", share), ...found, ...more(said.uncoveredCount - said.uncovered.length, "texts"), ...skipped];
  },
  facts(said) {
    const list = element("dl", "facts");
    for (const [name, value] of said.facts) list.append(words("dt", "", name), words("dd", "", value));
    const notes = said.notes.map((note) => words("p", "note", note));
    return [list, ...notes];
  },
};

/** What a rule skips, with samples; one that skips what looks like steps stands out. */
function skippedBlock({ words: told, isAlike, samples }) {
  const block = element("div", `uncovered skips${isAlike ? " alike" : ""}`);
  block.append(words("div", "why", told));
  for (const { path, first, text } of samples) block.append(placeLink(path, first), words("pre", "", text));
  return block;
}

function stepCard(step) {
  const card = element("article", "card");
  card.dataset.step = step.id;
  const line = element("div", "line");
  line.append(element("b", "number", String(step.id)));
  if (step.tool) line.append(words("span", "tool", step.tool));
  for (const tag of step.tags) line.append(words("span", "tag", tag));
  card.append(line);
  for (const part of ["thought", "action", "observation"]) {
    const { text, hidden, place } = step[part] ?? {};
    if (text === undefined && part !== "observation") continue;
    const row = element("div", `part ${part}`);
    const title = element("span", "title", part);
    if (place) {
      title.append(placeLink(...place));
      title.lastChild.replaceChildren(`line ${place[1]}${place[2] > place[1] ? `–${place[2]}` : ""}`);
    }
    row.append(title);
    if (text === undefined) row.append(element("span", "quiet", "none recorded"));
    else row.append(words("pre", "", text));
    if (hidden) row.append(element("span", "quiet", `… ${hidden.toLocaleString("en")} characters more`));
    card.append(row);
  }
  return card;
}
