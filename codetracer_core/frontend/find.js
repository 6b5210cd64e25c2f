// Finding text in all steps of the run: the server searches, through the "find" pipe; the matches are walked here.

function createFind(s, frame, detail, flash) {
  const $ = (selector) => frame.querySelector(selector);
  let timer = 0;

  function receive(message) {
    if (message.run !== s.run || message.query !== s.query) return;
    s.hits = message.hits;
    s.hit = s.hits.findIndex((hit) => hit.step - 1 >= s.cur);
    if (s.hit < 0 && s.hits.length) s.hit = 0;
    if (s.hits.length) s.show(s.hits[s.hit].step - 1);
    else paintHits();
  }
  function find(query) {
    s.query = query;
    s.hits = null;
    s.hit = -1;
    if (!query) {
      paintHits();
      detail.paint();
      return;
    }
    $(".hits").textContent = "…";
    window.codetracerPipes?.find?.send?.({ run: s.run, query });
    detail.paint();
  }
  s.nextHit = (by) => {
    if (!s.hits?.length) {
      flash("no matches");
      return;
    }
    s.hit = (s.hit + by + s.hits.length) % s.hits.length;
    s.show(s.hits[s.hit].step - 1);
  };
  function paintHits() {
    const output = $(".hits");
    if (!s.query) output.textContent = "";
    else if (s.hits) {
      const total = s.hits.reduce((sum, hit) => sum + hit.count, 0);
      output.textContent = s.hits.length ? `${s.hit + 1} of ${s.hits.length} steps · ${total} matches` : "no match";
    }
  }

  $(".query").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => find($(".query").value), 180);
  });
  $(".query").addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      if (s.hits) s.nextHit(event.shiftKey ? -1 : 1);
    }
  });

  return {
    receive,
    paint: paintHits,
    /** Another run is in view. */
    forget() {
      Object.assign(s, { hits: null, hit: -1, query: "" });
      $(".query").value = "";
      $(".hits").textContent = "";
    },
    destroy() {
      clearTimeout(timer);
      CSS.highlights?.delete("codetracer-find");
    },
  };
}
