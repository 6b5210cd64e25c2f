// An extractor spec beside what it makes of a run and the raw file: a press in one shows the same place in the others.
// The text lives here and, unsaved, in this browser; Python is told it when typing rests, and answers with a preview.

const RESTS = 500; // ms without a key until the text is previewed
const benches = new WeakMap();

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  let bench = benches.get(parentElement);
  if (!bench) benches.set(parentElement, (bench = createBench(parentElement)));
  bench.tell = setStateValue;
  bench.act = setTriggerValue;
  bench.receive(data);
  return () => {
    bench.destroy();
    benches.delete(parentElement);
  };
}

function createBench(root) {
  const frame = root.querySelector(".workbench"),
    problem = frame.querySelector(".problem"),
    state = frame.querySelector(".state"),
    runs = frame.querySelector(".runs"),
    acts = (name) => frame.querySelector(`[data-do="${name}"]`);
  const visible = { spec: true, raw: true, ...kept.read("extractor.panes", {}) };
  const bench = { data: null };
  let sequence = 0,
    timer = 0,
    run = 0,
    place = { path: "", line: 1 },
    good = "", // the last text that could be used
    step = 0;
  const draftName = () => `extractor.draft.${bench.data.draft}`;
  const isChanged = () => bench.data && field.text !== bench.data.text;

  const field = createSpecField(frame.querySelector(".spec"), (isNow) => {
    if (isChanged()) kept.write(draftName(), field.text);
    else kept.remove(draftName());
    if (isNow) ask();
    else {
      clearTimeout(timer);
      timer = setTimeout(ask, RESTS);
    }
    paint();
  });
  const preview = createPreview(frame.querySelector(".preview"), { choose: (id, goes) => choose(id, { goes }), goTo: see });
  const raw = createRaw(frame.querySelector(".raw"), {
    want(path, line) {
      place = { path, line };
      ask();
    },
    choose: (id) => choose(id, { goes: false }),
  });

  /** Tell Python the text as it is now, and which run and lines are looked at. */
  function ask() {
    clearTimeout(timer);
    if (leaving.isUnderWay) {
      timer = setTimeout(ask, RESTS);
      return;
    }
    sequence += 1;
    bench.tell("asked", { draft: bench.data.draft, text: field.text, good, run, ...place, sequence });
    paint();
  }
  function see(path, line) {
    if (!visible.raw) toggle("raw");
    raw.goTo(path, line);
  }
  /** Choose a step in both panes; `goes`: the raw file goes to its lines. */
  function choose(id, { goes }) {
    step = id;
    preview.choose(id, { reveal: !goes });
    raw.choose(id);
    const found = bench.data.preview?.steps.find((one) => one.id === id);
    const places = ["action", "observation", "thought"].map((part) => found?.[part]?.place).filter(Boolean);
    if (goes && places.length && visible.raw) raw.goTo(...raw.placeOf(places));
  }
  function toggle(name) {
    visible[name] = !visible[name];
    kept.write("extractor.panes", visible);
    paint();
  }
  function paint() {
    const { data } = bench;
    const waits = sequence > data.answered || field.text !== data.previewed;
    frame.dataset.waiting = String(sequence > data.answered);
    frame.dataset.answered = data.answered;
    for (const name of ["spec", "raw"]) {
      frame.querySelector(`section.${name}`).hidden = !visible[name];
      acts(name).setAttribute("aria-pressed", String(visible[name]));
    }
    acts("discard").hidden = !isChanged();
    acts("save").hidden = !data.save;
    acts("save").textContent = data.save;
    const isUsable = !data.problem || (data.problem.isOfRun && data.runs.length > 1); // others may well be read
    acts("save").disabled = !isUsable || waits || (!isChanged() && !data.isNew);
    const told = !data.problem ? data.words : data.problem.isOfRun ? "This run cannot be read" : "The spec cannot be used";
    state.textContent = [waits ? "Reading …" : told, isChanged() ? "unsaved changes" : ""].filter(Boolean).join(" · ");
    frame.querySelector(".light").className = `light ${waits ? "running" : data.problem ? "bad" : data.isGood ? "good" : ""}`;
  }
  frame.addEventListener("click", ({ target }) => {
    const act = target.closest("[data-do]")?.dataset.do;
    if (act === "spec" || act === "raw") toggle(act);
    if (act === "preview") ask();
    if (act === "save") bench.act("save", { draft: bench.data.draft, text: field.text });
    if (act === "discard") {
      kept.remove(draftName());
      field.text = bench.data.text;
      ask();
    }
  });
  runs.querySelector("select").addEventListener("change", ({ target }) => {
    run = Number(target.value);
    place = { path: "", line: 1 };
    step = 0;
    ask();
  });

  bench.receive = (data) => {
    const isOther = bench.data?.draft !== data.draft;
    const before = bench.data;
    if (isOther && before && field.text === data.text) kept.remove(draftName()); // it has been saved, as the next version
    bench.data = data;
    if (isOther) {
      run = step = 0;
      good = "";
      place = { path: "", line: 1 };
      sequence = data.answered;
      const unsaved = kept.read(draftName(), null);
      field.text = unsaved ?? data.text;
      if (field.text !== data.previewed) setTimeout(ask); // what was typed before a reload is previewed as it stands
    } else if (before.text !== data.text && field.text === before.text) field.text = data.text;
    if (!data.problem) good = data.previewed;
    problem.hidden = !data.problem;
    problem.replaceChildren();
    appendVisible(problem, data.problem?.words ?? "");
    field.mark(data.problem?.line ?? 0);
    preview.show(data.preview);
    frame.classList.toggle("stale", Boolean(data.problem));
    const options = data.runs.map((name, i) => {
      const option = element("option", "", name);
      option.value = i;
      return option;
    });
    runs.hidden = data.runs.length < 2;
    runs.querySelector("select").replaceChildren(...options);
    runs.querySelector("select").value = String(Math.min(run, Math.max(0, data.runs.length - 1)));
    raw.show(data.raw, data.files);
    if (data.problem?.place && data.problem.words !== before?.problem?.words) raw.goTo(...data.problem.place);
    if (step) {
      preview.choose(step, { reveal: false });
      raw.choose(step);
    }
    paint();
    fit();
  };

  /** The panes fill the window below where they begin. */
  function fit() {
    if (!frame.checkVisibility()) return;
    const scrolled = (document.querySelector(".stMain") ?? document.documentElement).scrollTop;
    const top = frame.getBoundingClientRect().top + scrolled;
    frame.style.setProperty("--height", `${Math.max(560, window.innerHeight - Math.min(top, 200) - 20)}px`);
  }
  const moved = new ResizeObserver(fit);
  moved.observe(document.querySelector(".stMainBlockContainer") ?? document.body);
  window.addEventListener("resize", fit);
  bench.destroy = () => {
    clearTimeout(timer);
    moved.disconnect();
    window.removeEventListener("resize", fit);
  };
  return bench;
}
