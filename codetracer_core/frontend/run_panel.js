// What a person says of the whole run: verdict, note, tags, for discussion. The panel stands beside the steps and never
// in their way; its keys work while one of its own fields is focused.

const MOST_TAGS = 20;
const LONGEST_TAG = 60; // characters

const tagsIn = (text) => [
  ...new Set(
    text
      .split(",")
      .map((tag) => tag.trim())
      .filter(Boolean),
  ),
];

function createRunPanel(s, frame, act) {
  const form = frame.querySelector("form.wholerun");
  const { note, tags, flag } = form.elements;
  const problem = form.querySelector(".problem");
  const choices = form.querySelector(".choices");
  for (const { verdict, key, title } of RUN_VERDICTS) {
    const choice = element("label"),
      radio = element("input");
    Object.assign(radio, { type: "radio", name: "run_verdict", value: verdict });
    choice.append(radio, ` ${title} `, element("kbd", "", key));
    flag.parentElement.before(choice);
  }
  const drafted = createDrafted(s, form, ["note", "tags"], {
    about: () => "run",
    said: () => ({ note: s.ofRun.note, tags: s.ofRun.tags?.join(", ") }),
    keep(_, texts) {
      const given = tagsIn(texts.tags);
      problem.textContent =
        given.length > MOST_TAGS
          ? `at most ${MOST_TAGS} tags`
          : given.some((tag) => [...tag].length > LONGEST_TAG)
            ? `a tag has at most ${LONGEST_TAG} characters`
            : "";
      if (problem.textContent) return false;
      const marks = [];
      if (texts.note !== (s.ofRun.note ?? "")) marks.push({ step: null, field: "note", value: texts.note || null });
      if (JSON.stringify(given) !== JSON.stringify(s.ofRun.tags ?? []))
        marks.push({ step: null, field: "tags", value: given.length ? given : null });
      return !marks.length || act(marks);
    },
  });
  let run = null;

  const say = (verdict) => {
    if (verdict !== (s.ofRun.run_verdict ?? "")) act([{ step: null, field: "run_verdict", value: verdict || null }]);
  };
  const setFlag = (flagged) => act([{ step: null, field: "flag", value: flagged || null }]);
  form.addEventListener("change", ({ target }) => {
    if (target.name === "run_verdict") say(target.value);
    if (target === flag) setFlag(flag.checked);
  });
  form.addEventListener("keydown", (event) => {
    if (event.target === note || event.target === tags || s.data.readOnly || event.ctrlKey || event.metaKey) return;
    const choice = RUN_VERDICTS.find(({ key }) => key === event.key);
    if (choice) say(choice.verdict);
    else if (event.key === "F") setFlag(!s.ofRun.flag);
    else return;
    event.preventDefault();
  });

  function paint() {
    if (s.run !== run) {
      run = s.run;
      form.hidden = true;
      problem.textContent = "";
      drafted.fill();
      if (form.classList.contains("draft")) form.hidden = false; // something was typed and never saved
    }
    if (form.hidden) return;
    drafted.fill();
    for (const radio of form.elements.run_verdict) radio.checked = radio.value === (s.ofRun.run_verdict ?? "");
    flag.checked = Boolean(s.ofRun.flag);
    choices.disabled = note.readOnly = tags.readOnly = Boolean(s.data.readOnly);
  }
  return {
    paint,
    toggle() {
      form.hidden = !form.hidden;
      paint();
      if (!form.hidden) choices.querySelector(":checked").focus();
    },
    close() {
      form.hidden = true;
    },
  };
}
