// One replay: how far it is, the earlier steps as they were run again, the model's steps, the tests, what came of it. Told
// anew each second while it goes on; rows that did not change stay as they are. Long texts come when they are opened.
// Every word of commands, outputs and thoughts reaches the page as text only (text.js).

const replays = new WeakMap();

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  let replay = replays.get(parentElement);
  if (!replay) replays.set(parentElement, (replay = createReplay(parentElement)));
  replay.asks.ask = () => setStateValue("tick", (replay.ticks += 1));
  replay.tellOpened = () => setStateValue("opened", [...replay.opened]);
  replay.open = (what) => {
    replay.asks.leaving();
    setTriggerValue("open", what);
  };
  replay.cancel = (id) => setStateValue("cancel", id); // kept: told only once, it is lost if a tick comes right after
  replay.receive(data);
  return () => {
    replay.asks.end();
    replays.delete(parentElement);
  };
}

const MET = { same: "same", differs: "differs", failed: "failed", not_compared: "not compared" };
const MOST_OPENED = 6;

function createReplay(root) {
  const box = root.appendChild(element("article", "replay"));
  const head = box.appendChild(element("header")),
    cards = box.appendChild(element("dl", "cards")),
    meter = box.appendChild(element("div", "meter")),
    facts = box.appendChild(element("p", "quiet environment")),
    columns = box.appendChild(element("div", "columns"));
  const earlier = list("Earlier steps, run again", "earlier"),
    agent = list("The model's steps", "agent"),
    tests = list("Tests", "tests");
  const side = element("div");
  side.append(agent.part, tests.part);
  columns.append(earlier.part, side);
  const r = { ticks: 0, asks: createAsking(box), opened: new Set(), id: null };

  r.receive = (data) => {
    r.asks.runs = !data.isOver;
    r.asks.show(() => paint(data));
  };

  function paint(data) {
    if (data.id !== r.id) {
      r.id = data.id;
      r.opened.clear();
      for (const { rows, ol } of [earlier, agent, tests]) {
        rows.clear();
        ol.replaceChildren();
      }
    }
    r.texts = data.texts;
    paintHead(data);
    paintCards(data);
    paintMeter(data.meter);
    facts.replaceChildren();
    facts.hidden = !data.facts.length;
    appendVisible(facts, `Environment: ${data.facts.join(" · ")}`);
    earlier.title.textContent = `Earlier steps, run again · ${data.earlierWords}`;
    agent.title.textContent = `The model's steps · ${data.agentWords}`;
    fill(earlier, data.earlier, earlierRow, data.isOver);
    fill(agent, data.agent, agentRow, data.isOver);
    fill(tests, data.tests, testRow, data.isOver);
    earlier.part.hidden = !data.earlier.length && !data.earlierWords;
    agent.part.hidden = !data.hasAgent;
    tests.part.hidden = !data.tests.length;
    columns.classList.toggle("two", !earlier.part.hidden && !(agent.part.hidden && tests.part.hidden));
  }

  function list(title, className) {
    const part = element("section", className),
      heading = element("h3", "", title),
      ol = element("ol");
    ol.tabIndex = 0;
    ol.setAttribute("aria-label", title);
    part.append(heading, ol);
    return { part, title: heading, ol, rows: new Map() };
  }

  /** One node per row; those whose data (and opened texts) are as before are left alone, with focus and scroll. */
  function fill({ ol, rows }, found, make, isOver) {
    const atEnd = ol.scrollHeight - ol.scrollTop - ol.clientHeight < 40;
    const before = rows.size;
    found.forEach((row, i) => {
      const told = JSON.stringify([row, r.opened.has(row.key) ? (r.texts[row.key] ?? "…") : null]);
      const known = rows.get(row.key);
      if (known?.told === told) return;
      const node = make(row);
      if (known) {
        const name = known.node.contains(root.activeElement) && root.activeElement.dataset.name;
        known.node.replaceWith(node);
        if (name) node.querySelector(`[data-name="${CSS.escape(name)}"]`)?.focus({ preventScroll: true });
      } else if (i < ol.childElementCount) ol.children[i].before(node);
      else ol.append(node);
      rows.set(row.key, { node, told });
    });
    if (!isOver && atEnd && rows.size > before) ol.scrollTop = ol.scrollHeight;
  }

  // --- head, cards, meter -------------------------------------------------------------------------------------

  function paintHead(data) {
    const focused = root.activeElement?.dataset?.name,
      line = element("div", "line");
    line.append(element("i", `light ${data.tone}`), words("h2", "", data.title), words("span", `status ${data.tone}`, data.status));
    line.append(words("span", "quiet", data.words), element("span", "spring"), words("span", "figures", data.usage));
    for (const { name, title, to } of data.links) line.append(link(name, title, to));
    if (data.mayCancel) {
      const cancel = element("button", "cancel", data.isStopping ? "Stopping …" : "Cancel");
      cancel.type = "button";
      cancel.dataset.name = "cancel";
      cancel.disabled = data.isStopping;
      cancel.addEventListener("click", () => r.cancel(data.id));
      line.append(cancel);
    }
    head.replaceChildren(line);
    if (data.reason) head.append(words("p", "reason", data.reason));
    if (focused) head.querySelector(`[data-name="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }
  function link(name, title, { page, ...query }) {
    const node = element("a", "go", title),
      url = new URL(location.href);
    node.dataset.name = name;
    url.pathname = url.pathname.replace(/[^/]*$/, page);
    url.search = new URLSearchParams(query);
    node.href = url.pathname + url.search;
    node.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
      event.preventDefault();
      r.open({ page, ...query });
    });
    return node;
  }
  function paintCards({ cards: told }) {
    cards.replaceChildren(
      ...told.map(({ name, value, note, tone }) => {
        const card = element("div", `card ${tone}`);
        card.append(element("dt", "", name), words("dd", "", value));
        if (note) card.append(words("dd", "note", note));
        return card;
      }),
    );
  }
  function paintMeter(told) {
    meter.hidden = !told;
    if (!told) return;
    const bar = element("div", `bar ${told.isOver ? "over" : ""}`);
    bar.setAttribute("role", "img");
    bar.setAttribute("aria-label", told.words);
    bar.append(element("i"), element("b"));
    bar.firstChild.style.setProperty("--share", told.share);
    bar.lastChild.style.setProperty("--share", told.limit);
    meter.replaceChildren(element("span", "quiet", "Divergence"), bar, words("span", "quiet", told.words));
  }

  // --- rows ---------------------------------------------------------------------------------------------------

  function earlierRow(row) {
    const item = element("li", `row ${row.met}`),
      open = opener(row, item);
    open.append(element("span", "number", String(row.step)), element("span", `met ${row.met}`, MET[row.met]));
    open.append(words("code", "", row.text));
    if (row.similarity !== null) open.append(element("span", "figures", `${Math.round(row.similarity * 100)} %`));
    if (row.why) item.append(words("p", "why", row.why));
    if (r.opened.has(row.key)) item.append(opened(row));
    return item;
  }
  function agentRow(row) {
    const item = element("li", `row ${row.tone}`);
    if (row.thought) item.append(words("p", "thought", row.thought));
    const open = opener(row, item);
    open.append(element("span", "number", String(row.step)), words("code", "", row.text));
    open.append(element("span", "figures", row.figures));
    if (row.output && !r.opened.has(row.key)) item.append(words("pre", "output", row.output));
    if (r.opened.has(row.key)) item.append(opened(row));
    return item;
  }
  function testRow(row) {
    const item = element("li", `row ${row.tone}`),
      open = opener(row, item);
    open.append(element("span", `met ${row.tone}`, row.said), words("span", "", row.words));
    if (row.output && !r.opened.has(row.key)) item.append(words("pre", "output", row.output));
    if (r.opened.has(row.key)) item.append(opened(row));
    return item;
  }
  function opener(row, item) {
    const open = element(row.hasMore ? "button" : "div", "opener");
    if (row.hasMore) {
      open.type = "button";
      open.dataset.name = row.key;
      open.setAttribute("aria-expanded", String(r.opened.has(row.key)));
      open.addEventListener("click", () => {
        if (!r.opened.delete(row.key)) r.opened.add(row.key);
        while (r.opened.size > MOST_OPENED) r.opened.delete(r.opened.values().next().value);
        r.tellOpened();
      });
    }
    item.append(open);
    return open;
  }
  function opened({ key }) {
    const texts = element("div", "texts"),
      told = r.texts[key] ?? [];
    const lines = told.length === 2 && told.every(({ compare }) => compare) ? differingLines(told[0].text, told[1].text) : null;
    for (const [i, { name, text, note }] of told.entries()) {
      const side = element("section"),
        pre = element("div", "pre");
      side.append(element("h4", "", name));
      if (text === "") pre.append(element("span", "quiet", "(empty)"));
      else pre.append(lines ? differing(lines[i]) : renderText(text));
      side.append(pre);
      if (note) side.append(words("p", "quiet", note));
      texts.append(side);
    }
    if (!told.length) texts.append(element("p", "quiet", "…"));
    return texts;
  }
  return r;
}

/** Lines with what differs from the other side marked. */
function differing(lines) {
  const found = document.createDocumentFragment();
  lines.forEach(({ text, differs, words: parts }, i) => {
    const line = differs ? found.appendChild(element("span", "differs")) : found;
    for (const [part, isOther] of parts ?? [[text, differs && !lines.isTooLong]])
      appendVisible(isOther ? line.appendChild(element("mark")) : line, part);
    if (i + 1 < lines.length) found.append("\n");
  });
  return found;
}

function words(tag, className, text) {
  const node = element(tag, className);
  appendVisible(node, text);
  return node;
}
