// Where one was in each run, for the day on which it is opened again: the step, and how far its text was scrolled. The
// address wins: a link to another step opens that one. The address follows a moment after the last key; a reload before
// that asks for the step that the address still names, whatever is written to it then: so it is kept what was lagging.

const PLACES_KEPT = 500; // runs whose place is remembered

const LEFT = "codetracer.left"; // in this tab, from one page to the next: { run, named, step }

/** The step that was left before the address named it; nothing if that page was not loaded again. */
function stepLeft(run, named) {
  try {
    const left = JSON.parse(sessionStorage.getItem(LEFT));
    sessionStorage.removeItem(LEFT);
    const isSame = performance.getEntriesByType("navigation")[0]?.type !== "navigate";
    return isSame && left?.run === run && left.named === named ? left.step : null;
  } catch {
    return null; // private mode: nothing is remembered
  }
}

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
    /** The page is left while the address still names another step. */
    leave() {
      remember();
      const named = Number(new URLSearchParams(location.search).get("step")) || null;
      try {
        sessionStorage.setItem(LEFT, JSON.stringify({ run: s.run, named, step: s.cur + 1 }));
      } catch {
        /* as above */
      }
    },
    /** The step to begin with: the one that is asked for, or else the one that was left. */
    open(start) {
      const last = kept.read("places", {})[s.run],
        step = stepLeft(s.run, start) ?? start ?? last?.step ?? 1;
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
