// The address follows a moment after the last key: browsers refuse to write it at every one. A reload before that asks
// for what the address said when it began, whatever is written to it then. So where one was is kept for the page that is
// loaded again in this tab.

const ADDRESS_FOLLOWS = 200; // ms after the last key
const LEFT = "codetracer.left";

/** `write` tells the address where one is, a moment after the last `soon`; `here` tells where that is, as plain values. */
function createLagging(write, here) {
  let timer = 0;
  const keep = () => {
    try {
      sessionStorage.setItem(LEFT, JSON.stringify(here()));
    } catch {
      /* private mode: nothing is remembered */
    }
  };
  const forget = () => {
    try {
      sessionStorage.removeItem(LEFT);
    } catch {
      /* as above */
    }
  };
  window.addEventListener("pagehide", keep);
  return {
    get isLate() {
      return timer !== 0;
    },
    soon() {
      clearTimeout(timer);
      timer = setTimeout(() => {
        timer = 0;
        write();
        forget();
      }, ADDRESS_FOLLOWS);
    },
    destroy() {
      clearTimeout(timer);
      window.removeEventListener("pagehide", keep);
    },
  };
}

/**
 * Where one was when this page was loaded again, until the address says so (what is drawn first may be drawn anew before
 * that); null: it was not, or another address has been opened since.
 */
function whereItWasLeft() {
  try {
    const left = JSON.parse(sessionStorage.getItem(LEFT)),
      [loaded] = performance.getEntriesByType("navigation");
    return loaded?.type === "reload" && loaded.name === location.href ? left : null;
  } catch {
    return null; // as above
  }
}
