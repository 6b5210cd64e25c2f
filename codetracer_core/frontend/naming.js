// Under whose name labels go on record: asked for by the first act that needs it, remembered in a cookie.

function createNaming(s, frame, outbox, renamed) {
  const form = frame.querySelector(".sheet.name"),
    input = frame.querySelector(".nameinput");
  let after = null; // what waits for the name

  /** Do something that goes on record under a name: as soon as we have one. Tells if it is done. */
  function asSomebody(run) {
    if (outbox.annotator) run();
    else {
      after = run;
      ask();
    }
    return Boolean(outbox.annotator);
  }
  function ask() {
    if (s.data.namedByLogin) return;
    input.value = outbox.annotator;
    form.hidden = false;
    input.focus();
  }
  function remember(name) {
    document.cookie = `codetracer_annotator=${encodeURIComponent(name)}; path=/; max-age=31536000; samesite=strict`;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = input.value.trim();
    if (!name) return;
    form.hidden = true;
    outbox.annotator = name;
    remember(name);
    const run = after;
    after = null;
    renamed(run);
  });

  return {
    ask,
    asSomebody,
    remember,
    /** What waited for the name is not done any more. */
    letGo() {
      after = null;
    },
  };
}
