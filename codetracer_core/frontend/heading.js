// What a page is about: a title and a quieter line beside it. Both are names that others gave.
export default function ({ data: [title, more], parentElement }) {
  const head = element("header"),
    name = element("h1"),
    quiet = element("span");
  appendVisible(name, title);
  appendVisible(quiet, more);
  head.append(name, quiet);
  parentElement.querySelector("header")?.remove();
  parentElement.append(head);
}
