// The texts of one row of a comparison, side by side, with what differs between the first step of the row and the others.

const FOLD_FROM = 9, // equal lines in a row that are folded …
  CONTEXT = 3, // … but for so many on each side
  ROWS_AHEAD = 3, // rows whose texts are fetched before they are needed
  COMPARED_TEXTS = 300, // texts that stay in memory
  ANSWERED_WITHIN = 2_000; // ms after which a question is asked again

function createCompareTexts(c, frame) {
  const box = frame.querySelector(".texts");
  const known = new Map(); // "column:step" → text
  let asking = 0,
    asked = null,
    whole = null,
    painted = "";

  const keyOf = (column, step) => `${column}:${step}`;
  const cellsOf = (i) => (c.data.rows[i] ?? []).flatMap((step, column) => (step ? [[column, step]] : []));

  const receive = (message) => {
    if (message.key !== c.data?.key) return;
    if (message.request === asked?.request) asked = null;
    for (const [key, text] of Object.entries(message.texts ?? {})) {
      known.set(key, text);
      if (key === whole && text.version === "whole") whole = null;
    }
    for (const key of known.keys()) {
      if (known.size <= COMPARED_TEXTS) break;
      if (!cellsOf(c.cur).some((cell) => keyOf(...cell) === key)) known.delete(key);
    }
    paint();
    ask();
  };
  const t = { paint, ask, openAll };
  t.connect = () => {
    const pipe = ((window.codetracerPipes ??= {}).compare ??= { receive: null, last: null, send: null });
    if (pipe.receive === receive) return;
    pipe.receive = receive;
    if (pipe.last) receive(pipe.last);
  };
  t.destroy = () => {
    const pipe = window.codetracerPipes?.compare;
    if (pipe?.receive === receive) pipe.receive = null;
  };
  t.forget = () => {
    known.clear();
    asked = whole = null;
    painted = "";
  };

  /** Ask for texts that are missing: this row first, then the next ones. One question at a time. */
  function ask() {
    if (!c.data || !c.isOpen) return;
    const pipe = window.codetracerPipes?.compare;
    if (!pipe?.send || pipe.last?.key !== c.data.key) return; // asked again with the next tick
    if (asked && performance.now() - asked.at < ANSWERED_WITHIN) return;
    if (whole) {
      send({ full: whole.split(":").map(Number) });
      return;
    }
    const wanted = [];
    for (let by = 0; by <= ROWS_AHEAD; by++)
      for (const i of by ? [c.cur + by, c.cur - by] : [c.cur])
        for (const cell of cellsOf(i)) if (!known.has(keyOf(...cell))) wanted.push(cell);
    if (wanted.length) send({ steps: wanted });
  }
  function send(question) {
    asked = { request: ++asking, at: performance.now() };
    window.codetracerPipes.compare.send({ key: c.data.key, request: asking, ...question });
  }

  function openAll() {
    const cut = cellsOf(c.cur).find((cell) => {
      const text = known.get(keyOf(...cell));
      return text && ["thought", "action", "observation"].some((field) => text[field]?.cut);
    });
    if (!cut) return false;
    whole = keyOf(...cut);
    ask();
    return true;
  }

  // --- painting -------------------------------------------------------------------------------------------------

  function paint() {
    box.hidden = !c.isOpen;
    if (!c.isOpen || !c.data?.rows.length) {
      painted = "";
      delete frame.dataset.texts;
      return;
    }
    const cells = cellsOf(c.cur),
      found = cells.map((cell) => known.get(keyOf(...cell)));
    const key = JSON.stringify([c.data.key, c.cur, c.visible, c.data.labelsShown, found.map((text) => text?.version)]);
    if (key === painted) return;
    const moved = painted && JSON.parse(painted)[1] !== c.cur;
    painted = key;
    ask();
    const grid = element("div", "grid"),
      texts = c.data.rows[c.cur].map((step, column) => (step ? known.get(keyOf(column, step)) : undefined));
    grid.append(...c.data.rows[c.cur].map((step, column) => headOf(step, column)));
    if (found.every(Boolean)) {
      if (c.visible.thought) grid.append(...part("Thought", texts, (text) => text.thought, false));
      grid.append(...part("Action", texts, actionOf, true), ...part("Observation", texts, (text) => text.observation, true));
      frame.dataset.texts = c.data.rows[c.cur].map((step) => step ?? "").join(",");
    } else {
      grid.append(element("p", "waiting", "…"));
      delete frame.dataset.texts;
    }
    box.replaceChildren(grid);
    if (moved) box.scrollTop = 0;
  }

  function headOf(step, column) {
    const head = element("header", "head");
    if (!step) {
      head.append(badge(column), element("span", "quiet", "no step here"));
      return head;
    }
    const { run, outline, stages } = c.data.runs[column],
      stage = stages[stageAt(stages, step)],
      kind = KINDS[outline.kind[step - 1]],
      why = c.data.reasons[c.cur][column];
    const link = c.link(run, step, `Step ${step} of ${outline.label.length}`);
    head.append(badge(column), link);
    head.append(element("span", `chip ${kind}`, kind === "change" ? `change → S${outline.state[step - 1]}` : kind));
    if (why) head.append(element("span", "chip why", why));
    if (stage) head.append(element("span", "chip", `stage ${stage.stage_id}`));
    if (outline.exit[step - 1]) head.append(element("span", "chip bad", `exit ${outline.exit[step - 1]}`));
    if (!outline.executed[step - 1]) head.append(element("span", "chip bad", "not executed"));
    for (const { told } of c.marksOf(column, step)) head.append(words("span", "chip", told));
    return head;
  }

  /** The action as it is compared: the command, or each argument of a structured call under its name. */
  function actionOf(text) {
    if (!text.arguments) return text.action;
    const shown = text.arguments.map(({ name, text: value }) => (value.includes("\n") ? `${name}:\n${value}` : `${name}: ${value}`));
    return { ...text.action, text: [text.tool, ...shown].join("\n") };
  }

  /** One field of all steps of the row; the first step that is there is compared with each other one. */
  function part(title, texts, fieldOf, compared) {
    const fields = texts.map((text) => (text ? fieldOf(text) : undefined));
    const there = fields.flatMap((field, column) => (field ? [column] : []));
    const [first, ...others] = there;
    const lines = new Map();
    if (compared && others.length)
      for (const column of [...others].reverse()) {
        const [ours, theirs] = differingLines(fields[first].text, fields[column].text);
        lines.set(first, ours); // at last beside the one that stands next to it
        lines.set(column, theirs);
      }
    const isEqual = [...lines.values()].every((side) => side.every(({ differs }) => !differs));
    return fields.map((field, column) => {
      const section = element("section", "part"),
        head = element("h3", "", title);
      if (texts[column]) section.append(head);
      if (field === undefined) return section;
      if (field === null) {
        section.append(element("p", "quiet", title === "Thought" ? "no thought" : "no observation in the run's files"));
        return section;
      }
      head.append(element("span", "length", `${field.length.toLocaleString("en")} characters`));
      const shown = lines.get(column),
        pre = element("div", "pre");
      if (others.length > 1 && lines.has(column))
        head.append(element("span", "length", `against ${letterOf(column === first ? others[0] : first)}`));
      if (isEqual && lines.size && there.includes(column)) head.append(element("span", "equal", "equal"));
      if (shown?.isTooLong) head.append(element("span", "length", "too many lines to compare one by one"));
      if (field.text === "") pre.append(element("span", "quiet", "(empty)"));
      else if (shown) pre.append(...asBlocks(shown));
      else pre.append(renderText(field.text));
      section.append(pre);
      if (field.cut) {
        const open = element("button", "openall", `First ${field.text.length.toLocaleString("en")} characters. Open all (x)`);
        open.type = "button";
        open.dataset.do = "openall";
        section.append(open);
      }
      return section;
    });
  }

  /** Lines in blocks; long stretches of equal ones are folded. */
  function asBlocks(lines) {
    const nodes = [];
    for (let start = 0, stop; start < lines.length; start = stop) {
      stop = start + 1;
      while (stop < lines.length && lines[stop].differs === lines[start].differs) stop++;
      const folds = c.visible.folded && !lines[start].differs && stop - start >= FOLD_FROM;
      if (!folds) {
        nodes.push(...blocks(lines.slice(start, stop)));
        continue;
      }
      const from = start + CONTEXT,
        to = stop < lines.length ? stop - CONTEXT : stop;
      nodes.push(...blocks(lines.slice(start, from)));
      const fold = element("details", "fold");
      fold.append(element("summary", "", `${to - from} equal lines`), ...blocks(lines.slice(from, to)));
      nodes.push(fold);
      if (stop > to) nodes.push(...blocks(lines.slice(to, stop)));
    }
    return nodes;
  }
  /** Blocks that the browser lays out only when they are seen. */
  function blocks(lines) {
    const count = Math.ceil(lines.length / LINES_PER_BLOCK);
    return Array.from({ length: count }, (_, i) => block(lines.slice(i * LINES_PER_BLOCK, (i + 1) * LINES_PER_BLOCK)));
  }
  function block(lines) {
    const node = element("div", "block");
    node.style.setProperty("--lines", lines.length);
    for (const { text, differs, words } of lines) {
      const line = element("div", `line${differs ? " differs" : ""}`);
      if (words)
        for (const [word, other] of words) {
          if (other) appendVisible(line.appendChild(element("mark")), word);
          else appendVisible(line, word);
        }
      else appendVisible(line, text || " ");
      node.append(line);
    }
    return node;
  }
  return t;
}
