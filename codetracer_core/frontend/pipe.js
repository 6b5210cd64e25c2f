// An invisible component that carries one channel between the step viewer and Python. Each channel is a Streamlit
// fragment of its own: a label that is acknowledged re-sends neither the outline nor any step text.

const LOOK_AGAIN = 100; // ms, while the page may be being left

export default function ({ data, setStateValue }) {
  const pipes = (window.codetracerPipes ??= {});
  const pipe = (pipes[data.channel] ??= { receive: null, last: null, send: null });
  pipe.send = (value) => {
    clearTimeout(pipe.held); // as on its way to the server: a later message takes the place of the one before
    if (leaving.isUnderWay) pipe.held = setTimeout(() => pipe.send?.(value), LOOK_AGAIN);
    else setStateValue("message", value);
  };
  pipe.last = data;
  if (pipe.receive) pipe.receive(data);
  return () => {
    if (pipe.last !== data) return;
    clearTimeout(pipe.held);
    pipe.send = pipe.last = null; // a page that is left says nothing to the next one
  };
}
