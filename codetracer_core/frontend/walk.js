// Walking a list of steps that a page made: which of how many, next, previous, back to that page. Steps of the same run
// are shown at once; to a step of another run the server leads.

function createWalk(s, frame, flash) {
  const bar = frame.querySelector(".listbar");
  let at = null, // index in the list; null: not in it
    list, // id of the list that is walked
    asked = ""; // name of the request that is under way
  const walk = () => s.data?.walk ?? null;
  const stepAt = (index) => walk().steps[index - walk().first];

  function ask(request) {
    asked = newClientId();
    s.setState("walk", { name: asked, list: walk().id, ...request });
  }
  function tellAddress() {
    const url = new URL(location.href);
    url.searchParams.set("at", at + 1);
    history.replaceState(history.state, "", url);
  }

  const made = {
    get isThere() {
      return Boolean(walk()) && !walk().isGone;
    },
    /** The server has told where we are. It does not know of moves within a run, nor yet of what is asked of it now. */
    opened(isFresh) {
      const isAnswer = asked && walk()?.answered === asked,
        isOther = walk()?.id !== list;
      list = walk()?.id;
      if (!made.isThere || (asked && !isAnswer && !isOther) || !(isFresh || isAnswer || isOther)) return;
      at = walk().at;
      if (isAnswer && !isFresh && at !== null) made.here();
      asked = "";
    },
    step(by) {
      const { count, first, steps } = walk();
      const to = at === null ? (by > 0 ? 0 : count - 1) : at + by;
      if (to < 0 || to >= count) return flash(by > 0 ? "this is the last one of the list" : "this is the first one of the list");
      at = to;
      if (asked || to < first || to >= first + steps.length) ask({ do: "go", to });
      else {
        tellAddress();
        made.here();
      }
      paint();
    },
    /** The step of the list at which we are. */
    here() {
      const step = stepAt(at);
      if (step) s.show(step - 1, { center: true });
    },
    back() {
      ask({ do: "back" });
    },
    paint,
  };

  function paint() {
    const data = walk();
    bar.hidden = !data;
    if (bar.hidden) return;
    if (data.isGone) {
      bar.replaceChildren(element("span", "quiet", "The list that this link belongs to is no longer kept: open it anew from its page."));
      return;
    }
    const step = at === null ? undefined : stepAt(at);
    const title = element("b", "listtitle");
    appendVisible(title, data.title);
    title.title = data.title;
    const parts = [button("←", "Previous of the list (<)", () => made.step(-1), at === 0)];
    const place = element("span", "place", at === null ? `${data.count} steps, this run is not among them` : `${(at + 1).toLocaleString("en")} of ${data.count.toLocaleString("en")}`);
    parts.push(place, button("→", "Next of the list (>)", () => made.step(1), at === data.count - 1), title);
    if (step && step !== s.cur + 1) parts.push(button(`step ${step}`, "Back to the step of the list", made.here));
    if (data.leavesOut) parts.push(element("span", "quiet", "without the runs that you label blind"));
    const back = element("a", "back", `Back to ${data.backTo}`);
    back.href = new URL(data.back, location.href).href;
    back.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
      event.preventDefault();
      made.back();
    });
    parts.push(back);
    const focused = [...bar.children].indexOf(bar.getRootNode().activeElement);
    bar.replaceChildren(...parts);
    bar.children[focused]?.focus?.({ preventScroll: true });
  }
  function button(words, title, run, disabled = false) {
    const node = element("button", "", words);
    node.type = "button";
    node.title = title;
    node.setAttribute("aria-label", title);
    node.disabled = disabled;
    node.addEventListener("click", run);
    return node;
  }
  return made;
}
