// Why a step got its verdict: reason and details, offered and never asked for.

const WHY_FIELDS = ["reason", "correct_alternative", "deviation_type", "impact_severity", "confidence"];

function createWhy(s, frame, act) {
  const form = frame.querySelector(".why");
  const drafted = createDrafted(s, form, WHY_FIELDS, {
    about: () => s.cur + 1,
    said: (step) => s.details.get(step) ?? {},
    keep(step, written) {
      const { quotes } = s.details.get(step) ?? {};
      const details = Object.fromEntries(Object.entries({ ...written, quotes }).filter(([, value]) => value));
      return act([{ step, field: "details", value: Object.keys(details).length ? details : null }]);
    },
  });

  function paint() {
    const isCopy = Boolean(s.data.readOnly),
      hasText = drafted.fill();
    form.hidden = !s.count || !(hasText || drafted.isFocused || (s.visible.why && !isCopy));
    for (const field of form.elements) field[field.tagName === "SELECT" ? "disabled" : "readOnly"] = isCopy;
  }
  return {
    paint,
    focus() {
      paint();
      form.hidden = false;
      form.elements.reason.focus();
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
