// Hostile text to DOM. Nothing here parses HTML: every character reaches the page through a text node, every class
// name and colour is computed from numbers. Long text becomes blocks that the browser lays out only when they are seen.

const LINES_PER_BLOCK = 120,
  LONGEST_PIECE = 8000,
  LARGEST_COLOURED = 60_000,
  LARGEST_DIFF = 400_000;
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/;
const ESCAPE =
  /\x1b(?:\[([0-9;:]*)m|\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[()*+][A-Za-z0-9]|[@-Z\\-_=>78])/g;

const element = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

/** Text in which control and direction characters are made visible, appended to `parent`. */
function appendVisible(parent, text) {
  if (!CONTROL.test(text)) {
    parent.append(text);
    return;
  }
  let plain = "";
  for (const character of text) {
    if (!CONTROL.test(character)) {
      plain += character;
      continue;
    }
    if (plain) parent.append(plain);
    plain = "";
    const code = character.codePointAt(0);
    const shown =
      code < 0x20 ? String.fromCodePoint(0x2400 + code) : `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
    parent.append(element("span", "control", shown));
  }
  if (plain) parent.append(plain);
}

/** One SGR sequence ("1;31") applied to the style so far; returns the new style. */
function applySgr(style, parameters) {
  const next = { ...style };
  const codes = (parameters || "0").split(/[;:]/).map((code) => Number(code || 0));
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i];
    if (code === 0) {
      for (const key of Object.keys(next)) delete next[key];
    } else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underline = true;
    else if (code === 7) next.inverse = true;
    else if (code === 9) next.strike = true;
    else if (code === 22) {
      delete next.bold;
      delete next.dim;
    } else if (code === 23) delete next.italic;
    else if (code === 24) delete next.underline;
    else if (code === 27) delete next.inverse;
    else if (code === 29) delete next.strike;
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) next.fg = code >= 90 ? code - 82 : code - 30;
    else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) next.bg = code >= 100 ? code - 92 : code - 40;
    else if (code === 39) delete next.fg;
    else if (code === 49) delete next.bg;
    else if (code === 38 || code === 48) {
      const which = code === 38 ? "fg" : "bg";
      if (codes[i + 1] === 5) {
        next[which] = indexedColour(codes[i + 2]);
        i += 2;
      } else if (codes[i + 1] === 2) {
        next[which] = `rgb(${codes
          .slice(i + 2, i + 5)
          .map((part) => part & 255)
          .join(",")})`;
        i += 4;
      }
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
  const names = ["bold", "dim", "italic", "underline", "inverse", "strike"].filter((name) => style[name]);
  if (typeof style.fg === "number") names.push(`fg${style.fg}`);
  if (typeof style.bg === "number") names.push(`bg${style.bg}`);
  const span = element("span", names.join(" "));
  if (typeof style.fg === "string") span.style.color = style.fg;
  if (typeof style.bg === "string") span.style.backgroundColor = style.bg;
  appendVisible(span, text);
  parent.append(span);
}

/** One line as a terminal shows it at the end: what carriage returns overwrote is counted, not shown. */
function appendTerminalLine(parent, line, style) {
  let overwritten = 0;
  if (line.includes("\r")) {
    const versions = line.split("\r");
    let last = versions.length - 1;
    while (last > 0 && !versions[last].replace(ESCAPE, "").trim()) last--;
    overwritten = versions.slice(0, last).filter((version) => version.replace(ESCAPE, "").trim()).length;
    for (const version of versions.slice(0, last))
      for (const match of version.matchAll(ESCAPE)) if (match[1] !== undefined) style = applySgr(style, match[1]);
    line = versions[last];
  }
  let from = 0;
  for (const match of line.matchAll(ESCAPE)) {
    appendStyled(parent, line.slice(from, match.index), style);
    if (match[1] !== undefined) style = applySgr(style, match[1]);
    from = match.index + match[0].length;
  }
  appendStyled(parent, line.slice(from), style);
  if (overwritten) {
    const mark = element("span", "overwritten", ` ↺${overwritten}`);
    mark.title = `${overwritten} earlier ${overwritten === 1 ? "version" : "versions"} of this line, overwritten by carriage returns; raw text (w) shows them`;
    parent.append(mark);
  }
  return style;
}

const looksLikeDiff = (text) =>
  text.length <= LARGEST_DIFF &&
  /^(?:diff --git |\*\*\* Begin Patch|--- \S.*\n\+\+\+ |@@ -\d+(?:,\d+)? \+\d+)/m.test(text);

function diffClass(line) {
  if (line.startsWith("@@")) return "hunk";
  if (/^(?:diff --git |index [0-9a-f]|--- |\+\+\+ |\*\*\* )/.test(line)) return "diffhead";
  if (line.startsWith("+")) return "added";
  if (line.startsWith("-")) return "removed";
  return "";
}

/**
 * A long text as blocks of lines. `raw` shows every byte as it is (escape sequences and carriage returns as symbols);
 * otherwise colours and overwriting are rendered as a terminal would.
 */
function renderText(text, { raw = false } = {}) {
  const fragment = document.createDocumentFragment();
  const diff = looksLikeDiff(text);
  const special = raw || diff || /[\x1b\r]/.test(text) || CONTROL.test(text);
  const lines = text.split("\n");
  let style = {},
    inDiff = false;
  for (let start = 0; start < lines.length; start += LINES_PER_BLOCK) {
    const part = lines.slice(start, start + LINES_PER_BLOCK);
    const last = start + LINES_PER_BLOCK >= lines.length;
    if (part.some((line) => line.length > LONGEST_PIECE)) {
      style = appendLongLines(fragment, part, style, raw, last);
      continue;
    }
    const block = element("div", "block");
    block.style.setProperty("--lines", part.length);
    if (!special) block.append(part.join("\n") + (last ? "" : "\n"));
    else
      part.forEach((line, i) => {
        const end = last && i === part.length - 1 ? "" : "\n";
        let target = block;
        if (diff) {
          inDiff = inDiff || /^(?:diff --git |--- |@@ |\*\*\* Begin)/.test(line);
          const name = inDiff ? diffClass(line) : "";
          if (name) {
            target = element("span", name);
            block.append(target);
          }
        }
        if (raw) appendVisible(target, line);
        else style = appendTerminalLine(target, line.endsWith("\r") ? line.slice(0, -1) : line, style);
        if (end) target.append(end);
      });
    fragment.append(block);
  }
  return fragment;
}

/** Lines too long for one block (minified code, base64): cut into pieces, each a block, so that layout stays cheap. */
function appendLongLines(fragment, lines, style, raw, last) {
  lines.forEach((line, i) => {
    for (let from = 0; from === 0 || from < line.length; from += LONGEST_PIECE) {
      const block = element("div", from ? "block continued" : "block");
      block.style.setProperty("--lines", Math.ceil(Math.min(LONGEST_PIECE, line.length - from) / 100) || 1);
      const piece = line.slice(from, from + LONGEST_PIECE);
      if (raw) appendVisible(block, piece);
      else style = appendTerminalLine(block, piece, style);
      if (from + LONGEST_PIECE >= line.length && !(last && i === lines.length - 1)) block.append("\n");
      fragment.append(block);
    }
  });
  return style;
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
