// Runs of one task beside each other, row by row as alignment.py paired their steps. Moving about happens here; the texts
// of a row arrive through the pipe "compare" when it is opened (compare_texts.js). Only the rows in view are in the DOM.

const ROW = 26,
  COLUMN_HEADS = 32, // height of what stands above the rows, with the border
  TEXTS_LEAST = 240; // pixels that texts need below a list that is shown whole
const STRENGTHS = { s: "same", a: "alike", w: "weak", n: "none" };
const SIGNS = { s: "=", a: "≈", w: "~", n: "" };
const TOLD_BY = { human: "people", model: "model", ground_truth: "ground truth", adjudicated: "adjudicated" };
const letterOf = (column) => String.fromCharCode(65 + column);
const comparisons = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let comparison = comparisons.get(parentElement);
  if (!comparison) comparisons.set(parentElement, (comparison = createComparison(parentElement)));
  comparison.tell = setTriggerValue;
  comparison.receive(data);
  return () => {
    comparison.destroy();
    comparisons.delete(parentElement);
  };
}

/** Every key, in the order of the cheatsheet. */
const COMPARE_KEYS = [
  { keys: ["j", "ArrowDown"], group: "Move", title: "Next row", run: (c) => c.move(1) },
  { keys: ["k", "ArrowUp"], group: "Move", title: "Previous row", run: (c) => c.move(-1) },
  { keys: ["n"], group: "Move", title: "Next difference", run: (c) => c.difference(1) },
  { keys: ["p"], group: "Move", title: "Previous difference", run: (c) => c.difference(-1) },
  { keys: ["v"], group: "Move", title: "Where the runs part", run: (c) => c.part() },
  { keys: ["m"], group: "Move", title: "Where they meet again", run: (c) => c.meet() },
  { keys: ["Home"], group: "Move", title: "First row", run: (c) => c.show(0) },
  { keys: ["End", "G"], group: "Move", title: "Last row", run: (c) => c.show(Infinity) },
  { keys: ["Enter"], group: "Read", title: "Texts of the row: open or close", run: (c) => c.toggleTexts() },
  { keys: [" ", "PageDown"], group: "Read", title: "Scroll the texts down", run: (c) => c.scrollTexts(1) },
  { keys: ["b", "PageUp"], group: "Read", title: "Scroll the texts up", run: (c) => c.scrollTexts(-1) },
  { keys: ["e"], group: "Read", title: "Fold equal lines, or show them", run: (c) => c.toggle("folded") },
  { keys: ["t"], group: "Read", title: "Thoughts on or off", run: (c) => c.toggle("thought") },
  { keys: ["x"], group: "Read", title: "Open all of a cut text", run: (c) => c.openAll() },
  { keys: ["o"], group: "Show", title: "Only rows that differ, or all", run: (c) => c.toggleOnly() },
  { keys: ["r"], group: "Show", title: "Labels on or off", run: (c) => c.toggleLabels() },
  { keys: ["1", "2", "3", "4"], group: "Show", title: "Open the step of A, B …", run: (c, key) => c.openStep(key - 1) },
  { keys: ["y"], group: "Show", title: "Copy a link to this view", run: (c) => c.copyLink() },
  { keys: ["?"], group: "Show", title: "This list", run: (c) => c.help() },
  { keys: ["Escape"], group: "Show", title: "Close", run: (c) => c.close() },
];

function createComparison(root) {
  const frame = root.querySelector(".comparison"),
    $ = (selector) => frame.querySelector(selector);
  const list = $(".list");
  const c = {
    data: null,
    cur: 0, // index of a row of the alignment
    shown: [], // what the list shows: { row } or a line between rows, { words, tone }
    at: [], // row → its place in the list
    isOpen: false,
    only: false,
    visible: { folded: true, thought: false, ...kept.read("compare", {}) },
  };
  const texts = createCompareTexts(c, frame),
    head = createCompareHead(c, frame);
  const address = createLagging(rememberPlace, () => ({ key: c.data.key, start: place(), only: c.only, isOpen: c.isOpen }));
  let flashTimer = 0;

  c.receive = (data) => {
    if (data === c.data) return;
    const fresh = data.key !== c.data?.key,
      last = fresh ? whereItWasLeft() : null,
      left = last?.key === data.key ? last : null,
      start = left?.start ?? data.start;
    c.data = data;
    if (fresh) {
      c.only = left?.only ?? data.only;
      c.cur = Math.max(0, data.rows.findIndex((row) => row[start.column] === start.step));
      texts.forget();
    }
    head.paint();
    layout();
    texts.connect();
    fit();
    if (fresh) c.isOpen = left?.isOpen ?? (data.open ? data.open === "1" : hasRoom());
    c.show(c.cur, { center: fresh });
  };
  /** Whether all rows can be seen also with texts below them: then these are open unless somebody closed them. */
  const hasRoom = () => c.shown.length > 0 && listHeight() + TEXTS_LEAST < $(".panes").clientHeight;
  const listHeight = () => c.shown.length * ROW + COLUMN_HEADS;

  c.differs = (i) => [...c.data.strengths[i]].filter((told) => told === "s").length < c.data.runs.length - 1;

  /** What the list shows: all rows or those that differ, and lines where the runs part and meet. */
  function layout() {
    const { rows, partings } = c.data;
    c.shown = [];
    c.at = [];
    rows.forEach((_, i) => {
      partings.forEach((told, k) => {
        if (told?.row === i) c.shown.push({ words: `A and ${letterOf(k + 1)} part here: ${told.why}`, tone: "part" });
        if (told?.meets[0] === i) c.shown.push({ words: `A and ${letterOf(k + 1)} do the same again`, tone: "meet" });
      });
      if (c.only && !c.differs(i)) return;
      c.at[i] = c.shown.length;
      c.shown.push({ row: i });
    });
    $(".spacer").style.height = `${c.shown.length * ROW}px`;
    $(".nothing").hidden = c.shown.some(({ row }) => row !== undefined);
    $(".nothing").textContent = rows.length ? "No row differs." : "These runs have no steps.";
    const different = rows.filter((_, i) => c.differs(i)).length;
    $(".count").textContent = `${different} of ${rows.length} rows differ`;
    $('[data-do="only"]').setAttribute("aria-pressed", String(c.only));
  }

  // --- moving ---------------------------------------------------------------------------------------------------

  const visibleRows = () => c.shown.flatMap(({ row }) => (row === undefined ? [] : [row]));
  c.show = (index, { center = false } = {}) => {
    const rows = visibleRows();
    if (rows.length) {
      const wanted = Math.max(0, Math.min(c.data.rows.length - 1, index));
      c.cur = c.at[wanted] === undefined ? (rows.find((row) => row >= wanted) ?? rows.at(-1)) : wanted;
      const top = c.at[c.cur] * ROW;
      if (center || top < list.scrollTop + ROW || top > list.scrollTop + list.clientHeight - 2 * ROW)
        list.scrollTop = Math.max(0, top - list.clientHeight / 2);
    }
    paint();
    address.soon();
  };
  c.move = (by) => {
    const rows = visibleRows();
    c.show(rows[Math.max(0, Math.min(rows.length - 1, rows.indexOf(c.cur) + by))] ?? 0);
  };
  /** The first row of the next block of rows that differ, or of the one before. */
  c.difference = (by) => {
    const begins = (i) => c.differs(i) && (i === 0 || !c.differs(i - 1));
    for (let i = c.cur + by; i >= 0 && i < c.data.rows.length; i += by)
      if (begins(i)) return c.show(i);
    flash(by > 0 ? "no difference further on" : "no difference before");
  };
  c.parting = () =>
    c.data.partings.filter(Boolean).reduce((first, told) => (!first || told.row < first.row ? told : first), null);
  c.part = () => {
    const told = c.parting();
    if (told) c.show(told.row, { center: true });
    else flash("no change that only one of them makes");
  };
  c.meet = () => {
    const places = c.data.partings.flatMap((told) => told?.meets ?? []).sort((a, b) => a - b);
    const next = places.find((row) => row > c.cur) ?? places[0];
    if (next === undefined) flash("they do not meet again");
    else c.show(next, { center: true });
  };
  c.toggleOnly = () => {
    c.only = !c.only;
    layout();
    c.show(c.cur, { center: true });
  };
  c.toggleTexts = (open = !c.isOpen) => {
    c.isOpen = open;
    paint();
    c.show(c.cur);
  };
  c.scrollTexts = (by) => $(".texts").scrollBy({ top: by * $(".texts").clientHeight * 0.85 });
  c.openAll = () => texts.openAll() || flash("nothing is cut here");
  c.toggle = (name) => {
    c.visible[name] = !c.visible[name];
    kept.write("compare", c.visible);
    paint();
  };
  c.toggleLabels = () => {
    if (!c.data.hasLabels) flash("nobody else says anything of these runs, or you label them blind");
    else c.tell("labels", !c.data.labelsShown);
  };
  c.openStep = (column) => {
    const step = c.data.rows[c.cur]?.[column];
    if (step) c.tell("open", { run: c.data.runs[column].run, step });
    else flash("that run has no step here");
  };
  c.help = () => toggleSheet($(".sheet.help"), COMPARE_KEYS);
  c.close = () => {
    if (!$(".sheet.help").hidden) $(".sheet.help").hidden = true;
    else if (c.isOpen) c.toggleTexts(false);
    list.focus({ preventScroll: true });
  };
  c.copyLink = () => {
    rememberPlace();
    (navigator.clipboard?.writeText(location.href) ?? Promise.reject()).then(
      () => flash("link copied"),
      () => flash(location.search),
    );
  };
  /** A step of the current row, of the first run that has one there. */
  function place() {
    const row = c.data.rows[c.cur] ?? [],
      column = row.findIndex(Boolean);
    return { column, step: row[column] };
  }
  /** The view in the address: runs, a step of this row, the filter, whether texts are open. */
  function rememberPlace() {
    const url = new URL(location.href);
    if (!/\/compare$/.test(url.pathname) || !c.data?.rows.length) return; // the page was left in the meantime
    const { column, step } = place();
    url.searchParams.set("step", `${letterOf(column)}${step}`);
    if (c.only) url.searchParams.set("only", "1");
    else url.searchParams.delete("only");
    url.searchParams.set("texts", c.isOpen ? "1" : "0");
    if (url.href !== location.href) history.replaceState(history.state, "", url);
  }

  // --- painting -------------------------------------------------------------------------------------------------

  c.link = (run, step, text) => {
    const link = words("a", "", text);
    const labels = c.data.labelsShown ? { show: "labels" } : {};
    link.href = `trajectory?${new URLSearchParams({ traj: run, ...(step ? { step } : {}), ...labels })}`;
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
      event.preventDefault();
      c.tell("open", { run, step });
    });
    return link;
  };

  function paint() {
    frame.classList.toggle("open", c.isOpen);
    frame.classList.toggle("whole", c.isOpen && hasRoom());
    frame.style.setProperty("--list-height", `${listHeight()}px`);
    for (const [name, on] of [
      ["texts", c.isOpen],
      ["folded", c.visible.folded],
      ["thought", c.visible.thought],
    ])
      $(`[data-do="${name}"]`).setAttribute("aria-pressed", String(on));
    paintRows();
    head.paintMap();
    texts.paint();
  }

  function paintRows() {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 8),
      last = Math.min(c.shown.length, first + Math.ceil(list.clientHeight / ROW) + 16);
    $(".rows").style.transform = `translateY(${first * ROW}px)`;
    $(".rows").replaceChildren(
      ...c.shown
        .slice(first, last)
        .map(({ row, words: told, tone }) => (row === undefined ? words("div", `between ${tone}`, told) : rowNode(row))),
    );
    list.setAttribute("aria-activedescendant", `row-${c.cur}`);
    list.setAttribute("aria-rowcount", c.data?.rows.length ?? 0);
  }

  function rowNode(i) {
    const row = element("div", `row${i === c.cur ? " current" : ""}${c.differs(i) ? " differs" : ""}`);
    row.id = `row-${i}`;
    row.dataset.row = i;
    row.setAttribute("role", "row");
    row.setAttribute("aria-rowindex", i + 1);
    row.setAttribute("aria-selected", String(i === c.cur));
    row.append(...c.data.rows[i].map((step, column) => cellNode(i, column, step)));
    return row;
  }

  function cellNode(i, column, step) {
    const told = c.data.strengths[i][column],
      cell = element("div", `cell ${STRENGTHS[told]}${step ? "" : " empty"}`);
    cell.setAttribute("role", "gridcell");
    if (!step) {
      cell.setAttribute("aria-label", `${letterOf(column)}: no step`);
      return cell;
    }
    const { outline, stages } = c.data.runs[column],
      at = step - 1,
      kind = KINDS[outline.kind[at]],
      stage = stages[stageAt(stages, step)];
    cell.classList.add(kind);
    if (!outline.executed[at]) cell.classList.add("unexecuted");
    const sign = element("span", "sign", SIGNS[told]);
    sign.title = c.data.reasons[i][column] || (c.data.rows[i].filter(Boolean).length > 1 ? "" : "only in this run");
    const label = words("span", "text", outline.label[at]);
    cell.append(
      element("span", `band${stage ? ` hue${stage.stage_id % 6}` : ""}`),
      sign,
      element("span", "badge", kind === "change" ? `S${outline.state[at]}` : kind === "message" ? "✉" : "├"),
      element("span", "number", String(step)),
      label,
    );
    if (outline.exit[at]) cell.append(element("span", "exit", `exit ${outline.exit[at]}`));
    const said = [...marksOf(column, step)];
    cell.append(...said.map(({ node }) => node));
    cell.setAttribute(
      "aria-label",
      `${letterOf(column)}: step ${step}, ${kind}, ${outline.label[at]}, ${sign.title || "beside it"}${said.map(({ told }) => `, ${told}`).join("")}`,
    );
    return cell;
  }

  /** Own verdict, and what others say where that is shown. */
  function* marksOf(column, step) {
    const { own, marks } = c.data.runs[column];
    for (const { who, source, verdict, onset } of [...(own[step] ?? []), ...(marks[step] ?? [])]) {
      const told = `${who || TOLD_BY[source]}: ${onset ? "failure onset" : verdict}`;
      const node = onset
        ? element("span", "onset", "⚑")
        : element(
            "span",
            `dot ${verdict}${source === "model" ? " model" : source === "ground_truth" ? " truth" : ""}`,
            MARKS[verdict],
          );
      node.title = told;
      yield { node, told };
    }
  }
  c.marksOf = marksOf;

  function flash(message) {
    $(".flash").textContent = message;
    clearTimeout(flashTimer);
    flashTimer = setTimeout(() => ($(".flash").textContent = ""), 1800);
  }

  // --- controls -------------------------------------------------------------------------------------------------

  const BUTTONS = {
    previous: () => c.difference(-1),
    next: () => c.difference(1),
    part: () => c.part(),
    only: () => c.toggleOnly(),
    labels: () => c.toggleLabels(),
    texts: () => c.toggleTexts(),
    folded: () => c.toggle("folded"),
    thought: () => c.toggle("thought"),
    help: () => c.help(),
    close: () => c.close(),
    openall: () => c.openAll(),
  };
  frame.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (button) {
      BUTTONS[button.dataset.do]();
      return;
    }
    const row = event.target.closest(".row[data-row]");
    if (!row) return;
    c.isOpen = true;
    c.show(Number(row.dataset.row));
  });
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !frame.checkVisibility()) return;
    const target = event.composedPath()[0];
    if (target?.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target?.tagName || "")) return;
    if ((event.key === " " || event.key === "Enter") && /^(BUTTON|A|SUMMARY)$/.test(target?.tagName || "")) return;
    if (isForOthers(event, frame)) return;
    if (document.querySelector('[role="dialog"], [data-testid="stDialog"]')) return;
    const entry = COMPARE_KEYS.find(({ keys }) => keys.includes(event.key));
    if (!entry) return;
    entry.run(c, event.key);
    event.preventDefault();
    event.stopPropagation();
  }
  list.addEventListener("scroll", () => c.data && paintRows(), { passive: true });
  window.addEventListener("keydown", onKey, true);

  /** The comparison fills the window below where it begins. */
  function fit() {
    if (!frame.checkVisibility()) return;
    const top = frame.getBoundingClientRect().top + (document.querySelector(".stMain") ?? document.documentElement).scrollTop;
    const least = 560 + 80 * Math.max(0, (c.data?.runs.length ?? 2) - 2); // each run has lines of its own above the rows
    const height = `${Math.max(least, window.innerHeight - Math.max(60, top) - 20)}px`;
    if (height === frame.style.getPropertyValue("--height")) return;
    frame.style.setProperty("--height", height);
    if (c.data) paint();
  }
  const moved = new ResizeObserver(() => {
    fit();
    if (c.data) paint();
  });
  moved.observe(list);
  moved.observe(document.querySelector(".stMainBlockContainer") ?? document.body);
  window.addEventListener("resize", fit);
  const ticking = setInterval(() => texts.ask(), 500);

  c.destroy = () => {
    window.removeEventListener("keydown", onKey, true);
    window.removeEventListener("resize", fit);
    moved.disconnect();
    clearInterval(ticking);
    clearTimeout(flashTimer);
    address.destroy();
    texts.destroy();
  };
  return c;
}
