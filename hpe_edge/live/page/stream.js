// Connection to the program: messages in, acknowledgements out, and a new attempt when it is lost.

import { element, setText } from "./dom.js";

const RETRY_MS = [500, 1000, 2000, 4000];
const SILENCE_MS = 3000;

let failures = 0;
let retry;

// read: decodes a message; show: draws it; rates: cleared where there is nothing to measure
export function connect(read, show, rates) {
  clearTimeout(retry);
  const address = new URL("stream", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  let drawn = Promise.resolve();
  let silence;

  const setState = (state, text) => {
    element("state").dataset.state = state;
    if (state !== "live") rates.forget();
    setText(element("state"), text);
  };
  const listen = () => {
    clearTimeout(silence);
    silence = setTimeout(() => setState("waiting", "Connected; no new picture"), SILENCE_MS);
  };
  socket.onopen = () => {
    failures = 0;
    rates.clear();
    setState("waiting", "Connected; no picture yet");
  };
  socket.onmessage = ({ data }) => {
    drawn = drawn.then(async () => {
      const message = await read(data);
      // Not called while the page is hidden: nothing is acknowledged then, and nothing encoded.
      await new Promise((done) => requestAnimationFrame(done));
      show(message);
      if (socket.readyState !== WebSocket.OPEN) return;
      setState("live", "Live");
      listen();
      socket.send("shown");
    });
    drawn.catch((error) => {
      setState("lost", `This page cannot show what it got: ${error.message}; reload it`);
      console.error(error);
    });
  };
  socket.onclose = ({ reason }) => {
    clearTimeout(silence);
    const wait = RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)];
    setState("lost", `${reason ? `Disconnected: ${reason}` : "No connection"}; trying again`);
    retry = setTimeout(() => connect(read, show, rates), wait);
  };
}
