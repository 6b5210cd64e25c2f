// The width of the tree: by mouse, or by arrow keys on the splitter; kept in the browser.

const LEAST_TREE = 220, // px
  LEAST_DETAIL = 360;

function bindSplitter(frame, refresh) {
  const splitter = frame.querySelector(".splitter"),
    before = kept.read("tree", null);
  if (before) frame.style.setProperty("--tree", `${before}px`);

  const setTree = (width) => {
    const clamped = Math.max(LEAST_TREE, Math.min(width, frame.clientWidth - LEAST_DETAIL));
    frame.style.setProperty("--tree", `${clamped}px`);
    kept.write("tree", clamped);
    refresh();
  };
  splitter.addEventListener("pointerdown", (event) => {
    splitter.setPointerCapture(event.pointerId);
    const move = (moved) => setTree(moved.clientX - frame.getBoundingClientRect().left);
    splitter.addEventListener("pointermove", move);
    splitter.addEventListener("pointerup", () => splitter.removeEventListener("pointermove", move), { once: true });
  });
  splitter.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -24, ArrowRight: 24 }[event.key];
    if (by) {
      setTree(frame.querySelector(".side").clientWidth + by);
      event.preventDefault();
    }
  });
}
