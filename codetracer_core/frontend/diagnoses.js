// A list of diagnoses, the newest first; a click or Enter opens one. The arrow keys go up and down.

export default function ({ data, parentElement, setTriggerValue }) {
  const { columns, rows, current } = data;
  const table = element("table", "diagnoses"),
    head = element("tr"),
    body = element("tbody");
  head.append(...columns.map((title) => element("th", "", title)));
  for (const { id, cells, status } of rows) {
    const row = element("tr", id === current ? "current" : "");
    cells.forEach((text, i) => {
      const cell = element("td", columns[i] === "Status" ? `status ${status}` : "");
      if (i) appendVisible(cell, text);
      else {
        const open = element("button");
        open.type = "button";
        if (id === current) open.setAttribute("aria-current", "true");
        appendVisible(open, text);
        cell.append(open);
      }
      row.append(cell);
    });
    row.addEventListener("click", () => setTriggerValue("open", id));
    body.append(row);
  }
  table.append(element("thead"), body);
  table.tHead.append(head);
  body.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    const buttons = [...body.querySelectorAll("button")];
    buttons[buttons.indexOf(event.target) + by]?.focus();
    event.preventDefault();
  });
  const box = parentElement.querySelector(".listbox") ?? parentElement.appendChild(element("div", "listbox"));
  box.replaceChildren(table);
}
