// What this person says of the run: verdicts and marks by key, for a step or a range, undo and redo. An act is a list
// of marks ({ step, field, value }; step null: of the whole run); the outbox takes each to the server as a label.

function createMarks(s, outbox, { withName, withBasis, whose, flash, refresh, changed }) {
  /** A verdict for this step, or for all steps of the range, in one act. */
  s.label = (verdict) => {
    if (!s.count) return;
    if (s.notOffered.includes(verdict)) {
      flash(`this project does not use ${verdict}`);
      return;
    }
    act(withBasis(takeRange().map((step) => ({ step, field: "verdict", value: verdict }))));
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
    const by = { annotator: outbox.annotator, ...whose() };
    outbox.add(marks.map((mark) => ({ run: s.run, ...mark, ...by, at })));
    changed();
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

  return {
    act,
    of: marksOf,
    at: markOf,
    /** Nothing is known yet of what somebody says of the run in view. */
    forget() {
      Object.assign(s, { marks: {}, ofRun: {}, done: [], undone: [] });
    },
    /** What the server has from this person, and on top of it what is still on its way there. */
    receive({ ofSteps, ofRun }) {
      s.marks = {};
      for (const [field, values] of Object.entries(ofSteps || {}))
        for (const [step, value] of Object.entries(values)) marksOf(field).set(Number(step), value);
      s.ofRun = { ...ofRun };
      outbox.pending().forEach(setMark);
    },
  };
}
