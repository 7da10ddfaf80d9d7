// Copies texts: what an element shows, or what a button with data-copies-text names.

// The clipboard needs a secure page; elsewhere a selected text can still be copied.
export async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(source);
    return document.execCommand("copy");
  }
}

async function copyText(text) {
  const place = document.createElement("span");
  place.className = "visually-hidden";
  place.textContent = text;
  document.body.append(place);
  try {
    return await copy(place);
  } finally {
    place.remove();
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-copies-text]") : null;
  if (!button) return;
  const done = await copyText(button.dataset.copiesText);
  const said = document.getElementById("said");
  if (said) said.textContent = done ? "Copied." : "Copying is not allowed here.";
  if (!done) return;
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 2000);
});
