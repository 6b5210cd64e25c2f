// What stands above the rows of a comparison: the runs and their facts, what they have in common, the whole alignment as
// lanes.

/** An element with somebody else's text. */
function words(tag, className, text) {
  const node = element(tag, className);
  appendVisible(node, text);
  return node;
}
const badge = (column) => element("b", `letter letter${column}`, letterOf(column));

function createCompareHead(c, frame) {
  const $ = (selector) => frame.querySelector(selector);
  const map = $(".map");

  /** One line per run: who ran it and what came of it. */
  function paintFacts() {
    const table = element("table", "facts"),
      head = element("tr");
    head.append(...["Run", "Outcome", ...c.data.facts].map((name) => element("th", "", name)));
    table.append(head);
    c.data.runs.forEach(({ run, name, outcome, misaligned, facts, isBlind }, column) => {
      const line = element("tr"),
        who = element("td", "who"),
        told = element("td", "outcome", outcome);
      told.dataset.outcome = outcome;
      who.append(badge(column), c.link(run, null, name));
      for (const text of [misaligned, isBlind && c.data.labelsShown ? "you label it blind: only your labels" : ""])
        if (text) who.append(words("span", "doubt", text));
      line.append(who, told, ...facts.map((fact) => words("td", fact === "unknown" ? "unknown" : "", fact)));
      table.append(line);
    });
    $(".facts-of-runs").replaceChildren(table);
    $(".note").textContent = c.data.note;
    $(".note").hidden = !c.data.note;
    $('[data-do="labels"]').setAttribute("aria-pressed", String(c.data.labelsShown));
    $('[data-do="labels"]').hidden = !c.data.hasLabels;
    const heads = c.data.runs.map(({ name, stagesFrom }, column) => {
      const title = element("span", "cell");
      title.append(badge(column), words("span", "name", name), words("span", "from", `stages: ${stagesFrom}`));
      return title;
    });
    $(".columns").replaceChildren(...heads);
    frame.style.setProperty("--runs", c.data.runs.length);
  }

  /** What of the runs is common, where they part and meet; and by stage. */
  function paintSummary() {
    const lines = c.data.shares.map(({ words: told, stages }, k) => {
      const line = element("div", "share"),
        parting = c.data.partings[k];
      line.append(badge(0), badge(k + 1), element("span", "", told));
      line.append(
        parting
          ? jump(parting.row, `≠ part at ${nameOf(parting.row, k + 1)}`)
          : element("span", "quiet", "no change that only one of them makes"),
      );
      if (parting?.meets.length) line.append(jump(parting.meets[0], `= meet again at ${nameOf(parting.meets[0], k + 1)}`));
      const box = element("details", "stages");
      box.append(element("summary", "", "By stage"));
      stages.forEach((of, side) => {
        for (const { name, range, first, words: common } of of) {
          const stage = element("div", "stageshare");
          stage.append(badge(side ? k + 1 : 0), words("span", "", name), element("span", "quiet", range));
          stage.append(jump(rowOf(side ? k + 1 : 0, first), common));
          box.append(stage);
        }
      });
      if (stages.flat().length) line.append(box);
      return line;
    });
    $(".summary").replaceChildren(...lines);
  }
  const rowOf = (column, step) => c.data.rows.findIndex((row) => row[column] === step);
  const nameOf = (i, other) =>
    [0, other].flatMap((column) => (c.data.rows[i][column] ? [letterOf(column) + c.data.rows[i][column]] : [])).join(" · ");
  function jump(row, text) {
    const button = words("button", "jump", text);
    button.type = "button";
    button.addEventListener("click", () => {
      c.show(row, { center: true });
      $(".list").focus({ preventScroll: true });
    });
    return button;
  }

  /** The whole alignment as a lane per run: where it has steps, which change, and where the runs part. */
  function paintMap() {
    const { width } = map.getBoundingClientRect(),
      lanes = c.data.runs.length,
      height = lanes * 13 + 2,
      context = map.getContext("2d"),
      colour = themeColours();
    map.style.height = `${height}px`;
    const ratio = window.devicePixelRatio || 1;
    map.width = Math.round(width * ratio);
    map.height = Math.round(height * ratio);
    context.scale(ratio, ratio);
    const each = width / Math.max(1, c.data.rows.length),
      wide = Math.max(1, each - (each > 5 ? 1 : 0));
    c.data.rows.forEach((row, i) =>
      row.forEach((step, column) => {
        if (!step) return;
        const { stages, outline } = c.data.runs[column],
          stage = stages[stageAt(stages, step)],
          top = column * 13 + 1;
        context.globalAlpha = c.differs(i) ? 1 : 0.45;
        context.fillStyle = stage ? colour[`hue${stage.stage_id % 6}`] : colour.message;
        context.fillRect(i * each, top, wide, 11);
        context.globalAlpha = 1;
        if (outline.kind[step - 1] === "c") {
          context.fillStyle = colour.ink;
          context.fillRect(i * each, top + 8, wide, 3);
        }
        const verdict = [...(c.data.runs[column].marks[step] ?? [])].find((mark) => mark.verdict)?.verdict;
        if (verdict) {
          context.fillStyle = colour[verdict];
          context.fillRect(i * each, top, Math.max(2, wide), 5);
        }
      }),
    );
    const parting = c.parting();
    if (parting) {
      context.fillStyle = colour.incorrect;
      context.fillRect(Math.max(0, parting.row * each - 1), 0, 2, height);
    }
    context.strokeStyle = colour.ink;
    context.lineWidth = 1.5;
    context.strokeRect(Math.min(width - 4, c.cur * each) + 0.5, 0.75, Math.max(4, each) - 1, height - 1.5);
  }

  /** The theme's colours as a canvas understands them: custom properties may hold light-dark(), a colour does not. */
  function themeColours() {
    const ink = getComputedStyle(frame).color;
    if (themeColours.known?.ink === ink) return themeColours.known;
    const probe = frame.appendChild(element("i")),
      known = { ink };
    const names = ["message", "incorrect", "unuseful", "correct", "uncertain", ...[0, 1, 2, 3, 4, 5].map((n) => `hue${n}`)];
    for (const name of names) {
      probe.style.color = `var(--${name})`;
      known[name] = getComputedStyle(probe).color;
    }
    probe.remove();
    themeColours.known = known;
    return known;
  }

  map.addEventListener("click", (event) =>
    c.show(Math.floor((event.offsetX / map.clientWidth) * c.data.rows.length), { center: true }),
  );
  return {
    paint() {
      paintFacts();
      paintSummary();
    },
    paintMap,
  };
}
