// Where one was in each run, for the day on which it is opened again: the step, and how far its text was scrolled. The
// address wins: a link to another step opens that one.

const PLACES_KEPT = 500; // runs whose place is remembered

function createPlace(s, body) {
  let wanted = null, // the place to go back to, until the text of its step is there
    timer = 0;
  const anchors = () => [...body.querySelectorAll(".sectionhead, .block, .code")];

  /** The first part of the text in view, and how much of it is above; sizes further up are only estimates. */
  function scrolled() {
    const { top } = body.getBoundingClientRect(),
      nodes = anchors(),
      first = nodes.findIndex((node) => node.getBoundingClientRect().bottom > top);
    return body.scrollTop > 0 && first >= 0 ? { first, above: top - nodes[first].getBoundingClientRect().top } : null;
  }
  function scrollTo({ first, above }) {
    const node = anchors()[first];
    if (!node) return;
    node.style.contentVisibility = "visible"; // its true size is needed now
    body.scrollTop += node.getBoundingClientRect().top + above - body.getBoundingClientRect().top;
  }
  function remember() {
    const others = Object.entries(kept.read("places", {})).filter(([run]) => run !== s.run),
      step = s.cur + 1,
      scroll = wanted?.step === step ? wanted.scroll : scrolled();
    kept.write("places", Object.fromEntries([...others.slice(1 - PLACES_KEPT), [s.run, { step, scroll }]]));
  }

  body.addEventListener(
    "scroll",
    () => {
      clearTimeout(timer);
      timer = setTimeout(remember, 200);
    },
    { passive: true },
  );
  return {
    remember,
    /** The step to begin with: the one that is asked for, or else the one that was left. */
    open(start) {
      const last = kept.read("places", {})[s.run],
        left = whereItWasLeft(),
        step = (left?.run === s.run ? left.step : start) ?? last?.step ?? 1;
      wanted = last?.step === step && last.scroll ? last : null;
      return step;
    },
    /** The text of a step is there: go back to where it was left. */
    restore() {
      const { step, scroll } = wanted ?? {};
      wanted = null;
      if (step === s.cur + 1) scrollTo(scroll);
    },
    destroy() {
      clearTimeout(timer);
    },
  };
}
