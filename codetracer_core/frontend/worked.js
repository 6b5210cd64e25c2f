// Time on task. What counts is the time between two signs of a person (key, click, wheel, touch, a moved pointer) that
// are no more than a minute apart, while the page is visible and its window has the focus. A longer gap is a pause, and
// nothing of it counts: the sum is a lower bound that neither an open tab nor a lunch break can raise, and no second
// counts in two windows. It is told as whole seconds, by run and annotator, about every half minute of work.

const LONGEST_GAP = 60_000; // ms between two signs, beyond which the person was away
const TOLD_AFTER = 30_000; // ms of work
const SIGNS = ["keydown", "pointerdown", "pointermove", "wheel", "touchmove"];

/**
 * Counts until `destroy`. `whose()` is { run, annotator }, or null while nobody's work can be counted; `tell` takes a
 * label event of the field "worked".
 */
function createWorked(whose, tell) {
  let worker = null,
    last = null, // when the last sign came; null: nobody is there
    milliseconds = 0;

  /** Tell what was counted. Less than a second stays, to be told with the next ones. */
  function report() {
    const value = Math.floor(milliseconds / 1000);
    if (!value) return;
    milliseconds -= value * 1000;
    tell({ ...worker, step: null, field: "worked", value, at: new Date().toISOString() });
  }
  function upTo(now) {
    if (last !== null && now - last <= LONGEST_GAP) milliseconds += now - last;
    last = now;
  }
  /** The person turns away, from the run or from the page: that, too, is a sign. */
  function leave() {
    if (last !== null) upTo(performance.now());
    last = null;
    report();
  }
  function sign(event) {
    // A browser also sends a move when the page moves under a pointer that lies still.
    if (event.type === "pointermove" && !event.movementX && !event.movementY) return;
    const next = whose();
    if (next?.run !== worker?.run || next?.annotator !== worker?.annotator) {
      leave();
      worker = next;
      milliseconds = 0;
    }
    if (!worker) return;
    upTo(performance.now());
    if (milliseconds >= TOLD_AFTER) report();
  }
  const hide = () => {
    if (document.visibilityState === "hidden") leave();
  };

  for (const name of SIGNS) window.addEventListener(name, sign, { capture: true, passive: true });
  document.addEventListener("visibilitychange", hide);
  window.addEventListener("blur", leave);
  window.addEventListener("pagehide", leave);
  return {
    leave,
    destroy() {
      leave();
      for (const name of SIGNS) window.removeEventListener(name, sign, { capture: true });
      document.removeEventListener("visibilitychange", hide);
      window.removeEventListener("blur", leave);
      window.removeEventListener("pagehide", leave);
    },
  };
}
