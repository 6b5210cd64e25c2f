// The error chain as a small graph: one row per step in the order of the run, and beside the rows an edge from each link
// to those that followed from it.

const LANE = 30; // px of room for edges
const SVG = "http://www.w3.org/2000/svg";

/** `rowOf` makes the content of a row from a link {step, what, from}. */
function chainGraph(links, rowOf) {
  const graph = element("div", "chain"),
    picture = document.createElementNS(SVG, "svg"),
    rows = element("ol");
  picture.setAttribute("aria-hidden", "true");
  const nodes = links.map((link) => {
    const row = element("li");
    row.append(...rowOf(link));
    rows.append(row);
    return row;
  });
  graph.append(picture, rows);
  const watch = new ResizeObserver(() => draw(graph, picture, links, nodes));
  watch.observe(rows);
  graph.forget = () => watch.disconnect();
  return graph;
}

function draw(graph, picture, links, nodes) {
  const top = graph.getBoundingClientRect().top,
    middle = nodes.map((node) => {
      const line = node.firstElementChild.getBoundingClientRect();
      return line.top + Math.min(line.height, 22) / 2 - top;
    }),
    x = LANE - 7;
  const shape = (name, attributes, className) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries({ ...attributes, class: className })) node.setAttribute(key, value);
    return node;
  };
  const shapes = [];
  links.forEach((link, to) => {
    for (const step of link.from) {
      const from = links.findIndex((other) => other.step === step);
      if (from < 0 || from === to) continue;
      const [begin, end] = [middle[from] + 5, middle[to] - 7],
        out = to - from === 1 ? 0 : Math.min(LANE - 10, 6 + 4 * (to - from));
      shapes.push(
        shape("path", { d: `M${x} ${begin}C${x - out} ${begin + 12},${x - out} ${end - 12},${x} ${end}` }, "edge"),
        shape("path", { d: `M${x - 3.5} ${end - 3}L${x} ${end + 2}L${x + 3.5} ${end - 3}Z` }, "head"),
      );
    }
    const isFirst = !link.from.length;
    shapes.push(shape("circle", { cx: x, cy: middle[to], r: 5 }, isFirst ? "node origin" : "node"));
  });
  picture.setAttribute("width", LANE);
  picture.setAttribute("height", graph.clientHeight);
  picture.replaceChildren(...shapes);
}
