// Forms that are offered and never asked for. What is typed is a draft in this browser until the field is left; then it
// is a label like any other, undone and saved the same way.

/**
 * A form of text fields `names`. `about()` tells what it is about at the moment (a step, or nothing for the whole run),
 * `said(about)` what is in force there (field → text), and `keep(about, texts)` makes a label of what was typed; it
 * answers false if there is none yet, because the person has no name: then the draft stays.
 */
function createDrafted(s, form, names, { about, said, keep }) {
  let at = null,
    typed = false; // something stands there that is no label yet
  const draftName = () => `draft.${form.classList[0]}.${s.annotator}.${s.run}.${at}`;
  const field = (name) => form.elements[name];
  const written = () => Object.fromEntries(names.map((name) => [name, field(name).value.trim()]));
  const inForce = () => Object.fromEntries(names.map((name) => [name, said(at)[name] ?? ""]));

  form.addEventListener("input", ({ target }) => {
    if (!names.includes(target.name)) return;
    typed = true;
    kept.write(draftName(), written());
  });
  function leave() {
    if (!typed) return;
    const texts = written();
    typed = false;
    kept.remove(draftName());
    if (JSON.stringify(texts) === JSON.stringify(inForce()) || keep(at, texts)) return;
    typed = true;
    kept.write(draftName(), texts);
  }
  for (const leaving of ["change", "focusout"]) form.addEventListener(leaving, leave);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    s.leave();
  });

  return {
    get isFocused() {
      return form.contains(form.getRootNode().activeElement);
    },
    /** Show the draft, or else what is in force; never under the hands of someone who types. Tells if there is text. */
    fill() {
      if (!this.isFocused) {
        at = about();
        const draft = kept.read(draftName(), null);
        for (const [name, text] of Object.entries(draft ?? inForce())) field(name).value = text;
        typed = draft !== null;
        form.classList.toggle("draft", typed);
      }
      return names.some((name) => field(name).value);
    },
  };
}
