// What was said while a diagnosis was made, one entry after the other: what it is in words, and its text as text.

export default function ({ data, parentElement }) {
  const list = element("ol", "transcript");
  for (const { title, facts, text } of data.entries) {
    const entry = element("li"),
      box = element(text ? "details" : "div", "entry"),
      head = element(text ? "summary" : "div", "head");
    const name = element("b");
    appendVisible(name, title);
    head.append(name, element("span", "facts", facts));
    box.append(head);
    if (text) {
      const said = element("pre");
      appendVisible(said, text);
      box.append(said);
      box.open = text.length < 1200;
    }
    entry.append(box);
    list.append(entry);
  }
  parentElement.querySelector(".transcript")?.remove();
  parentElement.append(list);
}
