// Why a step got its verdict: reason and details, offered and never asked for. What is typed is a draft in this browser
// until the field is left; then it is a label like any other, undone and saved the same way.

const WHY_FIELDS = ["reason", "correct_alternative", "deviation_type", "impact_severity", "confidence"];

function createWhy(s, frame, act) {
  const form = frame.querySelector(".why");
  const field = (name) => form.elements[name];
  const draftName = (step) => `draft.${s.run}.${step}`;
  let step = 0;

  const written = () =>
    Object.fromEntries(WHY_FIELDS.map((name) => [name, field(name).value.trim()]).filter(([, text]) => text));
  const withQuotes = (details) => {
    const quotes = s.details.get(step)?.quotes;
    return quotes ? { ...details, quotes } : details;
  };
  const fill = (details) => {
    for (const name of WHY_FIELDS) field(name).value = details?.[name] ?? "";
  };
  const isFocused = () => form.contains(form.getRootNode().activeElement);

  /** What was typed becomes a label of the step for which it was typed. */
  function keep() {
    if (!step) return;
    const details = withQuotes(written());
    const value = Object.keys(details).length ? details : null;
    kept.remove(draftName(step));
    if (JSON.stringify(value) !== JSON.stringify(s.details.get(step) ?? null)) act([{ step, field: "details", value }]);
  }

  form.addEventListener("input", () => kept.write(draftName(step), written()));
  form.addEventListener("change", keep);
  form.addEventListener("submit", (event) => event.preventDefault());

  return {
    paint() {
      form.hidden = !s.visible.why || !s.count || Boolean(s.data.readOnly);
      if (form.hidden || isFocused()) return;
      step = s.cur + 1;
      const draft = kept.read(draftName(step), null);
      fill(draft ?? s.details.get(step));
      form.classList.toggle("draft", draft !== null);
    },
    focus() {
      step = s.cur + 1;
      form.hidden = false;
      fill(kept.read(draftName(step), null) ?? s.details.get(step));
      field("reason").focus();
    },
    /** The reason that was given last before this step, for this step. */
    copyPrevious() {
      for (let before = s.cur; before >= 1; before--) {
        const details = s.details.get(before);
        if (details?.reason) {
          act([{ step: s.cur + 1, field: "details", value: { ...s.details.get(s.cur + 1), reason: details.reason } }]);
          return before;
        }
      }
      return 0;
    },
  };
}
