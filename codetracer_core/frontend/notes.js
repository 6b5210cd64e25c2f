// Sentences below a figure or a table: what was counted, what was left out and why.
export default function ({ data, parentElement }) {
  const list = element("ul");
  for (const note of data) {
    const line = element("li");
    appendVisible(line, note);
    list.append(line);
  }
  parentElement.querySelector("ul")?.remove();
  parentElement.append(list);
}
