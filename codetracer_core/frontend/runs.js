// The table of runs: filtering, sorting and moving happen in the browser, over rows that were sent once. Only the search
// in task and step text asks the server, and it hears which runs pass the filters while it asks for that. A click or Enter
// on a row opens the run; Ctrl+click or c marks it, and marked runs are compared.

const ROW = 30;
const QUIET = 300; // ms without a change of the filters before the server hears of it
const MOST_COMPARED = 4;
const instances = new WeakMap();

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  let table = instances.get(parentElement);
  if (!table) instances.set(parentElement, (table = createTable(parentElement)));
  table.open = (run) => setTriggerValue("open", run);
  table.compare = (runs) => setTriggerValue("compare", runs);
  table.searchText = (text) => setStateValue("deep", text);
  table.tellPassing = (runs) => setStateValue("passing", runs);
  table.receive(data);
  return () => {
    table.destroy();
    instances.delete(parentElement);
  };
}

const element = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

function createTable(root) {
  const $ = (selector) => root.querySelector(selector);
  const list = $(".table");
  const t = { columns: [], rows: [], shown: [], cur: 0, facets: new Map(), sort: null, hits: null, told: "null", marked: new Set() };
  const remembered = recall();

  t.receive = (data) => {
    t.columns = data.columns;
    t.rows = data.rows.map((cells, i) => ({
      cells,
      run: data.runs[i],
      replay: data.replays[data.runs[i]] ?? "", // in words what it is a replay of
      words: `${data.runs[i]} ${cells.join(" ")} ${data.replays[data.runs[i]] ?? ""}`.toLowerCase(),
    }));
    t.hits = data.hits;
    t.tellFiltered = data.tellFiltered;
    t.deep = data.deep;
    if (root.activeElement !== $(".deep")) $(".deep").value = data.deep || "";
    paintFacets();
    paintHead();
    apply();
    fit();
  };

  /** What was filtered before the run was opened is there again on coming back. */
  function recall() {
    try {
      return JSON.parse(sessionStorage.getItem("codetracer.library")) || {};
    } catch {
      return {};
    }
  }
  function remember() {
    const facets = [...t.facets].map(([column, values]) => [column, [...values]]);
    const state = { query: $(".query").value, facets, sort: t.sort, run: t.shown[t.cur]?.run };
    try {
      sessionStorage.setItem("codetracer.library", JSON.stringify(state));
    } catch {
      /* private mode: nothing is remembered */
    }
  }
  $(".query").value ||= remembered.query || ""; // what was typed before this code ran counts
  for (const [column, values] of remembered.facets || []) t.facets.set(column, new Set(values));
  t.sort = remembered.sort || null;

  // --- what is shown ------------------------------------------------------------------------------------------

  /** The words of the search. What is read instead of a value stands for that value: else "solved" would find "not solved". */
  function asked() {
    const words = t.columns.flatMap(({ words }) => Object.entries(words ?? {})),
      query = $(".query").value.toLowerCase();
    return words.reduce((asked, [value, read]) => asked.replaceAll(read, value), query).split(/\s+/);
  }

  function passes(row, except) {
    if (t.hits && !(row.run in t.hits)) return false;
    for (const [column, values] of t.facets) {
      if (column !== except && values.size && !values.has(row.cells[column])) return false;
    }
    return t.asked.every((word) => row.words.includes(word));
  }

  function apply() {
    t.asked = asked();
    t.shown = t.rows.filter((row) => passes(row));
    if (t.sort) {
      const { column, down } = t.sort;
      // Unknown values go last, whichever way is up.
      const order = (a, b) =>
        (a === null) - (b === null) ||
        (typeof a === "number" ? a - b : String(a).localeCompare(String(b))) * (down ? -1 : 1);
      t.shown.sort((a, b) => order(a.cells[column], b.cells[column]));
    }
    const at = t.shown.findIndex((row) => row.run === remembered.run);
    t.cur = Math.max(0, at);
    $(".spacer").style.height = `${t.shown.length * ROW}px`;
    const steps = t.columns.findIndex(({ name }) => name === "step_count");
    const total = t.shown.reduce((sum, row) => sum + row.cells[steps], 0);
    $(".count").textContent =
      `${t.shown.length.toLocaleString("en")} of ${t.rows.length.toLocaleString("en")} runs · ${total.toLocaleString("en")} steps`;
    $(".clear").hidden = !(
      $(".query").value ||
      t.hits ||
      t.sort ||
      [...t.facets.values()].some((values) => values.size)
    );
    const none = $(".none");
    none.hidden = t.shown.length > 0;
    none.textContent = t.rows.length
      ? "No run passes these filters."
      : "The workspace is empty. Import a folder of runs above.";
    scrollToCurrent();
    paintRows();
    paintFacetCounts();
    tellPassing();
  }

  /** The runs that pass, in any order; null: all. */
  function tellPassing() {
    clearTimeout(t.telling);
    if (!t.tellFiltered) return;
    const passing = t.shown.length === t.rows.length ? null : t.shown.map(({ run }) => run).sort();
    t.telling = setTimeout(() => {
      const told = JSON.stringify(passing);
      if (told === t.told) return;
      t.told = told;
      t.tellPassing(passing);
    }, QUIET);
  }

  function scrollToCurrent() {
    const top = t.cur * ROW;
    const room = list.clientHeight - 2 * ROW;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top > list.scrollTop + room) list.scrollTop = top - room;
  }

  // --- painting -----------------------------------------------------------------------------------------------

  const template = () => t.columns.map(({ width }) => width).join(" ");

  function paintHead() {
    const head = $(".head");
    head.style.gridTemplateColumns = template();
    head.replaceChildren(
      ...t.columns.map(({ title }, column) => {
        const sorted = t.sort?.column === column;
        const button = element("button", "", title + (sorted ? (t.sort.down ? " ↓" : " ↑") : ""));
        button.type = "button";
        button.setAttribute("role", "columnheader");
        button.setAttribute("aria-sort", sorted ? (t.sort.down ? "descending" : "ascending") : "none");
        button.onclick = () => {
          t.sort = !sorted ? { column, down: false } : t.sort.down ? null : { column, down: true };
          remember();
          paintHead();
          apply();
        };
        return button;
      }),
    );
  }

  function paintRows() {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 6);
    const last = Math.min(t.shown.length, first + Math.ceil(list.clientHeight / ROW) + 12);
    const rows = $(".rows");
    rows.style.transform = `translateY(${first * ROW}px)`;
    rows.replaceChildren(...t.shown.slice(first, last).map((row, i) => rowNode(row, first + i)));
    list.setAttribute("aria-activedescendant", t.shown.length ? `run-${t.cur}` : "");
    list.setAttribute("aria-rowcount", t.shown.length);
  }

  function rowNode(row, i) {
    const node = element("div", `row${i === t.cur ? " current" : ""}`);
    node.id = `run-${i}`;
    node.dataset.index = i;
    node.setAttribute("role", "row");
    node.setAttribute("aria-rowindex", i + 1);
    node.setAttribute("aria-selected", i === t.cur);
    node.classList.toggle("marked", t.marked.has(row.run));
    node.style.gridTemplateColumns = template();
    t.columns.forEach((facts, column) => {
      const { name, type } = facts;
      const value = row.cells[column];
      const cell = element(
        "span",
        `cell ${type} ${name}`,
        name === "task" ? (value ?? row.run) : formatted(value, facts),
      );
      cell.setAttribute("role", "gridcell");
      if (type === "flag" && value !== null) cell.setAttribute("aria-label", value ? "yes" : "no");
      if (name === "outcome") cell.dataset.outcome = value;
      if (value === null) cell.classList.add("unknown");
      if (name === "task" && row.replay) cell.append(element("span", "hits", "replay"));
      if (name === "task" && t.hits) cell.append(element("span", "hits", hitsOf(row.run)));
      cell.title =
        type === "flag" && value === null
          ? "hidden from you until you have submitted this run"
          : type === "time" && value !== null
            ? value
            : name === "task" && row.replay
              ? row.replay
              : cell.textContent;
      node.append(cell);
    });
    return node;
  }

  function hitsOf(run) {
    const steps = t.hits[run];
    return steps === 0 ? "in the task" : `in ${steps} ${steps === 1 ? "step" : "steps"}`;
  }

  /** What is not known; whether there is ground truth is known, and kept from whoever labels the run blind. */
  const nothing = (type) => (type === "flag" ? "hidden" : "unknown");

  function formatted(value, { type, words }) {
    if (value === null) return nothing(type);
    if (words?.[value]) return words[value];
    if (type === "time") return value.slice(0, 10);
    if (type === "flag") return value ? "●" : "";
    if (type === "money") return value.toFixed(3);
    if (type === "number") return value.toLocaleString("en");
    return String(value);
  }

  // --- facets: one drop-down per column with few values, each value with how many runs would remain ----------------

  function paintFacets() {
    $(".facets").replaceChildren(
      ...t.columns.flatMap(({ title, facet, type, words }, column) => {
        if (!facet) return [];
        const box = element("details", "facet");
        box.dataset.column = column;
        box.append(element("summary", "", title), element("div", "values"));
        const values = [...new Set(t.rows.map((row) => row.cells[column]))].sort((a, b) =>
          String(a).localeCompare(String(b)),
        );
        for (const value of values) {
          const label = element("label");
          const tick = element("input");
          tick.type = "checkbox";
          tick.checked = t.facets.get(column)?.has(value) ?? false;
          tick.onchange = () => {
            const chosen = t.facets.get(column) || new Set();
            if (tick.checked) chosen.add(value);
            else chosen.delete(value);
            t.facets.set(column, chosen);
            remembered.run = undefined;
            apply();
            remember();
          };
          const name = value === null ? nothing(type) : type === "flag" ? (value ? "yes" : "no") : (words?.[value] ?? value);
          label.append(tick, element("span", "", name), element("span", "n"));
          label.facetValue = value;
          box.lastChild.append(label);
        }
        return [box];
      }),
    );
  }

  function paintFacetCounts() {
    for (const box of $(".facets").children) {
      const column = Number(box.dataset.column);
      const chosen = t.facets.get(column)?.size || 0;
      box.firstChild.textContent = t.columns[column].title + (chosen ? ` (${chosen})` : "");
      box.classList.toggle("chosen", chosen > 0);
      if (!box.open) continue;
      const counts = new Map();
      for (const row of t.rows) {
        if (passes(row, column)) counts.set(row.cells[column], (counts.get(row.cells[column]) || 0) + 1);
      }
      for (const label of box.lastChild.children) label.lastChild.textContent = counts.get(label.facetValue) || 0;
    }
  }

  // --- controls -----------------------------------------------------------------------------------------------

  function move(by) {
    t.cur = Math.max(0, Math.min(t.shown.length - 1, t.cur + by));
    remembered.run = t.shown[t.cur]?.run;
    scrollToCurrent();
    paintRows();
  }
  function open(i) {
    if (!t.shown[i]) return;
    t.cur = i;
    remember();
    paintRows();
    t.open(t.shown[i].run);
  }
  /** Mark a run to be compared, or no longer. */
  function mark(i) {
    const run = t.shown[i]?.run;
    if (!run) return;
    if (!t.marked.delete(run)) t.marked.add(run);
    t.cur = i;
    const button = $(".compare"),
      { size } = t.marked;
    button.hidden = !size;
    button.disabled = size < 2 || size > MOST_COMPARED;
    button.textContent =
      size < 2 ? "Compare: mark another run (c)" : button.disabled ? `Compare at most ${MOST_COMPARED}` : `Compare ${size} runs`;
    paintRows();
  }
  function clear() {
    $(".query").value = "";
    t.facets.clear();
    t.sort = null;
    if (t.hits) t.searchText("");
    t.hits = null;
    remember();
    paintFacets();
    paintHead();
    apply();
  }

  const MOVES = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, PageDown: 15, PageUp: -15, Home: -1e9, End: 1e9 };
  function onTableKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "BUTTON") return;
    if (event.key in MOVES) move(MOVES[event.key]);
    else if (event.key === "Enter") open(t.cur);
    else if (event.key === "c") mark(t.cur);
    else return;
    event.preventDefault();
  }
  list.addEventListener("keydown", onTableKey);
  list.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (row) (event.ctrlKey || event.metaKey ? mark : open)(Number(row.dataset.index));
  });
  list.addEventListener("scroll", paintRows, { passive: true });
  $(".query").addEventListener("input", () => {
    remembered.run = undefined;
    apply();
    remember();
  });
  $(".query").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "ArrowDown") return;
    event.preventDefault();
    list.focus();
  });
  $(".deep").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    $(".count").textContent = "searching …";
    t.searchText($(".deep").value.trim());
  });
  $(".clear").addEventListener("click", clear);
  $(".compare").addEventListener("click", () => t.compare([...t.marked]));
  $(".facets").addEventListener(
    "toggle",
    (event) => {
      if (!event.target.open) return;
      for (const box of $(".facets").children) if (box !== event.target) box.open = false;
      paintFacetCounts();
    },
    true,
  );
  function onPointer(event) {
    if (event.composedPath().some((node) => node.classList?.contains("facet"))) return;
    for (const box of $(".facets").children) box.open = false;
  }
  function onKey(event) {
    const target = event.composedPath()[0];
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(target?.tagName || ""))
      return;
    // Where nothing has the focus, or only what the page before left behind, the table takes its keys without a click.
    const isFree = target?.matches?.(event.key === "Enter" ? "body, .stMain" : "body, .stMain, a");
    if (event.key === "/") $(".query").focus();
    else if (event.key === "Escape") onPointer(new Event("x"));
    else if (isFree && (event.key in MOVES || event.key === "Enter")) {
      list.focus({ preventScroll: true });
      onTableKey(event);
      return;
    } else return;
    event.preventDefault();
  }
  /** The table fills the window below where it begins. */
  function fit() {
    const top = list.getBoundingClientRect().top + document.documentElement.scrollTop;
    list.style.height = `${Math.max(300, window.innerHeight - Math.max(0, top) - 24)}px`;
    if (t.rows.length) paintRows();
  }
  const moved = new ResizeObserver(fit);
  moved.observe(document.body);
  window.addEventListener("resize", fit);
  window.addEventListener("keydown", onKey);
  window.addEventListener("pointerdown", onPointer);
  t.destroy = () => {
    clearTimeout(t.telling);
    moved.disconnect();
    window.removeEventListener("resize", fit);
    window.removeEventListener("keydown", onKey);
    window.removeEventListener("pointerdown", onPointer);
  };
  return t;
}
