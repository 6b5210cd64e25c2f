// Diagnoses of one run side by side. Every word of them was written by a model, or by the agent they are about: text only.

export default function ({ data, parentElement, setTriggerValue }) {
  const letterOf = (column) => String.fromCharCode(65 + column);
  const words = (tag, className, text) => {
    const node = element(tag, className);
    appendVisible(node, text);
    return node;
  };
  const badge = (column) => element("b", "letter", letterOf(column));
  function stepLink(step, text, quote = "") {
    const link = words("a", quote ? "quote" : "step", text);
    link.href = `trajectory?${new URLSearchParams({ traj: data.run, step, ...(quote ? { quote } : {}) })}`;
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
      event.preventDefault();
      setTriggerValue("open", { step, quote });
    });
    return link;
  }
  function citations(of) {
    const list = element("ul", "citations");
    for (const { step, text, field, quote } of of) {
      const item = element("li", quote || !text ? "" : "missing");
      if (quote) item.append(stepLink(step, `“${text.trim()}”`, quote), element("span", "where", `step ${step} ${field}`));
      else if (text) item.append(words("q", "", text.trim()), element("span", "where", `not found in step ${step}`));
      else item.append(stepLink(step, `step ${step}`));
      list.append(item);
    }
    return of.length ? [list] : [];
  }
  const line = (...cells) => {
    const row = element("div", "line");
    row.append(...cells);
    return row;
  };
  function cell(...content) {
    const node = element("div", "cell");
    node.append(...content);
    return node;
  }

  const page = element("article", "diagnoses");
  page.style.setProperty("--columns", data.columns.length);
  const agreement = element("div", "agreement");
  for (const { between, words: told } of data.agreement) {
    const one = element("p");
    one.append(...between.map(badge), element("span", "", told));
    agreement.append(one);
  }
  const heads = data.columns.map((column, i) => {
    const head = element("div", "headline"),
      open = words("a", "", column.headline);
    head.dataset.tone = column.conclusion;
    open.href = `diagnose?${new URLSearchParams({ traj: data.run, diagnosis: column.id })}`;
    open.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      setTriggerValue("open", { diagnosis: column.id });
    });
    head.append(badge(i), open);
    if (column.status !== "complete") head.append(words("span", "chip", column.status));
    const facts = element("dl");
    for (const [name, value] of [...column.facts, ["Evidence", column.evidence]]) {
      const fact = element("div");
      fact.append(element("dt", "", name), words("dd", "", value));
      facts.append(fact);
    }
    return cell(
      head,
      words("p", "quiet", `${column.made} · ${column.when}`),
      ...(column.statusReason ? [words("p", "quiet", column.statusReason)] : []),
      facts,
      ...(column.summary ? [words("p", "prose", column.summary)] : []),
    );
  });
  const onsets = data.columns.map(({ onset }) => {
    const list = element("ol", "onset");
    for (const { step, did, reasoning, citations: told } of onset) {
      const item = element("li");
      item.append(stepLink(step, `Step ${step}`), words("span", "did", did), words("p", "prose", reasoning), ...citations(told));
      list.append(item);
    }
    return onset.length ? cell(list) : cell(element("p", "quiet", "names no onset"));
  });
  const findings = data.steps.map(({ step, did, who, cells }) => {
    const head = element("div", "stepline");
    head.append(stepLink(step, `Step ${step}`), words("span", "did", did), element("span", "chip who", who));
    const told = cells.map((finding) => {
      if (!finding) return cell(element("p", "quiet", "says nothing of it"));
      const verdict = element("div", "verdict");
      verdict.append(element("b", finding.verdict, finding.verdict));
      if (!finding.isLabel) verdict.append(element("span", "chip doubt", "no label: not supported, or said by too few samples"));
      verdict.append(...finding.chips.map((text) => words("span", "chip", text)));
      const instead = finding.instead ? [words("p", "prose instead", `Instead: ${finding.instead}`)] : [];
      return cell(verdict, words("p", "prose", finding.reasoning), ...instead, ...citations(finding.citations));
    });
    const box = element("section", "finding");
    box.append(head, line(...told));
    return box;
  });
  page.append(agreement, line(...heads), element("h3", "", "Failure onset, best candidate first"), line(...onsets));
  page.append(element("h3", "", "Findings by step"));
  page.append(...(findings.length ? findings : [element("p", "quiet", "Neither labels a step.")]));
  parentElement.querySelector(".diagnoses")?.remove();
  parentElement.append(page);
}
