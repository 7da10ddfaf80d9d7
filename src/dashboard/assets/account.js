// An operator looks at one account at a time, and each page keeps the one it shows: in its own address,
// so that asking for the page again brings the same account, and in those it leads to.

import { whenShown } from "./refresh.js";

const { account, operator } = document.body.dataset;
const keeps = operator !== undefined && account !== undefined;

// A path of ours, with the account that this page shows.
export function withAccount(path) {
  if (!keeps) return path;
  const address = new URL(path, location.href);
  if (!address.searchParams.has("account")) address.searchParams.set("account", account);
  return address.pathname + address.search + address.hash;
}

if (keeps) {
  const here = new URL(location.href);
  here.searchParams.set("account", account);
  history.replaceState(history.state, "", here);
  whenShown((root) => {
    for (const link of root.querySelectorAll('a[href^="/"]')) {
      link.setAttribute("href", withAccount(link.getAttribute("href")));
    }
    for (const form of root.querySelectorAll('form[method="get"]')) {
      if (form.elements.namedItem("account")) continue;
      const input = Object.assign(document.createElement("input"), { type: "hidden", name: "account", value: account });
      form.append(input);
    }
  });
}
