// Drawing stages: what can be done with the stages of a run, as functions from list to list, and below them the keys,
// the mouse and the two small sheets that call them. Stages of one's own are one label of the run: each change of them
// is the whole list anew, so that it is saved, undone and done again like any label.

const LONGEST_STAGE_NAME = 120; // characters; the server refuses longer ones

const numbered = (stages) => stages.map((stage, i) => ({ ...stage, stage_id: i + 1 }));
const stageName = (text) => [...text.trim().toWellFormed()].slice(0, LONGEST_STAGE_NAME).join("");
/** Index of the stage that holds a step, -1 if none does. */
const stageAt = (stages, step) => stages.findIndex((stage) => stage.start_step_id <= step && step <= stage.end_step_id);
const oneStage = (count) => (count ? [{ stage_id: 1, start_step_id: 1, end_step_id: count, name: "" }] : []);

/** Stages as a person may draw them: in order, not overlapping, within the run. Those of a benchmark need not be so. */
function tidied(stages, count) {
  const tidy = [];
  let ended = 0;
  for (const stage of stages.toSorted((a, b) => a.start_step_id - b.start_step_id)) {
    const start = Math.max(stage.start_step_id, ended + 1),
      end = Math.min(stage.end_step_id, count);
    if (start > end) continue;
    tidy.push({ stage_id: 0, start_step_id: start, end_step_id: end, name: stageName(stage.name) });
    ended = end;
  }
  return numbered(tidy);
}

// The functions below answer a new list, or null where there is nothing to do. A list that covers all steps stays so,
// whatever is done to it but `withoutStage`.

/** A stage begins at this step: the one that holds it is split, steps in no stage become one up to the next stage. */
function withStageAt(stages, step, count) {
  const at = stageAt(stages, step);
  if (at >= 0) {
    const stage = stages[at];
    if (stage.start_step_id === step) return null;
    const rest = { ...stage, start_step_id: step, name: "" };
    return numbered(stages.toSpliced(at, 1, { ...stage, end_step_id: step - 1 }, rest));
  }
  const before = stages.filter((stage) => stage.end_step_id < step).length;
  const end = before < stages.length ? stages[before].start_step_id - 1 : count;
  return numbered(stages.toSpliced(before, 0, { stage_id: 0, start_step_id: step, end_step_id: end, name: "" }));
}

/** The stage that begins at this step and the one right before it are one, under the name of the first that has one. */
function withStageJoined(stages, step) {
  const at = stages.findIndex((stage) => stage.start_step_id === step);
  const before = stages[at - 1];
  if (before?.end_step_id !== step - 1) return null;
  const { end_step_id, name } = stages[at];
  return numbered(stages.toSpliced(at - 1, 2, { ...before, end_step_id, name: before.name || name }));
}

/**
 * The stage at this index begins as near to step `to` as leaves one step to it and to the one right before it, which
 * ends accordingly. What begins with the run goes on beginning with it.
 */
function withStageMoved(stages, at, to) {
  const stage = stages[at],
    ended = stages[at - 1]?.end_step_id ?? 0,
    adjoins = at > 0 && ended === stage.start_step_id - 1;
  const least = adjoins ? stages[at - 1].start_step_id + 1 : ended + 1;
  const most = stage.start_step_id === 1 ? 1 : stage.end_step_id;
  const start = Math.max(least, Math.min(to, most));
  if (start === stage.start_step_id) return null;
  const moved = stages.with(at, { ...stage, start_step_id: start });
  return adjoins ? moved.with(at - 1, { ...stages[at - 1], end_step_id: start - 1 }) : moved;
}

function withStageNamed(stages, at, text) {
  const name = stageName(text);
  return name === stages[at].name ? null : stages.with(at, { ...stages[at], name });
}

/** The steps of the stage at this index are in no stage. */
const withoutStage = (stages, at) => numbered(stages.toSpliced(at, 1));

/** Its steps as "3–5", one step as "3". */
const rangeInWords = ({ start_step_id: start, end_step_id: end }) => (end > start ? `${start}–${end}` : `${start}`);

function createStages(s, frame, { act, withName, flash, refresh }) {
  const $ = (selector) => frame.querySelector(selector);
  const list = $(".list"),
    naming = $(".sheet.stagename"),
    anew = $(".sheet.stages");
  let waiting = [], // what is to be drawn as soon as it is known what this person drew before
    named = 0, // a step of the stage that is being named
    drag = null;

  /**
   * Draw: `change` makes new stages of those that are seen (null: nothing to do, which `otherwise` says); `told` says
   * in words what they are.
   */
  function draw(change, told, otherwise) {
    withName(() => {
      if (!s.heard) {
        waiting.push(() => draw(change, told, otherwise));
        return;
      }
      const stages = change(tidied(s.stages, s.count));
      if (stages) act([{ step: null, field: "stages", value: stages }]);
      flash(stages ? told(stages) : otherwise);
    });
  }
  const stageOf = (stages, step) => stages[stageAt(stages, step)];
  /** A change of the stage that holds a step; nothing where none does, in the stages of another time. */
  const ofStage = (step, change) => (stages) => {
    const at = stageAt(stages, step);
    return at < 0 ? null : change(stages, at);
  };
  /** The stage in which a step is seen, if one can do something with it; else it is said why not. */
  function stageFor(step) {
    const stage = stageOf(s.stages, step);
    if (stage && !s.data.readOnly) return stage;
    flash(s.data.readOnly || "this step is in no stage (T begins one)");
    return null;
  }
  const beginsAt = (step) => (stages) => {
    const stage = stageOf(stages, step);
    return stage ? `stage ${stage.stage_id} begins at step ${stage.start_step_id}` : "drawn";
  };

  s.toggleStage = (step = s.cur + 1) => {
    if (!s.count) return;
    if (s.stageStart(step - 1))
      draw(
        (stages) => withStageJoined(stages, step),
        (stages) => `joined: stage ${stageOf(stages, step).stage_id} begins at ${stageOf(stages, step).start_step_id}`,
        "no stage right before this one to join it with",
      );
    else draw((stages) => withStageAt(stages, step, s.count), beginsAt(step), "a stage begins here already");
  };
  s.moveStage = (by) => {
    const step = s.cur + 1,
      stage = stageFor(step);
    if (!stage) return;
    const start = stage.start_step_id + by;
    const otherwise = stage.start_step_id === 1 ? "the run begins with this stage" : "a stage keeps one step at least";
    const told = (stages) => {
      // The key pressed again moves the same beginning: who stands on it goes along.
      if (stage.start_step_id === step) s.show(start - 1);
      return beginsAt(start)(stages);
    };
    draw(
      ofStage(step, (stages, at) => withStageMoved(stages, at, start)),
      told,
      otherwise,
    );
  };
  s.removeStage = () => {
    const step = s.cur + 1,
      stage = stageFor(step);
    if (!stage) return;
    draw(
      ofStage(step, withoutStage),
      () => `steps ${stage.start_step_id}–${stage.end_step_id} are in no stage now`,
      "this step is in no stage",
    );
  };

  // --- a name for the stage -----------------------------------------------------------------------------------

  s.nameStage = (step = s.cur + 1) => {
    const stage = stageFor(step);
    if (!stage) return;
    named = step;
    naming.hidden = false;
    naming.elements.name.value = stage.name;
    naming.elements.name.setAttribute("aria-label", `Name of stage ${stage.stage_id}`);
    placeName();
    naming.elements.name.select();
    naming.elements.name.focus({ preventScroll: true });
  };
  /** Over the head of its stage; at the edge of the list while that is out of sight. */
  function placeName() {
    const row = s.rows.findIndex(({ stage }) => stage && stage === stageOf(s.stages, named));
    const top = Math.max(0, Math.min(row * ROW - list.scrollTop, list.clientHeight - ROW));
    naming.style.top = `${top}px`;
  }
  function keepName() {
    const step = named,
      text = naming.elements.name.value;
    naming.hidden = true;
    const name = stageName(text);
    if (name !== stageOf(s.stages, step)?.name)
      draw(
        ofStage(step, (stages, at) => withStageNamed(stages, at, text)),
        (stages) => `stage ${stageOf(stages, step).stage_id}: ${name || "no name"}`,
        "it is called so already",
      );
  }
  naming.addEventListener("submit", (event) => {
    event.preventDefault();
    keepName();
    if ($(".sheet.name").hidden) list.focus({ preventScroll: true });
  });
  naming.addEventListener("focusout", () => {
    if (!naming.hidden) keepName(); // left, not closed by Esc
  });
  list.addEventListener("scroll", () => naming.hidden || placeName(), { passive: true });

  // --- starting over ------------------------------------------------------------------------------------------

  s.stagesAnew = () => {
    if (s.data.readOnly) {
      flash(s.data.readOnly);
      return;
    }
    anew.hidden = false;
    anew.querySelector("button").focus();
  };
  const BEGINNINGS = {
    split: [() => tidied(s.data.split, s.count), "stages from the offline split"],
    whole: [() => oneStage(s.count), "one stage for the whole run"],
  };
  function begin(from) {
    s.closeSheets();
    if (from === "given") {
      const drawn = s.drawn;
      if (drawn) act([{ step: null, field: "stages", value: null }]);
      flash(drawn ? "stages as given" : "these are the stages as given");
    } else draw(BEGINNINGS[from][0], () => BEGINNINGS[from][1]);
  }
  anew.addEventListener("click", (event) => {
    const from = event.target.closest("[data-from]")?.dataset.from;
    if (from) begin(from);
  });
  anew.addEventListener("keydown", (event) => {
    const button = [...anew.querySelectorAll("[data-from]")].find(({ dataset }) => dataset.key === event.key);
    if (!button) return;
    event.preventDefault(); // the key is no letter of a name that may be asked for now
    begin(button.dataset.from);
  });

  // --- the mouse ----------------------------------------------------------------------------------------------

  const rowAt = (event) =>
    s.rows[Math.floor((event.clientY - list.getBoundingClientRect().top + list.scrollTop) / ROW)];
  list.addEventListener("click", (event) => {
    const begin = event.target.closest("[data-begin]");
    if (begin) s.toggleStage(Number(begin.dataset.begin));
  });
  list.addEventListener("dblclick", (event) => {
    const stage = event.target.closest(".row.stage") && rowAt(event)?.stage;
    if (stage) s.nameStage(stage.start_step_id);
  });
  list.addEventListener("pointerdown", (event) => {
    const stage = event.target.closest(".row.stage") && rowAt(event)?.stage;
    if (stage && !event.button && !s.data.readOnly) drag = { start: stage.start_step_id, y: event.clientY };
  });
  list.addEventListener("pointermove", (event) => {
    if (!drag || (s.drop === null && Math.abs(event.clientY - drag.y) < 4)) return; // a click is no drag
    if (!list.hasPointerCapture(event.pointerId)) list.setPointerCapture(event.pointerId);
    const { top, bottom } = list.getBoundingClientRect();
    if (event.clientY < top + ROW) list.scrollTop -= ROW;
    if (event.clientY > bottom - ROW) list.scrollTop += ROW;
    const { stage, step, omission } = rowAt(event) ?? { step: event.clientY < top ? 0 : s.count - 1 };
    const to = stage?.start_step_id ?? (omission === undefined ? step + 1 : omission + 2);
    const stages = tidied(s.stages, s.count),
      at = stageAt(stages, drag.start);
    s.drop = at < 0 ? null : (withStageMoved(stages, at, to) ?? stages)[at].start_step_id;
    refresh();
  });
  const drop = () => {
    const { start } = drag ?? {},
      to = s.drop;
    letGo();
    if (to !== null && to !== start)
      draw(
        ofStage(start, (stages, at) => withStageMoved(stages, at, to)),
        beginsAt(to),
        "it begins there already",
      );
  };
  function letGo() {
    drag = null;
    if (s.drop === null) return;
    s.drop = null;
    refresh();
  }
  list.addEventListener("pointerup", drop);
  list.addEventListener("pointercancel", letGo);

  return {
    letGo,
    /** What this person drew is known, or another run or person is there, and what waited is no longer meant. */
    heard(known) {
      s.heard = known;
      if (!known) naming.hidden = true;
      const drawings = waiting;
      waiting = [];
      if (known) drawings.forEach((again) => again());
    },
    paint() {
      const origin = s.data.stagesFrom.split(":")[0] || "none";
      const own = s.data.readOnly ? "the annotator's" : "yours";
      const button = $(".stagesfrom");
      button.textContent = `Stages: ${s.drawn ? own : origin}`;
      button.title = s.drawn ? "" : s.data.stagesFrom;
      button.disabled = Boolean(s.data.readOnly) || !s.count;
      $(".sheet.stages .origin").textContent = origin;
    },
  };
}
