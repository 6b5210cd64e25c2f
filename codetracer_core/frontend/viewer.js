// The step viewer: trace tree, step detail, keys and labels. Moving about happens here, without the server; step text
// arrives through the "text" pipe in windows (texts.js), labels (marks.js) leave through the "outbox" pipe and count as
// saved only when the server has acknowledged their sequence number. See pipe.js for the pipes and text.js for how text
// becomes DOM. Its parts share one state, `s`, on which they also put what keys.js calls.

const HIDDEN = "hidden from you until you have submitted this run";
/** What an address can ask for (`show=`), as the server reads it (`viewer.py`). */
const SHOWN = { labels: ["reveal", "others"], truth: ["reveal"], others: ["others"], none: [] };

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
      return marks.of("verdict");
    },
    get details() {
      return marks.of("details"); // reason and the like
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
  const outbox = createOutbox(() => {
    sent();
    s.queue?.settle();
  });
  const head = createHead(s, frame, outbox, refresh),
    { flash } = head;
  const tree = createTree(s, frame),
    detail = createDetail(s, frame),
    texts = createTexts(s, detail, flash),
    find = createFind(s, frame, detail, flash),
    task = createTask(s, frame);
  const positions = createPositions(s, frame);
  const naming = createNaming(s, frame, outbox, renamed);
  const marks = createMarks(s, outbox, {
    withName,
    withBasis: (acted) => adjudication.withBasis(acted),
    whose: () => adjudication.whose(),
    flash,
    refresh,
    changed: marksChanged,
  });
  const { act } = marks;
  const adjudication = createAdjudication(s, frame, positions, { act, markOf: marks.at, flash, whenSaved });
  const why = createWhy(s, frame, act),
    omission = createLine(s, frame.querySelector("form.omission"), act),
    reply = createLine(s, frame.querySelector("form.reply"), act, () => Boolean(outcome())),
    runPanel = createRunPanel(s, frame, act),
    stages = createStages(s, frame, { act, withName, flash, refresh });
  s.place = createPlace(s, body);
  const address = createLagging(rememberPlace, () => {
    if (address.isLate) s.place.remember(); // else it is kept, and heights of a page that is left are not to be trusted
    return { run: s.run, step: s.cur + 1 };
  });
  s.quotes = createQuotes(s, frame, { act, flash });
  s.queue = createQueue(s, frame, outbox, flash, () => list.focus({ preventScroll: true }));
  s.walk = createWalk(s, frame, flash);
  const worked = createWorked(
    () => (s.run && outbox.annotator && !s.data.readOnly ? { run: s.run, annotator: outbox.annotator } : null),
    (op) => outbox.add([op]),
  );
  let frameWaits = false,
    dirty = false,
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
      texts.forget();
      find.forget();
      marks.forget();
      s.range = null;
      stages.heard(false);
      s.folded.clear();
      outbox.annotator = data.annotator || "";
      outbox.namedByLogin = Boolean(data.namedByLogin);
      if (data.annotator && !data.namedByLogin) naming.remember(data.annotator);
      const step = s.place.open(data.start);
      s.cur = Math.max(0, Math.min(s.count - 1, step - 1));
      s.goto = data.goto?.nonce;
    } else if (data.goto && data.goto.nonce !== s.goto) {
      s.goto = data.goto.nonce;
      s.cur = Math.max(0, Math.min(s.count - 1, data.goto.step - 1));
    }
    tree.layout();
    $(".total").textContent = s.count;
    head.paintRun();
    connect();
    fit();
    s.show(s.cur, { center: true });
    if (fresh && data.quote?.step_id === s.cur + 1) s.quotes.show(data.quote);
    s.queue.opened();
    s.walk.opened(fresh);
    adjudication.opened();
    outbox.send();
    if (fresh) showAsked();
    if (fresh && data.start > s.count && s.count) flash(`there is no step ${data.start}: this is the last one`);
  };

  const receiveOutbox = (message) => {
    outbox.acknowledge(message.acknowledged, message.refused);
    if (message.run === s.run && message.annotator === outbox.annotator) {
      marks.receive(message);
      s.revises = Boolean(message.revises);
      s.notOffered = message.notOffered ?? [];
      s.adrift = message.adrift ?? [];
      stages.heard(true);
      marksChanged();
    }
  };

  const receiveQueue = (message) => {
    s.queue.receive(message);
    refresh(); // what the queue says stands nowhere else
  };

  const listeners = () => ({
    text: texts.receive,
    [outbox.channel]: receiveOutbox,
    find: find.receive,
    queue: receiveQueue,
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
    texts.ask();
    refresh();
    address.soon();
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
  s.seekFailed = (by) => {
    if (hasExitCodes(s)) s.seek(by, (i) => s.outline.exit[i]);
    else flash("the run's files hold no exit codes");
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

  /** Do something in the name of an annotator: as soon as we have one. Tells if it is done. */
  function withName(run) {
    const why = s.data.readOnly || s.queue.holds || adjudication.holds();
    if (why) {
      flash(why);
      return false;
    }
    return naming.asSomebody(run);
  }
  function marksChanged() {
    tree.layout(); // an omission is a row of its own
    refresh();
  }
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
    head.paintSaved();
    if (!afterSaved || outbox.waiting) return;
    const run = afterSaved;
    afterSaved = null;
    run();
  }
  /** Somebody else labels from now on, beginning with what waited for the name. */
  function renamed(run) {
    marks.forget();
    outbox.send();
    stages.heard(false);
    run?.();
    marksChanged();
    list.focus({ preventScroll: true });
  }
  s.nextQuestion = () => {
    positions.nextQuestion();
    refresh();
  };
  // --- painting -----------------------------------------------------------------------------------------------

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
    task.paint();
    why.paint();
    s.quotes.paint();
    omission.paint();
    reply.paint();
    runPanel.paint();
    positions.paint();
    stages.paint();
    head.paint();
    s.queue.paint();
    s.walk.paint();
    find.paint();
    if (document.activeElement !== $(".jump") && root.activeElement !== $(".jump"))
      $(".jump").value = s.count ? s.cur + 1 : "";
  }

  // --- controls -----------------------------------------------------------------------------------------------

  s.reveal = () => {
    if (s.data.isBlind) flash(`ground truth is ${HIDDEN}`);
    else if (!s.data.hasTruth) flash("this run has no ground truth");
    else naming.asSomebody(() => switchShown("reveal", !s.data.truthShown));
  };
  s.showOthers = () => {
    if (s.data.isBlind) flash(`what others say is ${HIDDEN}`);
    else if (!s.data.hasOthers) flash("nobody else says anything of this run");
    else naming.asSomebody(() => switchShown("others", !s.data.othersShown));
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
    if (SHOWN[s.data.show]?.length && !s.data.isBlind) naming.asSomebody(() => {});
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
    naming.letGo();
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
    name: naming.ask,
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
    if (/^(Arrow(Up|Down)|Page(Up|Down)|Home|End| )$/.test(name) && target?.closest?.("aside")) return; // it scrolls
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
  /** The viewer fills the window below where it begins, also when what stands above it changes. */
  function fit() {
    if (!frame.checkVisibility()) return;
    const height = `${Math.max(420, window.innerHeight - Math.max(60, topOf(frame)) - 20)}px`;
    if (height === frame.style.getPropertyValue("--height")) return;
    frame.style.setProperty("--height", height);
    refresh();
  }
  bindSplitter(frame, refresh);
  const moved = new ResizeObserver(fit);
  moved.observe(frame);
  moved.observe(document.querySelector(".stMainBlockContainer") ?? document.body);
  window.addEventListener("resize", fit);
  const ticking = setInterval(() => {
    outbox.tick();
    s.queue.settle();
    texts.tick();
  }, 500);

  s.destroy = () => {
    worked.destroy();
    s.quotes.destroy();
    s.place.destroy();
    window.removeEventListener("keydown", onKey, true);
    window.removeEventListener("resize", fit);
    moved.disconnect();
    clearInterval(ticking);
    for (const part of [texts, find, head]) part.destroy();
    if (address.isLate) s.place.remember();
    address.destroy();
    disconnect();
  };
  return s;
}
