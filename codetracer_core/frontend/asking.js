// Asking the server how far work under way is, while any is.

const EVERY = 1000; // ms between two questions how far it is

/** `asks.ask` is called each second while `asks.runs`, but not while the page is being left (`leaving.js`). */
function createAsking() {
  const asks = { runs: false, ask: () => {} };
  // Nor while a script runs: it may be on its way to another page, of its own accord.
  const timer = setInterval(() => {
    if (asks.runs && !leaving.isUnderWay && leaving.isIdle) asks.ask();
  }, EVERY);
  asks.leaving = leaving.press;
  asks.end = () => clearInterval(timer);
  return asks;
}
