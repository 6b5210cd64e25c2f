// The step viewer: trace tree, step detail, keys and labels. Moving about happens here, without the server; step text
// arrives through the "text" pipe in windows, labels leave through the "outbox" pipe and count as saved only when the
// server has acknowledged their sequence number. See pipe.js for the pipes and text.js for how text becomes DOM.

const AHEAD = 24; // steps of text that are fetched before they are needed
const BEHIND = 8;
const HIDDEN = "hidden from you until you have submitted this run";
/** What an address can ask for (`show=`), as the server reads it (`viewer.py`). */
const SHOWN = { labels: ["reveal", "others"], truth: ["reveal"], others: ["others"], none: [] };
const TEXTS_KEPT = 400; // steps whose text stays in memory
const ANSWER_WITHIN = 1000; // ms after which a question for text is asked again; twice as long each time, up to 8 s

const instances = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  let viewer = instances.get(parentElement);
  if (!viewer) {
    viewer = createViewer(parentElement);
    instances.set(parentElement, viewer);
  }
  viewer.setState = setStateValue;
  viewer.receive(data);
  return () => {
    viewer.destroy();
    instances.delete(parentElement);
  };
}

/** Where an element begins on the page, however far the page is scrolled. */
const topOf = (node) =>
  node.getBoundingClientRect().top + (document.querySelector(".stMain") ?? document.documentElement).scrollTop;

function createViewer(root) {
  const $ = (selector) => root.querySelector(selector);
  const frame = $(".viewer"),
    list = $(".list"),
    body = $(".body");
  const s = {
    run: null,
    count: 0,
    cur: 0,
    outline: null,
    rows: [],
    rowOfStep: [],
    folded: new Set(),
    marks: {}, // what this person says of steps: field → step number → value
    ofRun: {}, // and of the whole run: field → value
    adrift: [], // quotes among them that the run's text does not hold (any more)
    get annotator() {
      return outbox.annotator;
    },
    get labels() {
      return marksOf("verdict");
    },
    get details() {
      return marksOf("details"); // reason and the like
    },
    get onset() {
      return s.ofRun.onset ?? null; // step number of the failure onset
    },
    range: null, // { from, to }: indexes; to is null while the range ends at the current step
    done: [], // acts that can be undone, newest last; an act is a list of marks before and after
    undone: [],
    revises: false, // the next label changes what was submitted
    notOffered: [], // verdicts that the project does not want
    truth: new Map(),
    texts: new Map(),
    asked: null,
    whole: null,
    query: "",
    hits: null,
    hit: -1,
    visible: { ...DEFAULTS, ...kept.read("show", {}) },
    data: null,
    heard: false, // whether the server has told what this person says of the run
    get voices() {
      return positions.people().length; // whose positions one can take
    },
    get questions() {
      return positions.runQuestions().length; // on the whole run, to which somebody gave an answer
    },
    drop: null, // number of the step before which a stage would begin, were the mouse let go now
    get drawn() {
      return s.ofRun.stages ?? null; // stages of one's own
    },
    get stages() {
      return s.drawn ?? s.data?.stages ?? [];
    },
  };
  const tree = createTree(s, frame),
    detail = createDetail(s, frame);
  const positions = createPositions(s, frame);
  const why = createWhy(s, frame, act),
    omission = createLine(s, frame.querySelector("form.omission"), act),
    reply = createLine(s, frame.querySelector("form.reply"), act, () => Boolean(outcome())),
    runPanel = createRunPanel(s, frame, act),
    stages = createStages(s, frame, { act, withName, flash, refresh });
  const adjudication = createAdjudication(s, frame, positions, { act, markOf, flash, whenSaved });
  const outbox = createOutbox(() => {
    sent();
    s.queue?.settle();
  });
  s.place = createPlace(s, body);
  s.quotes = createQuotes(s, frame, { act, flash });
  s.queue = createQueue(s, frame, outbox, flash, () => list.focus({ preventScroll: true }));
  s.walk = createWalk(s, frame, flash);
  const worked = createWorked(
    () => (s.run && outbox.annotator && !s.data.readOnly ? { run: s.run, annotator: outbox.annotator } : null),
    (op) => outbox.add([op]),
  );
  let frameWaits = false,
    dirty = false,
    urlTimer = 0,
    findTimer = 0,
    flashTimer = 0,
    asking = 0,
    unanswered = 0, // questions in a row; labels that are sent meanwhile can keep the server from answering
    afterName = null,
    afterSaved = null;

  // --- what the server says -----------------------------------------------------------------------------------

  s.receive = (data) => {
    if (data === s.data) return;
    const channel = data.adjudication ? "adjudicated" : "outbox";
    const fresh = data.run !== s.run || channel !== outbox.channel;
    if (fresh) worked.leave();
    if (fresh && s.run) s.place.remember(); // it may have been left before the timer that keeps it
    if (channel !== outbox.channel) {
      disconnect();
      outbox.use(channel);
    }
    s.data = data;
    s.run = data.run;
    s.outline = data.outline;
    s.count = data.outline.label.length;
    s.truth = new Map(Object.entries(data.truth || {}).map(([step, verdict]) => [Number(step), verdict]));
    outbox.run = data.run;
    if (fresh) {
      Object.assign(s, {
        texts: new Map(),
        asked: null,
        whole: null,
        hits: null,
        hit: -1,
        query: "",
        marks: {},
        ofRun: {},
        range: null,
        done: [],
        undone: [],
      });
      stages.heard(false);
      s.folded.clear();
      $(".query").value = "";
      $(".hits").textContent = "";
      outbox.annotator = data.annotator || "";
      outbox.namedByLogin = Boolean(data.namedByLogin);
      if (data.annotator && !data.namedByLogin) rememberName(data.annotator);
      const step = s.place.open(data.start);
      s.cur = Math.max(0, Math.min(s.count - 1, step - 1));
      s.goto = data.goto?.nonce;
    } else if (data.goto && data.goto.nonce !== s.goto) {
      s.goto = data.goto.nonce;
      s.cur = Math.max(0, Math.min(s.count - 1, data.goto.step - 1));
    }
    tree.layout();
    $(".total").textContent = s.count;
    paintRunLine();
    connect();
    fit();
    s.show(s.cur, { center: true });
    if (fresh && data.quote) s.quotes.show(data.quote);
    s.queue.opened();
    s.walk.opened(fresh);
    adjudication.opened();
    outbox.send();
    if (fresh) showAsked();
  };

  const receiveText = (message) => {
    if (message.run !== s.run) return;
    if (message.request === s.asked?.request) {
      s.asked = null;
      unanswered = 0;
    }
    for (const [step, text] of Object.entries(message.steps || {})) {
      const i = Number(step) - 1;
      s.texts.set(i, text);
      if (i === s.whole && text.version === "whole") s.whole = null;
      if (i === s.cur) {
        s.painted = null;
        detail.paint();
      }
    }
    for (const i of s.texts.keys()) {
      if (s.texts.size <= TEXTS_KEPT) break;
      if (Math.abs(i - s.cur) > TEXTS_KEPT / 4) s.texts.delete(i);
    }
    askForText();
  };

  const receiveOutbox = (message) => {
    outbox.acknowledge(message.acknowledged, message.refused);
    if (message.run === s.run && message.annotator === outbox.annotator) {
      s.marks = {};
      for (const [field, values] of Object.entries(message.ofSteps || {}))
        for (const [step, value] of Object.entries(values)) marksOf(field).set(Number(step), value);
      s.ofRun = { ...message.ofRun };
      s.revises = Boolean(message.revises);
      s.notOffered = message.notOffered ?? [];
      s.adrift = message.adrift ?? [];
      outbox.pending().forEach(setMark);
      stages.heard(true);
      marksChanged();
    }
  };

  const receiveFind = (message) => {
    if (message.run !== s.run || message.query !== s.query) return;
    s.hits = message.hits;
    s.hit = s.hits.findIndex((hit) => hit.step - 1 >= s.cur);
    if (s.hit < 0 && s.hits.length) s.hit = 0;
    if (s.hits.length) s.show(s.hits[s.hit].step - 1);
    else paintHits();
  };

  const listeners = () => ({
    text: receiveText,
    [outbox.channel]: receiveOutbox,
    find: receiveFind,
    queue: s.queue.receive,
  });
  /** Listen on the pipes; whichever mounted first, the last message is not missed. */
  function connect() {
    const pipes = (window.codetracerPipes ??= {});
    for (const [channel, receive] of Object.entries(listeners())) {
      const pipe = (pipes[channel] ??= { receive: null, last: null, send: null });
      if (pipe.receive === receive) continue;
      pipe.receive = receive;
      if (pipe.last) receive(pipe.last);
    }
  }
  function disconnect() {
    for (const [channel, receive] of Object.entries(listeners())) {
      const pipe = window.codetracerPipes?.[channel];
      if (pipe?.receive === receive) pipe.receive = null;
    }
  }

  /**
   * Ask for step text that is missing around the current step; the server answers with as many steps as fit its budget.
   * One question at a time: a second one would interrupt the answer to the first.
   */
  function askForText() {
    if (!s.count) return;
    const pipe = window.codetracerPipes?.text;
    // What is asked through a pipe that still belongs to the run before would be answered by nobody.
    if (!pipe?.send || (pipe.last && pipe.last.run !== s.run)) {
      clearTimeout(s.askTimer);
      s.askTimer = setTimeout(askForText, 60);
      return;
    }
    if (s.asked && performance.now() - s.asked.at < ANSWER_WITHIN * 2 ** unanswered) return;
    if (s.asked) unanswered = Math.min(3, unanswered + 1);
    if (s.whole !== null) {
      ask({ full: s.whole + 1 });
      return;
    }
    const missing = [];
    const want = (i) => {
      if (i >= 0 && i < s.count && !s.texts.has(i)) missing.push(i);
    };
    want(s.cur);
    for (let d = 1; d <= AHEAD; d++) {
      want(s.cur + d);
      if (d <= BEHIND) want(s.cur - d);
    }
    if (missing.some((i) => Math.abs(i - s.cur) <= AHEAD / 2)) ask({ steps: missing.map((i) => i + 1) });
  }
  function ask(question) {
    s.asked = { request: ++asking, at: performance.now() };
    window.codetracerPipes.text.send({ run: s.run, request: asking, ...question });
  }

  // --- where we are -------------------------------------------------------------------------------------------

  s.show = (index, { center = false } = {}) => {
    if (!s.count) {
      refresh();
      return;
    }
    s.cur = Math.max(0, Math.min(s.count - 1, index));
    const state = s.outline.state[s.cur];
    if (s.folded.has(state) && s.outline.kind[s.cur] !== "c") {
      s.folded.delete(state);
      tree.layout();
    }
    s.center = center;
    askForText();
    refresh();
    clearTimeout(urlTimer);
    urlTimer = setTimeout(rememberPlace, 200);
  };
  s.move = (by) => {
    let next = s.cur + by;
    while (next > 0 && next < s.count - 1 && s.rowOfStep[next] === undefined) next += by;
    if (s.rowOfStep[next] !== undefined) s.show(next);
  };
  s.seek = (by, wanted) => {
    for (let i = s.cur + by; i >= 0 && i < s.count; i += by)
      if (wanted(i)) {
        s.show(i);
        return;
      }
    flash(by > 0 ? "none further on" : "none before");
  };
  s.seekUnlabelled = () => {
    const wanted = (i) => !s.labels.get(i + 1);
    if (s.queue.isAsking) {
      s.closeSheets();
      s.show(s.outline.label.findIndex((_, i) => wanted(i)));
    } else s.seek(1, wanted);
  };
  s.stageStart = (i) => s.stages.some((stage) => stage.start_step_id === i + 1);
  s.groupStart = (i) => s.outline.group[i] === i + 1;
  s.isLabelled = (i) => s.labels.has(i + 1) || s.truth.has(i + 1);
  s.firstLabelled = () => {
    for (let i = 0; i < s.count; i++)
      if (s.isLabelled(i)) {
        s.show(i);
        return;
      }
    flash("no labelled step");
  };
  s.fold = (folded) => {
    const state = s.outline.state[s.cur];
    if (folded) {
      s.folded.add(state);
      if (s.outline.kind[s.cur] !== "c") {
        const head = s.outline.state.findIndex((other, i) => other === state && s.outline.kind[i] === "c");
        if (head >= 0) s.cur = head;
        else s.folded.delete(state);
      }
    } else s.folded.delete(state);
    tree.layout();
    s.show(s.cur);
  };
  s.scrollBody = (by) => body.scrollBy({ top: by * body.clientHeight * 0.85 });
  s.openAll = () => {
    const text = s.texts.get(s.cur);
    if (!text || !["thought", "action", "observation"].some((field) => text[field]?.cut)) {
      flash("nothing is cut here");
      return;
    }
    s.whole = s.cur;
    flash("opening …");
    askForText();
  };
  s.copyLink = () => {
    const url = new URL(location.href);
    url.pathname = url.pathname.replace(/annotate$/, "trajectory"); // a queue is its owner's alone
    url.searchParams.delete("project");
    for (const name of ["quote", "show", "list", "at"]) url.searchParams.delete(name);
    url.searchParams.set("traj", s.run);
    url.searchParams.set("step", s.cur + 1);
    (navigator.clipboard?.writeText(url.href) ?? Promise.reject()).then(
      () => flash("link copied"),
      () => flash(url.search),
    );
  };
  /** Where we are: in the address, and for the day on which the run is opened again. */
  function rememberPlace() {
    s.place.remember();
    const url = new URL(location.href);
    if (!/\/(trajectory|annotate|adjudicate)$/.test(url.pathname)) return; // the page was left in the meantime
    if (s.queue.isThere) url.searchParams.set("project", s.queue.project);
    url.searchParams.set("traj", s.run);
    if (url.searchParams.get("step") !== String(s.cur + 1)) url.searchParams.delete("quote"); // it is of another step
    url.searchParams.set("step", s.cur + 1);
    if (s.data.show) url.searchParams.set("show", s.data.show);
    if (url.href !== location.href) history.replaceState(history.state, "", url);
  }

  // --- labels -------------------------------------------------------------------------------------------------

  /** A verdict for this step, or for all steps of the range, in one act. */
  s.label = (verdict) => {
    if (!s.count) return;
    if (s.notOffered.includes(verdict)) {
      flash(`this project does not use ${verdict}`);
      return;
    }
    act(adjudication.withBasis(takeRange().map((step) => ({ step, field: "verdict", value: verdict }))));
    if (verdict && outbox.annotator) s.advance();
  };
  /** Auto-advance, if it is on: to the next step, or where people are adjudicated to the next one to decide. */
  s.advance = () => {
    if (!s.visible.advance) return;
    if (isAdjudicated(s)) s.seek(1, (i) => s.isOpen(i + 1));
    else s.move(1);
  };
  /** A mark on this step, or on all steps of the range, in one act; where all have it, it is taken back. */
  s.mark = (field) => {
    if (!s.count) return;
    const steps = takeRange(),
      without = steps.filter((step) => !marksOf(field).has(step));
    act((without.length ? without : steps).map((step) => ({ step, field, value: without.length ? true : null })));
  };
  /** The numbers of the steps that an act is about: the range, which ends with it, or this step. */
  function takeRange() {
    const [first, last] = s.rangeEnds();
    s.range = null;
    return Array.from({ length: last - first + 1 }, (_, i) => first + 1 + i);
  }
  /** First and last index that a verdict would label now. */
  s.rangeEnds = () => {
    if (!s.range) return [s.cur, s.cur];
    const to = s.range.to ?? s.cur;
    return [Math.min(s.range.from, to), Math.max(s.range.from, to)];
  };
  s.startRange = (to = null) => {
    if (s.data.readOnly) {
      flash(s.data.readOnly);
      return;
    }
    s.range = s.range && s.range.to === to ? null : { from: s.cur, to };
    refresh();
  };
  s.markOnset = () => {
    if (s.count) act([{ step: null, field: "onset", value: s.onset === s.cur + 1 ? null : s.cur + 1 }]);
  };
  s.undo = () => repeat(s.done, s.undone, "before", "undone");
  s.redo = () => repeat(s.undone, s.done, "after", "done again");

  function act(marks) {
    return withName(() => {
      const before = marks.map(({ step, field }) => ({ step, field, value: markOf(step, field) }));
      s.done.push({ before, after: marks });
      s.undone = [];
      record(marks);
    });
  }
  /** Do something in the name of an annotator: as soon as we have one. Tells if it is done. */
  function withName(run) {
    const why = s.data.readOnly || s.queue.holds || adjudication.holds();
    if (why) {
      flash(why);
      return false;
    }
    return asSomebody(run);
  }
  /** Do something that goes on record under a name: as soon as we have one. Tells if it is done. */
  function asSomebody(run) {
    if (outbox.annotator) run();
    else {
      afterName = run;
      askName();
    }
    return Boolean(outbox.annotator);
  }
  /** Undo and redo: the act moves from one stack to the other, its marks are recorded as new labels. */
  function repeat(from, onto, side, word) {
    if (s.queue.holds) {
      flash(s.queue.holds);
      return;
    }
    const last = from.pop();
    if (!last) {
      flash(`nothing to be ${word}`);
      return;
    }
    onto.push(last);
    record(last[side]);
    if (last[side][0].step) s.show(last[side][0].step - 1);
    flash(`${word}: ${last[side].length === 1 ? "1 mark" : `${last[side].length} marks`}`);
  }
  function record(marks) {
    marks.forEach(setMark);
    const at = new Date().toISOString();
    const whose = { annotator: outbox.annotator, ...adjudication.whose() };
    outbox.add(marks.map((mark) => ({ run: s.run, ...mark, ...whose, at })));
    marksChanged();
  }
  function marksChanged() {
    tree.layout(); // an omission is a row of its own
    refresh();
  }
  /** What this person says of steps in one field: step number → value. */
  function marksOf(field) {
    return (s.marks[field] ??= new Map());
  }
  function markOf(step, field) {
    return (step === null ? s.ofRun[field] : marksOf(field).get(step)) ?? null;
  }
  function setMark({ step, field, value }) {
    if (step === null) s.ofRun[field] = value;
    else if (value) marksOf(field).set(step, value);
    else marksOf(field).delete(step);
  }
  /** The first step with the verdict incorrect; 0 if there is none. */
  s.firstIncorrect = () => {
    const incorrect = [...s.labels].filter(([, verdict]) => verdict === "incorrect").map(([step]) => step);
    return incorrect.length ? Math.min(...incorrect) : 0;
  };
  s.editOmission = () => {
    if (s.data.readOnly) flash(s.data.readOnly);
    else if (s.count) omission.focus();
  };
  s.toggleRun = () => runPanel.toggle();
  s.editWhy = () => {
    if (s.data.readOnly) flash(s.data.readOnly);
    else if (s.count) why.focus();
  };
  s.copyWhy = () => {
    const from = s.count ? why.copyPrevious() : 0;
    flash(from ? `reason of step ${from}` : "no reason before this step");
  };
  s.isOpen = adjudication.isOpen;
  s.openSteps = adjudication.openSteps;
  s.take = adjudication.take;
  s.finish = adjudication.finish;
  s.otherRun = adjudication.request;
  s.switchState = (name) => {
    const { adjudication: shown } = s.data;
    if (name === "models" && !shown.hasModels) flash("no model says anything of this run");
    else s.setState(name, shown[name] ? null : s.run);
  };
  /** Do something as soon as everything that was labelled is on disk. */
  function whenSaved(run) {
    afterSaved = run;
    sent();
  }
  function sent() {
    paintSaved();
    if (!afterSaved || outbox.waiting) return;
    const run = afterSaved;
    afterSaved = null;
    run();
  }
  s.nextQuestion = () => {
    positions.nextQuestion();
    refresh();
  };
  function askName() {
    if (s.data.namedByLogin) return;
    const form = $(".sheet.name");
    $(".nameinput").value = outbox.annotator;
    form.hidden = false;
    $(".nameinput").focus();
  }
  function rememberName(name) {
    document.cookie = `codetracer_annotator=${encodeURIComponent(name)}; path=/; max-age=31536000; samesite=strict`;
  }
  function setName(name) {
    outbox.annotator = name;
    rememberName(name);
    s.marks = {};
    s.ofRun = {};
    outbox.send();
    s.done = [];
    s.undone = [];
    stages.heard(false);
    const run = afterName;
    afterName = null;
    run?.();
    marksChanged();
  }

  // --- find ---------------------------------------------------------------------------------------------------

  function find(query) {
    s.query = query;
    s.hits = null;
    s.hit = -1;
    if (!query) {
      paintHits();
      detail.paint();
      return;
    }
    $(".hits").textContent = "…";
    window.codetracerPipes?.find?.send?.({ run: s.run, query });
    detail.paint();
  }
  s.nextHit = (by) => {
    if (!s.hits?.length) {
      flash("no matches");
      return;
    }
    s.hit = (s.hit + by + s.hits.length) % s.hits.length;
    s.show(s.hits[s.hit].step - 1);
  };
  function paintHits() {
    const output = $(".hits");
    if (!s.query) output.textContent = "";
    else if (s.hits) {
      const total = s.hits.reduce((sum, hit) => sum + hit.count, 0);
      output.textContent = s.hits.length ? `${s.hit + 1} of ${s.hits.length} steps · ${total} matches` : "no match";
    }
  }
  // --- painting -----------------------------------------------------------------------------------------------

  function paintRunLine() {
    const { data } = s,
      { title, hasTruth } = data;
    for (const name of ["task", "agent", "outcome", "misaligned"]) {
      const node = $(`.runline .${name}`);
      node.textContent = "";
      appendVisible(node, title[name]);
    }
    $(".runline .outcome").dataset.outcome = title.outcome;
    for (const name of [".who", ".verdicts"]) $(name).hidden = Boolean(data.readOnly);
    paintToggles();
    $(".reveal").hidden = !hasTruth;
    $(".reveal").setAttribute("aria-pressed", String(data.truthShown));
    $(".others").hidden = !data.hasOthers;
    $(".others").setAttribute("aria-pressed", String(Boolean(data.othersShown)));
  }

  /** Paint now, and at most once per frame: a single press is answered at once, a held key never queues up work. */
  function refresh() {
    if (frameWaits) {
      dirty = true;
      return;
    }
    paint();
    frameWaits = true;
    requestAnimationFrame(() => {
      frameWaits = false;
      if (dirty) {
        dirty = false;
        refresh();
      }
    });
  }

  function paint() {
    if (!s.outline) return;
    frame.classList.toggle("nowrap", !s.visible.wrap);
    tree.paint();
    detail.paint();
    why.paint();
    s.quotes.paint();
    omission.paint();
    reply.paint();
    runPanel.paint();
    positions.paint();
    stages.paint();
    paintStanding();
    s.queue.paint();
    s.walk.paint();
    paintSaved();
    paintHits();
    if (document.activeElement !== $(".jump") && root.activeElement !== $(".jump"))
      $(".jump").value = s.count ? s.cur + 1 : "";
  }

  /** How far this person is with the run, and what they say of it, in one line. */
  function paintStanding() {
    const labelled = [...s.labels.keys()].filter((step) => step <= s.count).length,
      flagged = marksOf("flag").size,
      chain = marksOf("chain").size,
      first = s.firstIncorrect();
    // The queue has a line of its own for how far the run is.
    const parts = s.queue.isThere ? [] : [`${labelled} of ${s.count} labelled${flagged ? `, ${flagged} flagged` : ""}`];
    if (s.onset && first && first !== s.onset) parts.push(`onset ${s.onset}, first incorrect ${first}`);
    else if (s.onset) parts.push(`onset ${s.onset}`);
    if (chain) parts.push(`chain of ${chain}`);
    const { title } = RUN_VERDICTS.find(({ verdict }) => verdict === (s.ofRun.run_verdict ?? ""));
    if (s.ofRun.run_verdict) parts.push(`run: ${title}`);
    if (s.ofRun.flag) parts.push("run flagged");
    $(".standing").textContent = parts.join(" · ") || "whole run";
  }

  function paintSaved() {
    const saved = $(".saved"),
      waiting = outbox.waiting;
    $(".who").textContent = outbox.annotator ? `as ${outbox.annotator}` : "set your name";
    frame.dataset.waiting = waiting;
    if (flashTimer) return;
    saved.className = `saved ${waiting ? "waiting" : outbox.refused.length ? "bad" : "ok"}`;
    if (waiting) saved.textContent = `saving ${waiting} …`;
    else if (outbox.refused.length) saved.textContent = `${outbox.refused.length} refused: ${outbox.refused[0]}`;
    else saved.textContent = outbox.annotator ? "saved" : "";
  }

  function flash(message) {
    const saved = $(".saved");
    saved.className = "saved note";
    saved.textContent = message;
    clearTimeout(flashTimer);
    flashTimer = setTimeout(() => {
      flashTimer = 0;
      paintSaved();
    }, 1500);
  }

  // --- controls -----------------------------------------------------------------------------------------------

  s.toggle = (name) => {
    s.visible[name] = !s.visible[name];
    kept.write("show", s.visible);
    paintToggles();
    refresh();
  };
  function paintToggles() {
    $(".toggles").replaceChildren(
      ...TOGGLES.filter(({ writes }) => !(writes && s.data.readOnly)).map(({ name, key, title }) => {
        const button = element("button", "", title);
        button.type = "button";
        button.dataset.toggle = name;
        button.title = `${title} (${key})`;
        button.setAttribute("aria-pressed", String(s.visible[name]));
        return button;
      }),
    );
  }
  s.reveal = () => {
    if (s.data.isBlind) flash(`ground truth is ${HIDDEN}`);
    else if (!s.data.hasTruth) flash("this run has no ground truth");
    else asSomebody(() => switchShown("reveal", !s.data.truthShown));
  };
  s.showOthers = () => {
    if (s.data.isBlind) flash(`what others say is ${HIDDEN}`);
    else if (!s.data.hasOthers) flash("nobody else says anything of this run");
    else asSomebody(() => switchShown("others", !s.data.othersShown));
  };
  /** Labels of others on this run; where the address asks for them, on all runs that it leads to. */
  function switchShown(what, on) {
    const asked = SHOWN[s.data.show];
    if (!asked) {
      s.setState(what, on ? s.run : null);
      return;
    }
    const wanted = ["reveal", "others"].filter((one) => asked.includes(one) !== (one === what));
    s.data.show = Object.keys(SHOWN).find((name) => SHOWN[name].join() === wanted.join()); // for the next press
    s.setState("show", s.data.show);
  }
  /** Where the address asks for labels of others, who has no name is asked for one. */
  function showAsked() {
    if (SHOWN[s.data.show]?.length && !s.data.isBlind) asSomebody(() => {});
  }
  /** The adjudicated verdict of the step, if it is shown. */
  function outcome() {
    return s.data.positions?.[s.cur + 1]?.find(({ source }) => source === "adjudicated");
  }
  s.reply = () => {
    if (outcome()) reply.focus();
    else flash("there is no adjudicated outcome of this step to reply to");
  };
  s.focusInput = (selector) => {
    const input = $(selector);
    input.focus();
    input.select();
  };
  s.help = () => toggleSheet($(".sheet.help"), listedKeys(s));
  s.closeSheets = () => {
    for (const sheet of root.querySelectorAll(".sheet")) sheet.hidden = true;
    afterName = null;
    s.range = null;
    positions.backToStep();
    stages.letGo();
    s.leave();
  };
  /** Back to the tree; what was typed is saved, and may ask for a name. */
  s.leave = () => {
    root.activeElement?.blur?.();
    runPanel.close();
    ($(".sheet.name").hidden ? list : $(".nameinput")).focus({ preventScroll: true });
    refresh();
  };

  const BUTTONS = {
    reveal: () => s.reveal(),
    others: () => s.showOthers(),
    previous: () => s.move(-1),
    next: () => s.move(1),
    help: () => s.help(),
    wholerun: () => s.nextQuestion(),
    names: () => s.switchState("names"),
    models: () => s.switchState("models"),
    take: (button) => s.take(Number(button.dataset.index)),
    finish: () => s.finish(),
    name: askName,
    stages: () => s.stagesAnew(),
    run: () => s.toggleRun(),
    close: s.closeSheets,
    quote: () => s.quotes.take(),
    openall: () => s.openAll(),
  };
  const typing = (event) => {
    const target = event.composedPath()[0];
    return target?.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target?.tagName || "");
  };

  function onKey(event) {
    if (event.altKey || event.isComposing) return;
    const name = event.ctrlKey || event.metaKey ? `Ctrl+${event.key.toLowerCase()}` : event.key;
    if (!frame.isConnected || !frame.checkVisibility()) return;
    if (document.querySelector('[role="dialog"], [data-testid="stDialog"]')) return;
    const inside = event.composedPath().includes(frame);
    // Submitting from within a reason: leaving the field makes a label of it first.
    if (typing(event) && inside && name === "Ctrl+enter" && keyEntries(s).some(({ keys }) => keys.includes(name)))
      event.composedPath()[0].blur();
    else if (typing(event)) {
      if (inside && event.key === "Escape") {
        s.closeSheets();
        event.preventDefault();
        event.stopPropagation();
      }
      return;
    }
    // Space and Enter belong to a focused button; the arrow keys to other widgets of the page.
    const target = event.composedPath()[0];
    if ((name === " " || name === "Enter") && target?.tagName === "BUTTON") return;
    if (isForOthers(event, frame)) return;
    if (target?.classList?.contains("splitter")) return;
    if (s.quotes.choose(event)) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    const entry = keyEntries(s).find(({ keys }) => keys.includes(name));
    if (!entry) return;
    if (s.queue.isAsking && !/^(Ctrl\+enter|Escape|u)$/.test(name)) return;
    if ($(".sheet:is(.name, .stages):not([hidden])") && event.key !== "Escape") return;
    entry.run(s);
    event.preventDefault();
    event.stopPropagation();
  }
  window.addEventListener("keydown", onKey, true);

  frame.addEventListener("click", (event) => {
    const button = event.target.closest("button, [data-fold]");
    if (button?.dataset.do) {
      BUTTONS[button.dataset.do](button);
      return;
    }
    if (button?.dataset.toggle) {
      s.toggle(button.dataset.toggle);
      return;
    }
    if (button?.dataset.verdict) {
      s.label(s.labels.get(s.cur + 1) === button.dataset.verdict ? null : button.dataset.verdict);
      return;
    }
    const row = event.target.closest(".row[data-step]");
    if (!row) return;
    if (button?.dataset.fold) {
      s.cur = Number(row.dataset.step);
      s.fold(!s.folded.has(Number(button.dataset.fold)));
      return;
    }
    s.show(Number(row.dataset.step));
  });
  $(".jump").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const number = parseInt(event.target.value, 10);
    event.target.blur();
    list.focus({ preventScroll: true });
    if (number >= 1 && number <= s.count) s.show(number - 1);
    else {
      flash(`steps are 1 to ${s.count}`);
      refresh();
    }
  });
  $(".query").addEventListener("input", () => {
    clearTimeout(findTimer);
    findTimer = setTimeout(() => find($(".query").value), 180);
  });
  $(".query").addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      if (s.hits) s.nextHit(event.shiftKey ? -1 : 1);
    }
  });
  $(".sheet.name").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = $(".nameinput").value.trim();
    if (!name) return;
    $(".sheet.name").hidden = true;
    setName(name);
    list.focus({ preventScroll: true });
  });

  // the width of the tree, by mouse or by arrow keys on the splitter
  const splitter = $(".splitter");
  const setTree = (width) => {
    const clamped = Math.max(220, Math.min(width, frame.clientWidth - 360));
    frame.style.setProperty("--tree", `${clamped}px`);
    kept.write("tree", clamped);
    refresh();
  };
  splitter.addEventListener("pointerdown", (event) => {
    splitter.setPointerCapture(event.pointerId);
    const move = (moved) => setTree(moved.clientX - frame.getBoundingClientRect().left);
    splitter.addEventListener("pointermove", move);
    splitter.addEventListener("pointerup", () => splitter.removeEventListener("pointermove", move), { once: true });
  });
  splitter.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -24, ArrowRight: 24 }[event.key];
    if (by) {
      setTree($(".side").clientWidth + by);
      event.preventDefault();
    }
  });

  /** The viewer fills the window below where it begins, also when what stands above it changes. */
  function fit() {
    if (!frame.checkVisibility()) return;
    const height = `${Math.max(420, window.innerHeight - Math.max(60, topOf(frame)) - 20)}px`;
    if (height === frame.style.getPropertyValue("--height")) return;
    frame.style.setProperty("--height", height);
    refresh();
  }
  const moved = new ResizeObserver(fit);
  moved.observe(frame);
  moved.observe(document.querySelector(".stMainBlockContainer") ?? document.body);
  window.addEventListener("resize", fit);
  const ticking = setInterval(() => {
    outbox.tick();
    s.queue.settle();
    if (s.count && !s.texts.has(s.cur)) askForText();
  }, 500);

  const treeWidth = kept.read("tree", null);
  if (treeWidth) frame.style.setProperty("--tree", `${treeWidth}px`);

  s.destroy = () => {
    worked.destroy();
    s.quotes.destroy();
    s.place.destroy();
    window.removeEventListener("keydown", onKey, true);
    window.removeEventListener("resize", fit);
    moved.disconnect();
    clearInterval(ticking);
    for (const timer of [urlTimer, findTimer, flashTimer, s.askTimer]) clearTimeout(timer);
    disconnect();
    CSS.highlights?.delete("codetracer-find");
  };
  return s;
}
