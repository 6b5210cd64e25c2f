// The key map, the verdicts and the toggles. The help sheet, the buttons and the key handler all read these lists.

const VERDICTS = [
  { verdict: "correct", key: "1", mark: "✓", title: "Correct" },
  { verdict: "incorrect", key: "2", mark: "✗", title: "Incorrect" },
  { verdict: "unuseful", key: "3", mark: "∅", title: "Unuseful" },
  { verdict: "uncertain", key: "4", mark: "?", title: "Uncertain" },
];
const MARKS = Object.fromEntries(VERDICTS.map(({ verdict, mark }) => [verdict, mark]));
/** What is said of the whole run, in its panel; the keys are those of the step's verdicts. */
const RUN_VERDICTS = [
  { verdict: "no_error", key: "1", title: "no error" },
  { verdict: "has_error", key: "2", title: "has an error" },
  { verdict: "uncertain", key: "4", title: "uncertain" },
  { verdict: "", key: "0", title: "not said" },
];
const KINDS = { e: "explore", c: "change", m: "message" };
const TOGGLES = [
  { name: "task", key: "O", title: "Task" },
  { name: "thought", key: "t", title: "Thought" },
  { name: "action", key: "a", title: "Action" },
  { name: "observation", key: "o", title: "Observation" },
  { name: "facts", key: "m", title: "Metadata" },
  { name: "why", key: "q", title: "Reason", writes: true },
  { name: "wrap", key: "z", title: "Wrap" },
  { name: "raw", key: "w", title: "Raw" },
  { name: "advance", key: "v", title: "Auto-advance", writes: true },
];
const DEFAULTS = {
  task: false,
  thought: true,
  action: true,
  observation: true,
  facts: false,
  why: false,
  wrap: true,
  raw: false,
  advance: false,
  guidelines: false,
};

const isAdjudicated = (s) => Boolean(s.data?.adjudication);
const inQueue = (s) => s.queue.isThere && !isAdjudicated(s);
const inList = (s) => s.walk.isThere;
const hasExitCodes = (s) => s.outline.exit.some((code) => code !== null);

/**
 * Every key, in the order of the cheatsheet. `when` says on which pages it is a key, without it on all; `listed` when it
 * can do something there, without it unless it labels and the page is for reading. A key that is not listed answers why.
 */
const KEYS = [
  { keys: ["j", "ArrowDown"], group: "Move", title: "Next step", run: (s) => s.move(1) },
  { keys: ["k", "ArrowUp"], group: "Move", title: "Previous step", run: (s) => s.move(-1) },
  {
    keys: ["J", "]"],
    group: "Move",
    title: "Next state node (change)",
    run: (s) => s.seek(1, (i) => s.outline.kind[i] === "c"),
  },
  {
    keys: ["K", "["],
    group: "Move",
    title: "Previous state node",
    run: (s) => s.seek(-1, (i) => s.outline.kind[i] === "c"),
  },
  { keys: ["}", "S"], group: "Move", title: "Next stage", run: (s) => s.seek(1, (i) => s.stageStart(i)) },
  { keys: ["{", "s"], group: "Move", title: "Previous stage", run: (s) => s.seek(-1, (i) => s.stageStart(i)) },
  { keys: ["p"], group: "Move", title: "Next parallel group", run: (s) => s.seek(1, (i) => s.groupStart(i)) },
  { keys: ["P"], group: "Move", title: "Previous parallel group", run: (s) => s.seek(-1, (i) => s.groupStart(i)) },
  { keys: ["-"], group: "Move", title: "Next step that failed", listed: hasExitCodes, run: (s) => s.seekFailed(1) },
  { keys: ["_"], group: "Move", title: "Previous step that failed", listed: hasExitCodes, run: (s) => s.seekFailed(-1) },
  { keys: ["f"], group: "Move", title: "First labelled step", run: (s) => s.firstLabelled() },
  { keys: ["l"], group: "Move", title: "Next labelled step", run: (s) => s.seek(1, (i) => s.isLabelled(i)) },
  { keys: ["L"], group: "Move", title: "Previous labelled step", run: (s) => s.seek(-1, (i) => s.isLabelled(i)) },
  {
    keys: ["u"],
    group: "Move",
    title: "Next step without your verdict",
    when: (s) => !isAdjudicated(s),
    run: (s) => s.seekUnlabelled(),
  },
  {
    keys: ["u"],
    group: "Move",
    title: "Next step to decide: people differ",
    when: isAdjudicated,
    run: (s) => s.seek(1, (i) => s.isOpen(i + 1)),
  },
  { keys: ["g"], group: "Move", title: "Jump to a step number", run: (s) => s.focusInput(".jump") },
  { keys: ["Home"], group: "Move", title: "First step", run: (s) => s.show(0) },
  { keys: ["End", "G"], group: "Move", title: "Last step", run: (s) => s.show(s.count - 1) },
  { keys: ["ArrowLeft", "h"], group: "Move", title: "Fold the state node", run: (s) => s.fold(true) },
  { keys: ["ArrowRight", "e"], group: "Move", title: "Unfold the state node", run: (s) => s.fold(false) },
  ...VERDICTS.map(({ verdict, key, title }) => ({ keys: [key], group: "Label", title, run: (s) => s.label(verdict) })),
  { keys: ["0", "Backspace"], group: "Label", title: "Take the verdict back", run: (s) => s.label(null) },
  {
    keys: ["d"],
    group: "Label",
    title: "Range: to where you move; a verdict, E or F ends it",
    run: (s) => s.startRange(),
  },
  { keys: ["D"], group: "Label", title: "Range: all from here on", run: (s) => s.startRange(s.count - 1) },
  { keys: ["!"], group: "Label", title: "Failure onset on or off", run: (s) => s.markOnset() },
  {
    keys: ["E"],
    group: "Label",
    title: "Error chain on or off",
    run: (s) => s.mark("chain"),
  },
  { keys: ["F"], group: "Label", title: "Flag for discussion", run: (s) => s.mark("flag") },
  { keys: ["i"], group: "Label", title: "Omission: should have …", run: (s) => s.editOmission() },
  {
    keys: ["R"],
    group: "Label",
    title: "Run: verdict, note, tags",
    listed: () => true,
    run: (s) => s.toggleRun(),
  },
  { keys: ["c"], group: "Label", title: "Reason and details", run: (s) => s.editWhy() },
  { keys: ["C"], group: "Label", title: "Copy the reason before", run: (s) => s.copyWhy() },
  { keys: ['"'], group: "Label", title: "Quote selection or lines", run: (s) => s.quotes.take() },
  { keys: ["'"], group: "Label", title: "Quote from other steps", run: (s) => s.quotes.pin() },
  { keys: ["T"], group: "Stages", title: "A stage begins here, or joins the one before", run: (s) => s.toggleStage() },
  { keys: ["("], group: "Stages", title: "It begins a step earlier", run: (s) => s.moveStage(-1) },
  { keys: [")"], group: "Stages", title: "It begins a step later", run: (s) => s.moveStage(1) },
  { keys: ["W"], group: "Stages", title: "Name the stage", run: (s) => s.nameStage() },
  { keys: ["H"], group: "Stages", title: "Take the stage away: its steps are in none", run: (s) => s.removeStage() },
  { keys: ["Z"], group: "Stages", title: "Draw anew", run: (s) => s.stagesAnew() },
  { keys: ["Ctrl+z", ","], group: "Label", title: "Undo", run: (s) => s.undo() },
  { keys: ["Ctrl+y", "."], group: "Label", title: "Redo", run: (s) => s.redo() },
  ...[
    {
      keys: ["A"],
      title: "Take A's position on the step or range",
      listed: (s) => s.voices > 0,
      run: (s) => s.take(0),
    },
    { keys: ["B"], title: "Take B's position", listed: (s) => s.voices > 1, run: (s) => s.take(1) },
    { keys: ["Q"], title: "Take C's position", listed: (s) => s.voices > 2, run: (s) => s.take(2) },
    { keys: ["V"], title: "Names on or off", run: (s) => s.switchState("names") },
    {
      keys: ["M"],
      title: "Model labels on or off",
      listed: (s) => s.data.adjudication.hasModels,
      run: (s) => s.switchState("models"),
    },
    { keys: ["Ctrl+enter"], title: "Finish the run, go to the next one", run: (s) => s.finish() },
    { keys: [">"], title: "Next run", run: (s) => s.otherRun("next") },
    { keys: ["<"], title: "Previous run", run: (s) => s.otherRun("previous") },
  ].map((entry) => ({ group: "Adjudicate", when: isAdjudicated, ...entry })),
  { keys: ["/"], group: "Read", title: "Find in this run", run: (s) => s.focusInput(".query") },
  { keys: ["n"], group: "Read", title: "Next match", run: (s) => s.nextHit(1) },
  { keys: ["N"], group: "Read", title: "Previous match", run: (s) => s.nextHit(-1) },
  { keys: [" ", "PageDown"], group: "Read", title: "Scroll down", run: (s) => s.scrollBody(1) },
  { keys: ["b", "PageUp"], group: "Read", title: "Scroll up", run: (s) => s.scrollBody(-1) },
  { keys: ["x"], group: "Read", title: "Open all of a cut text", run: (s) => s.openAll() },
  ...TOGGLES.map(({ name, key, title, writes }) => ({
    keys: [key],
    group: "Show",
    title: `${title} on or off`,
    listed: (s) => !(writes && s.data.readOnly),
    run: (s) => s.toggle(name),
  })),
  {
    keys: ["Y"],
    group: "Show",
    title: "What others say of the whole run, question by question",
    when: (s) => Boolean(s.data?.positions),
    listed: (s) => s.questions > 0,
    run: (s) => s.nextQuestion(),
  },
  { keys: [">"], group: "List", title: "Next step of the list", when: inList, run: (s) => s.walk.step(1) },
  { keys: ["<"], group: "List", title: "Previous step of the list", when: inList, run: (s) => s.walk.step(-1) },
  { keys: ["U"], group: "List", title: "Back to where the list came from", when: inList, run: (s) => s.walk.back() },
  { keys: [">"], group: "Queue", title: "Next run", when: inQueue, run: (s) => s.queue.step(1) },
  { keys: ["<"], group: "Queue", title: "Previous run", when: inQueue, run: (s) => s.queue.step(-1) },
  {
    keys: ["Ctrl+enter"],
    group: "Queue",
    title: "Submit; then 1: rest is correct",
    when: inQueue,
    run: (s) => s.queue.submit(),
  },
  { keys: ["X"], group: "Queue", title: "Skip the run, with a reason", when: inQueue, run: (s) => s.queue.skip() },
  { keys: ["I"], group: "Queue", title: "Guidelines on or off", when: inQueue, run: (s) => s.toggle("guidelines") },
  {
    keys: ["r"],
    group: "Show",
    title: "Ground truth on or off",
    listed: (s) => s.data.hasTruth,
    run: (s) => s.reveal(),
  },
  {
    keys: ["M"],
    group: "Show",
    title: "What models, other people and adjudication say, on or off",
    when: (s) => !isAdjudicated(s),
    listed: (s) => s.data.hasOthers,
    run: (s) => s.showOthers(),
  },
  {
    keys: [";"],
    group: "Label",
    title: "Reply to the adjudicated outcome of the step",
    when: (s) => Boolean(s.data?.othersShown),
    run: (s) => s.reply(),
  },
  { keys: ["y"], group: "Show", title: "Copy a link to this step", run: (s) => s.copyLink() },
  { keys: ["?"], group: "Show", title: "This list", run: (s) => s.help() },
  { keys: ["Escape"], group: "Show", title: "Close, or leave the find field", run: (s) => s.closeSheets() },
];
/** The keys that work now; of two for one key the first. */
const keyEntries = (s) => KEYS.filter(({ when }) => !when || when(s));
/** Those of them that can do something: the cheatsheet. */
const listedKeys = (s) =>
  keyEntries(s).filter(({ group, listed }) =>
    listed ? listed(s) : !(s.data.readOnly && /^(Label|Stages)$/.test(group)),
  );
const KEY_NAMES = {
  " ": "Space",
  ArrowDown: "↓",
  ArrowUp: "↑",
  ArrowLeft: "←",
  ArrowRight: "→",
  PageDown: "PgDn",
  PageUp: "PgUp",
  Escape: "Esc",
  Backspace: "⌫",
  "Ctrl+enter": "Ctrl+Enter",
};

/**
 * Whether a key is for what has the focus elsewhere on the page. A widget moves within itself by arrows; a plain button or
 * link, perhaps one that the page before left behind, only takes Enter and Space; the page's own frame takes nothing.
 */
function isForOthers(event, frame) {
  const path = event.composedPath();
  if (path.includes(frame) || !/^(Arrow|Page|Home|End|Enter| )/.test(event.key) || event.ctrlKey || event.metaKey)
    return false;
  const presses = event.key === " " || event.key === "Enter";
  return !path[0].matches(presses ? "body, .stMain" : "body, .stMain, a, button:not([role])");
}

/** Show keys in a sheet, group by group, or put it away. */
function toggleSheet(sheet, entries) {
  if (!sheet.hidden) {
    sheet.hidden = true;
    return;
  }
  const columns = [...new Set(entries.map(({ group }) => group))].map((group) => {
    const column = element("section");
    column.append(element("h2", "", group));
    for (const { keys, title } of entries.filter((entry) => entry.group === group)) {
      const line = element("div", "shortcut"),
        names = element("span", "keys");
      keys.forEach((key) => names.append(element("kbd", "", KEY_NAMES[key] || key)));
      line.append(names, element("span", "", title));
      column.append(line);
    }
    return column;
  });
  const close = element("button", "", "Close (Esc)");
  close.type = "button";
  close.dataset.do = "close";
  const list = element("div", "shortcuts"); // as high as it needs: the sheet scrolls down, not to the side
  list.append(...columns, close);
  sheet.replaceChildren(list);
  sheet.hidden = false;
  close.focus({ preventScroll: true }); // it stands at the end, one reads from the beginning
  sheet.scrollTop = 0;
}
