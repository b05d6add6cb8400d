// Keys, local times, dialogs and live parts of pages. Every page works without it.
"use strict";

const typing = (node) => node && (node.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(node.tagName));
const hub = {
  csrf: document.querySelector('meta[name="csrf"]')?.content ?? "",
  localTimes(root) {
    for (const node of root.querySelectorAll("time[datetime]:not([title])")) {
      const at = new Date(node.getAttribute("datetime"));
      if (Number.isNaN(at.getTime())) continue;
      node.title = node.textContent.trim() + " UTC";
      const day = at.toLocaleDateString(undefined, { day: "2-digit", month: "short" });
      node.textContent = day + " " + at.toLocaleTimeString(undefined, { hour12: false });
    }
  },
  // Replaces the parts of the page that are marked data-live with what the server says now; keeps focus and rows opened.
  async refresh() {
    if (document.hidden || document.querySelector("dialog[open]") || typing(document.activeElement)) return;
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, credentials: "same-origin" });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live][id]")) {
      const now = fresh.getElementById(part.id);
      if (!now || part.contains(document.activeElement) || part.querySelector("details[open]")) continue;
      part.replaceChildren(...now.childNodes);
      hub.localTimes(part);
    }
  },
  move(step) {
    const rows = [...document.querySelectorAll("table.rows tbody tr")].filter((row) => row.querySelector("a[href]"));
    if (!rows.length) return;
    const at = rows.findIndex((row) => row.classList.contains("at"));
    const next = Math.min(rows.length - 1, Math.max(0, at + step));
    rows.forEach((row, number) => row.classList.toggle("at", number === next));
    rows[next].querySelector("a[href]").focus();
    rows[next].scrollIntoView({ block: "nearest" });
  },
};
window.hub = hub;

let prefix = "";
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(document.activeElement)) return;
  const key = event.key;
  if (prefix === "g") {
    prefix = "";
    const target = document.querySelector(`a[data-hotkey="${CSS.escape(key)}"]`);
    if (target) { event.preventDefault(); location.href = target.href; }
    return;
  }
  if (key === "g") { prefix = "g"; setTimeout(() => { prefix = ""; }, 1200); return; }
  if (key === "?") { document.getElementById("keys")?.showModal(); event.preventDefault(); return; }
  if (key === "j" || key === "k") { hub.move(key === "j" ? 1 : -1); event.preventDefault(); return; }
  const field = document.querySelector(`[data-hotkey-focus="${CSS.escape(key)}"]`);
  if (field) { field.focus(); event.preventDefault(); }
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]");
  if (opener) document.getElementById(opener.dataset.open)?.showModal();
  const copier = event.target.closest("[data-copy]");
  if (copier) navigator.clipboard?.writeText(copier.dataset.copy);
  const all = event.target.closest("[data-check-all]");
  if (all) for (const box of document.querySelectorAll(`input[name="${CSS.escape(all.dataset.checkAll)}"]`)) box.checked = all.checked;
});

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
});

hub.localTimes(document);
const every = Number(document.querySelector("[data-refresh-seconds]")?.dataset.refreshSeconds ?? 0);
if (every > 0) setInterval(() => hub.refresh().catch(() => {}), every * 1000);
