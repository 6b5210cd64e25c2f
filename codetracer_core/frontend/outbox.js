// Labels on their way to the store, and the little that is kept in the browser.

/** What is kept in the browser: small, and never needed for correctness except the outbox of labels. */
const kept = {
  read(name, fallback) {
    try {
      return JSON.parse(localStorage.getItem(`codetracer.${name}`)) ?? fallback;
    } catch {
      return fallback;
    }
  },
  write(name, value) {
    try {
      localStorage.setItem(`codetracer.${name}`, JSON.stringify(value));
    } catch {
      /* private mode: nothing is remembered */
    }
  },
  remove(name) {
    try {
      localStorage.removeItem(`codetracer.${name}`);
    } catch {
      /* as above */
    }
  },
  names(prefix) {
    try {
      return Object.keys(localStorage)
        .filter((name) => name.startsWith(`codetracer.${prefix}`))
        .map((name) => name.slice(11));
    } catch {
      return [];
    }
  },
};

const RESEND_AFTER = 5000; // ms without an acknowledgement after which everything waiting is sent again

function newClientId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Labels leave through the outbox: everything not yet acknowledged is sent again each time, and is kept in
// localStorage, so that neither a fast hand, a reload, a dropped connection nor a killed server loses one.

function createOutbox(changed) {
  const batches = new Map();
  let channel = "",
    client = "",
    sequence = 0,
    lastSent = 0,
    tries = 0,
    refused = [];
  const keptAs = (id) => `${channel}.${id}`;
  // After a login a person sends what is theirs; what somebody else left in this browser waits for them.
  const mine = () =>
    [...batches].filter(
      ([, ops]) => ops.length && (!outbox.namedByLogin || ops.every((op) => op.annotator === outbox.annotator)),
    );
  const waiting = () => mine().flatMap(([, ops]) => ops);
  const isLabel = (op) => op.field !== "worked"; // time on task comes and goes without a word
  const store = (id, ops) => {
    if (ops.length) kept.write(keptAs(id), ops);
    else kept.remove(keptAs(id));
  };
  const outbox = {
    get channel() {
      return channel;
    },
    /** The channel names the pipe and what waits in this browser: own labels never mix with adjudicated ones. */
    use(name) {
      channel = name;
      client = newClientId();
      sequence = 0;
      refused = [];
      batches.clear();
      for (const name of kept.names(keptAs(""))) batches.set(name.slice(keptAs("").length), kept.read(name, []));
      batches.set(client, []);
    },
    annotator: "",
    namedByLogin: false,
    run: "",
    get waiting() {
      return waiting().filter(isLabel).length;
    },
    get refused() {
      return refused;
    },
    add(ops) {
      for (const op of ops) batches.get(client).push({ sequence: ++sequence, ...op });
      store(client, batches.get(client));
      outbox.send();
    },
    send() {
      const pipe = window.codetracerPipes?.[channel];
      lastSent = performance.now();
      pipe?.send?.({
        run: outbox.run,
        annotator: outbox.annotator,
        attempt: ++tries,
        batches: mine().map(([id, ops]) => ({ client: id, ops })),
      });
      changed();
    },
    acknowledge(acknowledged, refusals) {
      for (const [id, upTo] of Object.entries(acknowledged || {})) {
        const ops = batches.get(id);
        if (!ops) continue;
        const left = (some) => some.filter((op) => op.sequence > upTo);
        batches.set(id, left(ops));
        // Another tab may have added to its own batch since it was read here: it is read anew, not written over.
        store(id, left(id === client ? ops : kept.read(keptAs(id), [])));
      }
      if (refusals?.length) refused = refusals;
      changed();
    },
    /** What this person has labelled in this run and the server has not acknowledged yet, in order. */
    pending() {
      const ours = (op) => op.run === outbox.run && op.annotator === outbox.annotator;
      return waiting().filter((op) => isLabel(op) && ours(op));
    },
    tick() {
      if (waiting().length && performance.now() - lastSent > RESEND_AFTER) outbox.send();
    },
  };
  outbox.use("outbox");
  return outbox;
}
