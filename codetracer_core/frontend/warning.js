// What somebody has to know before they go on.
export default function ({ data, parentElement }) {
  const words = element("p");
  appendVisible(words, data);
  parentElement.querySelector("p")?.remove();
  parentElement.append(words);
}
