// The report of a diagnosis. Every word of it was written by a model or by the agent that it is about: it reaches the page
// as text only (text.js). What a person decides on single labels is judging.js's.

const reports = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let report = reports.get(parentElement);
  if (!report) reports.set(parentElement, (report = createReport(parentElement)));
  report.open = (step, quote) => setTriggerValue("open", { step, quote });
  report.replay = (step) => setTriggerValue("open", { replay: step });
  report.receive(data);
  return () => {
    report.destroy();
    reports.delete(parentElement);
  };
}

const percent = (share) => `${Math.round(share * 100)} %`;

function createReport(root) {
  const page = root.appendChild(element("article", "report"));
  const r = { data: null, graphs: [] };
  const { begin, ready, decided, judging, state, destroy } = createJudging(root);

  r.receive = (data) => {
    if (data === r.data) return;
    r.data = data;
    begin(data);
    build();
    ready();
  };

  // --- small parts --------------------------------------------------------------------------------------------

  const words = (tag, className, text) => {
    const node = element(tag, className);
    appendVisible(node, text);
    return node;
  };
  function stepLink(step, text = `Step ${step}`, quote = "", className = "step") {
    const link = element("a", className);
    const url = new URL(location.href);
    url.pathname = url.pathname.replace(/[^/]*$/, "trajectory");
    url.search = new URLSearchParams({ traj: r.data.run, step, ...(quote ? { quote } : {}) });
    link.href = url.pathname + url.search;
    appendVisible(link, text);
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
      event.preventDefault();
      r.open(step, quote);
    });
    return link;
  }
  function replayLink(step) {
    const link = element("a", "replay", "Replay from here"),
      url = new URL(location.href);
    url.pathname = url.pathname.replace(/[^/]*$/, "replay");
    url.search = new URLSearchParams({ traj: r.data.run, step, diagnosis: r.data.diagnosis });
    link.href = url.pathname + url.search;
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
      event.preventDefault();
      r.replay(step);
    });
    return link;
  }
  function stepLine(step, ...more) {
    const line = element("div", "stepline");
    line.append(stepLink(step), words("span", "did", r.data.steps[step] ?? ""), ...more);
    return line;
  }
  function citations(of) {
    const list = element("ul", "citations");
    for (const { step, text, field, quote } of of) {
      const item = element("li", quote || !text ? "" : "missing");
      const where = field ? `step ${step} ${field}` : `step ${step}`;
      if (quote) {
        const link = stepLink(step, "", quote, "quote");
        link.title = `Open ${where} at this text`;
        link.append(words("q", "", text.trim()), element("span", "where", where));
        item.append(link);
      } else if (text) item.append(words("q", "", text.trim()), element("span", "where", `not found in ${where}`));
      else item.append(stepLink(step, where));
      list.append(item);
    }
    return of.length ? [list] : [];
  }
  function section(title, className, ...content) {
    const part = element("section", className);
    part.append(element("h3", "", title), ...content);
    return part;
  }
  const chip = (text, className = "") => words("span", `chip ${className}`, text);
  /** A share says something of several samples; what one sample names has a rank only. */
  function supportBar(share, samples) {
    const bar = element("span", "support"),
      told = `${percent(share)} · ${samples} samples`;
    bar.title = "1 for each sample that names it first, 1/2 for each that names it second, and so on; of all samples";
    bar.setAttribute("role", "img");
    bar.setAttribute("aria-label", `support ${told}`);
    bar.append(element("i"), element("span", "", told));
    bar.firstChild.style.setProperty("--share", share);
    return bar;
  }

  // --- the parts of the report --------------------------------------------------------------------------------

  function build() {
    const { data } = r;
    r.graphs.forEach((graph) => graph.forget());
    r.graphs = [];
    const main = element("div", "main"),
      side = element("div", "side");
    if (data.summary) main.append(section("Summary", "", words("p", "prose", data.summary)));
    if (data.onset.length) main.append(onset(data.onset));
    if (data.stages.length) main.append(labels(data.stages));
    if (data.doubted.length)
      main.append(apart("Said by half of the samples or fewer", "They are no labels.", data.doubted));
    if (data.unsupported.length)
      main.append(
        apart(
          "Not supported by the run",
          "The run does not hold the words that these rest on. They are no labels.",
          data.unsupported,
        ),
      );
    if (data.chain.length) side.append(chain(data.chain));
    if (data.decisions.length) side.append(decisions(data.decisions));
    if (data.strategy) side.append(section("What would have worked", "", words("p", "prose", data.strategy)));
    if (data.clean) side.append(section("The case for a clean run", "", words("p", "prose", data.clean)));
    const columns = element("div", main.childElementCount && side.childElementCount ? "columns" : "");
    for (const column of [main, side]) if (column.childElementCount) columns.append(column);
    page.replaceChildren(header(), strip(data.strip), columns);
  }

  function header() {
    const { data } = r,
      head = element("header", ""),
      title = element("div", "headline");
    title.dataset.tone = data.status === "failed" ? "open" : data.conclusion;
    title.append(words("h2", "", data.headline));
    if (data.status !== "complete") title.append(chip(data.status, "status"));
    if (data.runVerdict) title.append(decided("run_verdict", data.runVerdict, "Accept this conclusion"));
    head.append(title);
    if (data.statusReason) head.append(words("p", "reason", data.statusReason));
    head.append(words("p", "made", data.made));
    const facts = element("dl", "facts");
    for (const [name, value] of data.facts) {
      const fact = element("div");
      fact.append(element("dt", "", name), element("dd", "", value));
      facts.append(fact);
    }
    const checked = element("div", data.doubt ? "doubt" : "");
    checked.append(element("dt", "", "Evidence"), element("dd", "", data.evidence));
    facts.append(checked);
    head.append(facts, state());
    return head;
  }

  /** The run from left to right: stages, what was read, what is labelled. */
  function strip({ count, stages, read, verdicts, onset }) {
    const bar = element("div", "strip");
    const place = (node, first, last) => {
      node.style.left = `${(100 * (first - 1)) / count}%`;
      node.style.width = `${(100 * (last - first + 1)) / count}%`;
      bar.append(node);
    };
    if (!count) return bar;
    stages.forEach(([first, last, name], i) => {
      const band = element("span", `band ${i % 2 ? "odd" : ""}`);
      appendVisible(band, name || `Stage ${i + 1}`);
      band.title = `Stage ${i + 1}: steps ${first}–${last}`;
      place(band, first, last);
    });
    for (const [first, last] of read) place(element("i", "read"), first, last);
    for (const [step, verdict] of Object.entries(verdicts)) {
      const mark = stepLink(Number(step), "", "", `mark ${verdict}`);
      mark.title = `Step ${step}: ${verdict}`;
      mark.tabIndex = -1; // the same steps are links below
      mark.setAttribute("aria-hidden", "true");
      place(mark, Number(step), Number(step));
    }
    if (onset) {
      const flag = element("span", "flag", "⚑");
      flag.title = `Failure onset: step ${onset}`;
      place(flag, onset, onset);
    }
    bar.append(element("span", "end first", "1"), element("span", "end last", count.toLocaleString("en")));
    return bar;
  }

  function onset(candidates) {
    const list = element("ol", "onsets");
    const { samples } = r.data; // null: not known
    candidates.forEach(({ step, reasoning, support, place, citations: of }, i) => {
      const item = element("li", i ? "" : "best");
      const line = stepLine(step, element("span", "spring"));
      if (samples > 1) line.append(supportBar(support, samples));
      else if (samples && candidates.length > 1) line.append(element("span", "support", place));
      line.append(decided("onset", step, "Accept"));
      item.append(line);
      if (!i && r.data.mayReplay) item.append(replayLink(step));
      if (reasoning) item.append(words("p", "prose", reasoning));
      item.append(...citations(of));
      list.append(item);
    });
    const title = candidates.length > 1 ? "Where it went off track, most likely first" : "Where it went off track";
    return section(title, "", list);
  }

  function labels(stages) {
    const part = section("Labelled steps", "labels");
    if (r.data.mayNot) part.append(element("p", "hint", r.data.mayNot));
    else if (stages.some(({ findings }) => findings.length)) {
      const hint = element("p", "hint");
      for (const piece of ["Tab to a label, then ", "a", " accept, ", "c", " correct, ", "x", " reject, ", "u", " undo"])
        hint.append(piece.length === 1 ? element("kbd", "", piece) : piece);
      part.append(hint);
    }
    for (const { title, range, findings } of stages) {
      if (title) {
        const head = words("h4", "", title);
        head.append(element("span", "range", range));
        part.append(head);
      }
      for (const finding of findings) part.append(card(finding, true));
    }
    return part;
  }
  /** Findings that are no labels, and why not. */
  function apart(title, why, findings) {
    const part = section(`${title} · ${findings.length}`, "apart");
    part.append(element("p", "hint", why));
    for (const finding of findings) part.append(card(finding, false));
    return part;
  }
  function card({ step, verdict, reasoning, instead, chips, support, citations: of }, counts) {
    const { samples } = r.data;
    const node = element("div", `card ${counts ? verdict : "lost"}`);
    const line = stepLine(step);
    line.prepend(element("span", `verdict ${verdict}`, `${MARKS[verdict]} ${verdict}`));
    const facts = element("div", "chips");
    facts.append(...chips.map((text) => chip(text)));
    if (samples > 1) facts.append(chip(`in ${Math.round(support * samples)} of ${samples} samples`));
    node.append(line);
    if (reasoning) node.append(words("p", "prose", reasoning));
    if (instead) {
      const better = element("p", "prose instead");
      better.append(element("span", "label", "Instead "));
      appendVisible(better, instead);
      node.append(better);
    }
    node.append(...citations(of));
    if (facts.childElementCount) node.append(facts);
    if (counts) node.append(judging(node, step, verdict));
    return node;
  }
  function chain(links) {
    const graph = chainGraph(links, ({ step, what, citations: of }) => {
      const line = element("div", "stepline");
      line.append(stepLink(step));
      return [line, words("p", "prose", what), ...citations(of)];
    });
    r.graphs.push(graph);
    return section("Error chain", "", graph);
  }
  function decisions(points) {
    const list = element("ul", "points");
    for (const { step, did, should, citations: of } of points) {
      const item = element("li");
      const pair = element("dl");
      pair.append(element("dt", "", "Did"), words("dd", "", did));
      pair.append(element("dt", "should", "Should have"), words("dd", "", should));
      item.append(stepLine(step), pair, ...citations(of));
      list.append(item);
    }
    return section("Decision points", "", list);
  }

  r.destroy = () => {
    destroy();
    r.graphs.forEach((graph) => graph.forget());
  };
  return r;
}
