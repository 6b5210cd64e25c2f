// Whether the page is being left. What a part of the old page still asks of the server after the press that leaves it is
// run after the new page, in its place (Streamlit 1.67): the new page then stays empty. On a busy machine the old page
// stands for seconds after that press; so it asks for nothing from then on.

const TO_BEGIN = 1000; // ms within which Streamlit begins with what a link is pressed for, if it leads to another page
const AT_REST = 250; // ms without a script that runs: between two of them, one after the other, there are fewer

/** One for all components of the window. */
const leaving = (window.codetracerLeaving ??= createLeaving());

function createLeaving() {
  let pressedAt = null,
    idleSince = null;
  const press = () => (pressedAt = performance.now());
  const leads = ({ href, target, download, origin }) =>
    href && (!target || target === "_self") && !download && origin === location.origin;
  document.addEventListener(
    "click",
    (event) => {
      const link = event.composedPath().find(({ tagName }) => tagName === "A");
      if (link && leads(link) && !event.ctrlKey && !event.metaKey && !event.shiftKey) press();
    },
    true,
  );
  window.addEventListener("popstate", press);
  return {
    press,
    get isIdle() {
      return (document.querySelector(".stApp")?.dataset.testScriptState ?? "notRunning") === "notRunning";
    },
    /** From the press until no script runs any more; the old page is gone by then, unless the link led nowhere. */
    get isUnderWay() {
      const now = performance.now();
      if (pressedAt === null) return false;
      if (now - pressedAt < TO_BEGIN || !this.isIdle) idleSince = null;
      else if (now - (idleSince ??= now) > AT_REST) pressedAt = idleSince = null;
      return pressedAt !== null;
    },
  };
}
