// What changes on a page stands in regions with `data-live` and an id. They are brought up to date by
// asking for the page again and taking over those regions that the server now writes differently: the
// server's templates are the only ones.

const written = new Map();
const listeners = [];
let asking = null;
let again = false;

function remember(root) {
  for (const region of root.querySelectorAll("[data-live][id]")) written.set(region.id, region.outerHTML);
}

// Calls `work` with every part of the page that is shown, now and after each change.
export function whenShown(work) {
  listeners.push(work);
  work(document);
}

remember(document);

// Gives whether the server was there.
export function refresh() {
  if (asking) {
    again = true;
    return asking;
  }
  asking = take().finally(() => {
    asking = null;
    if (again) {
      again = false;
      refresh();
    }
  });
  return asking;
}

async function take() {
  let answer;
  try {
    answer = await fetch(location.href, { cache: "no-store", credentials: "same-origin" });
  } catch {
    return false; // The next change or the next try brings it.
  }
  // Signed out, or the page is no longer for this user, or no longer there.
  if (answer.redirected || [401, 403, 404].includes(answer.status)) {
    location.reload();
    return true;
  }
  if (!answer.ok) return answer.status < 500;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (whose(page) !== whose(document)) {
    location.reload();
    return true;
  }
  for (const fresh of page.querySelectorAll("[data-live][id]")) {
    const region = document.getElementById(fresh.id);
    if (!region || written.get(fresh.id) === fresh.outerHTML) continue;
    written.set(fresh.id, fresh.outerHTML);
    const focused = region.contains(document.activeElement) ? document.activeElement.id : "";
    const opened = new Set(Array.from(region.querySelectorAll("details[open][id]"), (part) => part.id));
    const shown = document.importNode(fresh, true);
    for (const id of opened) shown.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
    region.replaceWith(shown);
    for (const work of listeners) work(shown);
    if (focused) document.getElementById(focused)?.focus();
  }
  return true;
}

// A page is filled with what belongs to its own account and its own user, and with nothing else.
function whose(page) {
  const { account, user } = page.body.dataset;
  return `${account} ${user}`;
}
