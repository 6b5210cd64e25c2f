// The field in which a spec is written: line numbers, indentation by Tab, and a mark on the line that cannot be read.

const LINE = 19; // px, as in extractor.css

/** `changed(isNow)` hears every change of the text; `isNow` if it is to be previewed at once. */
function createSpecField(root, changed) {
  const area = root.querySelector("textarea"),
    numbers = root.querySelector(".numbers"),
    band = root.querySelector(".band");
  let count = 0,
    wrongLine = 0,
    leaves = false; // Escape was pressed: the next Tab goes to the next field

  function number() {
    const lines = area.value.split("\n").length;
    if (lines !== count) {
      numbers.replaceChildren(...Array.from({ length: lines }, (_, i) => element("div", "", String(i + 1))));
      count = lines;
    }
    Array.from(numbers.children).forEach((node, i) => node.classList.toggle("wrong", i + 1 === wrongLine));
    follow();
  }
  function follow() {
    numbers.style.transform = `translateY(${-area.scrollTop}px)`;
    band.hidden = !wrongLine;
    band.style.transform = `translateY(${(wrongLine - 1) * LINE - area.scrollTop}px)`;
  }
  /** Replace the selection, so that it can be undone. */
  function insert(text) {
    if (document.execCommand("insertText", false, text)) return;
    area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input"));
  }
  /** Indent the selected lines, or take an indentation back. */
  function indent(back) {
    const { value, selectionStart: start, selectionEnd: end } = area;
    if (!back && start === end) {
      insert("  ");
      return;
    }
    const from = value.lastIndexOf("\n", start - 1) + 1;
    const lines = value.slice(from, end).split("\n");
    const moved = lines.map((line) => (back ? line.replace(/^ {1,2}/, "") : line && `  ${line}`));
    if (moved.join("\n") === lines.join("\n")) return;
    area.setSelectionRange(from, end);
    insert(moved.join("\n"));
    const first = Math.max(from, start + moved[0].length - lines[0].length);
    if (start === end) area.setSelectionRange(first, first);
    else area.setSelectionRange(from, from + moved.join("\n").length);
  }
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      changed(true);
    } else if (event.key === "Tab" && !leaves && !event.ctrlKey && !event.altKey) {
      event.preventDefault();
      indent(event.shiftKey);
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      const before = area.value.slice(0, area.selectionStart);
      const [spaces] = before.slice(before.lastIndexOf("\n") + 1).match(/^ */);
      insert(`\n${spaces}`);
    }
    leaves = event.key === "Escape";
    event.stopPropagation(); // keys of the page are none here
  });
  area.addEventListener("input", () => {
    number();
    changed(false);
  });
  area.addEventListener("scroll", follow, { passive: true });

  return {
    get text() {
      return area.value;
    },
    set text(text) {
      area.value = text;
      number();
    },
    /** Mark this line (1-based; 0: none) and have it in view. */
    mark(line) {
      const isNew = line && line !== wrongLine;
      wrongLine = line;
      number();
      if (isNew && root.getRootNode().activeElement !== area) area.scrollTop = Math.max(0, (line - 6) * LINE);
    },
  };
}
