// What a browser does by itself: says to the hub which button, form or key it was. What is shown comes from the hub.
"use strict";
(() => {
  const typing = (element) => element && (element.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(element.tagName));
  const say = (act, from, extra) => emitEvent("act", { act, ...from.dataset, ...extra });

  document.addEventListener("click", (event) => {
    const element = event.target.closest("[data-act]");
    if (!element || element.tagName === "FORM" || element.tagName === "SELECT") return;
    event.preventDefault();
    say(element.dataset.act, element);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-act]");
    if (!form) return;
    event.preventDefault();
    say(form.dataset.act, form, Object.fromEntries(new FormData(form)));
    if (typing(document.activeElement)) document.activeElement.blur();
  });
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-act][data-at-once]");
    if (form) say(form.dataset.act, form, Object.fromEntries(new FormData(form)));
  });
  document.addEventListener("keydown", (event) => {
    const keys = document.querySelector("[data-keys]");
    if (event.key === "Escape") {
      if (typing(document.activeElement)) document.activeElement.blur();
      document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
      if (keys) say("key", keys, { key: "Escape" });
      return;
    }
    if (!keys || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
    if (event.key === "?") {
      const help = document.querySelector("dialog.help");
      if (help) help.open ? help.close() : help.showModal();
    } else if (event.key === "/") {
      document.querySelector("[data-first-filter]")?.focus();
    } else if (keys.dataset.keys.split(" ").includes(event.key)) {
      if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
      say("key", keys, { key: event.key });
    } else {
      return;
    }
    event.preventDefault();
  });
})();

// Called by the hub: the chosen row is kept in sight, and the address tells the filters, so that it can be kept.
function dermedgeShow(selector) {
  document.querySelector(selector)?.scrollIntoView({ block: "nearest" });
}
function dermedgeFocus(selector) {
  document.querySelector(selector)?.focus();
}
function dermedgeAddress(address) {
  history.replaceState(null, "", address);
}
