// One line of text on a step, in its head: what should have been done after it and was not (which is a row of the tree,
// too), or a reply to its adjudicated outcome. The name of the form's first class is the field of the label.

function createLine(s, form, act, isOffered = () => true) {
  const name = form.classList[0];
  const drafted = createDrafted(s, form, [name], {
    about: () => s.cur + 1,
    said: (step) => ({ [name]: s.marks[name]?.get(step) }),
    keep: (step, written) => act([{ step, field: name, value: written[name] || null }]),
  });

  function paint() {
    const hasText = drafted.fill();
    form.hidden = !s.count || (!drafted.isFocused && !(hasText && isOffered()));
    form.elements[name].readOnly = Boolean(s.data.readOnly);
    if (!drafted.isFocused) form.querySelector(".at").textContent = s.cur + 1;
  }
  return {
    paint,
    focus() {
      paint();
      form.hidden = false;
      form.elements[name].focus();
    },
  };
}
