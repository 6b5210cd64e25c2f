// The step pane: what the step is, its verdicts, and its thought, action and observation as text.

function createDetail(s, frame) {
  const $ = (selector) => frame.querySelector(selector);
  const body = $(".body");

  function paint() {
    const title = $(".title"),
      facts = $(".facts");
    if (!s.count) {
      title.textContent = "This run has no steps";
      facts.textContent = "";
      body.replaceChildren(
        element("p", "empty", "The agent left no action. Task (O) tells how the run ended and what its files hold."),
      );
      delete frame.dataset.shown;
      return;
    }
    const i = s.cur,
      text = s.texts.get(i),
      { kind, state, reason, group, branch, exit } = s.outline;
    title.textContent = `Step ${i + 1} of ${s.count}`;
    frame.dataset.kind = KINDS[kind[i]];
    const parts = [
      element("span", `chip ${KINDS[kind[i]]}`, kind[i] === "c" ? `change → S${state[i]}` : KINDS[kind[i]]),
    ];
    const why = element("span", "because");
    appendVisible(why, reason[i]);
    parts.push(why);
    const stage = s.stages[stageAt(s.stages, i + 1)];
    if (stage) parts.push(element("span", "chip", `stage ${stage.stage_id} of ${s.stages.length}`));
    else if (s.drawn) parts.push(element("span", "chip", "in no stage"));
    if (group[i]) {
      const members = s.outline.group.filter((other) => other === group[i]).length;
      parts.push(element("span", "chip", `parallel ${i + 2 - group[i]} of ${members}`));
    }
    if (branch[i] >= 0) {
      const chip = element("span", "chip");
      appendVisible(chip, `sub-agent ${s.data.branches[branch[i]]}`);
      parts.push(chip);
    }
    if (exit[i] !== null && exit[i] !== undefined)
      parts.push(element("span", `chip ${exit[i] ? "bad" : ""}`, `exit ${exit[i]}`));
    if (text && text.executed === false) parts.push(element("span", "chip bad", "not executed"));
    if (s.truth.has(i + 1))
      parts.push(element("span", `chip truth ${s.truth.get(i + 1)}`, `ground truth: ${s.truth.get(i + 1)}`));
    if (s.onset === i + 1) parts.push(element("span", "chip bad", "⚑ failure onset"));
    else if (s.onset) parts.push(element("span", "chip", `⚑ onset at step ${s.onset}`));
    const first = s.firstIncorrect();
    if (s.onset && first && first !== s.onset) parts.push(element("span", "chip", `first incorrect: step ${first}`));
    if (s.marks.chain?.has(i + 1)) parts.push(element("span", "chip bad", "↳ error chain"));
    if (s.marks.flag?.has(i + 1)) parts.push(element("span", "chip flagged", "for discussion"));
    if (s.range) {
      const [from, to] = s.rangeEnds();
      parts.push(
        element("span", "chip ranging", `range ${from + 1}–${to + 1}: a verdict labels ${to - from + 1}, Esc ends it`),
      );
    }
    if (s.data.mayReplay) parts.push(replayLink(i + 1));
    facts.replaceChildren(...parts);
    for (const button of $(".verdicts").children)
      button.setAttribute("aria-pressed", String(s.labels.get(i + 1) === button.dataset.verdict));
    const key = text
      ? `${s.run}|${i}|${text.version}|${JSON.stringify(s.visible)}|${s.query}`
      : `${s.run}|${i}|waiting`;
    if (key === s.painted) return;
    s.painted = key;
    if (!text) {
      body.replaceChildren(element("p", "empty", "…"));
      delete frame.dataset.shown;
      return;
    }
    const sections = [];
    if (text.thought) sections.push(section("thought", "Thought", text.thought));
    sections.push(actionSection(text));
    sections.push(
      text.observation
        ? section("observation", "Observation", text.observation)
        : emptySection(
            "observation",
            text.executed === false ? "Not executed: no observation" : "No observation in the run's files",
          ),
    );
    if (s.visible.facts) sections.push(factsSection(text));
    const sameStep = frame.dataset.shown === String(i + 1);
    body.replaceChildren(...sections);
    if (!sameStep) body.scrollTop = 0;
    s.place.restore();
    frame.dataset.shown = String(i + 1);
    markMatches();
    s.quotes.paint();
  }

  function replayLink(step) {
    const link = element("a", "replay", "Replay from here"),
      url = new URL(location.href);
    url.pathname = url.pathname.replace(/[^/]*$/, "replay");
    url.search = new URLSearchParams({ traj: s.run, step });
    link.href = url.pathname + url.search;
    link.target = "_self";
    return link;
  }

  function heading(name, title, length) {
    const head = element("button", "sectionhead");
    head.type = "button";
    head.dataset.toggle = name;
    head.setAttribute("aria-expanded", String(s.visible[name]));
    head.append(element("span", "", `${s.visible[name] ? "▾" : "▸"} ${title}`), element("span", "length", length));
    return head;
  }
  const characters = (count) => `${count.toLocaleString("en")} ${count === 1 ? "character" : "characters"}`;

  function section(name, title, field, render = renderText) {
    const part = element("section", `part ${name}`);
    part.append(heading(name, title, characters(field.length)));
    if (!s.visible[name]) return part;
    const pre = element("div", "pre");
    if (field.text === "") pre.append(element("span", "none", "(empty)"));
    else pre.append(render(field.text, { raw: s.visible.raw }));
    pre.quotable = { field: name, text: field.text };
    part.append(pre);
    if (field.cut) {
      const open = element(
        "button",
        "openall",
        `Shown: the first ${characters(field.text.length)} of ${field.length.toLocaleString("en")}. Open all (x)`,
      );
      open.type = "button";
      open.dataset.do = "openall";
      part.append(open);
    }
    return part;
  }
  function emptySection(name, sentence) {
    const part = element("section", `part ${name}`);
    part.append(element("p", "none", sentence));
    return part;
  }

  /** The action: a command as shell, a structured call as its arguments, one block each. */
  function actionSection(text) {
    const named = text.tool ? `Action · ${text.tool}` : "Action";
    if (!text.arguments)
      return section("action", named, text.action, (value, options) => renderCode(value, text.language, options));
    const part = element("section", "part action");
    part.append(heading("action", "", characters(text.action.length)));
    appendVisible(part.querySelector("span"), `${s.visible.action ? "▾" : "▸"} ${named}`);
    part.querySelector("span").firstChild.remove();
    if (!s.visible.action) return part;
    const path = text.arguments.find(({ name }) => /^(file_?path|path|notebook_path|filename)$/.test(name))?.text;
    for (const [argument, { name, text: value, length, cut }] of text.arguments.entries()) {
      const line = element("div", value.includes("\n") || value.length > 80 ? "argument long" : "argument");
      const label = element("span", "argname");
      appendVisible(label, name);
      const old = /^old_?(str|string|text)$/.test(name),
        made = /^new_?(str|string|text)$/.test(name);
      const shown = element("div", `argvalue${old ? " removed" : made ? " added" : ""}`);
      const language = /^(command|cmd|script)$/.test(name)
        ? "bash"
        : name === "code"
          ? "python"
          : /text|content|str|string|source/.test(name)
            ? languageOf(path)
            : undefined;
      shown.append(renderCode(value, language, { raw: s.visible.raw }));
      shown.quotable = { field: "action", text: value, argument };
      line.append(label, shown);
      if (cut)
        line.append(
          element("span", "length", `first ${characters(value.length)} of ${length.toLocaleString("en")}; x opens all`),
        );
      part.append(line);
    }
    return part;
  }

  function factsSection(text) {
    const part = element("section", "part metadata");
    part.append(heading("facts", "Metadata", ""));
    const table = element("dl");
    for (const [name, value] of text.facts) {
      const definition = element("dd");
      appendVisible(definition, value);
      table.append(element("dt", "", name), definition);
    }
    part.append(table);
    return part;
  }

  /** Marks the matches in the shown text without touching its nodes. */
  function markMatches() {
    if (!CSS.highlights) return;
    CSS.highlights.delete("codetracer-find");
    if (!s.query) return;
    const ranges = [],
      needle = s.query.toLowerCase();
    const walker = document.createTreeWalker(body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node && ranges.length < 2000; node = walker.nextNode()) {
      const text = node.data.toLowerCase();
      for (
        let at = text.indexOf(needle);
        at >= 0 && ranges.length < 2000;
        at = text.indexOf(needle, at + needle.length)
      ) {
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, at + needle.length);
        ranges.push(range);
      }
    }
    if (!ranges.length) return;
    CSS.highlights.set("codetracer-find", new Highlight(...ranges));
    const first = ranges[0].startContainer.parentElement;
    requestAnimationFrame(() => first?.scrollIntoView({ block: "nearest" }));
  }

  for (const { verdict, key, mark, title } of VERDICTS) {
    const button = element("button", `verdict ${verdict}`);
    button.type = "button";
    button.dataset.verdict = verdict;
    button.title = `${title} (${key})`;
    button.append(element("kbd", "", key), element("span", "mark", mark), element("span", "", title));
    $(".verdicts").append(button);
  }
  return { paint };
}
