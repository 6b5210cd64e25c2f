// The trace tree pane: a head per stage, state nodes (changes) as a flat spine with their explorations one step in, and
// a narrow map of the whole run. Only the rows in view are in the DOM.

const ROW = 24;

function createTree(s, frame) {
  const $ = (selector) => frame.querySelector(selector);
  const list = $(".list"),
    rowsNode = $(".rows"),
    map = $(".map");

  /** The rows of the tree: a head per stage, then the steps that are not folded away. */
  function layout() {
    const rows = [],
      rowOfStep = [];
    const begins = new Map(s.stages.map((stage) => [stage.start_step_id, stage]));
    for (let i = 0; i < s.count; i++) {
      const stage = begins.get(i + 1);
      if (stage) rows.push({ stage });
      if (s.folded.has(s.outline.state[i]) && s.outline.kind[i] !== "c") continue;
      rowOfStep[i] = rows.length;
      rows.push({ step: i });
      if (s.marks.omission?.has(i + 1)) rows.push({ omission: i });
    }
    s.rows = rows;
    s.rowOfStep = rowOfStep;
    $(".spacer").style.height = `${rows.length * ROW}px`;
  }

  function paint() {
    if (s.count) {
      const top = s.rowOfStep[s.cur] * ROW;
      const outside = top < list.scrollTop + ROW || top > list.scrollTop + list.clientHeight - 2 * ROW;
      if (s.center || outside) list.scrollTop = top - list.clientHeight / 2;
      s.center = false;
    }
    paintRows();
    paintMap();
  }

  function paintRows() {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 8);
    const last = Math.min(s.rows.length, first + Math.ceil(list.clientHeight / ROW) + 16);
    rowsNode.style.transform = `translateY(${first * ROW}px)`;
    const fragment = document.createDocumentFragment();
    const firstIncorrect = s.firstIncorrect();
    for (const { stage, step, omission } of s.rows.slice(first, last))
      fragment.append(
        stage ? stageRow(stage) : omission !== undefined ? omissionRow(omission) : stepRow(step, firstIncorrect),
      );
    rowsNode.replaceChildren(fragment);
    list.setAttribute("aria-activedescendant", s.count ? `step-${s.cur + 1}` : "");
  }

  function stageRow(stage) {
    const row = element("div", `row stage hue${stage.stage_id % 6}`);
    row.setAttribute("role", "presentation");
    if (!s.data.readOnly) row.title = "Drag to where the stage begins; double click to name it";
    row.append(
      element("span", "band"),
      element("span", "stagename", `Stage ${stage.stage_id}${stage.name ? " · " : ""}`),
    );
    appendVisible(row.lastChild, stage.name);
    row.append(element("span", "range", rangeInWords(stage)));
    return row;
  }

  function bandOf(i) {
    const stage = s.stages[stageAt(s.stages, i + 1)];
    return element("span", `band${stage ? ` hue${stage.stage_id % 6}` : ""}`);
  }

  /** What should have been done after a step: the step's own row says it to a screen reader. */
  function omissionRow(i) {
    const row = element("div", "row left-out");
    row.setAttribute("role", "presentation");
    row.dataset.step = i;
    const text = element("span", "text");
    appendVisible(text, `should have ${s.marks.omission.get(i + 1)}`);
    row.append(bandOf(i), element("span", "badge twig", "∧"), element("span", "number"), text);
    return row;
  }

  function stepRow(i, firstIncorrect) {
    const { kind, state, label, group, branch, exit, executed } = s.outline;
    const change = kind[i] === "c";
    const [from, to] = s.rangeEnds();
    const ranged = s.range !== null && from <= i && i <= to;
    const row = element(
      "div",
      `row step ${KINDS[kind[i]]}${i === s.cur ? " current" : ""}${branch[i] >= 0 ? " branched" : ""}${executed[i] ? "" : " unexecuted"}${ranged ? " ranged" : ""}${s.drop === i + 1 ? " drop" : ""}`,
    );
    row.id = `step-${i + 1}`;
    row.dataset.step = i;
    row.setAttribute("role", "treeitem");
    row.setAttribute("aria-level", change ? 1 : 2);
    row.setAttribute("aria-posinset", i + 1);
    row.setAttribute("aria-setsize", s.count);
    row.setAttribute("aria-selected", i === s.cur);
    const stage = s.stages[stageAt(s.stages, i + 1)],
      begins = stage?.start_step_id === i + 1;
    row.append(bandOf(i));
    if (!s.data.readOnly) {
      const begin = element("span", "begin", begins ? "−" : "+");
      begin.dataset.begin = i + 1;
      begin.title = begins ? "Join this stage with the one before (T)" : "A stage begins here (T)";
      row.append(begin);
    }
    if (change) {
      const folds = s.outline.state[i + 1] === state[i] && i + 1 < s.count;
      const badge = element("span", "badge", `S${state[i]}`);
      if (folds) {
        badge.dataset.fold = state[i];
        badge.title = "Fold or unfold";
        if (s.folded.has(state[i])) {
          badge.classList.add("folded");
          row.setAttribute("aria-expanded", "false");
        } else row.setAttribute("aria-expanded", "true");
      }
      row.append(badge);
    } else row.append(element("span", "badge twig", kind[i] === "m" ? "✉" : "├"));
    row.append(element("span", "number", String(i + 1)));
    const verdict = s.labels.get(i + 1),
      truth = s.truth.get(i + 1);
    if (group[i])
      row.append(element("span", "grouped", group[i] === i + 1 ? "╓" : group[i + 1] === group[i] ? "║" : "╙"));
    const text = element("span", "text");
    appendVisible(text, label[i]);
    row.append(text);
    if (exit[i]) row.append(element("span", "exit", `exit ${exit[i]}`));
    if (s.details.has(i + 1)) row.append(element("span", "noted", "✎"));
    const said = [];
    for (const [is, name, glyph, words] of [
      [s.marks.flag?.has(i + 1), "flagged", "…", "flagged for discussion"],
      [s.marks.chain?.has(i + 1), "chained", "↳", "in the error chain"],
      [s.onset === i + 1, "onset", "⚑", "failure onset"],
      [s.onset && s.onset !== i + 1 && firstIncorrect === i + 1, "first", "1st", "first incorrect step"],
      [s.isOpen(i + 1), "open", "≠", "people differ, to decide"],
    ])
      if (is) {
        const mark = element("span", name, glyph);
        mark.title = words[0].toUpperCase() + words.slice(1);
        row.append(mark);
        said.push(`, ${words}`);
      }
    if (s.marks.omission?.has(i + 1)) said.push(`, should have ${s.marks.omission.get(i + 1)}`);
    if (truth) {
      const dot = element("span", `dot truth ${truth}`, MARKS[truth]);
      dot.title = `Ground truth: ${truth}`;
      row.append(dot);
    }
    for (const [of, names] of modelVerdicts(i + 1)) {
      const dot = element("span", `dot model ${of}`, MARKS[of]);
      dot.title = `${of}: ${names.join(", ")}`;
      row.append(dot);
      said.push(`, ${of} for ${names.join(", ")}`);
    }
    if (verdict) {
      const dot = element("span", `dot ${verdict}`, MARKS[verdict]);
      dot.title = `You: ${verdict}`;
      row.append(dot);
    }
    row.setAttribute(
      "aria-label",
      `Step ${i + 1}, ${KINDS[kind[i]]}, ${label[i]}${verdict ? `, your verdict ${verdict}` : ""}${truth ? `, ground truth ${truth}` : ""}${begins ? `, stage ${stage.stage_id} begins${stage.name && `: ${stage.name}`}` : ""}${said.join("")}`,
    );
    return row;
  }

  /** What models say of a step, where that is shown: verdict → their names. */
  function modelVerdicts(step) {
    const found = new Map();
    for (const { who, source, verdict } of s.data.positions?.[step] ?? [])
      if (source === "model" && verdict) found.set(verdict, [...(found.get(verdict) ?? []), who]);
    return found;
  }

  const rowOfMap = () => Math.min(ROW, map.clientHeight / s.count);

  /** A narrow picture of the whole run beside the tree: kind, and marks where there are labels. */
  function paintMap() {
    const height = map.clientHeight,
      context = map.getContext("2d");
    if (map.height !== height) map.height = height;
    context.clearRect(0, 0, map.width, height);
    if (!s.count) return;
    const each = rowOfMap(),
      colour = themeColours();
    for (let i = 0; i < s.count; i++) {
      context.fillStyle = colour[KINDS[s.outline.kind[i]]];
      context.fillRect(0, i * each, 4, Math.max(1, each));
      const verdict = s.labels.get(i + 1) || s.truth.get(i + 1);
      if (verdict) {
        context.fillStyle = colour[verdict];
        context.fillRect(5, i * each, 9, Math.max(2, each));
      }
    }
    context.fillStyle = colour.ink;
    context.fillRect(0, Math.min(height - 2, s.cur * each), 14, 2);
  }

  /** The theme's colours as a canvas understands them: custom properties may hold light-dark(), a colour does not. */
  function themeColours() {
    const ink = getComputedStyle(frame).color;
    if (themeColours.known?.ink === ink) return themeColours.known;
    const probe = frame.appendChild(element("i")),
      known = { ink };
    for (const name of ["explore", "change", "message", ...VERDICTS.map(({ verdict }) => verdict)]) {
      probe.style.color = `var(--${name})`;
      known[name] = getComputedStyle(probe).color;
    }
    probe.remove();
    themeColours.known = known;
    return known;
  }

  list.addEventListener(
    "scroll",
    () => {
      if (s.outline) paintRows();
    },
    { passive: true },
  );
  map.addEventListener("click", (event) => s.show(Math.floor(event.offsetY / rowOfMap())));
  return { layout, paint };
}
