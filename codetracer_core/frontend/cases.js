// Runs by group, each a row that opens on click or Enter. The first row has the focus: nobody needs the mouse.

export default function ({ data, parentElement, setTriggerValue }) {
  const element = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const list = parentElement.querySelector(".cases");
  list.replaceChildren(
    ...data.groups.map(({ title, rows, opens }) => {
      const group = element("section");
      group.append(element("h3", "", `${title} · ${rows.length}`));
      for (const { run, task, agent, words } of rows) {
        const row = element(opens ? "button" : "div", "case");
        if (opens) {
          row.type = "button";
          row.onclick = () => setTriggerValue("open", run);
        }
        row.append(element("b", "", task), element("span", "agent", agent), element("span", "words", words));
        group.append(row);
      }
      return group;
    }),
  );
  const buttons = [...list.querySelectorAll("button")];
  list.onkeydown = (event) => {
    const by = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = buttons[buttons.indexOf(event.target) + by];
    next?.focus();
    event.preventDefault();
  };
  buttons[0]?.focus({ preventScroll: true });
}
