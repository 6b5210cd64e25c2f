// The text of steps, fetched in windows around the one in view through the "text" pipe.

const AHEAD = 24; // steps of text that are fetched before they are needed
const BEHIND = 8;
const TEXTS_KEPT = 400; // steps whose text stays in memory
const ANSWER_WITHIN = 1000; // ms after which a question for text is asked again; twice as long each time, up to 8 s

function createTexts(s, detail, flash) {
  let asked = null, // the question that is under way
    whole = null, // index of the step whose whole text is wanted
    asking = 0, // number of the last question
    unanswered = 0, // questions in a row; labels that are sent meanwhile can keep the server from answering
    timer = 0;

  function receive(message) {
    if (message.run !== s.run) return;
    if (message.request === asked?.request) {
      asked = null;
      unanswered = 0;
    }
    for (const [step, text] of Object.entries(message.steps || {})) {
      const i = Number(step) - 1;
      s.texts.set(i, text);
      if (i === whole && text.version === "whole") whole = null;
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
      clearTimeout(timer);
      timer = setTimeout(askForText, 60);
      return;
    }
    if (asked && performance.now() - asked.at < ANSWER_WITHIN * 2 ** unanswered) return;
    if (asked) unanswered = Math.min(3, unanswered + 1);
    if (whole !== null) {
      ask({ full: whole + 1 });
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
    asked = { request: ++asking, at: performance.now() };
    window.codetracerPipes.text.send({ run: s.run, request: asking, ...question });
  }

  s.openAll = () => {
    const text = s.texts.get(s.cur);
    if (!text || !["thought", "action", "observation"].some((field) => text[field]?.cut)) {
      flash("nothing is cut here");
      return;
    }
    whole = s.cur;
    flash("opening …");
    askForText();
  };

  return {
    receive,
    ask: askForText,
    /** Another run is in view. */
    forget() {
      s.texts = new Map();
      asked = null;
      whole = null;
    },
    /** Ask again where an answer is overdue, also to what is cut: what asks may be waiting for all of it. */
    tick() {
      if (whole !== null || (s.count && !s.texts.has(s.cur))) askForText();
    },
    destroy() {
      clearTimeout(timer);
    },
  };
}
