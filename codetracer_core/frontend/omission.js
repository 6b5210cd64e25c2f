// What should have been done after a step and was not: one line, in the head of the step and as a row of the tree.

function createOmission(s, frame, act) {
  const form = frame.querySelector("form.omission");
  const drafted = createDrafted(s, form, ["omission"], {
    about: () => s.cur + 1,
    said: (step) => ({ omission: s.marks.omission?.get(step) }),
    keep: (step, { omission }) => act([{ step, field: "omission", value: omission || null }]),
  });

  function paint() {
    const hasText = drafted.fill();
    form.hidden = !s.count || (!hasText && !drafted.isFocused);
    form.elements.omission.readOnly = Boolean(s.data.readOnly);
    if (!drafted.isFocused) form.querySelector(".at").textContent = s.cur + 1;
  }
  return {
    paint,
    focus() {
      paint();
      form.hidden = false;
      form.elements.omission.focus();
    },
  };
}
