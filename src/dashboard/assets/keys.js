// A new key is shown once. It lives in one variable and in one panel of the dialog, and when the dialog
// closes, or the page is left, both are gone; nothing else of this page ever holds it.

import { ask, clearProblem, once, say, showProblem, values } from "./app.js";
import { copy } from "./copy.js";
import { refresh } from "./refresh.js";

const dialog = document.getElementById("new-key");

if (dialog) {
  const form = dialog.querySelector("form");
  const panel = dialog.querySelector("[data-key-panel]");
  const template = document.getElementById("made-key");
  let key = null;
  let copied = false;

  function show() {
    const made = template.content.cloneNode(true);
    const url = dialog.dataset.voice + key;
    for (const place of made.querySelectorAll("[data-key-part]")) {
      if (place.dataset.keyPart === "key") place.textContent = key;
      else place.textContent = place.textContent.replaceAll("{url}", url);
    }
    panel.replaceChildren(made);
    form.hidden = true;
    copied = false;
    panel.querySelector("h2").focus();
  }

  function forget() {
    if (key === null) return;
    key = null;
    // A selection would outlive the text it was made in.
    getSelection()?.removeAllRanges();
    panel.replaceChildren();
    form.hidden = false;
    form.reset();
    refresh();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    once(form, async () => {
      const answer = await ask("POST", "/api/keys", values(form));
      if (!answer.ok) return showProblem(form, answer.problem);
      clearProblem(form);
      key = answer.value.key;
      show();
    });
  });

  panel.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copies]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copies);
    if (await copy(source)) {
      copied = true;
      const label = button.textContent;
      button.textContent = "Copied";
      say("Copied.");
      setTimeout(() => (button.textContent = label), 2000);
    } else {
      say("Copying is not allowed here. The text is selected: copy it with the keyboard.");
    }
  });

  // Escape would lose a key that nobody has yet; it is asked for twice.
  dialog.addEventListener("cancel", (event) => {
    if (key === null || copied) return;
    event.preventDefault();
    copied = true;
    const warning = panel.querySelector("[data-key-warning]");
    warning.textContent = "This key cannot be shown again. Copy it, or press Close to discard it.";
  });
  dialog.addEventListener("close", forget);
  addEventListener("pagehide", forget);
  addEventListener("beforeunload", (event) => {
    if (key !== null && !copied) event.preventDefault();
  });
}

// -- revoking asks first, with the number of calls as it is now --

const revoke = document.getElementById("revoke-key");

if (revoke) {
  const form = revoke.querySelector("form");
  const calls = revoke.querySelector("[data-live-calls]");
  const ending = revoke.querySelector("[data-ending]");
  let id = null;

  revoke.addEventListener("opened", async (event) => {
    id = event.detail.dataset.key;
    calls.textContent = "";
    ending.hidden = true;
    const answer = await ask("GET", `/api/keys/${encodeURIComponent(id)}`);
    if (!answer.ok) return showProblem(form, answer.problem);
    const live = answer.value.live_calls;
    ending.hidden = live === 0;
    calls.textContent =
      live === 0
        ? "No live calls on this key."
        : `${live === 1 ? "1 live call" : `${live} live calls`} on this key will continue.`;
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    once(form, async () => {
      const answer = await ask("POST", `/api/keys/${encodeURIComponent(id)}/revoke`, values(form));
      if (!answer.ok) return showProblem(form, answer.problem);
      revoke.close();
      say("Revoked.");
      await refresh();
    });
  });
}
