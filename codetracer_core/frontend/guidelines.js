// Guidelines of a project on a page: nodes from guidelines.py become elements and text, nothing else.

// What guidelines may consist of; guidelines.py has the same list.
const GUIDELINE_TAGS = new Set(
  "h1 h2 h3 h4 h5 h6 p ul ol li blockquote pre code hr br em strong s a table thead tbody tr th td".split(" "),
);

/** Nodes of guidelines as DOM; whatever is not on the list is left out but for its text. */
function guidelineNode(node) {
  if (typeof node === "string") return document.createTextNode(node);
  const [tag, ...children] = node;
  const made = GUIDELINE_TAGS.has(tag) ? element(tag) : document.createDocumentFragment();
  if (tag === "a") {
    const address = children.shift();
    if (/^https?:\/\//i.test(address)) made.href = address;
    made.target = "_blank";
    made.rel = "noopener noreferrer";
  }
  made.append(...children.map(guidelineNode));
  return made;
}
