"use strict";

// The key: in this variable and nowhere else, so that it is gone with the page and no other page can read it.

let apiKey = "";
const keyChanged = new EventTarget();

// The page is at "/" and at "/ui", perhaps behind a prefix that a proxy removes: addresses are relative to it.
function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  if (apiKey) headers.set("Authorization", `Bearer ${apiKey}`);
  return fetch(path, { ...options, headers, credentials: "same-origin", redirect: "error", cache: "no-store" });
}

// Every error of the gateway is {"error": "..."} in Ollama's dialect.
async function problemOf(response) {
  try {
    const said = JSON.parse(await response.text());
    return typeof said.error === "string" ? said.error : `status ${response.status}`;
  } catch {
    return `status ${response.status}`;
  }
}

function showKeyPanel(shown) {
  byId("key-panel").hidden = !shown;
  byId("key-toggle").setAttribute("aria-expanded", String(shown));
}

function askForKey() {
  const refused = apiKey !== "";
  write(byId("key-why"), `${refused ? "This key is not taken." : "This gateway wants an API key."} It is kept in the ` +
    "memory of this page alone: closing or reloading the page forgets it.");
  const wasHidden = byId("key-panel").hidden;
  showKeyPanel(true);
  // Nobody is pulled away from what is being typed elsewhere.
  if (wasHidden && (document.activeElement === null || document.activeElement === document.body)) byId("key").focus();
}

function useKey(key) {
  apiKey = key;
  byId("key").value = "";
  write(byId("key-toggle"), key ? "API key: set" : "API key");
  keyChanged.dispatchEvent(new Event("change"));
}

byId("key-toggle").addEventListener("click", () => {
  showKeyPanel(byId("key-panel").hidden);
  if (!byId("key-panel").hidden) byId("key").focus();
});
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = byId("key").value.trim();
  if (!/^[\x21-\x7e]+$/.test(key)) {
    write(byId("key-why"), "A key has no spaces, and only plain letters, digits and signs.");
    return;
  }
  showKeyPanel(false);
  byId("key-toggle").focus();
  useKey(key);
});
byId("key-forget").addEventListener("click", () => useKey(""));
