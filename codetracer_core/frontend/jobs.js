// Diagnoses under way, told anew each second: per run how far it is, and of the run that is open what it reads and thinks.

const panels = new WeakMap();

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  let panel = panels.get(parentElement);
  if (!panel) panels.set(parentElement, (panel = createPanel(parentElement)));
  panel.asks.ask = () => setStateValue("tick", (panel.ticks += 1));
  panel.leaveBy = setTriggerValue;
  panel.tellCancelled = () => setStateValue("cancel", [...panel.cancelled]);
  panel.receive(data);
  return () => {
    panel.asks.end();
    panels.delete(parentElement);
  };
}

function createPanel(root) {
  const box = root.appendChild(element("div", "jobs"));
  const panel = { ticks: 0, asks: createAsking(box), cancelled: new Set() };
  const act = {
    open: (what) => {
      panel.asks.leaving();
      panel.leaveBy("open", what);
    },
    cancel: (id) => {
      panel.cancelled.add(id);
      panel.tellCancelled();
    },
  };

  panel.receive = (data) => {
    panel.asks.runs = data.jobs.some(({ isOver }) => !isOver);
    panel.asks.show(() => paint(data));
  };

  function paint(data) {
    const focused = root.activeElement?.dataset?.name,
      log = box.querySelector(".log"),
      atEnd = !log || log.scrollHeight - log.scrollTop - log.clientHeight < 30,
      scrolled = log?.scrollTop ?? 0;
    box.replaceChildren(...data.jobs.map((job) => jobNode(job, act)));
    const now = box.querySelector(".log");
    if (now) now.scrollTop = atEnd ? now.scrollHeight : scrolled;
    if (focused) box.querySelector(`[data-name="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }
  return panel;
}

function jobNode(job, act) {
  const node = element("section", "job"),
    line = element("div", "line");
  line.append(element("i", job.isOver ? "light" : "light running"), text("b", "", job.madeWith));
  line.append(text("span", "quiet", job.words), element("span", "spring"), text("span", "figures", job.usage));
  if (job.mayCancel) {
    const cancel = button(job.isStopping ? "Stopping …" : "Cancel", "cancel", `cancel ${job.id}`);
    cancel.disabled = job.isStopping;
    cancel.addEventListener("click", () => act.cancel(job.id));
    line.append(cancel);
  }
  node.append(line);
  if (job.isBatch) {
    const bar = element("div", "progress");
    bar.append(element("i"));
    bar.firstChild.style.setProperty("--share", job.share);
    node.append(bar);
  }
  const list = element("ul", "runs");
  for (const run of job.runs) {
    const row = element("li"),
      open = button("", "open", `open ${job.id} ${run.run}`);
    appendVisible(open, run.task);
    open.addEventListener("click", () => act.open({ run: run.run, diagnosis: run.diagnosis }));
    row.append(open, text("span", `state ${run.state}`, run.state), text("span", "quiet words", run.words));
    row.append(element("span", "spring"), text("span", "figures", run.usage));
    list.append(row);
  }
  if (job.runs.length) node.append(list);
  if (job.hidden) node.append(text("p", "quiet", job.hidden));
  if (job.log.length) node.append(logNode(job, act));
  return node;
}

function logNode(job, act) {
  const log = element("ol", "log");
  log.tabIndex = 0;
  log.setAttribute("aria-label", "What it reads and thinks");
  for (const { at, kind, said, steps } of job.log) {
    const entry = element("li", kind);
    entry.append(text("time", "", at), text("span", "said", said));
    for (const step of steps) {
      const link = element("a", "", String(step)),
        url = new URL(location.href);
      url.pathname = url.pathname.replace(/[^/]*$/, "trajectory");
      url.search = new URLSearchParams({ traj: job.logOf, step });
      link.href = url.pathname + url.search;
      link.title = `Open step ${step}`;
      link.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
        event.preventDefault();
        act.open({ run: job.logOf, step });
      });
      entry.append(link);
    }
    log.append(entry);
  }
  return log;
}

function text(tag, className, words) {
  const node = element(tag, className);
  appendVisible(node, words);
  return node;
}
function button(title, className, name) {
  const node = element("button", className, title);
  node.type = "button";
  node.dataset.name = name;
  return node;
}
