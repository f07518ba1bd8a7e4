// Keeps a desk page true: whatever changes in the house makes the marked parts ask for themselves again.
"use strict";
(() => {
  const root = document.body;
  if (!root.hasAttribute("data-live")) return;
  const EVERY_MS = 500;
  const cut = document.getElementById("cut");
  let timer = null, source = null;

  const changed = () => {
    if (timer !== null) return;
    timer = setTimeout(() => {
      timer = null;
      root.dispatchEvent(new CustomEvent("news"));
    }, EVERY_MS);
  };
  const connect = () => {
    source = new EventSource("/v1/events");
    source.addEventListener("change", changed);
    source.onopen = () => {
      // What happened between the page's making and this moment, or while the line was cut, came to nobody.
      changed();
      cut.hidden = true;
    };
    source.onerror = () => {
      cut.hidden = false;
      // An answer that is no stream ends the browser's own attempts.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
    };
  };
  connect();
  addEventListener("pagehide", () => source.close());

  // Only what came after the page was there is news. A swap takes away attributes that the server did not send.
  const items = () => [...document.querySelectorAll(".feed [data-id]")];
  const seen = new Set(items().map((item) => item.dataset.id));
  document.addEventListener("htmx:after:swap", () => {
    for (const item of items().filter((one) => !seen.has(one.dataset.id))) {
      seen.add(item.dataset.id);
      item.setAttribute("data-new", "");
    }
    for (const talk of document.querySelectorAll(".talk")) talk.scrollTop = talk.scrollHeight;
  });
  for (const talk of document.querySelectorAll(".talk")) talk.scrollTop = talk.scrollHeight;
})();
