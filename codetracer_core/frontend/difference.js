// What differs between two texts: lines first, then words within lines that stand for each other. What a terminal would
// have shown at the end is compared, not colours or what carriage returns overwrote.

const LARGEST_TABLE = 4_000_000, // cells; of larger middles all lines count as different
  LONGEST_LINE = 4_000; // characters up to which the words of a line are compared

/** Pairs [i, j] of equal entries in the order of both: a longest common subsequence. */
function commonEntries(left, right) {
  let start = 0,
    end = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) start++;
  while (
    end < left.length - start &&
    end < right.length - start &&
    left[left.length - 1 - end] === right[right.length - 1 - end]
  )
    end++;
  const found = Array.from({ length: start }, (_, i) => [i, i]);
  const n = left.length - start - end,
    m = right.length - start - end;
  found.isTooLong = n * m > LARGEST_TABLE;
  if (n && m && !found.isTooLong) {
    const width = m + 1,
      longest = new Uint32Array((n + 1) * width);
    for (let i = n - 1; i >= 0; i--)
      for (let j = m - 1; j >= 0; j--)
        longest[i * width + j] =
          left[start + i] === right[start + j]
            ? longest[(i + 1) * width + j + 1] + 1
            : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    for (let i = 0, j = 0; i < n && j < m;) {
      if (left[start + i] === right[start + j]) found.push([start + i++, start + j++]);
      else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) i++;
      else j++;
    }
  }
  for (let k = end; k > 0; k--) found.push([left.length - k, right.length - k]);
  return found;
}

const shownLines = (text) => text.split("\n").map((line) => lastVersion(line, {}).line.replace(ESCAPE, ""));
const wordsOf = (line) => line.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];

/**
 * Two texts as lines: [{ text, differs, words }] each, where `words` (of a line that stands for one on the other side)
 * is [[text, differs]].
 */
function differingLines(leftText, rightText) {
  const sides = [shownLines(leftText), shownLines(rightText)];
  const lines = sides.map((side) => side.map((text) => ({ text, differs: true, words: null })));
  const common = commonEntries(...sides);
  let before = [-1, -1];
  for (const pair of [...common, sides.map((side) => side.length)]) {
    for (let i = before[0] + 1, j = before[1] + 1; i < pair[0] && j < pair[1]; i++, j++)
      compareWords(lines[0][i], lines[1][j]);
    before = pair;
  }
  for (const [i, j] of common) lines[0][i].differs = lines[1][j].differs = false;
  for (const side of lines) side.isTooLong = common.isTooLong;
  return lines;
}

function compareWords(left, right) {
  if (Math.max(left.text.length, right.text.length) > LONGEST_LINE) return;
  const words = [wordsOf(left.text), wordsOf(right.text)],
    common = commonEntries(...words);
  const told = common.reduce((sum, [i]) => sum + words[0][i].trim().length, 0);
  if (told * 3 < Math.min(left.text.trim().length, right.text.trim().length) || !told) return; // two lines, not two versions
  [left, right].forEach((line, side) => {
    const same = new Set(common.map((pair) => pair[side]));
    line.words = words[side].map((word, i) => [word, !same.has(i)]);
  });
}
