// A table of numbers. Sorting and moving happen in the browser, over rows that were sent once; only those in view are on
// the page. A cell can be a link, or be picked; a "?" opens its note. Every text reaches the page as text.

const ROW = 32;
const WHISKER = 116; // px
const PADDING = 26; // px beside the text of a column
const GAP = 14; // px between a whisker and its text
const LONGEST = 70; // characters of a text column that are shown where there is room
const SHORT = 18; // and where there is little
const ROWS_SHOWN = 20; // without a height that is asked for
const tables = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let table = tables.get(parentElement);
  if (!table) tables.set(parentElement, (table = createNumbers(parentElement)));
  table.tell = setTriggerValue;
  window.codetracerPassesHalfWay ??= passHalfWay();
  table.receive(data);
  return () => {
    table.destroy();
    tables.delete(parentElement);
  };
}

/** Streamlit goes from one page to another in two entries of the history: first the new query at the old page, then the
 * new page. Whoever goes back from a step of a list passes the entry half-way, to the page as they left it. */
function passHalfWay() {
  const pass = (event) => {
    if (location.pathname.endsWith("/trajectory") || !new URLSearchParams(location.search).has("list")) return;
    event.stopImmediatePropagation(); // Streamlit would draw the old page with the step's query
    history.back();
  };
  addEventListener("popstate", pass, { capture: true });
  return pass;
}

function createNumbers(root) {
  const box = root.appendChild(element("div", "numbers")),
    caption = element("p", "caption"),
    list = element("div", "list"),
    grid = element("div", "grid"),
    head = element("div", "head"),
    spacer = element("div", "spacer"),
    bubble = element("div", "bubble");
  const t = { columns: [], rows: [], shown: [], sort: null, selected: "", nodes: new Map(), asked: null };
  list.tabIndex = 0;
  grid.setAttribute("role", "table");
  head.setAttribute("role", "row");
  spacer.setAttribute("role", "rowgroup");
  bubble.setAttribute("role", "status");
  bubble.hidden = true;
  caption.hidden = true;
  grid.append(head, spacer);
  list.append(grid);
  box.append(caption, list, bubble);

  t.receive = (data) => {
    const focused = root.activeElement?.closest(".row .cell"),
      place = focused && { id: focused.parentNode.dataset.id, at: [...focused.parentNode.children].indexOf(focused) };
    t.data = data;
    t.columns = data.columns.map((column) => ({ ...column, decimals: 0, chars: 0 }));
    t.rows = data.rows;
    t.selected = data.selected;
    if (t.sort && !t.columns.some(({ key }) => key === t.sort.key)) t.sort = null;
    caption.hidden = !data.caption;
    caption.replaceChildren();
    appendVisible(caption, data.caption);
    grid.setAttribute("aria-label", data.caption || "Table");
    box.classList.toggle("matrix", Boolean(data.isMatrix));
    measure();
    paintHead();
    order();
    list.style.maxHeight = `${data.height ?? (ROWS_SHOWN + 1.5) * ROW}px`;
    closeNote();
    const row = place && [...t.nodes.values()].find((node) => node.dataset.id === place.id);
    if (row) pressable(row.children[place.at])?.focus({ preventScroll: true }); // a press may have brought new data
  };

  // --- widths: one template for the head and all rows, from the longest text of each column -------------------------

  function measure() {
    for (const column of t.columns) {
      let longest = 1;
      for (const row of t.rows) {
        const cell = row.cells[column.key];
        if (!cell) continue;
        const text = cell.text ?? "";
        const narrow = column.kind === "number" ? text.match(/[[\],.\s]/g)?.length ?? 0 : 0;
        const length = text.length - 0.4 * narrow; // what an interval saves is the name's
        longest = Math.max(longest, length + (cell.note ? 3 : 0));
        if (column.kind === "number") column.decimals = Math.max(column.decimals, decimalsOf(cell.text));
      }
      column.chars = Math.max(longest + (column.decimals ? 1 : 0), column.label.length + (column.help ? 3 : 0) + 2);
    }
    const widths = t.columns.map(widthOf),
      sum = (which) => `calc(${widths.map((width) => width[which]).join(" + ")} + ${t.columns.length * PADDING}px)`;
    const track = ({ least, most }) =>
      `minmax(calc(${least} + ${PADDING}px), ${least === most ? `calc(${most} + ${PADDING}px)` : "1fr"})`;
    grid.style.setProperty("--columns", widths.map(track).join(" "));
    grid.style.setProperty("--least", sum("least"));
    list.style.setProperty("--most", sum("most"));
    grid.style.setProperty("--whisker", `${WHISKER}px`);
  }
  /** At least and at most, as CSS lengths: only text is cut where room is scarce. */
  function widthOf({ kind, chars }, at) {
    const most = Math.min(kind === "text" ? LONGEST : LONGEST / 2, chars);
    if (t.data.isMatrix && !at) {
      const width = `${Math.min(LONGEST, Math.max(chars, (t.data.corner ?? "").length))}ch`;
      return { least: width, most: width };
    }
    if (kind === "interval") {
      const width = `${Math.ceil(most * 0.88)}ch + ${WHISKER + GAP}px`; // brackets and points are narrow
      return { least: width, most: width };
    }
    return { least: `${kind === "text" ? Math.min(most, SHORT) : most}ch`, most: `${most}ch` };
  }
  /** Characters from the decimal point on: what numbers are lined up by. */
  const decimalsOf = (text) => /^[−-]?[\d,]*(\.\d+)?/.exec(text ?? "")?.[1]?.length ?? 0;

  // --- order ----------------------------------------------------------------------------------------------------------

  function order() {
    t.shown = [...t.rows];
    if (t.sort) {
      const { key, down } = t.sort;
      const valueOf = ({ cells: { [key]: cell } }) => cell?.value ?? null;
      const byText = t.rows.every((row) => valueOf(row) === null);
      const of = byText ? ({ cells }) => cells[key]?.text || null : valueOf;
      // What has no value goes last, whichever way is up.
      t.shown.sort((one, other) => {
        const a = of(one),
          b = of(other);
        if (a === null || b === null) return (a === null) - (b === null);
        return (byText ? a.localeCompare(b, "en", { numeric: true }) : a - b) * (down ? -1 : 1);
      });
    }
    for (const node of t.nodes.values()) node.remove();
    t.nodes.clear();
    spacer.style.height = `${t.shown.length * ROW}px`;
    grid.setAttribute("aria-rowcount", t.shown.length + 1);
    paintRows();
  }

  // --- painting -------------------------------------------------------------------------------------------------------

  function paintHead() {
    head.replaceChildren(
      ...t.columns.map((column, at) => {
        const { key, label, kind, help } = column,
          cell = element("div", `cell ${kind}`),
          sorted = t.sort?.key === key;
        cell.setAttribute("role", "columnheader");
        if (t.data.sortable) {
          const button = element("button", "sort");
          button.type = "button";
          appendVisible(button, label);
          if (sorted) button.append(element("span", "arrow", t.sort.down ? " ↓" : " ↑"));
          button.addEventListener("click", () => sortBy(column));
          button.title = label;
          cell.append(button);
          cell.setAttribute("aria-sort", sorted ? (t.sort.down ? "descending" : "ascending") : "none");
        } else {
          const words = element("span", "words");
          appendVisible(words, t.data.isMatrix && !at ? t.data.corner : label);
          words.title = words.textContent;
          cell.append(words);
        }
        if (help) cell.append(asker(help, `What is ${label}?`));
        if (kind === "interval") cell.append(scaleNode(column));
        return cell;
      }),
    );
  }
  function sortBy({ key, kind }) {
    const down = kind !== "text"; // the largest number is looked for first
    t.sort = t.sort?.key !== key ? { key, down } : t.sort.down === down ? { key, down: !down } : null;
    list.scrollTop = 0;
    closeNote();
    paintHead();
    head.children[t.columns.findIndex((column) => column.key === key)].querySelector("button").focus();
    order();
  }

  function paintRows() {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 8),
      last = Math.min(t.shown.length, first + Math.ceil((list.clientHeight || 700) / ROW) + 16);
    for (const [at, node] of t.nodes)
      if ((at < first || at >= last) && !node.contains(root.activeElement)) {
        node.remove();
        t.nodes.delete(at);
      }
    for (let at = first; at < last; at++)
      if (!t.nodes.has(at)) {
        const node = rowNode(t.shown[at], at);
        t.nodes.set(at, node);
        const after = [...t.nodes.keys()].filter((other) => other > at);
        spacer.insertBefore(node, after.length ? t.nodes.get(Math.min(...after)) : null);
      }
  }

  function rowNode({ id, tone, cells }, at) {
    const node = element("div", `row ${tone || ""}`);
    node.setAttribute("role", "row");
    node.setAttribute("aria-rowindex", at + 2);
    node.dataset.id = id;
    node.style.top = `${at * ROW}px`;
    t.columns.forEach((column, i) => node.append(cellNode(column, cells[column.key] ?? {}, i === 0)));
    return node;
  }

  function cellNode({ kind, low, high, reference, decimals }, cell, isFirst) {
    const { text = "", note, tone = "", href, pick, shade, value } = cell;
    const node = element("div", `cell ${kind} ${tone}`);
    node.setAttribute("role", isFirst ? "rowheader" : "cell");
    if (shade) {
      node.classList.add("shaded");
      node.style.setProperty("--shade", `${Math.round(shade * 38)}%`);
    }
    const words = href ? element("a", "words") : pick ? element("button", "words pick") : element("span", "words");
    const [, number, range] = kind === "interval" ? /^(.*?)( \[.*)?$/su.exec(text) : [null, text, ""];
    appendVisible(words, number);
    if (range) words.append(element("span", "range", range));
    if (kind === "number" && value !== undefined && decimals > decimalsOf(text)) {
      const missing = decimals - decimalsOf(text);
      const pad = element("span", "pad", (decimalsOf(text) ? "" : "\u2008") + "\u2007".repeat(decimalsOf(text) ? missing : missing - 1));
      pad.setAttribute("aria-hidden", "true");
      words.append(pad);
    }
    words.title = text;
    if (href) linkTo(words, href);
    else if (pick) pickable(words, pick);
    if (kind === "interval") node.append(whiskerNode(cell, low, high, reference));
    node.append(words);
    if (note) node.append(asker(note, `About ${text}`));
    return node;
  }

  function linkTo(link, href) {
    const url = new URL(href, location.href);
    if (url.origin !== location.origin) return; // only pages of this dashboard
    link.href = url.href;
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
      event.preventDefault();
      t.tell("open", href);
    });
  }
  function pickable(button, pick) {
    button.type = "button";
    button.dataset.pick = pick;
    button.setAttribute("aria-pressed", String(pick === t.selected));
    button.addEventListener("click", () => {
      t.selected = pick;
      for (const other of spacer.querySelectorAll(".pick"))
        other.setAttribute("aria-pressed", String(other.dataset.pick === pick));
      t.tell("pick", pick);
    });
  }

  const share = (at, low, high) => `${(100 * Math.min(1, Math.max(0, (at - low) / (high - low)))).toFixed(2)}%`;

  /** The point with its interval, on the scale of the column. */
  function whiskerNode({ value, low: from, high: to, is_rough: isRough }, low, high, reference) {
    const node = element("span", "whisker");
    node.setAttribute("aria-hidden", "true"); // the text says the same
    if (reference !== null) {
      const zero = element("i", "reference");
      zero.style.left = share(reference, low, high);
      node.append(zero);
    }
    if (value === undefined) return node;
    if (from !== undefined && to !== undefined) {
      const line = element("i", `line${isRough ? " rough" : ""}`);
      line.style.left = share(from, low, high);
      line.style.right = `calc(100% - ${share(to, low, high)})`;
      node.append(line);
    }
    const point = element("i", "point");
    point.style.left = share(value, low, high);
    node.append(point);
    return node;
  }
  function scaleNode({ low, high, reference }) {
    const node = element("span", "scale");
    node.setAttribute("aria-hidden", "true");
    const ends = [low, high, ...(reference !== null && reference > low && reference < high ? [reference] : [])];
    for (const end of ends) {
      const mark = element("i", end === low ? "from" : end === high ? "to" : "", String(Number(end.toPrecision(3))).replace("-", "−"));
      mark.style.left = share(end, low, high);
      node.append(mark);
    }
    return node;
  }

  // --- notes ----------------------------------------------------------------------------------------------------------

  function asker(text, name) {
    const button = element("button", "ask", "?");
    button.type = "button";
    button.setAttribute("aria-label", name);
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => (t.asked === button ? closeNote() : openNote(button, text)));
    return button;
  }
  function openNote(button, text) {
    closeNote();
    t.asked = button;
    button.setAttribute("aria-expanded", "true");
    bubble.replaceChildren();
    appendVisible(bubble, text);
    bubble.hidden = false;
    const place = button.getBoundingClientRect(),
      around = box.getBoundingClientRect();
    const left = Math.min(place.left - around.left - 12, around.width - bubble.offsetWidth);
    bubble.style.left = `${Math.max(0, left)}px`;
    bubble.style.top = `${place.bottom - around.top + 6}px`;
  }
  function closeNote() {
    t.asked?.setAttribute("aria-expanded", "false");
    t.asked = null;
    bubble.hidden = true;
  }

  // --- keys and pointer -----------------------------------------------------------------------------------------------

  const pressable = (cell) => cell?.querySelector("a[href], button:not(.ask)") ?? cell?.querySelector(".ask");

  /** From the cell that has the focus to the next one up or down, left or right, that can be pressed. */
  function moveFocus(down, right) {
    const cell = root.activeElement?.closest(".row .cell");
    if (!cell) return pressableIn(Math.ceil(list.scrollTop / ROW), 1, null)?.focus();
    const row = cell.parentNode,
      column = [...row.children].indexOf(cell);
    if (right) {
      for (let i = column + right; i >= 0 && i < row.children.length; i += right)
        if (pressable(row.children[i])) return pressable(row.children[i]).focus();
      return undefined;
    }
    const at = [...t.nodes].find(([, node]) => node === row)[0];
    return pressableIn(at + down, down, column)?.focus();
  }
  /** The first row from here on that has something to press (in this column, if one is given), brought into view. */
  function pressableIn(from, by, column) {
    const { key } = t.columns[column] ?? {};
    const has = ({ href, pick, note } = {}) => href || pick || note;
    for (let at = from; at >= 0 && at < t.shown.length; at += by) {
      const { cells } = t.shown[at];
      if (key ? !has(cells[key]) : !Object.values(cells).some(has)) continue;
      const top = at * ROW,
        room = list.clientHeight - head.offsetHeight - ROW;
      if (top < list.scrollTop) list.scrollTop = top;
      else if (top > list.scrollTop + room) list.scrollTop = top - room;
      paintRows();
      const node = t.nodes.get(at);
      return pressable(key ? node.children[column] : [...node.children].find(pressable));
    }
    return null;
  }

  const ARROWS = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && t.asked) {
      const asked = t.asked;
      closeNote();
      asked.focus();
    } else if (event.key in ARROWS && !event.target.closest(".head")) moveFocus(...ARROWS[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  list.addEventListener(
    "scroll",
    () => {
      closeNote();
      paintRows();
    },
    { passive: true },
  );
  const sized = new ResizeObserver(() => t.data && paintRows());
  sized.observe(list);
  const onPointer = (event) => {
    if (t.asked && !event.composedPath().some((node) => node === bubble || node === t.asked)) closeNote();
  };
  window.addEventListener("pointerdown", onPointer);
  t.destroy = () => {
    sized.disconnect();
    window.removeEventListener("pointerdown", onPointer);
  };
  return t;
}
