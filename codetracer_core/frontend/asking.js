// Asking the server how far work under way is, while any is.

const EVERY = 1000; // ms between two questions how far it is
const TO_LEAVE = 5000; // ms that a pressed link may take until its page is there

/** `asks.ask` is called each second while `asks.runs`; `leaving` says that a link was pressed. */
function createAsking() {
  const asks = { runs: false, ask: () => {}, leftAt: -Infinity };
  // A question that meets a change of the page would win over it (Streamlit 1.67, its own timers too): then the new page
  // stays empty. So nothing is asked while a script runs, nor after a link was pressed.
  const isIdle = () => (document.querySelector(".stApp")?.dataset.testScriptState ?? "notRunning") === "notRunning";
  const timer = setInterval(() => {
    if (asks.runs && performance.now() - asks.leftAt > TO_LEAVE && isIdle()) asks.ask();
  }, EVERY);
  asks.leaving = () => (asks.leftAt = performance.now());
  asks.end = () => clearInterval(timer);
  return asks;
}
