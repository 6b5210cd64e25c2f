// Hostile text to DOM. Nothing here parses HTML: every character reaches the page through a text node, every class
// name and colour is computed from numbers. Long text becomes blocks that the browser lays out only when they are seen.

const LINES_PER_BLOCK = 120,
  LONGEST_PIECE = 8000,
  LARGEST_COLOURED = 60_000,
  LARGEST_DIFF = 400_000;
// What cannot be seen or changes how its neighbours are shown: control characters, soft hyphen, zero-width space, marks
// of direction, line separators, invisible operators, tags. (Joiners are left alone: emoji and whole scripts need them.)
const CONTROL =
  /[\x00-\x08\x0b-\x1f]+|[\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/u;
const CONTROLS = new RegExp(CONTROL, "gu");
const ESCAPE =
  /\x1b(?:\[([0-9;:]*)m|\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[()*+][A-Za-z0-9]|[@-Z\\-_=>78])/g;

const element = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

/** Text in which characters that cannot be seen are made visible, appended to `parent`. */
function appendVisible(parent, text) {
  let from = 0;
  for (const match of text.matchAll(CONTROLS)) {
    if (match.index > from) parent.append(text.slice(from, match.index));
    parent.append(element("span", "control", symbols(match[0])));
    from = match.index + match[0].length;
  }
  if (from < text.length) parent.append(text.slice(from));
}

function symbols(characters) {
  const code = characters.codePointAt(0);
  if (code >= 0x20) return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  return Array.from(characters, (character) => String.fromCodePoint(0x2400 + character.codePointAt(0))).join("");
}

/** One SGR sequence ("1;31") applied to the style so far; returns the new style. */
function applySgr(style, parameters) {
  const next = { ...style };
  const codes = (parameters || "0").split(";");
  for (let i = 0; i < codes.length; i++) {
    const [code, ...details] = codes[i].split(":").map(Number);
    if (code === 0) {
      for (const key of Object.keys(next)) delete next[key];
    } else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 3) next.italic = true;
    else if (code === 4 && details[0] !== 0) next.underline = true;
    else if (code === 7) next.inverse = true;
    else if (code === 9) next.strike = true;
    else if (code === 22) {
      delete next.bold;
      delete next.dim;
    } else if (code === 23) delete next.italic;
    else if (code === 24 || code === 4) delete next.underline;
    else if (code === 27) delete next.inverse;
    else if (code === 29) delete next.strike;
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) next.fg = code >= 90 ? code - 82 : code - 30;
    else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) next.bg = code >= 100 ? code - 92 : code - 40;
    else if (code === 39) delete next.fg;
    else if (code === 49) delete next.bg;
    else if (code === 38 || code === 48 || code === 58) {
      // "38;5;n" and "38;2;r;g;b", or with colons, where a colour space may stand before the red
      const [kind, ...parts] = details.length ? details : codes.slice(i + 1, i + 5).map(Number);
      if (!details.length) i += { 5: 2, 2: 4 }[kind] ?? 0;
      const rgb = details.length > 4 ? parts.slice(1, 4) : parts.slice(0, 3);
      const colour =
        kind === 5
          ? indexedColour(parts[0])
          : kind === 2
            ? `rgb(${rgb.map((part) => part & 255).join(",")})`
            : undefined;
      if (colour !== undefined && code !== 58) next[code === 38 ? "fg" : "bg"] = colour;
    }
  }
  return next;
}

/** xterm's 256 colours: 0–15 by name (a number), the cube and the greys as rgb text. */
function indexedColour(index) {
  if (!(index >= 0 && index <= 255)) return undefined;
  if (index < 16) return index;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return `rgb(${grey},${grey},${grey})`;
  }
  const cube = index - 16,
    level = (part) => (part ? 55 + part * 40 : 0);
  return `rgb(${level(Math.floor(cube / 36))},${level(Math.floor(cube / 6) % 6)},${level(cube % 6)})`;
}

function appendStyled(parent, text, style) {
  if (!text) return;
  if (!Object.keys(style).length) {
    appendVisible(parent, text);
    return;
  }
  const names = ["bold", "dim", "italic", "underline", "strike"].filter((name) => style[name]);
  const { fg, bg } = style.inverse ? { fg: style.bg, bg: style.fg } : style;
  if (style.inverse && fg === undefined && bg === undefined) names.push("inverse");
  const span = element("span");
  for (const [which, colour] of Object.entries({ fg, bg })) {
    if (typeof colour === "number") names.push(which + colour);
    if (typeof colour !== "string") continue;
    names.push(`${which}rgb`);
    span.style.setProperty(`--${which}`, colour);
  }
  span.className = names.join(" ");
  appendVisible(span, text);
  parent.append(span);
}

/**
 * What a terminal shows of a line at the end: the version after the last carriage return that wrote anything, where it
 * begins in the line, the style it begins with, and how many versions it overwrote.
 */
function lastVersion(line, style) {
  if (!line.includes("\r")) return { line, from: 0, style, overwritten: 0 };
  const versions = line.split("\r");
  const blank = (version) => !version.replace(ESCAPE, "").trim();
  let last = versions.length - 1;
  while (last > 0 && blank(versions[last])) last--;
  const earlier = versions.slice(0, last);
  for (const version of earlier)
    for (const match of version.matchAll(ESCAPE)) if (match[1] !== undefined) style = applySgr(style, match[1]);
  return {
    line: versions[last],
    from: earlier.reduce((sum, version) => sum + version.length + 1, 0),
    style,
    overwritten: earlier.filter((version) => !blank(version)).length,
  };
}

/** Text with its colours; returns the style at its end. Sequences that are no colours are dropped. */
function appendColoured(parent, text, style) {
  let from = 0;
  for (const match of text.matchAll(ESCAPE)) {
    appendStyled(parent, text.slice(from, match.index), style);
    if (match[1] !== undefined) style = applySgr(style, match[1]);
    from = match.index + match[0].length;
  }
  appendStyled(parent, text.slice(from), style);
  return style;
}

function appendOverwritten(parent, count) {
  if (!count) return;
  const mark = element("span", "overwritten", ` ↺${count}`);
  mark.title = `${count} earlier ${count === 1 ? "version" : "versions"} of this line, overwritten by carriage returns; raw text (w) shows them`;
  parent.append(mark);
}

/** One line as a terminal shows it at the end: what carriage returns overwrote is counted, not shown. */
function appendTerminalLine(parent, line, style) {
  const shown = lastVersion(line, style);
  style = appendColoured(parent, shown.line, shown.style);
  appendOverwritten(parent, shown.overwritten);
  return style;
}

const DIFF = /^(?:diff --git |\*\*\* Begin Patch|--- \S.*\n\+\+\+ |@@ -\d+(?:,\d+)? \+\d+)/m;

/** The line on which a diff begins; Infinity if there is none (or if the text is too long to look for one). */
function diffStart(text) {
  const at = text.length <= LARGEST_DIFF ? text.search(DIFF) : -1;
  return at < 0 ? Infinity : text.slice(0, at).split("\n").length - 1;
}

function diffClass(line) {
  if (line.startsWith("@@")) return "hunk";
  if (/^(?:diff --git |index [0-9a-f]|--- |\+\+\+ |\*\*\* )/.test(line)) return "diffhead";
  if (line.startsWith("+")) return "added";
  if (line.startsWith("-")) return "removed";
  return "";
}

/**
 * A long text as blocks of lines. `raw` shows every character as it is (escape sequences and carriage returns as
 * symbols); otherwise colours and overwriting are rendered as a terminal would.
 */
function renderText(text, { raw = false } = {}) {
  const fragment = document.createDocumentFragment();
  const diffFrom = diffStart(text);
  const plain = diffFrom === Infinity && !CONTROL.test(text);
  const lines = text.split("\n");
  let style = {};
  for (let start = 0, stop; start < lines.length; start = stop) {
    stop = start + 1;
    if (lines[start].length > LONGEST_PIECE) {
      style = appendLongLine(fragment, lines[start], stop < lines.length ? "\n" : "", style, raw);
      continue;
    }
    while (stop < lines.length && stop - start < LINES_PER_BLOCK && lines[stop].length <= LONGEST_PIECE) stop++;
    const block = element("div", "block");
    block.style.setProperty("--lines", stop - start);
    fragment.append(block);
    if (plain) {
      block.append(lines.slice(start, stop).join("\n") + (stop < lines.length ? "\n" : ""));
      continue;
    }
    for (let i = start; i < stop; i++) {
      const name = i >= diffFrom ? diffClass(lines[i]) : "";
      const target = name ? block.appendChild(element("span", name)) : block;
      if (raw) appendVisible(target, lines[i]);
      else style = appendTerminalLine(target, lines[i], style);
      if (i + 1 < lines.length) target.append("\n");
    }
  }
  return fragment;
}

/** A line too long for one block (minified code, base64): cut into pieces, each a block, so that layout stays cheap. */
function appendLongLine(fragment, line, end, style, raw) {
  const shown = raw ? { line, style, overwritten: 0 } : lastVersion(line, style);
  style = shown.style;
  let block;
  for (const piece of pieces(shown.line, raw)) {
    const next = element("div", block ? "block continued" : "block");
    block = next;
    block.style.setProperty("--lines", Math.ceil(piece.length / 100) || 1);
    fragment.append(block);
    if (raw) appendVisible(block, piece);
    else style = appendColoured(block, piece, style);
  }
  appendOverwritten(block, shown.overwritten);
  if (end) block.append(end);
  return style;
}

/** The line in pieces of about LONGEST_PIECE that end within no character and, unless `raw`, no escape sequence. */
function* pieces(line, raw) {
  const sequences = raw ? [] : [...line.matchAll(ESCAPE)];
  const endOf = (match) => match.index + match[0].length;
  for (let from = 0, to, next = 0; from === 0 || from < line.length; from = to) {
    to = from + LONGEST_PIECE;
    while (next < sequences.length && endOf(sequences[next]) <= to) next++;
    const crossed = sequences[next];
    if (crossed && crossed.index < to) to = crossed.index > from ? crossed.index : endOf(crossed);
    else if (/[\udc00-\udfff]/.test(line[to] ?? "")) to--;
    yield line.slice(from, to);
  }
}

const LANGUAGES = {
  py: "python",
  sh: "bash",
  bash: "bash",
  json: "json",
  js: "javascript",
  mjs: "javascript",
  ts: "javascript",
  tsx: "javascript",
  jsx: "javascript",
};

/** Source code with coloured tokens, up to a size at which colouring is still instant; plain beyond it. */
function renderCode(text, language, options) {
  const grammar =
    language && text.length <= LARGEST_COLOURED && !(options && options.raw) ? Prism.languages[language] : undefined;
  if (!grammar || CONTROL.test(text.replace(/\r\n/g, "\n"))) return renderText(text, options);
  const fragment = document.createDocumentFragment();
  const append = (parent, token) => {
    if (typeof token === "string") parent.append(token);
    else if (Array.isArray(token)) token.forEach((part) => append(parent, part));
    else {
      const span = element("span", `token ${token.type}`);
      append(span, token.content);
      parent.append(span);
    }
  };
  const block = element("div", "code");
  append(block, Prism.tokenize(text.replace(/\r\n/g, "\n"), grammar));
  fragment.append(block);
  return fragment;
}

const languageOf = (path) =>
  LANGUAGES[
    String(path || "")
      .split(".")
      .pop()
      .toLowerCase()
  ];
