"use strict";

// What both pages of the reference share: the key, which is in this variable and nowhere else, and the document.

let apiKey = "";

const byId = (id) => document.getElementById(id);

function showKeyPanel(shown) {
  byId("key-panel").hidden = !shown;
  byId("key-toggle").setAttribute("aria-expanded", String(shown));
  if (shown) byId("key").focus();
}

function say(problem) {
  byId("problem").textContent = problem;
  byId("problem").hidden = !problem;
}

// Addresses are relative: the page may be behind a prefix that a proxy removes.
async function load(show) {
  const headers = apiKey ? { Authorization: `Bearer ${apiKey}` } : {};
  const response = await fetch("openapi.json", { headers, credentials: "same-origin", redirect: "error" });
  if (response.status === 401) {
    byId("key-why").textContent = `${apiKey ? "This key is not taken." : "This gateway wants an API key."} It is kept in ` +
      "the memory of this page alone: closing or reloading the page forgets it.";
    showKeyPanel(true);
    return;
  }
  if (!response.ok) throw new Error(`status ${response.status}`);
  const described = await response.json();
  described.servers = [{ url: new URL(".", location.href).href.replace(/\/$/, "") }];
  byId("key-toggle").textContent = apiKey ? "API key: set" : "API key";
  showKeyPanel(false);
  show(described);
}

function loadOrSay(show) {
  say("");
  load(show).catch((error) => say(`The document cannot be loaded: ${error.message}`));
}

function begin(show) {
  byId("key-toggle").addEventListener("click", () => showKeyPanel(byId("key-panel").hidden));
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    apiKey = byId("key").value.trim();
    byId("key").value = "";
    loadOrSay(show);
  });
  loadOrSay(show);
}
