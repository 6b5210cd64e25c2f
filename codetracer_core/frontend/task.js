// What the agent was asked to do, how it ended and what was noted of its files, beside the steps: whoever judges a step
// needs it. All of it comes from the run's files and reaches the page as text.

function createTask(s, frame) {
  const panel = frame.querySelector("aside.task");
  let shown = null;

  const line = (className, text) => {
    const made = element("p", className);
    appendVisible(made, text);
    return made;
  };

  function ending({ reason, source, ending, tests, passed, left }) {
    const outcome = element("p"),
      chip = element("span", "outcome", s.data.title.outcome);
    chip.dataset.outcome = s.data.title.outcome;
    outcome.append(chip);
    const parts = [outcome];
    if (reason) parts.push(line("", reason));
    if (source) parts.push(line("quiet", source));
    if (ending) parts.push(line("", `The agent's own ending: ${ending}`));
    if (tests) parts.push(line("", `${passed.toLocaleString("en")} of ${tests.toLocaleString("en")} tests passed`));
    const list = element("ul");
    for (const [name, status] of left) {
      const item = element("li");
      appendVisible(item, `${status}: ${name}`);
      list.append(item);
    }
    if (left.length) parts.push(list);
    const more = tests - passed - left.length;
    if (more) parts.push(line("quiet", `and ${more.toLocaleString("en")} more, which the overview of the run lists`));
    return parts;
  }

  function paint() {
    panel.hidden = !s.visible.task;
    if (panel.hidden || shown === s.data) return;
    const fresh = shown?.run !== s.run;
    shown = s.data;
    const { task, notes, ...rest } = s.data.about,
      text = element("div", "asked");
    if (task) text.append(renderText(task.text));
    else text.append(line("quiet", "The run's files hold no task text."));
    const cut = task?.cut
      ? [
          line(
            "quiet",
            `The first ${task.text.length.toLocaleString("en")} of ${task.length.toLocaleString("en")} characters. ` +
              "The overview of the run has all of them.",
          ),
        ]
      : [];
    const noted = notes.length ? [element("h3", "", "Notes on its files"), ...notes.map((note) => line("", note))] : [];
    panel.replaceChildren(
      ...[element("h3", "", "How it ended"), ...ending(rest)],
      ...noted,
      ...[element("h3", "", "Task"), text, ...cut],
    );
    if (fresh) panel.scrollTop = 0;
  }
  return { paint };
}
