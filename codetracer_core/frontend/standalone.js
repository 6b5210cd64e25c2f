// A run in one file: the step viewer without a server. What the pipes bring in the dashboard stands in the page itself;
// the copy is for reading, so nothing is labelled here.

const page = JSON.parse(document.getElementById("run").textContent);
const root = document.getElementById("viewer").attachShadow({ mode: "open" });
root.append(document.getElementById("parts").content.cloneNode(true));

const plain = (text) => text.replace(ESCAPE, "").toLowerCase();
const count = (text, needle) => (text ? plain(text.text).split(needle).length - 1 : 0);

function search(query) {
  const needle = query.toLowerCase();
  return Object.entries(page.steps)
    .map(([step, text]) => ({
      step: Number(step),
      count: count(text.thought, needle) + count(text.action, needle) + count(text.observation, needle),
    }))
    .filter((hit) => hit.count);
}

const answer = (channel, message) =>
  setTimeout(() => window.codetracerPipes[channel].receive?.({ channel, run: page.data.run, ...message }));
window.codetracerPipes = {
  text: {
    receive: null,
    last: null,
    send: ({ steps, request }) =>
      answer("text", { request, steps: Object.fromEntries(steps.map((step) => [step, page.steps[step]])) }),
  },
  find: { receive: null, last: null, send: ({ query }) => answer("find", { query, hits: search(query) }) },
  outbox: {
    receive: null,
    last: null,
    send: ({ annotator }) => answer("outbox", { annotator, ...page.said, adrift: page.adrift }),
  },
};

const viewer = createViewer(root);
viewer.receive(page.data);
