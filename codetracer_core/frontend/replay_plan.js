// What a replay will run, before anything starts: one row per step, which deeds are shown is up to the reader. Every
// command and file name was written by an agent: it reaches the page as text only (text.js).

const DEEDS = {
  command: ["command", "commands"],
  edit: ["edit", "edits"],
  nothing: ["only looked or talked", "only looked or talked"],
  not_replayable: ["cannot be replayed", "cannot be replayed"],
};
const plans = new WeakMap();

export default function ({ data, parentElement }) {
  let plan = plans.get(parentElement);
  if (!plan) plans.set(parentElement, (plan = { hidden: new Set(), box: parentElement.appendChild(element("div", "plan")) }));
  draw(plan, data);
}

function draw(plan, data) {
  const bar = element("div", "bar"),
    list = element("ol", "steps");
  list.tabIndex = 0;
  list.setAttribute("aria-label", "What will run");
  for (const [deed, [one, many]] of Object.entries(DEEDS)) {
    const count = data.counts[deed];
    if (!count) continue;
    const chip = element("button", `chip ${deed}`, `${count.toLocaleString("en")} ${count === 1 ? one : many}`);
    chip.type = "button";
    chip.title = "Show or hide these";
    chip.setAttribute("aria-pressed", String(!plan.hidden.has(deed)));
    chip.addEventListener("click", () => {
      if (!plan.hidden.delete(deed)) plan.hidden.add(deed);
      draw(plan, data);
    });
    bar.append(chip);
  }
  if (!data.steps.length) bar.append(element("span", "quiet", "Nothing: the replay begins with the task."));
  const about = element("p", "quiet about");
  appendVisible(about, data.steps.length ? `In order, ${data.shell}` : "");
  if (data.folder) appendVisible(about, `; the run worked in ${data.folder}`);
  for (const step of data.steps) if (!plan.hidden.has(step.deed)) list.append(row(step));
  const files = element("p", "quiet files");
  if (data.files.length) {
    appendVisible(files, `Files it changes: ${data.files.join(", ")}`);
    if (data.moreFiles) files.append(` and ${data.moreFiles} more`);
  }
  plan.box.replaceChildren(bar, about, list, files);
}

function row(step) {
  const item = element("li", step.deed),
    what = element("div", "what");
  item.append(element("span", "number", String(step.step)), what);
  const said = element(step.edits ? "div" : "pre");
  if (step.edits) said.append(...step.edits.map(editNode));
  else appendVisible(said, step.text || "(nothing)");
  if (step.moreEdits) said.append(element("p", "quiet", `and ${step.moreEdits} more edits`));
  if (step.deed === "nothing") {
    what.append(line("why", step.why), said);
    return item;
  }
  what.append(said);
  if (step.why) what.append(line("why", step.why));
  if (step.expected !== undefined) {
    const expected = element("details", "expected"),
      summary = element("summary"),
      text = element("pre");
    const first = step.expected.trim().split("\n", 1)[0].slice(0, 110);
    summary.append(element("span", "quiet", `expected${step.exit === null ? "" : `, exit ${step.exit}`}: `));
    appendVisible(summary, first || "no output");
    appendVisible(text, step.expected || "(empty)");
    expected.append(summary, text);
    what.append(expected);
  }
  return item;
}

function editNode({ what, path, where, old, new: made }) {
  const node = element("div", "edit"),
    title = element("div", "title");
  title.append(`${what} `);
  const name = element("b");
  appendVisible(name, path);
  title.append(name);
  appendVisible(title, where);
  node.append(title);
  for (const [className, text] of [
    ["removed", old],
    ["added", made],
  ]) {
    if (!text) continue;
    const side = element("pre", className);
    appendVisible(side, text);
    node.append(side);
  }
  return node;
}

function line(className, text) {
  const node = element("p", className);
  appendVisible(node, text);
  return node;
}
