// An invisible component that carries one channel between the step viewer and Python. Each channel is a Streamlit
// fragment of its own: a label that is acknowledged re-sends neither the outline nor any step text.
export default function ({ data, setStateValue }) {
  const pipes = (window.codetracerPipes ??= {});
  const pipe = (pipes[data.channel] ??= { receive: null, last: null, send: null });
  pipe.send = (value) => setStateValue("message", value);
  pipe.last = data;
  if (pipe.receive) pipe.receive(data);
  return () => {
    if (pipe.last === data) pipe.send = pipe.last = null; // a page that is left says nothing to the next one
  };
}
