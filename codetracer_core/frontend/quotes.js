// Evidence quotes: a selection in a step's text becomes a part of a label's details. The page leaves escape sequences
// out, shows control characters as symbols and arguments one by one; here it is worked out which characters of the
// stored text are meant. The server has the last word on whether they stand there.

const LONGEST_QUOTE = 2000;
const MOST_QUOTES = 20;
const LONGEST_CHOICE = 500; // characters of a line that the keyboard chooses at once

// --- from what is shown to what is stored ----------------------------------------------------------------------

/** Ranges of the text that are not shown unless it is raw: what carriage returns overwrote, escape sequences. */
function hiddenRanges(text) {
  const hidden = [];
  if (!/[\r\x1b]/.test(text)) return hidden;
  let start = 0;
  for (const line of text.split("\n")) {
    const shown = lastVersion(line, {}),
      first = start + shown.from,
      last = first + shown.line.length;
    if (shown.from) hidden.push([start, first]);
    for (const { index, 0: sequence } of shown.line.matchAll(ESCAPE))
      hidden.push([first + index, first + index + sequence.length]);
    start += line.length;
    if (last < start) hidden.push([last, start]);
    start += 1;
  }
  return hidden;
}

/**
 * The text nodes of a rendered text, cut where something is hidden: { node, offset } in the page, { at, length } in the
 * text. A symbol for control characters is `whole`: it is quoted as a whole. Nothing, if the page shows another text.
 */
function shownPieces(container, text, raw) {
  const hidden = raw ? [] : hiddenRanges(text),
    found = [];
  let at = 0,
    next = 0;
  const skip = () => {
    while (next < hidden.length && hidden[next][0] <= at) at = Math.max(at, hidden[next++][1]);
  };
  const walker = document.createTreeWalker(container, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const kind = node.parentElement.className;
    if (kind === "overwritten") continue;
    if (kind === "control") {
      skip();
      const length = text.charCodeAt(at) < 0x20 ? node.data.length : String.fromCodePoint(text.codePointAt(at)).length;
      found.push({ node, offset: 0, at, length, whole: true });
      at += length;
      continue;
    }
    for (let offset = 0; offset < node.data.length;) {
      skip();
      const length = Math.min(node.data.length - offset, (hidden[next]?.[0] ?? Infinity) - at);
      if (!text.startsWith(node.data.slice(offset, offset + length), at)) return [];
      found.push({ node, offset, at, length });
      offset += length;
      at += length;
    }
  }
  return found;
}

/** Where the range of the page begins and ends in the text; null if it holds nothing of it. */
function toText(pieces, range) {
  let from = null,
    to = null;
  for (const { node, offset, at, length, whole } of pieces) {
    if (!range.intersectsNode(node)) continue;
    const end = whole ? node.data.length : offset + length;
    const first = Math.max(node === range.startContainer ? range.startOffset : 0, offset),
      last = Math.min(node === range.endContainer ? range.endOffset : node.data.length, end);
    if (first >= last) continue;
    from ??= whole ? at : at + first - offset;
    to = whole ? at + length : at + last - offset;
  }
  return from === null ? null : [from, to];
}

/** The range of the page that shows these characters of the text; null if none of them is shown. */
function toPage(pieces, from, to) {
  const shown = pieces.filter(({ at, length }) => at < to && from < at + length);
  if (!shown.length) return null;
  const range = new Range(),
    first = shown[0],
    last = shown.at(-1);
  range.setStart(first.node, first.whole ? 0 : first.offset + Math.max(0, from - first.at));
  range.setEnd(last.node, last.whole ? last.node.data.length : last.offset + Math.min(last.length, to - last.at));
  return range;
}

/**
 * How the characters of an argument stand in the action, which nearly always is the JSON of all arguments: a function
 * from offset to offset. Null if it is not, or if the argument is not all in what is here of it.
 */
function placeInAction({ action, arguments: shown }, number) {
  let at = 0,
    place = null;
  for (const { name, text } of shown.slice(0, number + 1)) {
    const label = `${JSON.stringify(name)}: `,
      quoted = action.text.indexOf(label + JSON.stringify(text).slice(0, -1), at),
      start = (quoted < 0 ? action.text.indexOf(label + text, at) : quoted) + label.length;
    if (start < label.length) return null;
    at = start;
    place = (offset) => start + (quoted < 0 ? offset : JSON.stringify(text.slice(0, offset)).length - 1);
  }
  return place;
}
/** The least offset of a text whose place is not before `wanted`. */
function offsetAt(place, text, wanted) {
  let low = 0,
    high = text.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (place(middle) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
/** The one place where a text holds a part; null if there is none, or several. */
function onlyPlace(text, part) {
  const at = text.indexOf(part);
  return at >= 0 && text.indexOf(part, at + 1) < 0 ? [at, at + part.length] : null;
}

/** The number of code points, which is how Python counts. */
function codePoints(text) {
  let count = text.length;
  for (let i = 0; i + 1 < text.length; i++)
    if ((text.charCodeAt(i) & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) count -= 1;
  return count;
}
/** The index of a code point in a text. */
function indexOfPoint(text, point) {
  let index = 0;
  for (let i = 0; i < point && index < text.length; i++) index += text.codePointAt(index) > 0xffff ? 2 : 1;
  return index;
}

// --- quoting ---------------------------------------------------------------------------------------------------

function createQuotes(s, frame, { act, flash }) {
  const $ = (selector) => frame.querySelector(selector);
  const body = $(".body"),
    panel = $(".quotes"),
    offer = frame.appendChild(element("button", "quote", "Quote"));
  offer.type = "button";
  offer.dataset.do = "quote";
  offer.hidden = true;
  let pinned = null, // step whose label takes the quotes wherever they are from
    wanted = null, // quote that is to be brought into view
    choice = null, // lines chosen by keyboard: { lines, first, last }
    painted = {};

  const target = () => pinned ?? s.cur + 1;
  const quotesOf = (step) => s.details.get(step)?.quotes ?? [];
  const stored = (field) => s.texts.get(s.cur)?.[field]?.text ?? "";
  /** Where characters of a shown text stand in the stored one; null if it does not hold them in this form. */
  function inStored({ argument, text }, from, to) {
    if (argument === undefined) return [from, to];
    const place = placeInAction(s.texts.get(s.cur), argument);
    return place ? [place(from), place(to)] : onlyPlace(s.texts.get(s.cur).action.text, text.slice(from, to));
  }
  /** The way back: where characters of the stored text stand in the shown one; null if it does not show them. */
  function inShown({ argument, text }, start, end) {
    if (argument === undefined) return [start, end];
    const place = placeInAction(s.texts.get(s.cur), argument);
    if (!place) return onlyPlace(text, s.texts.get(s.cur).action.text.slice(start, end));
    return [offsetAt(place, text, start), offsetAt(place, text, end)];
  }
  /** Texts of the step that can be quoted, with what shows them. */
  const shown = (isMeant = () => true) =>
    [...body.querySelectorAll(".pre, .argvalue")]
      .filter((node) => node.quotable && isMeant(node))
      .map((node) => ({ node, pieces: shownPieces(node, node.quotable.text, s.visible.raw) }));

  /** The selection as a range within the step's text; null if there is none. */
  function selected() {
    const root = frame.getRootNode(),
      selection = document.getSelection();
    let [found] = selection.getComposedRanges?.({ shadowRoots: [root] }) ?? [];
    if (!selection.getComposedRanges) {
      const older = root.getSelection?.() ?? selection; // browsers from before 2025
      found = older.rangeCount ? older.getRangeAt(0) : undefined;
    }
    if (!found || !(body.contains(found.startContainer) || body.contains(found.endContainer))) return null;
    const range = new Range();
    range.setStart(found.startContainer, found.startOffset);
    range.setEnd(found.endContainer, found.endOffset);
    return range.collapsed ? null : range;
  }
  function select(range) {
    document
      .getSelection()
      .setBaseAndExtent(range.startContainer, range.startOffset, range.endContainer, range.endOffset);
  }

  /** The quote that a range of the page stands for, or { problem } in words. */
  function quoteOf(range) {
    const parts = [];
    for (const { node, pieces } of shown((node) => range.intersectsNode(node))) {
      const found = toText(pieces, range);
      if (found) parts.push({ quotable: node.quotable, found });
    }
    if (!parts.length) return { problem: "select a text of the step first" };
    if (parts.length > 1) return { problem: "a quote is of one text: thought, action or observation" };
    const [{ quotable, found }] = parts,
      { field, text } = quotable;
    let [from, to] = found;
    while (from < to && /\s/.test(text[to - 1])) to -= 1;
    while (from < to && /[\r\n]/.test(text[from])) from += 1;
    if (from === to) return { problem: "only white space is selected" };
    const place = inStored(quotable, from, to);
    if (!place) return { problem: "the action does not hold this in the form in which it is shown" };
    const all = stored(field),
      quoted = all.slice(...place),
      start = codePoints(all.slice(0, place[0])),
      length = codePoints(quoted);
    if (length > LONGEST_QUOTE) {
      const most = LONGEST_QUOTE.toLocaleString("en");
      return { problem: `a quote has at most ${most} characters, this would have ${length.toLocaleString("en")}` };
    }
    return { quote: { step_id: s.cur + 1, field, start, end: start + length, text: quoted } };
  }

  function cannot() {
    if (s.data.readOnly) flash(s.data.readOnly);
    return !s.count || s.data.readOnly;
  }
  /** The selection becomes a quote; without one, a line is chosen to begin with. */
  function take() {
    if (cannot()) return;
    const range = selected();
    if (!range) {
      beginChoice();
      return;
    }
    const { quote, problem } = quoteOf(range),
      step = target(),
      quotes = quotesOf(step);
    if (problem) flash(problem);
    else if (quotes.some((other) => isSame(other, quote))) flash("this is quoted already");
    else if (quotes.length >= MOST_QUOTES) flash(`a label holds at most ${MOST_QUOTES} quotes`);
    else {
      endChoice();
      set(step, [...quotes, quote]);
      flash(`quoted for step ${step}`);
    }
  }
  const isSame = (one, other) =>
    ["step_id", "field", "start", "end", "text"].every((name) => one[name] === other[name]);
  function set(step, quotes) {
    const { quotes: _, ...others } = s.details.get(step) ?? {};
    const value = quotes.length ? { ...others, quotes } : others;
    act([{ step, field: "details", value: Object.keys(value).length ? value : null }]);
  }
  function pin() {
    if (cannot()) return;
    pinned = pinned === null ? s.cur + 1 : null;
    flash(pinned ? `quotes are for step ${pinned} now (' ends that)` : "quotes are for the step you see");
    paint();
  }

  // --- choosing lines by keyboard ------------------------------------------------------------------------------

  function beginChoice() {
    const lines = shown().flatMap(({ node, pieces }) =>
      linesOf(node.quotable.text).map(([from, to]) => ({ node, pieces, from, to })),
    );
    if (!lines.length) {
      flash("no text to quote here");
      return;
    }
    const first = firstToSee(lines);
    choice = { lines, first, last: first };
    showChoice();
  }
  /** The line at a match of the search, else the first one in view. */
  function firstToSee(lines) {
    const [match] = CSS.highlights?.get("codetracer-find") ?? [];
    const { left, top } = body.getBoundingClientRect(),
      shadowRoots = [frame.getRootNode()];
    const seen = [8, 20, 32, 44, 56].map((down) =>
      document.caretPositionFromPoint?.(left + 40, top + down, { shadowRoots }),
    );
    const places = seen.filter(Boolean).map(({ offsetNode, offset }) => [offsetNode, offset]);
    if (match) places.unshift([match.startContainer, match.startOffset]);
    for (const [text, offset] of places)
      for (const [number, { pieces, to }] of lines.entries()) {
        const piece = pieces.findLast(({ node, offset: begins }) => node === text && begins <= offset);
        if (piece && piece.at + offset - piece.offset < to) return number;
      }
    return 0;
  }
  function showChoice() {
    const { lines, first, last } = choice,
      end = lines[last];
    const range = toPage(lines[first].pieces, lines[first].from, (first === last ? end : lines[first]).to),
      rest = toPage(end.pieces, end.from, end.to);
    if (!range || !rest) return;
    range.setEnd(rest.endContainer, rest.endOffset);
    select(range);
    bring(rest);
    placeOffer();
  }
  function endChoice() {
    choice = null;
    document.getSelection().removeAllRanges();
    placeOffer();
  }
  /** A key while lines are chosen; true if it was meant for that. */
  function choose(event) {
    if (!choice) return false;
    if (event.key === "Enter") take();
    else if (event.key === "Escape") endChoice();
    else if (/^(ArrowDown|ArrowUp|j|k|J|K)$/.test(event.key) && !event.ctrlKey && !event.metaKey) {
      const by = /^(ArrowDown|j)$/i.test(event.key) ? 1 : -1,
        { lines, first, last } = choice;
      if (event.shiftKey) {
        const next = last + by;
        if (next >= first && lines[next]?.node === lines[first].node) choice.last = next;
      } else choice.first = choice.last = Math.max(0, Math.min(lines.length - 1, (by > 0 ? last : first) + by));
      showChoice();
    } else return false;
    return true;
  }

  // --- what is shown -------------------------------------------------------------------------------------------

  function placeOffer() {
    const range = s.data?.readOnly ? null : selected();
    offer.hidden = !range;
    if (!range) {
      choice = null;
      return;
    }
    offer.replaceChildren(
      element("kbd", "", '"'),
      choice ? " Quote · ↓ ↑ choose · Shift+↓ more · Esc" : ` Quote for step ${target()}`,
    );
    const shown = range.getBoundingClientRect(),
      pane = body.getBoundingClientRect(),
      outer = frame.getBoundingClientRect();
    const top = Math.max(pane.top, Math.min(shown.bottom + 4, pane.bottom - offer.offsetHeight - 4));
    const left = Math.max(pane.left, Math.min(shown.left, pane.right - offer.offsetWidth - 16));
    offer.style.top = `${top - outer.top}px`;
    offer.style.left = `${left - outer.left}px`;
  }

  /** The part of the page that shows a stored quote of the current step; null if none does. */
  function rangeOf(quote, parts = shown()) {
    const all = stored(quote.field),
      start = indexOfPoint(all, quote.start),
      end = start + quote.text.length;
    if (!all.startsWith(quote.text, start)) return null;
    for (const { node, pieces } of parts.filter(({ node }) => node.quotable.field === quote.field)) {
      const place = inShown(node.quotable, start, end),
        range = place && toPage(pieces, ...place);
      if (range && !range.collapsed) return range;
    }
    return null;
  }
  function mark(quotes) {
    const parts = quotes.length ? shown() : [],
      ranges = quotes.map((quote) => rangeOf(quote, parts)).filter(Boolean);
    if (ranges.length) CSS.highlights?.set("codetracer-quote", new Highlight(...ranges));
    else CSS.highlights?.delete("codetracer-quote");
  }
  function bring(range) {
    const block = range.startContainer.parentElement.closest(".block");
    if (block) block.style.contentVisibility = "visible"; // where its lines are is needed now
    const shown = range.getBoundingClientRect(),
      pane = body.getBoundingClientRect();
    if (shown.top < pane.top || shown.bottom > pane.bottom) body.scrollTop += shown.top - pane.top - pane.height / 3;
  }
  /** Bring the wanted quote into view as soon as its text is there. */
  function follow() {
    const text = s.texts.get(s.cur);
    if (wanted?.step_id !== s.cur + 1) wanted = null;
    if (!wanted || !text) return;
    const quote = wanted,
      range = rangeOf(quote);
    if (!range && text[quote.field]?.cut) {
      s.openAll();
      return;
    }
    wanted = null;
    if (!range) {
      flash("the text does not say this there");
      return;
    }
    CSS.highlights?.set("codetracer-quote-now", new Highlight(range));
    bring(range);
  }
  function show(quote) {
    wanted = quote;
    if (!s.visible[quote.field]) s.toggle(quote.field);
    s.show(quote.step_id - 1);
    paint();
  }

  function entry(quote, step) {
    const lost = s.adrift.some((other) => isSame(other, quote)),
      line = element("li", lost ? "lost" : ""),
      where = quote.step_id === step ? quote.field : `step ${quote.step_id} ${quote.field}`;
    const go = element("button", "go"),
      words = element("q");
    appendVisible(words, quote.text.replace(ESCAPE, "").trim());
    go.type = "button";
    go.append(element("span", "from", where), words);
    if (lost) go.append(element("span", "lostnote", "not in the text here"));
    go.addEventListener("click", () => show(quote));
    line.append(go);
    if (!s.data.readOnly) {
      const drop = element("button", "drop", "×");
      drop.type = "button";
      drop.setAttribute("aria-label", `Remove the quote from ${where}`);
      drop.addEventListener("click", () =>
        set(
          step,
          quotesOf(step).filter((other) => !isSame(other, quote)),
        ),
      );
      line.append(drop);
    }
    return line;
  }
  function list(quotes, step) {
    panel.hidden = pinned === null && !quotes.length;
    const entries = element("ul");
    entries.append(...quotes.map((quote) => entry(quote, step)));
    const heading =
      pinned === null ? "Evidence" : `Evidence for step ${step}: quotes from any step go here (' ends that)`;
    panel.replaceChildren(element("span", "heading", heading), entries);
  }
  function paint() {
    if (painted.run !== s.run) pinned = wanted = null;
    const step = target(),
      quotes = quotesOf(step),
      here = [...s.details.values()].flatMap(({ quotes }) => quotes ?? []).filter((one) => one.step_id === s.cur + 1);
    const listed = JSON.stringify([s.run, step, pinned, s.adrift, quotes]),
      marked = JSON.stringify(here),
      text = body.firstElementChild;
    if (listed !== painted.listed) list(quotes, step);
    if (marked !== painted.marked || text !== painted.text) mark(here);
    if (text !== painted.text) CSS.highlights?.delete("codetracer-quote-now");
    painted = { run: s.run, listed, marked, text };
    follow();
  }

  offer.addEventListener("pointerdown", (event) => event.preventDefault()); // the selection stays
  document.addEventListener("selectionchange", placeOffer);
  body.addEventListener("scroll", placeOffer, { passive: true });
  return {
    take,
    pin,
    choose,
    paint,
    show,
    destroy() {
      document.removeEventListener("selectionchange", placeOffer);
      for (const name of ["codetracer-quote", "codetracer-quote-now"]) CSS.highlights?.delete(name);
    },
  };
}

/** The lines that hold something, as ranges of the text; long ones in pieces. */
function linesOf(text) {
  const lines = [];
  let start = 0;
  for (const line of text.split("\n")) {
    for (let from = 0; from < line.length; from += LONGEST_CHOICE)
      if (line.slice(from, from + LONGEST_CHOICE).trim())
        lines.push([start + from, start + Math.min(line.length, from + LONGEST_CHOICE)]);
    start += line.length + 1;
  }
  return lines;
}
