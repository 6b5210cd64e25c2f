// Guidelines alone, as the annotators' panel shows them.
export default function ({ data, parentElement }) {
  const shown = element("div", "guidelines");
  shown.append(...data.map(guidelineNode));
  parentElement.querySelector(".guidelines")?.remove();
  parentElement.append(shown);
}
