// Offers notifications of this browser where it can show them, and hands its subscription to us on a tap.
"use strict";
(() => {
  const root = document.body;
  const key = root.dataset.pushKey;
  if (!key || !("serviceWorker" in navigator) || !("PushManager" in window)) return;
  if (Notification.permission !== "denied") root.dataset.canPush = "";

  const subscribe = async (button) => {
    button.disabled = true;
    try {
      const worker = await navigator.serviceWorker.register("/push-worker.js");
      await navigator.serviceWorker.ready;
      const subscription = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
      const answer = await fetch(button.dataset.pushTo, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(subscription),
      });
      if (!answer.ok) throw new Error(String(answer.status));
      root.dataset.pushOn = "";
    } catch (problem) {
      // Refused by the person, or no push service in reach: the offer stays, nothing else changes.
      console.info("no notifications:", problem.message);
      button.disabled = false;
    }
  };
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-push-to]");
    if (button) subscribe(button);
  });
})();
