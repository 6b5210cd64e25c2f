// Asking the server how far work under way is, while any is, and showing what it says.

const EVERY = 1000; // ms between two questions how far it is

/**
 * `asks.ask` is called each second while `asks.runs`, but not while the page is being left (`leaving.js`). `asks.show`
 * paints what has come into the box at once, or, while something in it is being pressed, when that is let go: of a
 * button that is replaced under a hand the press is lost.
 */
function createAsking(box) {
  const asks = { runs: false, ask: () => {} };
  let isHeld = false,
    waiting = null;
  const hold = () => (isHeld = true);
  const release = () =>
    setTimeout(() => {
      isHeld = false; // only now: the click comes after the pointer is up
      waiting?.();
      waiting = null;
    });
  box.addEventListener("pointerdown", hold);
  const ends = ["pointerup", "pointercancel"];
  for (const name of ends) window.addEventListener(name, release);
  // Nor while a script runs: it may be on its way to another page, of its own accord.
  const timer = setInterval(() => {
    if (asks.runs && !leaving.isUnderWay && leaving.isIdle) asks.ask();
  }, EVERY);
  asks.show = (paint) => {
    if (isHeld) waiting = paint;
    else paint();
  };
  asks.leaving = leaving.press;
  asks.end = () => {
    clearInterval(timer);
    for (const name of ends) window.removeEventListener(name, release);
  };
  return asks;
}
