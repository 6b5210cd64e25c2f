// What is to stand side by side: suggested pairs, or a choice from a list. Names in it are others' words: text only.

export default function ({ data, parentElement, setTriggerValue }) {
  const chosen = new Set(data.chosen);
  const box = element("div", "choice");
  const words = (tag, className, text) => {
    const node = element(tag, className);
    appendVisible(node, text);
    return node;
  };
  if (data.suggested.length) {
    const pairs = element("div", "suggested");
    pairs.append(element("h3", "", "Suggested pairs"));
    for (const { words: told, ids } of data.suggested) {
      const button = words("button", "", told);
      button.type = "button";
      button.addEventListener("click", () => setTriggerValue("compare", ids));
      pairs.append(button);
    }
    box.append(pairs);
  }
  box.append(element("h3", "", `Or choose 2 to ${data.most} ${data.what}`));
  const table = element("table"),
    head = element("tr"),
    body = element("tbody");
  head.append(element("th"), ...data.columns.map((title) => element("th", "", title)));
  const go = element("button", "primary", "");
  go.type = "button";
  const paint = () => {
    go.disabled = chosen.size < 2 || chosen.size > data.most;
    go.textContent = chosen.size > data.most ? `At most ${data.most}` : `Compare ${chosen.size || ""}`.trim();
    for (const row of body.rows) row.classList.toggle("chosen", chosen.has(row.dataset.id));
  };
  for (const { id, cells, outcome } of data.rows) {
    const row = element("tr"),
      tick = element("input"),
      first = element("td"),
      label = words("label", "", cells[0]);
    row.dataset.id = id;
    tick.type = "checkbox";
    tick.checked = chosen.has(id);
    tick.id = `choose-${body.rows.length}`;
    label.htmlFor = tick.id;
    tick.addEventListener("change", () => {
      if (tick.checked) chosen.add(id);
      else chosen.delete(id);
      paint();
    });
    first.append(tick);
    const named = element("td");
    named.append(label);
    row.append(first, named, ...cells.slice(1).map((text) => words("td", "", text)));
    if (outcome) row.cells[data.columns.indexOf("Outcome") + 1].dataset.outcome = outcome;
    row.addEventListener("click", (event) => {
      if (event.target.tagName === "TD") tick.click();
    });
    body.append(row);
  }
  table.append(element("thead"), body);
  table.tHead.append(head);
  go.addEventListener("click", () =>
    setTriggerValue(
      "compare",
      data.rows.map(({ id }) => id).filter((id) => chosen.has(id)),
    ),
  );
  paint();
  const scroll = element("div", "scroll");
  scroll.append(table);
  box.append(scroll, go);
  parentElement.querySelector(".choice")?.remove();
  parentElement.append(box);
}
